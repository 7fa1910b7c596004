import { Failure } from './failure.ts';

/**
 * Waits for a look, but no longer than until the run is to be stopped: a server may keep a look for
 * as long as others have its table.
 *
 * @throws Failure `Interrupted`
 */
export async function unlessStopped<T>(
  signal: AbortSignal,
  address: string,
  reading: Promise<T>,
): Promise<T> {
  let stop = (): void => undefined;
  const stopped = new Promise<never>((_resolve, reject) => {
    stop = () => reject(new Failure('Interrupted', `Stopped while reading ${address}: nothing was changed`));
  });
  signal.addEventListener('abort', stop);
  if (signal.aborted) {
    stop();
  }
  try {
    return await Promise.race([reading, stopped]);
  } finally {
    signal.removeEventListener('abort', stop);
  }
}
