import type { Column, ColumnType, Index, Step, Table, Trigger, Unique } from '../../glance/steps.ts';
import { withoutUndefined } from '../../glance/without-undefined.ts';
import { type Catalog, type ColumnFacts, withSteps } from './catalog.ts';

/** What a statement does to a table that is in use, the least first. */
export type Work = 'catalog' | 'rows' | 'index' | 'rewrite';

/**
 * One statement, and the steps that it does or, but for the last statement of a step, helps to do.
 */
export interface Operation {
  readonly sql: string;
  readonly work: Work;
  /** The table that it changes, or whose rows it changes. */
  readonly table: string | undefined;
  /** The steps that begin with it. */
  readonly begins: readonly Step[];
  /** The steps that are done with it. */
  readonly ends: readonly Step[];
}

/** What is left of a migration's steps. */
export interface StepPlan {
  readonly operations: readonly Operation[];
  /** The steps of which the database has all already. */
  readonly found: readonly Step[];
  /** The steps that mean nothing on this engine. */
  readonly empty: readonly Step[];
}

/**
 * A piece of a step: a change of a table, which goes with its neighbours into one ALTER, or a
 * statement by itself.
 */
type Piece = (
  | { readonly alter: string; readonly clause: string }
  | { readonly alter?: never; readonly sql: string }
) & {
  /** Absent means the catalog alone. */
  readonly work?: Exclude<Work, 'catalog'>;
};

interface OpenOperation extends Operation {
  readonly alter?: string;
  readonly clauses: string[];
  sql: string;
  work: Work;
  readonly begins: Step[];
  readonly ends: Step[];
}

/**
 * The statements that are left to do of some steps, as the catalog shows. Neighbouring changes of
 * one table are one ALTER: that is one copy of the table instead of several, and it happens whole
 * or not at all. Without a catalog all of them are left.
 */
export function planSteps(steps: readonly Step[], catalog: Catalog | undefined): StepPlan {
  const operations: OpenOperation[] = [];
  const found: Step[] = [];
  const empty: Step[] = [];
  let known = catalog;
  for (const step of steps) {
    const pieces = piecesOf(step, known);
    if (step.do === 'drop trigger' && known !== undefined) {
      known = withSteps(known, [step]);
    }
    if (step.do === 'add column' && pieces !== 'nothing' && pieces.length > 0) {
      known = withoutIndexesOn(step.table, step.column.name, known);
    }
    if (pieces === 'nothing') {
      empty.push(step);
      continue;
    }
    if (pieces.length === 0) {
      found.push(step);
    }
    for (const [index, piece] of pieces.entries()) {
      const last = operations.at(-1);
      const joins = piece.alter !== undefined && last?.alter === piece.alter;
      const operation =
        joins && last !== undefined
          ? last
          : {
              ...withoutUndefined({ alter: piece.alter }),
              clauses: [],
              table: 'table' in step && typeof step.table === 'string' ? step.table : undefined,
              sql: '',
              work: 'catalog' as const,
              begins: [],
              ends: [],
            };
      if (operation !== last) {
        operations.push(operation);
      }
      operation.work = most(operation.work, piece.work ?? 'catalog');
      if (piece.alter === undefined) {
        operation.sql = piece.sql;
      } else {
        operation.clauses.push(piece.clause);
        operation.sql = `ALTER TABLE ${piece.alter} ${operation.clauses.join(', ')}`;
      }
      if (index === 0) {
        operation.begins.push(step);
      }
      if (index === pieces.length - 1) {
        operation.ends.push(step);
      }
    }
  }
  return { operations, found, empty };
}

function most(one: Work, other: Work): Work {
  const order: readonly Work[] = ['catalog', 'rows', 'index', 'rewrite'];
  return order.indexOf(one) < order.indexOf(other) ? other : one;
}

