import pg from 'pg';
import { goldenSchema, type Schema, type SchemaTable } from './golden.ts';

/** Which schema a new database gets, and what its version tables say. */
export interface GoldenOptions {
  /**
   * The golden file whose schema to build (`ocata_era__mitaka02`); its own tables only, without
   * rows.
   */
  readonly schema: string;
  /** Rows for `alembic_version`; absent means that the table is not made. */
  readonly alembic?: readonly string[];
  /** A row for `migrate_version`, which the schema of an `ocata_era__` file has. */
  readonly migrate?: number;
}

/**
 * Builds a database as a real Glance left it, from the golden file alone: none of the project's own
 * DDL is used.
 */
export async function buildGolden(connectionString: string, options: GoldenOptions): Promise<void> {
  const client = new pg.Client({ connectionString });
  await client.connect();
  try {
    await client.query(
      ['BEGIN', ...schemaDdl(goldenSchema(options.schema)), ...versionRows(options), 'COMMIT'].join(';\n'),
    );
  } finally {
    await client.end();
  }
}

/** What both tools keep of the revision, in SQL that all engines take. */
export function versionRows(options: GoldenOptions): readonly string[] {
  return [
    ...(options.alembic === undefined
      ? []
      : [
          'CREATE TABLE alembic_version (version_num varchar(32) NOT NULL, CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num))',
          ...options.alembic.map((head) => `INSERT INTO alembic_version VALUES ('${head}')`),
        ]),
    ...(options.migrate === undefined
      ? []
      : [
          `INSERT INTO migrate_version VALUES ('Glance Migrations', '/glance/migrate_repo', ${options.migrate})`,
        ]),
  ];
}

function schemaDdl(schema: Schema): readonly string[] {
  const tables = Object.entries(schema.tables);
  return [
    ...Object.entries(schema.enums).map(
      ([name, values]) => `CREATE TYPE ${name} AS ENUM (${values.map((value) => `'${value}'`).join(', ')})`,
    ),
    ...schema.sequences.map((name) => `CREATE SEQUENCE ${name} AS integer`),
    ...tables.flatMap(([name, table]) => tableDdl(name, table)),
    ...tables.flatMap(([name, table]) => foreignKeyDdl(name, table)),
  ];
}

/**
 * The gaps that dropped columns left are recreated: a column is added in their place and dropped.
 */
function tableDdl(name: string, table: SchemaTable): readonly string[] {
  const last = table.columns.at(-1)?.attnum ?? 0;
  const columns = Array.from({ length: last }, (_, index) => {
    const column = table.columns.find((candidate) => candidate.attnum === index + 1);
    return column === undefined
      ? `gap_${index + 1} integer`
      : `"${column.name}" ${column.type}${column.default === null ? '' : ` DEFAULT ${column.default}`}${column.nullable ? '' : ' NOT NULL'}`;
  });
  const gaps = columns.filter((column) => column.startsWith('gap_')).map((column) => column.split(' ')[0]);
  const keys = [
    ...(table.primary_key === null
      ? []
      : [`CONSTRAINT ${table.primary_key.name} PRIMARY KEY (${table.primary_key.columns.join(', ')})`]),
    ...table.uniques.map((unique) => `CONSTRAINT ${unique.name} UNIQUE (${unique.columns.join(', ')})`),
  ];
  const serials = table.columns.filter((column) => column.default?.startsWith('nextval') === true);
  return [
    `CREATE TABLE ${name} (${[...columns, ...keys].join(', ')})`,
    ...gaps.map((gap) => `ALTER TABLE ${name} DROP COLUMN ${gap}`),
    ...serials.map((column) => `ALTER SEQUENCE ${name}_${column.name}_seq OWNED BY ${name}.${column.name}`),
    ...table.indexes.map(
      (index) =>
        `CREATE ${index.unique ? 'UNIQUE ' : ''}INDEX ${index.name} ON ${name} USING ${index.method} (${index.columns.join(', ')})`,
    ),
  ];
}

function foreignKeyDdl(name: string, table: SchemaTable): readonly string[] {
  return table.foreign_keys.map(
    (key) =>
      `ALTER TABLE ${name} ADD CONSTRAINT ${key.name} FOREIGN KEY (${key.columns.join(', ')}) REFERENCES ${key.ref_table} (${key.ref_columns.join(', ')}) ON DELETE ${key.on_delete} ON UPDATE ${key.on_update}`,
  );
}
