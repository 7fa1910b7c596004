import { setTimeout as sleep } from 'node:timers/promises';
import { connect } from './connect.ts';
import type { ConnectionTarget } from './connection/target.ts';
import type { Connection } from './engine/engine.ts';
import { databaseError, isConnectionLoss } from './errors/database-error.ts';
import { Failure } from './errors/failure.ts';

/** Waits for what a server was asked; see `unlessSilent`. */
export type Answered = <T>(asked: Promise<T>) => Promise<T>;

/**
 * Waits for answers for as long as the server lets others in: a query may have to wait for a table,
 * and nobody knows for how long. A server, or a network, that has gone silent says nothing of it;
 * whether it has is asked by another connection, each time that no answer has come for as long as a
 * connection may take.
 *
 * @param silent lets go of what waits, before this throws
 * @throws Failure `DatabaseUnreachable`
 */
export function unlessSilent(
  target: ConnectionTarget,
  { address }: Pick<Connection, 'address'>,
  silent = (): void => undefined,
): Answered {
  const seconds = target.connectTimeoutSeconds;
  return async (asked) => {
    const answer = asked.then((value) => ({ value }));
    for (;;) {
      const timer = new AbortController();
      const silence = sleep(seconds * 1000, undefined, { signal: timer.signal }).catch(() => undefined);
      const first = await Promise.race([answer, silence]).finally(() => timer.abort());
      if (first !== undefined) {
        return first.value;
      }
      if (await isSilent(target, address)) {
        silent();
        throw new Failure(
          'DatabaseUnreachable',
          `Lost the connection to ${address}: there was no answer within ${seconds} s to what was asked, and another connection got none. Check the server and the network, and run the same again.`,
        );
      }
    }
  };
}

/** Whoever is refused has been answered. */
async function isSilent(target: ConnectionTarget, address: string): Promise<boolean> {
  try {
    const other = await connect(target);
    await other.close();
    return other.address !== address;
  } catch (error) {
    return isConnectionLoss(databaseError(error));
  }
}
