import { MIGRATIONS } from '../../migrations/registry.ts';
import { canRepair, compareSchema, type Difference, describeDifference } from '../glance/compare.ts';
import { expectedTables } from '../glance/expected-schema.ts';
import { formatPosition, type Position } from '../glance/position.ts';
import type { Step } from '../glance/steps.ts';
import type { DatabaseState, Writer, WriterOptions } from './engine/engine.ts';
import { databaseError, describeDatabaseError, isLockTimeout, isRetryable } from './errors/database-error.ts';
import { Failure } from './errors/failure.ts';
import type { Outcome } from './outcome.ts';
import type { Answered } from './unless-silent.ts';

/**
 * Compares the catalog of a database with the schema that these scripts leave. Never changes
 * anything.
 *
 * @throws Failure `DatabaseUnreachable`
 */
export async function findDifferences(
  state: DatabaseState,
  applied: ReadonlySet<string>,
): Promise<readonly Difference[]> {
  if (applied.size === 0) {
    return [];
  }
  const expected = expectedTables(
    MIGRATIONS.filter(({ scripts }) => scripts.every((script) => applied.has(script))),
  );
  return compareSchema(expected, await state.readTables([...expected.keys()]), state.engine);
}

/** What a run reports of the schema in the end. */
type Verdict = Pick<Outcome, 'repaired' | 'differences' | 'error'>;

/**
 * Compares the schema with that of what was reached, completes what can be, and reports the rest. The lock is
 * held.
 *
 * @throws Failure as `repairSchema`
 */
export async function verifySchema(
  state: DatabaseState,
  reached: { readonly applied: ReadonlySet<string>; readonly online: boolean },
  { to, heads = [] }: Outcome,
  options: Omit<WriterOptions, 'online'> & { readonly soon: Answered },
  address: string,
): Promise<Verdict> {
  const find = (): Promise<readonly Difference[]> => options.soon(findDifferences(state, reached.applied));
  const before = await find();
  const due = repairable(before, reached.online);
  if (due.length === 0) {
    return describeDifferences(before, address, to);
  }
  await repairSchema(state, due, { ...options, heads }, address);
  const after = await find();
  const left = new Set(after.map(describeDifference));
  const repaired = before.map(describeDifference).filter((what) => !left.has(what));
  return { ...(repaired.length === 0 ? {} : { repaired }), ...describeDifferences(after, address, to) };
}

/** So many are named in a message; the report has more, and `db diff` all. */
const MOST_DIFFERENCES = 5;

/** Differences as an outcome has them: in words, and as the failure that they are. */
export function describeDifferences(
  differences: readonly Difference[],
  address: string,
  to: Position | undefined,
): Pick<Outcome, 'differences' | 'error'> {
  if (differences.length === 0) {
    return {};
  }
  const names = differences.map(describeDifference);
  const more = names.length > MOST_DIFFERENCES ? `; and ${names.length - MOST_DIFFERENCES} more` : '';
  const at = to === undefined ? 'its revision' : `'${formatPosition(to)}'`;
  return {
    differences: names,
    error: new Failure(
      'SchemaDiffers',
      `${address} is at ${at}, but its schema is not what that revision has: ${names.slice(0, MOST_DIFFERENCES).join('; ')}${more}. Run 'glance-schema db diff' for all of it and for the SQL that fixes it`,
    ),
  };
}

/** What `repairSchema` completes of these, in its order. */
export function repairable(differences: readonly Difference[], online: boolean): readonly Difference[] {
  return (
    differences
      .filter(canRepair)
      // A key is added by a copy of the table on some servers, which nobody can write to meanwhile.
      .filter(({ what }) => what === 'index' || !online)
      // A foreign key needs the key that it refers to.
      .sort((one, other) => Number(one.what === 'foreign key') - Number(other.what === 'foreign key'))
  );
}

/** What a repair has to know, apart from what is due. */
export interface RepairOptions extends Omit<WriterOptions, 'online'> {
  /** The rows of `alembic_version` that the comparison was made for. */
  readonly heads: readonly string[];
}

/**
 * Completes what can be completed without reading any row. The caller holds the lock, and checks
 * again: what rows stand in the way of is as it was.
 *
 * @param due of `repairable`, in its order
 * @throws Failure `DatabaseUnreachable`, `LockTimeout`, `Interrupted`: the same may succeed later;
 *   `MigrationFailed` where another tool has changed `alembic_version` meanwhile
 */
async function repairSchema(
  state: DatabaseState,
  due: readonly Difference[],
  options: RepairOptions,
  address: string,
): Promise<void> {
  // Indexes are built and dropped while others write, whatever else the run does.
  const writer = await state.openWriter({ ...options, online: true });
  const cancel = (): void => writer.cancel();
  options.signal.addEventListener('abort', cancel);
  try {
    for (const difference of due) {
      await repair(difference, state, writer, options.heads).catch(async (error: unknown) => {
        await writer.rollback();
        throwIfPassing(error, options, `${describeDifference(difference)} on ${address}`);
      });
    }
  } finally {
    options.signal.removeEventListener('abort', cancel);
    await writer.close();
  }
}

async function repair(
  difference: Difference,
  state: DatabaseState,
  writer: Writer,
  heads: readonly string[],
): Promise<void> {
  // As before each script: the lock may be lost, that of a cluster too, and another tool may be at
  // work.
  await writer.begin(heads);
  await writer.rollback();
  if (difference.what !== 'index' || !state.transactional) {
    for (const sql of state.repairStatements(difference)) await writer.changeAndCommit(sql);
    return;
  }
  const { table, index, found } = difference;
  const steps: readonly Step[] = [
    ...(found === undefined ? [] : [{ do: 'drop index', table, index: index.name } as const]),
    { do: 'create index', table, index },
  ];
  await writer.prepare(steps, { started: () => undefined });
}

/**
 * Any other error is a fact of the database, such as rows that a key does not allow; the difference
 * stays, and is reported.
 */
function throwIfPassing(
  error: unknown,
  { signal, lockTimeoutSeconds }: Omit<WriterOptions, 'online'>,
  what: string,
): void {
  const cause = databaseError(error);
  if (signal.aborted) {
    throw new Failure('Interrupted', `Stopped as asked while the schema was completed: ${what}`, {
      cause: error,
    });
  }
  if (error instanceof Failure) {
    throw error;
  }
  if (isLockTimeout(cause)) {
    throw new Failure(
      'LockTimeout',
      `Cannot complete the schema: ${what}; another session had the table for ${lockTimeoutSeconds} s. Run the same again`,
      { cause: error },
    );
  }
  if (isRetryable(cause)) {
    throw new Failure(
      'DatabaseUnreachable',
      `Cannot complete the schema: ${what}; ${describeDatabaseError(cause)}. Run the same again`,
      { cause: error },
    );
  }
}
