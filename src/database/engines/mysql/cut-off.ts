import { databaseError } from '../../database-error.ts';
import { Failure } from '../../failure.ts';

/** What a node of Galera says to everything while it is not part of a primary component. */
const NOT_READY = 1047;

/**
 * Says it in one sentence where a Galera node serves nothing.
 *
 * @throws Failure `DatabaseUnreachable`
 */
export function throwIfCutOff(error: unknown, place: string): void {
  if (databaseError(error).number === NOT_READY) {
    throw new Failure(
      'DatabaseUnreachable',
      `Cannot use ${place}: the Galera node has lost its cluster and serves nothing, do name another node or mend the cluster`,
      { cause: error },
    );
  }
}
