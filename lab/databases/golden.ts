import { readFileSync } from 'node:fs';
import pg from 'pg';

/**
 * A schema as the catalogs tell it; what the real Glance leaves is kept in this form under
 * lab/golden.
 */
export interface Schema {
  readonly dialect: string;
  readonly enums: Readonly<Record<string, readonly string[]>>;
  readonly functions: readonly string[];
  readonly sequences: readonly string[];
  readonly tables: Readonly<Record<string, SchemaTable>>;
  readonly triggers: readonly string[];
}

/** A table as the catalogs of PostgreSQL describe it. */
export interface SchemaTable extends TableKeys {
  readonly columns: readonly SchemaColumn[];
}

/** What a table has besides columns, which is told the same way on all engines. */
export interface TableKeys {
  readonly primary_key: { readonly name: string; readonly columns: readonly string[] } | null;
  readonly uniques: readonly { readonly name: string; readonly columns: readonly string[] }[];
  readonly foreign_keys: readonly SchemaForeignKey[];
  readonly checks: readonly { readonly name: string; readonly expr: string }[];
  readonly indexes: readonly SchemaIndex[];
}

/** A column as the catalogs of PostgreSQL describe it. */
export interface SchemaColumn {
  readonly name: string;
  readonly type: string;
  readonly nullable: boolean;
  readonly default: string | null;
  readonly identity: string | null;
  /** The place among the columns that are there. */
  readonly ordinal: number;
  /** The place as PostgreSQL counts it, dropped columns included. */
  readonly attnum: number;
}

/** A foreign key as the catalogs describe it, with the actions in SQL's words. */
export interface SchemaForeignKey {
  readonly name: string;
  readonly columns: readonly string[];
  readonly ref_table: string;
  readonly ref_columns: readonly string[];
  readonly on_delete: string;
  readonly on_update: string;
}

/** An index as the catalogs describe it; `predicate` is the condition of a partial one. */
export interface SchemaIndex {
  readonly name: string;
  readonly columns: readonly string[];
  readonly unique: boolean;
  readonly method: string;
  readonly predicate: string | null;
}

/**
 * The schema that the real Glance leaves on PostgreSQL at a revision (`ocata_contract01`,
 * `ocata_era__mitaka02`).
 */
export function goldenSchema(name: string): Schema {
  return JSON.parse(readFileSync(new URL(`../golden/postgres/${name}.json`, import.meta.url), 'utf8'));
}

const ACTIONS = `CASE %s WHEN 'a' THEN 'NO ACTION' WHEN 'r' THEN 'RESTRICT' WHEN 'c' THEN 'CASCADE'
  WHEN 'n' THEN 'SET NULL' WHEN 'd' THEN 'SET DEFAULT' END`;

const KEY_COLUMNS = `(SELECT json_agg(a.attname ORDER BY u.place) FROM unnest(%s) WITH ORDINALITY u(attnum, place)
  JOIN pg_attribute a ON a.attrelid = %s AND a.attnum = u.attnum)`;

function keyColumns(key: string, table: string): string {
  return KEY_COLUMNS.replace('%s', key).replace('%s', table);
}

