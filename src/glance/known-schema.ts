import { dropped, everCreated, foldSchema, type TableColumns, triggersOf } from './fold.ts';
import { nextScripts } from './heads.ts';
import type { Migration, Registry } from './steps.ts';

/** What the revision scripts make: what a database is held against to see where it is. */
export interface KnownSchema {
  /** The schema of a database that has had these scripts. */
  after(applied: ReadonlySet<string>): TableColumns;
  /**
   * What the scripts make that can come next after these, where an ended run can leave it without
   * its record.
   */
  next(applied: ReadonlySet<string>): TableColumns;
  /** All that any script makes, what a later one drops included. */
  readonly ever: TableColumns;
  /** The triggers that scripts make for nodes that live side by side. */
  readonly triggers: ReadonlySet<string>;
  /**
   * Whether a script of ours is one transaction with its record: then an ended run leaves no part
   * of one.
   */
  readonly transactional: boolean;
  /**
   * What may be gone without a record, as `table` or `table.column`: what the scripts drop that can
   * come next, where some tool runs them statement by statement. What is filled from it must be
   * there already.
   */
  mayLack(applied: ReadonlySet<string>, tables: TableColumns): ReadonlySet<string>;
}

/**
 * What the scripts of a registry make.
 *
 * @param transactional whether each script is one transaction; without that an ended run may have
 *   left any part of one
 */
export function knownSchema({ migrations, squashed }: Registry, transactional: boolean): KnownSchema {
  const after = (applied: ReadonlySet<string>): TableColumns =>
    foldSchema(migrationsDone(migrations, applied));
  return {
    after,
    next: (applied) => after(new Set([...applied, ...nextScripts(applied)])),
    ever: everCreated(migrations),
    triggers: triggersOf(migrations),
    transactional,
    mayLack(applied, tables) {
      const next = nextScripts(applied);
      return dropped([
        // Where each is one transaction, ours and Alembic's leave nothing. The tool before Alembic
        // committed each statement.
        ...(transactional
          ? []
          : migrations.filter(({ scripts }) => scripts.some((script) => next.includes(script)))),
        ...begunSquashed(squashed, next, tables),
      ]);
    },
  };
}

/** The migrations of which all scripts have run. */
export function migrationsDone(
  migrations: readonly Migration[],
  applied: ReadonlySet<string>,
): readonly Migration[] {
  return migrations.filter(({ scripts }) => scripts.every((script) => applied.has(script)));
}

/**
 * The scripts in one that can come next and have made the columns that they fill from what they
 * drop.
 */
function begunSquashed(
  squashed: readonly Migration[],
  next: readonly string[],
  tables: TableColumns,
): readonly Migration[] {
  return squashed.filter(
    ({ scripts, steps }) =>
      next.some((script) => script === scripts[0]) &&
      steps.every((step) => step.do !== 'add filled column' || tables.get(step.table)?.has(step.column.name)),
  );
}
