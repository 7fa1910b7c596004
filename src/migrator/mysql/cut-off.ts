import { databaseError } from '../errors/database-error.ts';
import { Failure } from '../errors/failure.ts';

/** What a node of Galera says to everything while it is not part of a primary component. */
const NOT_READY = 1047;

/**
 * What a read ends with that has waited in vain for its node to catch up; no other read of ours
 * waits for anything.
 */
const BEHIND = 1205;

/**
 * Says it in one sentence where a Galera node serves nothing.
 *
 * @throws Failure `DatabaseUnreachable`
 */
export function throwIfCutOff(error: unknown, address: string): void {
  const { number } = databaseError(error);
  if (number === NOT_READY || number === BEHIND) {
    const why = number === NOT_READY ? 'and serves nothing' : 'or does not catch up with it';
    throw new Failure(
      'DatabaseUnreachable',
      `Cannot use ${address}: the Galera node has lost its cluster ${why}. Name another node, or repair the cluster.`,
      { cause: error },
    );
  }
}
