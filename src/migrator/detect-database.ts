import { DATA_MIGRATIONS, FUSED, MIGRATIONS } from '../../migrations/registry.ts';
import { type KnownSchema, type Located, locate } from '../glance/detect.ts';
import { dropped, everCreated, foldSchema, type TableColumns, triggersOf } from '../glance/fold.ts';
import { nextScripts } from '../glance/heads.ts';
import type { Migration } from '../glance/steps.ts';
import { isPending } from './backfill.ts';
import type { Connection, DatabaseState } from './engine/engine.ts';
import { isMoved, openData, type Registry } from './plan-migrations.ts';

/** All that this build can run. */
export const REGISTRY: Registry = { migrations: MIGRATIONS, fused: FUSED, data: DATA_MIGRATIONS };

/** What this build's scripts make. */
export const KNOWN_SCHEMA: KnownSchema = {
  after: (applied) =>
    foldSchema(MIGRATIONS.filter((migration) => migration.scripts.every((script) => applied.has(script)))),
  next(applied) {
    const next = nextScripts(applied);
    const reached = new Set([...applied, ...next]);
    return foldSchema(
      MIGRATIONS.filter((migration) => migration.scripts.every((script) => reached.has(script))),
    );
  },
  ever: everCreated(MIGRATIONS),
  triggers: triggersOf(MIGRATIONS),
  transactional: true,
  // Ours and Alembic's are transactions. The tool before Alembic, which ended with Ocata, committed each statement.
  mayLack: (applied, tables) => dropped(begunFused(nextScripts(applied), tables)),
};

/** The same where a script is not one transaction: an ended run may have left any part of it. */
const KNOWN_PIECEMEAL: KnownSchema = {
  ...KNOWN_SCHEMA,
  transactional: false,
  mayLack(applied, tables) {
    const next = nextScripts(applied);
    return dropped([
      ...MIGRATIONS.filter(({ scripts }) => scripts.some((script) => next.includes(script))),
      ...begunFused(next, tables),
    ]);
  },
};

/** The scripts in one that can come next and have made the columns that they fill from what they drop. */
function begunFused(next: readonly string[], tables: TableColumns): readonly Migration[] {
  return FUSED.filter(
    ({ scripts, steps }) =>
      next.includes(scripts[0] ?? '') &&
      steps.every((step) => step.do !== 'add filled column' || tables.get(step.table)?.has(step.column.name)),
  );
}

/** So often a look is repeated while somebody else goes on from head to head. */
const MOST_LOOKS = 20;

/**
 * Looks at a database without its lock. A look is more than one question, and another migrator may commit between two of them:
 * what is refused is looked at again, until two looks in a row find the same record.
 *
 * @throws Failure `DatabaseUnreachable`
 */
export async function lookAt(
  connection: Connection,
): Promise<{ readonly state: DatabaseState; readonly placed: Placed }> {
  let before: string | undefined;
  for (let looks = 1; ; looks += 1) {
    const state = await connection.readState();
    const placed = await placeDatabase(connection, state);
    const record = JSON.stringify([state.found.alembic, state.found.migrate]);
    if (placed.located.kind !== 'refused' || record === before || looks === MOST_LOOKS) {
      return { state, placed };
    }
    before = record;
  }
}

/**
 * Places a database in the chain. For an expanded one the rows tell how far it is, and are looked at.
 *
 * @throws Failure `DatabaseUnreachable`
 */
export async function placeDatabase(connection: Connection, state: DatabaseState): Promise<Placed> {
  const known = state.transactional ? KNOWN_SCHEMA : KNOWN_PIECEMEAL;
  const located = locate(state.found, known);
  if (located.kind !== 'at') {
    return { located, pending: new Set() };
  }
  const { triggers } = state.found;
  const pending = await readPending(connection, state, located.applied, located.lacking);
  return {
    located: pending.size === 0 ? located : locate({ ...state.found, pending }, known),
    pending,
    ...(triggers === undefined ? {} : { triggers }),
  };
}

/** The revisions that are expanded and not contracted and have rows that are still to be moved. */
export async function readPending(
  connection: Connection,
  state: DatabaseState,
  applied: ReadonlySet<string>,
  lacking: readonly string[] = [],
): Promise<ReadonlySet<string>> {
  const pending = new Set<string>();
  for (const data of openData(applied, REGISTRY).filter((each) => !isMoved(each, lacking, REGISTRY))) {
    if (await isPending(connection, state.engine, data)) {
      pending.add(data.revision);
    }
  }
  return pending;
}

export interface Placed {
  readonly located: Located;
  /** The revisions with rows that are still to be moved, among those that are expanded and not contracted. */
  readonly pending: ReadonlySet<string>;
  /** The names of the triggers that there are; absent where nobody looked. */
  readonly triggers?: ReadonlySet<string>;
  /** Those of them that make every write fail; absent where nobody looked. */
  readonly brokenTriggers?: ReadonlySet<string>;
}

/** The same, with a look at whether anybody can write with the triggers of our scripts, where there are some. */
export async function withBrokenTriggers(state: DatabaseState, placed: Placed): Promise<Placed> {
  const ours = new Set([...KNOWN_SCHEMA.triggers].filter((name) => placed.triggers?.has(name)));
  return ours.size === 0 ? placed : { ...placed, brokenTriggers: await state.findBrokenTriggers(ours) };
}
