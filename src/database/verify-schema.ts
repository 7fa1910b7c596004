import { MIGRATIONS } from '../../migrations/registry.ts';
import { canRepair, compareSchema, type Difference, describeDifference } from './compare-schema.ts';
import type { DatabaseState, Writer, WriterOptions } from './engines/engine.ts';
import { expectedTables } from './expected-schema.ts';
import { Failure } from './failure.ts';

/**
 * Compares the catalog of a database with the schema that these scripts leave. Never changes anything.
 *
 * @throws Failure `DatabaseUnreachable`
 */
export async function findDifferences(
  state: DatabaseState,
  applied: ReadonlySet<string>,
): Promise<readonly Difference[]> {
  const expected = expectedTables(
    MIGRATIONS.filter(({ scripts }) => scripts.every((script) => applied.has(script))),
  );
  return compareSchema(expected, await state.readTables([...expected.keys()]), state.engine);
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

/**
 * Completes what can be completed without a look at any row: missing indexes, and with Glance stopped missing keys. The
 * caller holds the lock.
 *
 * @returns what was completed, in words. What could not be, as rows stand in the way, is as it was: look again.
 * @throws Failure `DatabaseUnreachable`, `Interrupted`
 */
export async function repairSchema(
  state: DatabaseState,
  differences: readonly Difference[],
  options: WriterOptions,
): Promise<readonly string[]> {
  const due = repairable(differences, options.online);
  if (due.length === 0) {
    return [];
  }
  const repaired: string[] = [];
  // Indexes are built while others write, whatever else the run does.
  const writer = await state.openWriter({ ...options, online: true });
  const cancel = (): void => writer.cancel();
  options.signal.addEventListener('abort', cancel);
  try {
    for (const difference of due) {
      if (options.signal.aborted) {
        throw new Failure('Interrupted', 'Stopped as asked while the schema was completed');
      }
      if (await repair(difference, state, writer)) {
        repaired.push(describeDifference(difference));
      }
    }
    return repaired;
  } finally {
    options.signal.removeEventListener('abort', cancel);
    await writer.close();
  }
}

/** Whether it went well. An error is a fact of the database, such as rows that a key does not allow; the difference stays. */
async function repair(difference: Difference, state: DatabaseState, writer: Writer): Promise<boolean> {
  try {
    if (difference.what === 'index' && state.transactional) {
      if (difference.found !== undefined) await writer.changeAlone(`DROP INDEX ${difference.index.name}`);
      const step = { do: 'create index', table: difference.table, index: difference.index } as const;
      await writer.prepare([step], { started: () => undefined });
    } else {
      for (const sql of state.mend(difference)) await writer.changeAlone(sql);
    }
    return true;
  } catch {
    await writer.rollback();
    return false;
  }
}
