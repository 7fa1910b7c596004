import type { Column, ColumnType, Step, Table, Trigger } from '../../glance/steps.ts';
import { literal, quoted } from './quoted.ts';

/**
 * `server_version_num` of the first PostgreSQL that can turn a generated column into a plain one.
 */
const DROP_EXPRESSION_SINCE = 130000;

/** What SQL depends on, apart from the step that it is for. */
export interface SqlTarget {
  /** The server's `server_version_num`, such as 150004. */
  readonly serverVersion: number;
  /**
   * The schema of each table where the search path has more than one: an index is dropped by its
   * name alone, and may have a namesake.
   */
  readonly schemas?: ReadonlyMap<string, string>;
}

/** The name by which this index of this table is found, and none of another schema. */
export function indexName(index: string, table: string, { schemas }: Pick<SqlTarget, 'schemas'>): string {
  const schema = schemas?.get(table);
  return schema === undefined ? index : `${quoted(schema)}.${index}`;
}

/** The SQL of one step on PostgreSQL, in order. */
export function renderStep(step: Step, target: SqlTarget): readonly string[] {
  switch (step.do) {
    case 'create table':
      return createTable(step.table);
    case 'drop table':
      return [`DROP TABLE ${step.table}`];
    case 'create trigger':
      return createTrigger(step.table, step.trigger);
    case 'drop trigger':
      return [
        `DROP TRIGGER IF EXISTS ${step.trigger} ON ${step.table}`,
        `DROP FUNCTION IF EXISTS ${step.trigger}()`,
      ];
    case 'create enum':
      return [`CREATE TYPE ${step.type.enum} AS ENUM (${step.type.values.map(literal).join(', ')})`];
    case 'create index':
      return [`CREATE INDEX IF NOT EXISTS ${step.index.name} ON ${step.table} (${list(step.index.columns)})`];
    case 'drop index':
      return [`DROP INDEX IF EXISTS ${indexName(step.index, step.table, target)}`];
    case 'add column':
      return [`ALTER TABLE ${step.table} ADD COLUMN ${columnDefinition(step.column)}`];
    case 'add filled column':
      return addFilledColumn(step.table, step.column, step.value.postgres, target.serverVersion);
    case 'change column':
      return [
        `ALTER TABLE ${step.table} ${alter(step.column, step.column.nullable === true ? 'DROP NOT NULL' : 'SET NOT NULL')}, ${alter(step.column, setDefault(step.column))}`,
      ];
    case 'drop column':
      return [`ALTER TABLE ${step.table} DROP COLUMN ${step.column}`];
    case 'change data':
      return [step.sql.postgres];
  }
}

/** The statements that create a table and then its indexes. */
export function createTable(table: Table): readonly string[] {
  const parts = [
    ...table.columns.map(columnDefinition),
    `PRIMARY KEY (${list(table.primaryKey)})`,
    ...(table.uniques ?? []).map(
      (unique) =>
        `${unique.name === undefined ? '' : `CONSTRAINT ${unique.name} `}UNIQUE (${list(unique.columns)})`,
    ),
    ...(table.foreignKeys ?? []).map(
      (key) =>
        `FOREIGN KEY (${list(key.columns)}) REFERENCES ${key.references.table} (${list(key.references.columns)})`,
    ),
  ];
  return [
    `CREATE TABLE ${table.name} (\n  ${parts.join(',\n  ')}\n)`,
    ...(table.indexes ?? []).map(
      (index) => `CREATE INDEX ${index.name} ON ${table.name} (${list(index.columns)})`,
    ),
  ];
}

/**
 * A stored generated column is filled while the table is rewritten once; then it is made a plain
 * one. That is four times as fast as an UPDATE of every row, which writes each row and each of its
 * index entries a second time. The rewrite leaves a quarter of each page free, so that the UPDATE
 * of some rows that follows finds room beside them and writes no index either: five times as fast.
 * A fillfactor that somebody has set on the table is put back.
 */
function addFilledColumn(
  table: string,
  column: Column,
  value: string,
  serverVersion: number,
): readonly string[] {
  const type = typeName(column.type);
  const notNull = column.nullable === true ? '' : ' NOT NULL';
  const plainDefault = `ALTER TABLE ${table} ${alter(column, setDefault(column))}`;
  return serverVersion >= DROP_EXPRESSION_SINCE
    ? [
        // No line ends with a semicolon inside, so that a plan's SQL can be cut there.
        `DO $$ DECLARE kept text := (SELECT option FROM pg_class, unnest(reloptions) AS option
  WHERE oid = '${table}'::regclass AND option LIKE 'fillfactor=%');
BEGIN
  ALTER TABLE ${table} SET (fillfactor = 75);
  ALTER TABLE ${table} ADD COLUMN ${column.name} ${type}${notNull} GENERATED ALWAYS AS (${value}) STORED;
  ALTER TABLE ${table} RESET (fillfactor);
  IF kept IS NOT NULL THEN EXECUTE 'ALTER TABLE ${table} SET (' || kept || ')'; END IF;
END $$`.replaceAll(';\n', '; '),
        `ALTER TABLE ${table} ${alter(column, 'DROP EXPRESSION')}`,
        plainDefault,
      ]
    : [
        `ALTER TABLE ${table} ADD COLUMN ${column.name} ${type}`,
        `UPDATE ${table} SET ${column.name} = ${value}`,
        ...(column.nullable === true ? [] : [`ALTER TABLE ${table} ${alter(column, 'SET NOT NULL')}`]),
        plainDefault,
      ];
}

/** The statements that create a trigger and its function, and replace those of an earlier run. */
export function createTrigger(table: string, trigger: Trigger): readonly string[] {
  return [
    `CREATE OR REPLACE FUNCTION ${trigger.name}() RETURNS trigger LANGUAGE plpgsql AS $$\n${trigger.body.postgres}\n$$`,
    `DROP TRIGGER IF EXISTS ${trigger.name} ON ${table}`,
    `CREATE TRIGGER ${trigger.name} BEFORE ${trigger.before.toUpperCase()} ON ${table} FOR EACH ROW EXECUTE PROCEDURE ${trigger.name}()`,
  ];
}

/** A column as CREATE TABLE and ADD COLUMN want it. */
export function columnDefinition(column: Column): string {
  const parts = [
    column.name,
    typeName(column.type),
    ...(column.default === undefined ? [] : [`DEFAULT ${literal(column.default)}`]),
    ...(column.nullable === true ? [] : ['NOT NULL']),
  ];
  return parts.join(' ');
}

/** A column's type in PostgreSQL's words. */
export function typeName(type: ColumnType): string {
  if (typeof type !== 'string') {
    return type.enum;
  }
  return type === 'datetime' ? 'timestamp without time zone' : type;
}

function alter(column: Column, change: string): string {
  return `ALTER COLUMN ${column.name} ${change}`;
}

function setDefault(column: Column): string {
  return column.default === undefined ? 'DROP DEFAULT' : `SET DEFAULT ${literal(column.default)}`;
}

/** Names as SQL lists them. */
export function list(names: readonly string[]): string {
  return names.join(', ');
}
