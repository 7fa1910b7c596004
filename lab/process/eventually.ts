import { setTimeout as sleep } from 'node:timers/promises';

/** How long a condition is waited for and how often it is checked, in milliseconds. */
export interface EventuallyOptions {
  /** How long it takes at the most on an idle machine; a busy one is given five times as long. */
  readonly timeoutMilliseconds?: number;
  /** Absent: at first often, then less often, so that those who wait leave the machine to others. */
  readonly everyMilliseconds?: number;
}

/** Only a test that fails waits this long. */
const BUSY_MACHINE = 5;

/**
 * Tries `attempt` until it does not throw, and returns what it returned. When the time is up the
 * last error is thrown as it was, so that the test shows the assertion that did not come true and
 * not merely that something took too long.
 */
export async function eventually<T>(
  attempt: () => T | Promise<T>,
  options: EventuallyOptions = {},
): Promise<T> {
  const began = Date.now();
  const deadline = began + BUSY_MACHINE * (options.timeoutMilliseconds ?? 20_000);
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      if (Date.now() >= deadline) throw error;
      await sleep(options.everyMilliseconds ?? Math.min(Math.max((Date.now() - began) / 20, 20), 150));
    }
  }
}
