import { type Difference, describeDifference } from '../glance/compare.ts';
import { planScripts } from '../glance/goal.ts';
import { formatPosition, type Position } from '../glance/position.ts';
import type { ConnectionTarget } from './connection/target.ts';
import { findDrift, recordedScripts } from './drift.ts';
import { Failure } from './errors/failure.ts';
import { detectIn, withDatabaseReading } from './read-database.ts';
import { findDifferences } from './verify.ts';

/** How the schema of a database differs from that of a revision. */
export interface DatabaseDiff {
  /** `host:port/database`. */
  readonly database: string;
  readonly engine: 'postgres' | 'mysql';
  /** The revision whose schema it was compared with, `ocata01` or `ocata01 (Expand)`. */
  readonly revision: string;
  /** What is there in addition, and not wrong: tables and indexes; absent where nobody asked for drift. */
  readonly also?: readonly string[];
  readonly differences: readonly {
    readonly what: string;
    /** The statements that make it go away, without reading the rows. */
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
 * @param exclude patterns of names whose drift does not count; absent means that drift is not asked
 *   for
 */
export function diffDatabase(
  connectionTarget: ConnectionTarget,
  target: Position | undefined,
  exclude?: readonly string[],
): Promise<{ readonly diff?: DatabaseDiff; readonly error?: Failure }> {
  return withDatabaseReading(connectionTarget, async ({ state, facts }) => {
    const detected = detectIn(facts);
    const { address, alembic: heads = [] } = facts;
    const position = detected.kind === 'empty' ? undefined : detected.position;
    const applied =
      target !== undefined
        ? new Set(planScripts(new Set(), { kind: 'position', target }))
        : recordedScripts(detected, facts);
    if (applied.size === 0) {
      return {
        error: new Failure(
          detected.kind === 'refused' ? detected.reason : 'DatabaseNotGlance',
          `Cannot tell which revision ${address} is at: ${detected.kind === 'refused' ? detected.message : 'the database is empty.'} Name the revision to compare it with, as in 'glance-schema db diff ocata01'`,
        ),
      };
    }
    const {
      differences,
      ...also
    }: { readonly differences: readonly Difference[]; readonly also?: readonly string[] } =
      exclude === undefined
        ? { differences: await findDifferences(state, applied) }
        : await findDrift(state, applied, exclude);
    const revision = target ?? position;
    return {
      diff: {
        database: address,
        engine: state.engine,
        revision: revision === undefined ? heads.join(', ') : formatPosition(revision),
        ...also,
        differences: differences.map((each) => ({
          what: describeDifference(each),
          sql: state.repairStatements(each),
          ...('caution' in each && each.caution !== undefined ? { caution: each.caution } : {}),
        })),
      },
    };
  });
}
