import type { RowDataPacket } from 'mysql2/promise';
import { SYNCHRONISING_TRIGGERS } from '../../migrations/image_visibility.ts';
import { type GoldenOptions, versionRows } from './golden-database.ts';
import { goldenMysqlSchema, type MysqlColumn, type MysqlSchema, type MysqlTable } from './golden-mysql.ts';
import { withMysql } from './mysql-client.ts';

/**
 * Builds a database as a real Glance left it, from the golden file alone: none of the project's own
 * DDL is used.
 */
export async function buildMysqlGolden(url: string, options: GoldenOptions): Promise<void> {
  await withMysql(url, async (client) => {
    const [[server]] = await client.query<RowDataPacket[]>('SELECT VERSION() AS version');
    const statements = [
      'SET foreign_key_checks = 0',
      ...schemaDdl(goldenMysqlSchema(options.schema), String(server?.version).includes('MariaDB')),
      ...versionRows(options),
    ];
    for (const statement of statements) {
      await client.query(statement);
    }
  });
}

function schemaDdl(schema: MysqlSchema, ownNames: boolean): readonly string[] {
  return [
    ...Object.entries(schema.tables).map(([name, table]) => tableDdl(name, table, ownNames)),
    ...schema.triggers.map(
      ({ name, table, timing, event }) =>
        // Golden files name the triggers without their bodies.
        `CREATE TRIGGER ${name} ${timing} ${event} ON ${table} FOR EACH ROW ${SYNCHRONISING_TRIGGERS.find((each) => each.name === name)?.glances}`,
    ),
  ];
}

function tableDdl(name: string, table: MysqlTable, ownNames: boolean): string {
  const quoted = (columns: readonly string[]): string => columns.map((column) => `\`${column}\``).join(', ');
  const parts = [
    ...table.columns.map(columnDdl),
    ...(table.primary_key === null ? [] : [`PRIMARY KEY (${quoted(table.primary_key.columns)})`]),
    ...table.uniques.map((unique) => `UNIQUE KEY ${unique.name} (${quoted(unique.columns)})`),
    ...table.indexes.map((index) => `KEY ${index.name} (${quoted(index.columns)}) USING ${index.method}`),
    ...table.foreign_keys.map(
      (key) =>
        `CONSTRAINT ${key.name} FOREIGN KEY (${quoted(key.columns)}) REFERENCES ${key.ref_table} (${quoted(key.ref_columns)}) ON DELETE ${key.on_delete} ON UPDATE ${key.on_update}`,
    ),
    // MariaDB counts the names in each table, MySQL has each name once in a database.
    ...table.checks.map(
      (check) => `CONSTRAINT ${ownNames ? check.name : `${name}_${check.name}`} CHECK (${check.expr})`,
    ),
  ];
  return `CREATE TABLE ${name} (${parts.join(', ')}) ENGINE=${table.engine} COLLATE ${table.collation}`;
}

function columnDdl(column: MysqlColumn): string {
  return [
    `\`${column.name}\``,
    column.type,
    ...(column.charset === null ? [] : [`CHARACTER SET ${column.charset}`]),
    column.nullable ? 'NULL' : 'NOT NULL',
    ...(column.default === null ? [] : [`DEFAULT ${column.default}`]),
    column.extra,
  ].join(' ');
}
