import { setTimeout as sleep } from 'node:timers/promises';

/** Waits so many milliseconds, or until `signal` is aborted, which is no error here. */
export async function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  await sleep(milliseconds, undefined, { signal }).catch(() => undefined);
}
