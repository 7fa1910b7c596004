import { readFileSync } from 'node:fs';
import type { RowDataPacket } from 'mysql2/promise';
import type { TableKeys } from './golden.ts';
import { withMysql } from './mysql-client.ts';

/**
 * A schema as MariaDB's catalogs tell it; what the real Glance leaves is kept in this form under
 * lab/golden/mysql.
 */
export interface MysqlSchema {
  readonly dialect: string;
  readonly routines: readonly string[];
  readonly tables: Readonly<Record<string, MysqlTable>>;
  readonly triggers: readonly MysqlTrigger[];
}

/** A table as the catalogs of MariaDB and MySQL describe it. */
export interface MysqlTable extends TableKeys {
  readonly engine: string;
  readonly collation: string;
  readonly columns: readonly MysqlColumn[];
}

/** A column as `information_schema.columns` describes it. */
export interface MysqlColumn {
  readonly name: string;
  readonly type: string;
  readonly nullable: boolean;
  readonly default: string | null;
  readonly extra: string;
  readonly charset: string | null;
  readonly ordinal: number;
}

/** A trigger as `information_schema.triggers` describes it, without its body. */
export interface MysqlTrigger {
  readonly name: string;
  readonly table: string;
  readonly timing: string;
  readonly event: string;
}

/**
 * The schema that the real Glance leaves on MariaDB at a revision (`ocata_contract01`,
 * `ocata_era__mitaka02`).
 */
export function goldenMysqlSchema(name: string): MysqlSchema {
  return JSON.parse(readFileSync(new URL(`../golden/mysql/${name}.json`, import.meta.url), 'utf8'));
}

type Rows = readonly RowDataPacket[];

/**
 * Reads the schema of a database in the form of the golden files. `alembic_version` is in it, there
 * it is not.
 */
export async function readMysqlSchema(url: string): Promise<MysqlSchema> {
  return withMysql(url, async (client) => {
    const ask = async (sql: string): Promise<Rows> => (await client.query<RowDataPacket[]>(sql))[0];
    // For each view, and the column that it is looked up by: MariaDB else opens the tables of every
    // database, and on Galera the DDL of another test's database ends the query with a deadlock.
    const here = (column: string): string => `${column} = DATABASE()`;
    const tables = await ask(
      `SELECT TABLE_NAME AS name, ENGINE AS engine, TABLE_COLLATION AS collation FROM information_schema.TABLES
       WHERE ${here('TABLE_SCHEMA')} AND TABLE_TYPE = 'BASE TABLE' ORDER BY 1`,
    );
    const columns = await ask(
      `SELECT TABLE_NAME AS tab, COLUMN_NAME AS name, COLUMN_TYPE AS type, IS_NULLABLE = 'YES' AS nullable,
         COLUMN_DEFAULT AS standard, EXTRA AS extra, CHARACTER_SET_NAME AS charset, ORDINAL_POSITION AS ordinal
       FROM information_schema.COLUMNS WHERE ${here('TABLE_SCHEMA')} ORDER BY 1, ordinal`,
    );
    const keys = await ask(
      `SELECT TABLE_NAME AS tab, INDEX_NAME AS name, COLUMN_NAME AS col, NON_UNIQUE = 0 AS uni, LOWER(INDEX_TYPE) AS method
       FROM information_schema.STATISTICS WHERE ${here('TABLE_SCHEMA')} ORDER BY 1, 2, SEQ_IN_INDEX`,
    );
    const foreign = await ask(
      `SELECT k.TABLE_NAME AS tab, k.CONSTRAINT_NAME AS name, k.COLUMN_NAME AS col, k.REFERENCED_TABLE_NAME AS ref_table,
         k.REFERENCED_COLUMN_NAME AS ref_col, r.DELETE_RULE AS on_delete, r.UPDATE_RULE AS on_update
       FROM information_schema.KEY_COLUMN_USAGE k JOIN information_schema.REFERENTIAL_CONSTRAINTS r
         ON ${here('r.CONSTRAINT_SCHEMA')} AND r.CONSTRAINT_NAME = k.CONSTRAINT_NAME
           AND r.TABLE_NAME = k.TABLE_NAME
       WHERE ${here('k.TABLE_SCHEMA')} ORDER BY 1, 2, k.ORDINAL_POSITION`,
    );
    const [server] = await ask('SELECT VERSION() AS version');
    const [kept] = await ask(
      `SELECT 1 AS kept FROM information_schema.TABLES
       WHERE TABLE_SCHEMA = 'information_schema' AND TABLE_NAME = 'CHECK_CONSTRAINTS'`,
    );
    const readChecks = (): Promise<Rows> =>
      ask(
        // MySQL keeps the table elsewhere, where MariaDB lists only some of the constraints.
        `SELECT TABLE_NAME AS tab, CONSTRAINT_NAME AS name, CHECK_CLAUSE AS expr FROM information_schema.CHECK_CONSTRAINTS
         ${String(server?.version).includes('MariaDB') ? '' : 'JOIN information_schema.TABLE_CONSTRAINTS t USING (CONSTRAINT_SCHEMA, CONSTRAINT_NAME)'}
       WHERE ${here('CONSTRAINT_SCHEMA')} ORDER BY 1, 2`,
      );
    // MySQL before 8.0.16 keeps none.
    const checks = kept === undefined ? [] : await readChecks();
    const triggers = await ask(
      `SELECT TRIGGER_NAME AS name, EVENT_OBJECT_TABLE AS tab, ACTION_TIMING AS timing, EVENT_MANIPULATION AS event
       FROM information_schema.TRIGGERS WHERE ${here('EVENT_OBJECT_SCHEMA')} ORDER BY 1`,
    );
    const routines = await ask(
      `SELECT ROUTINE_NAME AS name FROM information_schema.ROUTINES WHERE ${here('ROUTINE_SCHEMA')} ORDER BY 1`,
    );
    return {
      dialect: 'mysql',
      routines: routines.map((row) => row.name),
      tables: Object.fromEntries(
        tables.map((table): [string, MysqlTable] => {
          const own = (rows: Rows): Rows => rows.filter((row) => row.tab === table.name);
          const indexes = grouped(own(keys));
          return [
            table.name,
            {
              engine: table.engine,
              collation: table.collation,
              columns: own(columns).map((column) => ({
                name: column.name,
                type: column.type,
                nullable: column.nullable === 1,
                default: column.standard === 'NULL' ? null : column.standard,
                extra: column.extra,
                charset: column.charset,
                ordinal: Number(column.ordinal),
              })),
              primary_key:
                indexes
                  .filter(({ name }) => name === 'PRIMARY')
                  .map(({ name, rows }) => ({ name, columns: rows.map((row) => row.col) }))[0] ?? null,
              uniques: indexes
                .filter(({ name, rows }) => name !== 'PRIMARY' && rows[0]?.uni === 1)
                .map(({ name, rows }) => ({ name, columns: rows.map((row) => row.col) })),
              indexes: indexes
                .filter(({ rows }) => rows[0]?.uni !== 1)
                .map(({ name, rows }) => ({
                  name,
                  columns: rows.map((row) => row.col),
                  unique: false,
                  method: rows[0]?.method,
                  predicate: null,
                })),
              foreign_keys: grouped(own(foreign)).map(({ name, rows }) => ({
                name,
                columns: rows.map((row) => row.col),
                ref_table: rows[0]?.ref_table,
                ref_columns: rows.map((row) => row.ref_col),
                on_delete: rows[0]?.on_delete,
                on_update: rows[0]?.on_update,
              })),
              checks: own(checks).map((check) => ({ name: check.name, expr: check.expr })),
            },
          ];
        }),
      ),
      triggers: triggers.map((trigger) => ({
        name: trigger.name,
        table: trigger.tab,
        timing: trigger.timing,
        event: trigger.event,
      })),
    };
  });
}

