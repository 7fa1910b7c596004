import { matchesGlob } from 'node:path';
import { MIGRATIONS, SQUASHED } from '../../migrations/registry.ts';
import {
  compareSchema,
  type Difference,
  describeColumn,
  describeDifference,
  type FoundIndex,
  type FoundTable,
} from '../glance/compare.ts';
import { type Detected, type Facts, VERSION_TABLES } from '../glance/detect.ts';
import { type ExpectedTable, expectedTables } from '../glance/expected-schema.ts';
import { everCreated } from '../glance/fold.ts';
import { appliedScripts, nextScripts, unknownHeads } from '../glance/heads.ts';
import { migrationsDone } from '../glance/known-schema.ts';
import type { DatabaseState } from './engine/engine.ts';

/** How a schema is not that of its revision. */
export interface Drift {
  /** What is missing, different, or a column of one of Glance's tables that is not Glance's. */
  readonly differences: readonly Difference[];
  /** What somebody has added that Glance does not mind, in words: tables and indexes. */
  readonly also: readonly string[];
}

/** The same in words. */
export interface DriftInWords {
  readonly differences: readonly string[];
  readonly also: readonly string[];
}

/**
 * Compares a schema with what these scripts leave, column for column. What the scripts that come
 * next make and take away is left out: where a run has ended in the middle of one, the next run
 * goes on there. Never changes anything.
 *
 * @param exclude patterns of names: what they match is left out
 * @throws Failure `DatabaseUnreachable`
 */
export async function findDrift(
  state: DatabaseState,
  applied: ReadonlySet<string>,
  exclude: readonly string[],
): Promise<Drift> {
  if (applied.size === 0) {
    return { differences: [], also: [] };
  }
  const expected = expectedTables(migrationsDone(MIGRATIONS, applied));
  const ever = everCreated(MIGRATIONS);
  const found = await state.readTables([...expected.keys()]);
  const comings = comingSchemas(applied).map((tables) => ({
    tables,
    open: new Set(compareSchema(tables, found, state.engine).map(describeDifference)),
  }));
  const isComing = (difference: Difference): boolean =>
    comings.some(({ tables, open }) => !open.has(describeDifference(difference)) && has(tables, difference));
  const of = (table: string): readonly ExpectedTable[] =>
    comings.flatMap(({ tables }) => tables.get(table) ?? []);
  const isMeant = (names: readonly string[]): boolean =>
    exclude.some((pattern) => names.some((name) => matchesGlob(name, pattern)));
  return {
    differences: [
      ...compareSchema(expected, found, state.engine).filter((each) => !isComing(each)),
      ...[...expected.values()].flatMap((table) =>
        otherColumns([table, ...of(table.name)], found.get(table.name)),
      ),
    ].filter((each) => !isMeant(namesOf(each))),
    also: [
      ...[...state.found.tables.keys()]
        .filter((table) => !ever.has(table) && !expected.has(table) && !VERSION_TABLES.includes(table))
        .filter((table) => !isMeant([table]))
        .map((table) => `table ${table}`),
      ...[...expected.values()].flatMap((table) =>
        otherIndexes([table, ...of(table.name)], found.get(table.name))
          .filter(({ name }) => !isMeant([table.name, name]))
          .map(({ name, columns }) => `index ${name} on ${table.name} (${columns.join(', ')})`),
      ),
    ].sort(),
  };
}

/** The scripts whose schema a database should have, as its version table says; empty for none. */
export function recordedScripts(detected: Detected, { alembic: heads = [] }: Facts): ReadonlySet<string> {
  if (detected.kind === 'at') {
    return detected.applied;
  }
  return unknownHeads(heads).length === 0 ? appliedScripts(heads) : new Set();
}

/** A drift as it is logged and reported. */
export function inWords({ differences, also }: Drift): DriftInWords {
  return { differences: differences.map(describeDifference), also };
}

/** What a run leaves that has done the script that comes next, or those in one that come next. */
function comingSchemas(applied: ReadonlySet<string>): readonly ReadonlyMap<string, ExpectedTable>[] {
  const next = nextScripts(applied);
  const squashed = SQUASHED.filter(({ scripts }) => next.some((script) => script === scripts[0]));
  return [[], ...squashed.map(({ scripts }) => scripts)].map((scripts) =>
    expectedTables(migrationsDone(MIGRATIONS, new Set([...applied, ...next, ...scripts]))),
  );
}

/** Whether a schema has what is different, or may lack what is missing. */
function has(tables: ReadonlyMap<string, ExpectedTable>, difference: Difference): boolean {
  const table = tables.get(difference.table);
  switch (difference.what) {
    case 'column':
      return difference.found === undefined || table?.columns.has(difference.column.name) === true;
    case 'index':
      return difference.found === undefined || table?.indexes.has(difference.index.name) === true;
    case 'trigger':
      return difference.missing;
    default:
      return true;
  }
}

/** The columns that are in none of these forms of a table. */
function otherColumns(
  forms: readonly [ExpectedTable, ...ExpectedTable[]],
  found: FoundTable | undefined,
): readonly Difference[] {
  return [...(found?.columns ?? [])]
    .filter(([name]) => !forms.some(({ columns }) => columns.has(name)))
    .map(([column, there]) => ({
      what: 'other column',
      table: forms[0].name,
      column,
      found: describeColumn(there),
      caution: `deletes each value of ${column} that was written`,
    }));
}

/** But for those that a key of Glance's has, or that the server has made for one. */
function otherIndexes(forms: readonly ExpectedTable[], found: FoundTable | undefined): readonly FoundIndex[] {
  const keys = forms.flatMap(({ uniques, foreignKeys }) => [
    ...uniques.map(({ columns }) => columns.join()),
    ...foreignKeys.map(({ columns }) => columns.join()),
  ]);
  return (found?.indexes ?? []).filter(
    ({ name, primary, columns }) =>
      !primary && !forms.some(({ indexes }) => indexes.has(name)) && !keys.includes(columns.join()),
  );
}

/** The names by which a pattern leaves it out: its table, the column as `table.column`, its index. */
function namesOf(difference: Difference): readonly string[] {
  const { table } = difference;
  switch (difference.what) {
    case 'column':
      return [table, `${table}.${difference.column.name}`];
    case 'check':
    case 'other column':
      return [table, `${table}.${difference.column}`];
    case 'index':
      return [table, difference.index.name];
    default:
      return [table];
  }
}