/** What is left of a step; `nothing` where there is nothing to do for it on this engine, ever. */
function piecesOf(step: Step, catalog: Catalog | undefined): readonly Piece[] | 'nothing' {
  const unless = (done: boolean, piece: Piece): readonly Piece[] => (done ? [] : [piece]);
  switch (step.do) {
    case 'create table':
      return catalog?.tables.has(step.table.name) === true
        ? (step.table.indexes ?? []).flatMap((index) => createIndex(step.table.name, index, catalog))
        : [{ sql: createTable(step.table) }];
    case 'drop table':
      return unless(catalog?.tables.has(step.table) === false, { sql: `DROP TABLE ${step.table}` });
    // The words are part of each column's type.
    case 'create enum':
      return 'nothing';
    case 'create index':
      return createIndex(step.table, step.index, catalog);
    case 'drop index':
      return unless(hasIndex(step.table, step.index, catalog) === false, {
        alter: step.table,
        clause: `DROP INDEX ${step.index}`,
      });
    case 'add column':
      return addColumn(step, catalog);
    case 'add filled column':
      return fillColumn(step, catalog);
    case 'change column':
      return unless(isLike(step.table, step.column, catalog), modify(step.table, step.column));
    case 'drop column':
      return unless(catalog !== undefined && columnOf(step.table, step.column, catalog) === undefined, {
        alter: step.table,
        clause: `DROP COLUMN ${step.column}`,
      });
    case 'create trigger':
      return unless(catalog?.triggers.has(step.trigger.name) === true, {
        sql: createTrigger(step.table, step.trigger),
      });
    case 'drop trigger':
      return unless(catalog?.triggers.has(step.trigger) === false, {
        sql: `DROP TRIGGER IF EXISTS ${step.trigger}`,
      });
    case 'change data':
      return step.sql.mysql === '' ? 'nothing' : [{ sql: step.sql.mysql, work: 'rows' }];
  }
}

/** An index of that name on other columns is not the one that is wanted. */
function createIndex(table: string, index: Index, catalog: Catalog | undefined): readonly Piece[] {
  const there = catalog?.tables.get(table)?.indexes.get(index.name);
  if (there?.join() === index.columns.join()) {
    return [];
  }
  return [
    ...(there === undefined ? [] : [{ alter: table, clause: `DROP INDEX ${index.name}` }]),
    { alter: table, clause: `ADD INDEX ${index.name} (${index.columns.join(', ')})`, work: 'index' },
  ];
}

function addColumn(
  { table, column, keptBy }: Extract<Step, { do: 'add column' }>,
  catalog: Catalog | undefined,
): readonly Piece[] {
  const add = { alter: table, clause: `ADD COLUMN ${columnDefinition(column)}` };
  if (columnOf(table, column.name, catalog) === undefined) {
    return [add];
  }
  const isKept = keptBy === undefined || keptBy.some((trigger) => catalog?.triggers.has(trigger) === true);
  if (isKept) {
    return [];
  }
  // MariaDB keeps an index on a column that is dropped and added under the same name.
  const indexes = [...indexesOn(table, column.name, catalog).keys()];
  return [...indexes.map((name) => `DROP INDEX ${name}`), `DROP COLUMN ${column.name}`]
    .map((clause): Piece => ({ alter: table, clause }))
    .concat(add);
}

/** The indexes that are on this column alone, which go with it. */
function indexesOn(
  table: string,
  column: string,
  catalog: Catalog | undefined,
): ReadonlyMap<string, readonly string[]> {
  const indexes = catalog?.tables.get(table)?.indexes ?? new Map<string, readonly string[]>();
  return new Map([...indexes].filter(([, columns]) => columns.join() === column));
}

function withoutIndexesOn(table: string, column: string, catalog: Catalog | undefined): Catalog | undefined {
  const facts = catalog?.tables.get(table);
  if (catalog === undefined || facts === undefined) {
    return catalog;
  }
  const gone = indexesOn(table, column, catalog);
  const indexes = new Map([...facts.indexes].filter(([name]) => !gone.has(name)));
  return { ...catalog, tables: new Map([...catalog.tables, [table, { ...facts, indexes }]]) };
}

/**
 * The column is there at once, empty; one UPDATE writes each row once; then it gets its nullability
 * and default, in one with what follows. Rows that an ended run has filled rightly are left as they
 * are. The shape of the column says nothing of its rows: another tool makes it NOT NULL, with a
 * default, before it fills them.
 */
