import { setTimeout as sleep } from 'node:timers/promises';

/**
 * How long the last reading of a run that has failed, or was stopped, may take, in milliseconds: others
 * may have the table for hours, and whoever has stopped it kills it soon.
 */
const LONGEST = 5_000;

/** What a last reading finds; undefined where it finds nothing in time. */
export async function lastReading<T>(reading: Promise<T>): Promise<T | undefined> {
  const found = new AbortController();
  const late = sleep(LONGEST, undefined, { signal: found.signal }).catch(() => undefined);
  try {
    return await Promise.race([reading, late]);
  } catch {
    return undefined;
  } finally {
    found.abort();
  }
}
