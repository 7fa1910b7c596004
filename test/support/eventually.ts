import { setTimeout as sleep } from 'node:timers/promises';

export interface EventuallyOptions {
  readonly timeoutMilliseconds?: number;
  readonly everyMilliseconds?: number;
}

/**
 * Tries `attempt` until it does not throw, and returns what it returned. When the time is up the last error is thrown as
 * it was, so that the test shows the assertion that did not come true and not merely that something took too long.
 */
export async function eventually<T>(
  attempt: () => T | Promise<T>,
  options: EventuallyOptions = {},
): Promise<T> {
  const deadline = Date.now() + (options.timeoutMilliseconds ?? 20_000);
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      if (Date.now() >= deadline) throw error;
      await sleep(options.everyMilliseconds ?? 50);
    }
  }
}
