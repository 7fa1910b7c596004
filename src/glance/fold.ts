import type { Migration, Step } from './steps.ts';

/** Tables, and the names of the columns of each. */
export type TableColumns = ReadonlyMap<string, ReadonlySet<string>>;

/** The tables and columns that a database has once these migrations have run on an empty one. */
export function foldSchema(migrations: readonly Migration[]): TableColumns {
  const tables = new Map<string, Set<string>>();
  for (const step of migrations.flatMap((migration) => migration.steps)) {
    apply(step, tables);
  }
  return tables;
}

/** All that these migrations ever make, what they drop again included. */
export function everCreated(migrations: readonly Migration[]): TableColumns {
  const tables = new Map<string, Set<string>>();
  for (const step of migrations.flatMap((migration) => migration.steps)) {
    if (step.do !== 'drop column' && step.do !== 'drop table') {
      apply(step, tables);
    }
  }
  return tables;
}

/** The names of the triggers that these migrations make. */
export function triggersOf(migrations: readonly Migration[]): ReadonlySet<string> {
  return new Set(
    migrations
      .flatMap((migration) => migration.steps)
      .flatMap((step) => (step.do === 'create trigger' ? [step.trigger.name] : [])),
  );
}

/** The names of the enums that these migrations make, which PostgreSQL has as types of their own. */
export function enumsOf(migrations: readonly Migration[]): ReadonlySet<string> {
  return new Set(
    migrations
      .flatMap((migration) => migration.steps)
      .flatMap((step) => (step.do === 'create enum' ? [step.type.enum] : [])),
  );
}

/** What these migrations drop, as `table` or `table.column`. */
export function dropped(migrations: readonly Migration[]): ReadonlySet<string> {
  return new Set(
    migrations
      .flatMap((migration) => migration.steps)
      .flatMap((step) =>
        step.do === 'drop table'
          ? [step.table]
          : step.do === 'drop column'
            ? [`${step.table}.${step.column}`]
            : [],
      ),
  );
}

/** A step of another kind makes and drops neither a table nor a column. */
function apply(step: Step, tables: Map<string, Set<string>>): void {
  switch (step.do) {
    case 'create table':
      tables.set(step.table.name, new Set(step.table.columns.map((column) => column.name)));
      return;
    case 'add column':
    case 'add filled column':
      tables.get(step.table)?.add(step.column.name);
      return;
    case 'drop table':
      tables.delete(step.table);
      return;
    case 'drop column':
      tables.get(step.table)?.delete(step.column);
      return;
  }
}
