import { Failure } from '../../migrator/errors/failure.ts';

/** What `work` gives; a failure of it as an outcome, as far as nothing is known of the database. */
export async function outcomeOf<T>(
  work: () => Promise<T>,
): Promise<T | { readonly applied: readonly []; readonly error: Failure }> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof Failure) {
      return { applied: [], error };
    }
    throw error;
  }
}

/** Runs what SIGTERM and SIGINT stop: its signal is aborted by the first of them. */
export async function stoppable<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const stop = new AbortController();
  const onSignal = (): void => stop.abort();
  // Once only: a second signal ends the process in the usual way.
  process.once('SIGTERM', onSignal).once('SIGINT', onSignal);
  try {
    return await work(stop.signal);
  } finally {
    process.removeListener('SIGTERM', onSignal).removeListener('SIGINT', onSignal);
  }
}
