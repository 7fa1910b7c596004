import type { Column, ForeignKey, Index, Migration, Step, Trigger, Unique } from './steps.ts';

/** A table as the scripts leave it. */
export interface ExpectedTable {
  readonly name: string;
  readonly columns: ReadonlyMap<string, Column>;
  readonly primaryKey: readonly string[];
  readonly uniques: readonly Unique[];
  readonly foreignKeys: readonly ForeignKey[];
  readonly indexes: ReadonlyMap<string, Index>;
  /**
   * The columns that take 0 and 1 only, by a CHECK; of MariaDB and MySQL, which have no type for
   * that.
   */
  readonly checked: ReadonlySet<string>;
  readonly triggers: ReadonlyMap<string, Trigger>;
}

interface OpenTable extends ExpectedTable {
  readonly columns: Map<string, Column>;
  readonly indexes: Map<string, Index>;
  readonly checked: Set<string>;
  readonly triggers: Map<string, Trigger>;
}

/**
 * The tables that a database has once these migrations have run on an empty one, with all that is
 * in them.
 */
export function expectedTables(migrations: readonly Migration[]): ReadonlyMap<string, ExpectedTable> {
  const tables = new Map<string, OpenTable>();
  for (const step of migrations.flatMap(({ steps }) => steps)) {
    apply(step, tables);
  }
  return tables;
}

/** A step of another kind changes no table. */
function apply(step: Step, tables: Map<string, OpenTable>): void {
  switch (step.do) {
    case 'create table': {
      const { name, columns, primaryKey, uniques = [], foreignKeys = [], indexes = [] } = step.table;
      tables.set(name, {
        name,
        columns: new Map(columns.map((column) => [column.name, column])),
        primaryKey,
        uniques,
        foreignKeys,
        indexes: new Map(indexes.map((index) => [index.name, index])),
        checked: new Set(columns.filter(({ type }) => type === 'boolean').map((column) => column.name)),
        triggers: new Map(),
      });
      return;
    }
    case 'drop table':
      tables.delete(step.table);
      return;
    case 'add column':
    case 'add filled column':
    case 'change column':
      tables.get(step.table)?.columns.set(step.column.name, step.column);
      return;
    case 'drop column':
      tables.get(step.table)?.columns.delete(step.column);
      tables.get(step.table)?.checked.delete(step.column);
      return;
    case 'create trigger':
      tables.get(step.table)?.triggers.set(step.trigger.name, step.trigger);
      return;
    case 'drop trigger':
      tables.get(step.table)?.triggers.delete(step.trigger);
      return;
    case 'create index':
      tables.get(step.table)?.indexes.set(step.index.name, step.index);
      return;
    case 'drop index':
      tables.get(step.table)?.indexes.delete(step.index);
      return;
  }
}
