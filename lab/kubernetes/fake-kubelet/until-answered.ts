import { setTimeout as sleep } from 'node:timers/promises';

/** Whether the API server has taken or refused it; 'too busy' and 'out of order' are no answers. */
export function isAnswer({ status }: { readonly status: number }): boolean {
  return status < 500 && status !== 429;
}

/**
 * Asks the API server until it has answered.
 *
 * @param goesOn whether the answer is still wanted
 * @returns null once it is not
 */
export async function untilAnswered<T extends { readonly status: number }>(
  call: () => Promise<T>,
  goesOn: () => boolean,
): Promise<T | null> {
  for (let pause = 100; goesOn(); pause = Math.min(pause * 2, 1_000)) {
    try {
      const answer = await call();
      if (isAnswer(answer)) return answer;
    } catch {
      // The connection broke.
    }
    await sleep(pause);
  }
  return null;
}