function fillColumn(
  { table, column, from, value }: Extract<Step, { do: 'add filled column' }>,
  catalog: Catalog | undefined,
): readonly Piece[] {
  const hasSource = catalog === undefined || columnOf(table, from, catalog) !== undefined;
  const isShaped = isLike(table, column, catalog);
  if (!hasSource) {
    return isShaped ? [] : [modify(table, column)];
  }
  const filled = value.mysql;
  const empty: Column = { name: column.name, type: column.type, nullable: true };
  return [
    ...(columnOf(table, column.name, catalog) === undefined
      ? [{ alter: table, clause: `ADD COLUMN ${columnDefinition(empty)}` }]
      : []),
    {
      sql: `UPDATE ${table} SET ${column.name} = ${filled} WHERE ${column.name} IS NULL OR ${column.name} <> ${filled}`,
      work: 'rows',
    },
    ...(isShaped ? [] : [modify(table, column)]),
  ];
}

function modify(table: string, column: Column): Piece {
  const piece = { alter: table, clause: `MODIFY COLUMN ${columnDefinition(column)}` };
  return column.nullable === true ? piece : { ...piece, work: 'rewrite' };
}

/** The one statement that creates a table with its keys and indexes. */
export function createTable(table: Table): string {
  const booleans = table.columns.filter((column) => column.type === 'boolean');
  const parts = [
    ...table.columns.map(columnDefinition),
    `PRIMARY KEY (${table.primaryKey.join(', ')})`,
    ...(table.uniques ?? []).map(
      (unique) => `UNIQUE KEY ${uniqueName(table.name, unique)} (${unique.columns.join(', ')})`,
    ),
    ...(table.indexes ?? []).map((index) => `KEY ${index.name} (${index.columns.join(', ')})`),
    ...(table.foreignKeys ?? []).map(
      ({ columns, references }) =>
        `FOREIGN KEY (${columns.join(', ')}) REFERENCES ${references.table} (${references.columns.join(', ')})`,
    ),
    // Of the table, not of the column, as SQLAlchemy writes it: the name follows from that.
    ...booleans.map((column) => `CHECK (${column.name} IN (0, 1))`),
  ];
  return `CREATE TABLE ${table.name} (\n  ${parts.join(',\n  ')}\n) ENGINE=InnoDB DEFAULT CHARSET=utf8mb3`;
}

/** The statement that creates a trigger, which runs with the rights of its definer. */
export function createTrigger(table: string, { name, before, body }: Trigger): string {
  return `CREATE TRIGGER ${name} BEFORE ${before.toUpperCase()} ON ${table} FOR EACH ROW ${body.mysql}`;
}

/**
 * Without a name of its own it has the one that PostgreSQL gives, as Glance's script has for both.
 */
export function uniqueName(table: string, { name, columns }: Unique): string {
  return name ?? `${table}_${columns.join('_')}_key`;
}

/** A column as CREATE TABLE and ALTER TABLE want it. */
export function columnDefinition(column: Column): string {
  const counted = column.type === 'serial' || column.type === 'bigserial';
  const parts = [
    `\`${column.name}\``,
    typeName(column.type),
    column.nullable === true ? 'NULL' : 'NOT NULL',
    ...(column.default === undefined ? [] : [`DEFAULT ${literal(column.default)}`]),
    ...(counted ? ['AUTO_INCREMENT'] : []),
  ];
  return parts.join(' ');
}

function typeName(type: ColumnType): string {
  if (typeof type !== 'string') {
    return `ENUM(${type.values.map(literal).join(', ')})`;
  }
  switch (type) {
    case 'serial':
      return 'INTEGER';
    case 'bigserial':
      return 'BIGINT';
    case 'boolean':
      return 'TINYINT(1)';
    case 'numeric':
      return 'NUMERIC(10, 0)';
    default:
      return type.toUpperCase();
  }
}

function literal(value: string | boolean): string {
  return typeof value === 'string' ? `'${value.replaceAll("'", "''")}'` : value ? '1' : '0';
}

function columnOf(table: string, column: string, catalog: Catalog | undefined): ColumnFacts | undefined {
  return catalog?.tables.get(table)?.columns.get(column);
}

function hasIndex(table: string, index: string, catalog: Catalog | undefined): boolean | undefined {
  return catalog === undefined ? undefined : catalog.tables.get(table)?.indexes.has(index) === true;
}

/** Whether the column is there with this nullability and default. */
function isLike(table: string, column: Column, catalog: Catalog | undefined): boolean {
  const there = columnOf(table, column.name, catalog);
  const wanted =
    column.default === undefined
      ? null
      : typeof column.default === 'string'
        ? column.default
        : column.default
          ? '1'
          : '0';
  return there !== undefined && there.nullable === (column.nullable === true) && there.default === wanted;
}
