import type { Found } from '../../glance/detect.ts';
import type { Column, EnumType, Step } from '../../glance/steps.ts';
import { withoutUndefined } from '../../glance/without-undefined.ts';
import type { PlannedStatement } from '../engine/engine.ts';
import { columnDefinition, indexName, renderStep, type SqlTarget } from './render-step.ts';

/** What a statement takes of a table that is in use. */
export interface TableLock {
  readonly table: string;
  readonly mode:
    | 'ACCESS EXCLUSIVE'
    | 'SHARE ROW EXCLUSIVE'
    | 'SHARE'
    | 'SHARE UPDATE EXCLUSIVE'
    | 'ROW EXCLUSIVE';
  /** What that means to those who use the table, and for how long. */
  readonly effect: string;
}

/** One step as SQL. */
export interface Statement {
  readonly step: Step;
  readonly sql: readonly string[];
  readonly lock?: TableLock;
}

/** What is committed together. */
export type Unit =
  | { readonly kind: 'transaction'; readonly statements: readonly Statement[] }
  /** A statement that PostgreSQL takes outside of transactions only. */
  | { readonly kind: 'autocommit'; readonly statement: Statement };

/** A script as PostgreSQL runs it. */
export interface Statements {
  /** Run first, each safe to repeat, before the transaction with the record. */
  readonly before: readonly Unit[];
  /** Run in one transaction with the record. */
  readonly recorded: readonly Statement[];
}

/** A script for a database that nobody uses: one transaction with its record. */
export function offlineStatements(steps: readonly Step[], target: SqlTarget): Statements {
  return {
    before: [],
    recorded: steps.map((step) => {
      const lock = offlineLock(step);
      const sql = renderStep(step, target);
      return {
        step,
        sql: step.do === 'create enum' ? sql.map((text) => unlessThere(step.type, text)) : sql,
        ...withoutUndefined({ lock }),
      };
    }),
  };
}

/**
 * A script for tables that are in use: nothing holds up other statements for longer than a check
 * into the catalog. Indexes are built and dropped concurrently, a column is scanned for NULLs
 * before the lock is taken that forbids them, and what an index needs is there before it. What an
 * ended run has left is taken up by the next.
 */
export function onlineStatements(steps: readonly Step[], target: SqlTarget): Statements {
  const before: Unit[] = [];
  let recorded: Statement[] = [];
  for (const step of steps) {
    switch (step.do) {
      case 'create index':
        if (recorded.length > 0) {
          before.push({ kind: 'transaction', statements: recorded });
          recorded = [];
        }
        before.push({
          kind: 'autocommit',
          statement: {
            step,
            sql: [
              `CREATE INDEX CONCURRENTLY IF NOT EXISTS ${step.index.name} ON ${step.table} (${step.index.columns.join(', ')})`,
            ],
            lock: beside(step.table),
          },
        });
        break;
      case 'drop index':
        before.push({
          kind: 'autocommit',
          statement: {
            step,
            sql: [`DROP INDEX CONCURRENTLY IF EXISTS ${indexName(step.index, step.table, target)}`],
            lock: beside(step.table),
          },
        });
        break;
      case 'change column':
        if (step.column.nullable !== true) {
          before.push(...forbidNulls(step, step.table, step.column));
        }
        recorded.push({
          step,
          sql: [
            ...renderStep(step, target),
            ...(step.column.nullable === true
              ? []
              : [`ALTER TABLE ${step.table} DROP CONSTRAINT ${constraintOf(step.column)}`]),
          ],
          lock: catalogOnly(step.table),
        });
        break;
      default:
        recorded.push({ step, ...repeatable(step, target) });
    }
  }
  return { before, recorded };
}

/**
 * What is left of steps that another tool has run one by one: it has dropped the column from which
 * another is filled, so that one is filled already and needs its shape only. Tables that are not
 * there yet are not asked of.
 */
export function remainingSteps(steps: readonly Step[], tables: Found['tables']): readonly Step[] {
  const isGone = (table: string, column: string): boolean => tables.get(table)?.has(column) === false;
  return steps.flatMap((step): readonly Step[] => {
    if (step.do === 'drop column' && isGone(step.table, step.column)) return [];
    return step.do === 'add filled column' && isGone(step.table, step.from)
      ? [{ do: 'change column', table: step.table, column: step.column }]
      : [step];
  });
}

/** The statements of a script in the order in which they run, as a plan shows them. */
export function plannedStatements(
  steps: readonly Step[],
  target: SqlTarget,
  online: boolean,
): readonly PlannedStatement[] {
  const { before, recorded } = (online ? onlineStatements : offlineStatements)(steps, target);
  return [
    ...before.flatMap((unit) =>
      (unit.kind === 'autocommit' ? [unit.statement] : unit.statements).map(inAutocommit),
    ),
    ...recorded,
  ].flatMap((statement) =>
    statement.sql.map((sql) => ({
      sql,
      autocommit: 'autocommit' in statement,
      ...withoutUndefined({ lock: statement.lock }),
    })),
  );
}

function inAutocommit(statement: Statement): Statement & { readonly autocommit: true } {
  return { ...statement, autocommit: true };
}

