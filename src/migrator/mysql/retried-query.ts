import { setTimeout as sleep } from 'node:timers/promises';
import { databaseError, isDeadlock } from '../errors/database-error.ts';

const MOST_TRIES = 5;

/**
 * Repeats a query that a node of Galera has ended in favour of a change that another node has sent,
 * error 1213: it has changed nothing, and the same succeeds once that change is there.
 */
export async function retriedQuery<T>(query: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await query();
    } catch (error) {
      if (tries === MOST_TRIES || !isDeadlock(databaseError(error))) {
        throw error;
      }
    }
    await sleep(50 * tries * (1 + Math.random()));
  }
}

/** Whether a statement only reads. */
export function onlyReads(sql: string): boolean {
  return /^\s*(SELECT|SHOW)\b/i.test(sql);
}
