import type { Column, Step } from '../../glance/steps.ts';
import type { Row } from '../engine/engine.ts';

/** What steps are asked of: whether the database has it already. */
export interface Catalog {
  readonly tables: ReadonlyMap<string, TableFacts>;
  readonly triggers: ReadonlySet<string>;
}

/** What the catalog says of a table, as far as steps are planned by it. */
export interface TableFacts {
  readonly columns: ReadonlyMap<string, ColumnFacts>;
  /** The columns of each index, in order, by its name. */
  readonly indexes: ReadonlyMap<string, readonly string[]>;
}

/** What the catalog says of a column, as far as steps are planned by it. */
export interface ColumnFacts {
  readonly nullable: boolean;
  /** Without quotes; null for none. */
  readonly default: string | null;
}

/**
 * The server opens each table that it is asked of, again after each change: so it is asked of few.
 */
function catalogOf(tables: readonly string[]): string {
  const these = `IN (${tables.map((table) => `'${table}'`).join(', ')})`;
  return `
SELECT 'column' AS kind, TABLE_NAME AS tab, COLUMN_NAME AS name, IS_NULLABLE AS nullable, COLUMN_DEFAULT AS standard
FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME ${these}
UNION ALL
SELECT 'index', TABLE_NAME, INDEX_NAME, NULL, GROUP_CONCAT(COLUMN_NAME ORDER BY SEQ_IN_INDEX)
FROM information_schema.STATISTICS WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME ${these} GROUP BY TABLE_NAME, INDEX_NAME
UNION ALL
SELECT 'trigger', EVENT_OBJECT_TABLE, TRIGGER_NAME, NULL, NULL
FROM information_schema.TRIGGERS WHERE EVENT_OBJECT_SCHEMA = DATABASE() AND EVENT_OBJECT_TABLE ${these}`;
}

/** Reads what a database has of the tables that steps change, in one round trip. */
export async function readCatalog(
  steps: readonly Step[],
  query: (sql: string) => Promise<readonly Row[]>,
): Promise<Catalog> {
  const tables = new Map<
    string,
    { columns: Map<string, ColumnFacts>; indexes: Map<string, readonly string[]> }
  >();
  const triggers = new Set<string>();
  const changed = [...new Set(steps.flatMap(tableOf))];
  for (const row of changed.length === 0 ? [] : await query(catalogOf(changed))) {
    const name = String(row.name);
    const table = tables.get(String(row.tab)) ?? { columns: new Map(), indexes: new Map() };
    tables.set(String(row.tab), table);
    switch (row.kind) {
      case 'column':
        table.columns.set(name, {
          nullable: row.nullable === 'YES',
          default: plainDefault(row.standard),
        });
        break;
      case 'index':
        table.indexes.set(name, String(row.standard).split(','));
        break;
      case 'trigger':
        triggers.add(name);
        break;
    }
  }
  return { tables, triggers };
}

/** What a catalog says once these steps are done. */
export function withSteps(catalog: Catalog, steps: readonly Step[]): Catalog {
  const tables = new Map(catalog.tables);
  const triggers = new Set(catalog.triggers);
  const change = (
    name: string,
    work: (columns: Map<string, ColumnFacts>, indexes: Map<string, readonly string[]>) => void,
  ): void => {
    const { columns = [], indexes = [] } = tables.get(name) ?? {};
    const facts = { columns: new Map(columns), indexes: new Map(indexes) };
    work(facts.columns, facts.indexes);
    tables.set(name, facts);
  };
  for (const step of steps) {
    switch (step.do) {
      case 'create table': {
        const { name, columns, indexes = [] } = step.table;
        change(name, (there, thereIndexes) => {
          for (const column of columns) there.set(column.name, factsOf(column));
          for (const index of indexes) thereIndexes.set(index.name, index.columns);
        });
        break;
      }
      case 'drop table':
        tables.delete(step.table);
        break;
      case 'create index':
        change(step.table, (_, indexes) => indexes.set(step.index.name, step.index.columns));
        break;
      case 'drop index':
        change(step.table, (_, indexes) => indexes.delete(step.index));
        break;
      case 'add column':
      case 'add filled column':
      case 'change column':
        change(step.table, (columns) => columns.set(step.column.name, factsOf(step.column)));
        break;
      case 'drop column':
        change(step.table, (columns) => columns.delete(step.column));
        break;
      case 'create trigger':
        triggers.add(step.trigger.name);
        break;
      case 'drop trigger':
        triggers.delete(step.trigger);
        break;
      case 'create enum':
      case 'change data':
        break;
    }
  }
  return { tables, triggers };
}

function factsOf({ nullable, default: standard }: Column): ColumnFacts {
  const text = typeof standard === 'boolean' ? String(Number(standard)) : standard;
  return { nullable: nullable === true, default: text ?? null };
}

function tableOf(step: Step): readonly string[] {
  if (step.do === 'create enum') {
    return [];
  }
  return [step.do === 'create table' ? step.table.name : step.table];
}

/**
 * MariaDB describes a default as the expression that it is (`'shared'`, `NULL`), MySQL as the text.
 */
export function plainDefault(value: unknown): string | null {
  if (value === null || value === undefined || value === 'NULL') {
    return null;
  }
  return String(value).replace(/^'(.*)'$/s, '$1');
}