const CATALOG = `
SELECT json_build_object(
  'dialect', 'postgresql',
  'enums', (SELECT coalesce(json_object_agg(t.typname, (SELECT json_agg(e.enumlabel ORDER BY e.enumsortorder)
      FROM pg_enum e WHERE e.enumtypid = t.oid) ORDER BY t.typname), '{}')
    FROM pg_type t WHERE t.typtype = 'e' AND t.typnamespace = current_schema()::regnamespace),
  'functions', (SELECT coalesce(json_agg(p.proname ORDER BY p.proname), '[]')
    FROM pg_proc p WHERE p.pronamespace = current_schema()::regnamespace),
  'sequences', (SELECT coalesce(json_agg(c.relname ORDER BY c.relname), '[]')
    FROM pg_class c WHERE c.relkind = 'S' AND c.relnamespace = current_schema()::regnamespace),
  'tables', (SELECT coalesce(json_object_agg(c.relname, json_build_object(
      'columns', (SELECT coalesce(json_agg(json_build_object(
            'attnum', a.attnum, 'ordinal', a.place, 'name', a.attname, 'type', format_type(a.atttypid, a.atttypmod),
            'nullable', NOT a.attnotnull, 'default', pg_get_expr(d.adbin, d.adrelid),
            'identity', nullif(concat(a.attidentity, a.attgenerated), '')) ORDER BY a.attnum), '[]')
          FROM (SELECT *, row_number() OVER (ORDER BY attnum) AS place FROM pg_attribute
            WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped) a
          LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum),
      'primary_key', (SELECT json_build_object('name', k.conname, 'columns', ${keyColumns('k.conkey', 'c.oid')})
          FROM pg_constraint k WHERE k.conrelid = c.oid AND k.contype = 'p'),
      'uniques', (SELECT coalesce(json_agg(json_build_object('name', k.conname, 'columns',
            ${keyColumns('k.conkey', 'c.oid')}) ORDER BY k.conname), '[]')
          FROM pg_constraint k WHERE k.conrelid = c.oid AND k.contype = 'u'),
      'checks', (SELECT coalesce(json_agg(json_build_object('name', k.conname, 'expr', pg_get_constraintdef(k.oid))
            ORDER BY k.conname), '[]') FROM pg_constraint k WHERE k.conrelid = c.oid AND k.contype = 'c'),
      'foreign_keys', (SELECT coalesce(json_agg(json_build_object('name', k.conname,
            'columns', ${keyColumns('k.conkey', 'c.oid')}, 'ref_table', k.confrelid::regclass::text,
            'ref_columns', ${keyColumns('k.confkey', 'k.confrelid')},
            'on_delete', ${ACTIONS.replace('%s', 'k.confdeltype')},
            'on_update', ${ACTIONS.replace('%s', 'k.confupdtype')}) ORDER BY k.conname), '[]')
          FROM pg_constraint k WHERE k.conrelid = c.oid AND k.contype = 'f'),
      'indexes', (SELECT coalesce(json_agg(json_build_object('name', x.relname, 'unique', i.indisunique,
            'method', m.amname, 'predicate', pg_get_expr(i.indpred, i.indrelid),
            'columns', (SELECT json_agg(pg_get_indexdef(i.indexrelid, n, true) ORDER BY n)
              FROM generate_series(1, i.indnkeyatts) n)) ORDER BY x.relname), '[]')
          FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid JOIN pg_am m ON m.oid = x.relam
          WHERE i.indrelid = c.oid
            AND NOT EXISTS (SELECT 1 FROM pg_constraint k WHERE k.conindid = i.indexrelid AND k.contype IN ('p', 'u')))
    ) ORDER BY c.relname), '{}')
    FROM pg_class c WHERE c.relkind IN ('r', 'p') AND c.relnamespace = current_schema()::regnamespace),
  'triggers', (SELECT coalesce(json_agg(t.tgname ORDER BY t.tgname), '[]') FROM pg_trigger t
    JOIN pg_class c ON c.oid = t.tgrelid AND c.relnamespace = current_schema()::regnamespace WHERE NOT t.tgisinternal)
) AS schema`;

/**
 * Reads the schema of a database in the form of the golden files. `alembic_version` is in it, there
 * it is not.
 */
export async function readSchema(connectionString: string): Promise<Schema> {
  const client = new pg.Client({ connectionString });
  await client.connect();
  try {
    const { rows } = await client.query<{ schema: Schema }>(CATALOG);
    const [row] = rows;
    if (row === undefined) {
      throw new Error('the catalog query gave no row');
    }
    return row.schema;
  } finally {
    await client.end();
  }
}

/** `alembic_version` as Alembic makes it. */
const ALEMBIC_VERSION: SchemaTable = {
  columns: [
    {
      name: 'version_num',
      type: 'character varying(32)',
      nullable: false,
      default: null,
      identity: null,
      ordinal: 1,
      attnum: 1,
    },
  ],
  primary_key: { name: 'alembic_version_pkc', columns: ['version_num'] },
  uniques: [],
  foreign_keys: [],
  checks: [],
  indexes: [],
};

/** A golden schema together with `alembic_version`. */
export function withAlembicVersion(schema: Schema): Schema {
  return { ...schema, tables: { ...schema.tables, alembic_version: ALEMBIC_VERSION } };
}
