import { describeDifference } from '../glance/compare.ts';
import { planScripts } from '../glance/goal.ts';
import { appliedScripts, unknownHeads } from '../glance/heads.ts';
import { formatPosition, type Position } from '../glance/position.ts';
import type { ConnectionTarget } from './connection/target.ts';
import { Failure } from './errors/failure.ts';
import { detectIn, lookAtDatabase } from './read-database.ts';
import { findDifferences } from './verify.ts';

/** How the schema of a database differs from that of a revision. */
export interface DatabaseDiff {
  /** `host:port/database`. */
  readonly database: string;
  readonly engine: 'postgres' | 'mysql';
  /** The revision whose schema it was compared with, `ocata01` or `ocata01 (Expand)`. */
  readonly revision: string;
  readonly differences: readonly {
    readonly what: string;
    /** The statements that make it go away, without a look at the rows. */
    readonly sql: readonly string[];
    /**
     * What the statements may do to the rows, such as to cut a value; absent where they do nothing.
     */
    readonly caution?: string;
  }[];
}

/**
 * Compares a database with the schema of a revision, by reading alone.
 *
 * @param target the revision; absent means the one that the database says it is at, even where that
 *   cannot be believed.
 */
export function diffDatabase(
  connectionTarget: ConnectionTarget,
  target: Position | undefined,
): Promise<{ readonly diff?: DatabaseDiff; readonly error?: Failure }> {
  return lookAtDatabase(connectionTarget, async ({ state, facts }) => {
    const detected = detectIn(facts);
    const { address, alembic: heads = [] } = facts;
    const position = detected.kind === 'empty' ? undefined : detected.position;
    const applied =
      target !== undefined
        ? new Set(planScripts(new Set(), { kind: 'position', target }))
        : detected.kind === 'at'
          ? detected.applied
          : unknownHeads(heads).length === 0
            ? appliedScripts(heads)
            : new Set<string>();
    if (applied.size === 0) {
      return {
        error: new Failure(
          detected.kind === 'refused' ? detected.reason : 'DatabaseNotGlance',
          `Cannot tell which revision ${address} is at: ${detected.kind === 'refused' ? detected.message : 'the database is empty'}. Name the revision to compare it with, as in 'glance-schema db diff ocata01'`,
        ),
      };
    }
    const differences = await findDifferences(state, applied);
    const revision = target ?? position;
    return {
      diff: {
        database: address,
        engine: state.engine,
        revision: revision === undefined ? heads.join(', ') : formatPosition(revision),
        differences: differences.map((each) => ({
          what: describeDifference(each),
          sql: state.mend(each),
          ...('caution' in each && each.caution !== undefined ? { caution: each.caution } : {}),
        })),
      },
    };
  });
}