/**
 * A schema without what MariaDB and MySQL tell differently of the same: display widths, quotes of
 * defaults, names and brackets of checks, what a foreign key does by default, and the name of the
 * character set.
 */
export function withoutDialect(schema: MysqlSchema): MysqlSchema {
  const action = (name: string): string => (name === 'RESTRICT' ? 'NO ACTION' : name);
  const tables = Object.entries(schema.tables).map(([name, table]): [string, MysqlTable] => [
    name,
    {
      ...table,
      collation: table.collation.replace(/^utf8_/, 'utf8mb3_'),
      columns: table.columns.map((column) => ({
        ...column,
        type: column.type.replace(/^(int|bigint)\(\d+\)$/, '$1'),
        default: column.default?.replace(/^'(.*)'$/, '$1') ?? null,
        charset: column.charset === 'utf8' ? 'utf8mb3' : column.charset,
      })),
      foreign_keys: table.foreign_keys.map((key) => ({
        ...key,
        on_delete: action(key.on_delete),
        on_update: action(key.on_update),
      })),
      checks: table.checks
        .map(({ expr }) => ({ name: '', expr: expr.replace(/^\((.*)\)$/, '$1') }))
        .sort((one, other) => (one.expr < other.expr ? -1 : 1)),
    },
  ]);
  return { ...schema, tables: Object.fromEntries(tables) };
}

/** A schema as a MySQL before 8.0.16 has it, which takes a CHECK without keeping it. */
export function withoutChecks(schema: MysqlSchema): MysqlSchema {
  const tables = Object.entries(schema.tables).map(([name, table]) => [name, { ...table, checks: [] }]);
  return { ...schema, tables: Object.fromEntries(tables) };
}

function grouped(rows: Rows): readonly { readonly name: string; readonly rows: Rows }[] {
  return Object.entries(Object.groupBy(rows, (row) => String(row.name))).map(([name, group]) => ({
    name,
    rows: group ?? [],
  }));
}

/**
 * A golden schema together with `alembic_version`, in the kind of text that the database has by
 * default.
 */
export function withMysqlAlembicVersion(schema: MysqlSchema): MysqlSchema {
  const alembic: MysqlTable = {
    engine: 'InnoDB',
    collation: 'utf8mb3_general_ci',
    columns: [
      {
        name: 'version_num',
        type: 'varchar(32)',
        nullable: false,
        default: null,
        extra: '',
        charset: 'utf8mb3',
        ordinal: 1,
      },
    ],
    primary_key: { name: 'PRIMARY', columns: ['version_num'] },
    uniques: [],
    foreign_keys: [],
    checks: [],
    indexes: [],
  };
  return { ...schema, tables: { ...schema.tables, alembic_version: alembic } };
}