/** The tables that a transaction takes locks on, each in the strongest mode that it needs. */
export function locksOf(statements: readonly Statement[]): ReadonlyMap<string, TableLock['mode']> {
  const order: readonly TableLock['mode'][] = ['SHARE', 'SHARE ROW EXCLUSIVE', 'ACCESS EXCLUSIVE'];
  const own = new Set(
    statements.flatMap(({ step }) => (step.do === 'create table' ? [step.table.name] : [])),
  );
  const locks = new Map<string, TableLock['mode']>();
  for (const { lock } of statements) {
    if (lock === undefined || own.has(lock.table) || !order.includes(lock.mode)) {
      continue;
    }
    const before = locks.get(lock.table);
    if (before === undefined || order.indexOf(lock.mode) > order.indexOf(before)) {
      locks.set(lock.table, lock.mode);
    }
  }
  return locks;
}

/** The name that a column's constraint has while it is being made NOT NULL. */
function constraintOf(column: Column): string {
  return `${column.name}_is_given`;
}

/** A scan under a weak lock, which spares the scan under the strong one (since PostgreSQL 12). */
function forbidNulls(step: Step, table: string, column: Column): readonly Unit[] {
  const name = constraintOf(column);
  return [
    {
      kind: 'transaction',
      statements: [
        {
          step,
          sql: [
            `ALTER TABLE ${table} DROP CONSTRAINT IF EXISTS ${name}, ADD CONSTRAINT ${name} CHECK (${column.name} IS NOT NULL) NOT VALID`,
          ],
          lock: catalogOnly(table),
        },
      ],
    },
    {
      kind: 'autocommit',
      statement: { step, sql: [`ALTER TABLE ${table} VALIDATE CONSTRAINT ${name}`], lock: beside(table) },
    },
  ];
}

function repeatable(step: Step, target: SqlTarget): Omit<Statement, 'step'> {
  const sql = renderStep(step, target);
  const lock = offlineLock(step);
  const withLock = withoutUndefined({ lock });
  switch (step.do) {
    case 'create enum':
      return { sql: sql.map((text) => unlessThere(step.type, text)) };
    case 'add column': {
      const unless = [`ALTER TABLE ${step.table} ADD COLUMN IF NOT EXISTS ${columnDefinition(step.column)}`];
      return {
        sql: step.keptBy === undefined ? unless : [...unlessKept(step, step.keptBy), ...unless],
        ...withLock,
      };
    }
    default:
      return { sql, ...withLock };
  }
}

/**
 * Takes away a column that none of the triggers keeps up to date: nobody knows what is in its rows.
 */
function unlessKept(
  { table, column }: Extract<Step, { do: 'add column' }>,
  triggers: readonly string[],
): readonly string[] {
  const names = triggers.map((trigger) => `'${trigger}'`).join(', ');
  return [
    `DO $$ BEGIN IF EXISTS (SELECT FROM pg_attribute WHERE attrelid = '${table}'::regclass AND attname = '${column.name}' AND NOT attisdropped)
  AND NOT EXISTS (SELECT FROM pg_trigger WHERE tgrelid = '${table}'::regclass AND tgname IN (${names}))
  THEN ALTER TABLE ${table} DROP COLUMN ${column.name}; END IF; END $$`,
  ];
}

/** Another tool may have left a type of that name with other words. */
function unlessThere(type: EnumType, sql: string): string {
  const found = `(SELECT string_agg(enumlabel, ', ' ORDER BY enumsortorder) FROM pg_enum WHERE enumtypid = to_regtype('${type.enum}'))`;
  return `DO $$ BEGIN IF to_regtype('${type.enum}') IS NULL THEN ${sql}; ELSIF ${found} IS DISTINCT FROM '${type.values.join(', ')}' THEN RAISE EXCEPTION 'the type ${type.enum} exists with other values (%). Rename or drop it', ${found}; END IF; END $$`;
}

function beside(table: string): TableLock {
  return {
    table,
    mode: 'SHARE UPDATE EXCLUSIVE',
    effect: 'reads and writes go on; it waits for transactions that are open',
  };
}

function catalogOnly(table: string): TableLock {
  return { table, mode: 'ACCESS EXCLUSIVE', effect: 'nobody reads or writes for some milliseconds' };
}

function offlineLock(step: Step): TableLock | undefined {
  switch (step.do) {
    case 'create table':
    case 'create enum':
      return undefined;
    case 'create index':
      return { table: step.table, mode: 'SHARE', effect: 'nobody writes while the index is built' };
    case 'add filled column':
      return {
        table: step.table,
        mode: 'ACCESS EXCLUSIVE',
        effect: 'nobody reads or writes while the table is rewritten',
      };
    case 'change column':
      return step.column.nullable === true
        ? catalogOnly(step.table)
        : {
            table: step.table,
            mode: 'ACCESS EXCLUSIVE',
            effect: 'nobody reads or writes while the table is read once',
          };
    case 'change data':
      return { table: step.table, mode: 'ROW EXCLUSIVE', effect: 'the rows that are changed are locked' };
    case 'create trigger':
      return {
        table: step.table,
        mode: 'SHARE ROW EXCLUSIVE',
        effect: 'nobody writes for some milliseconds',
      };
    case 'drop table':
    case 'drop index':
    case 'add column':
    case 'drop column':
    case 'drop trigger':
      return catalogOnly(step.table);
  }
}
