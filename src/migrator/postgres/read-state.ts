import type { Found, MigrateRow } from '../../glance/detect.ts';
import { postgresBackend } from '../engine/driver-internals.ts';
import { readFailure } from '../engine/read-failure.ts';
import { ask } from './ask.ts';
import type { Session } from './connect.ts';

/** What is read of a database at once. */
export interface PostgresState {
  readonly found: Found;
  /** `server_version_num`, such as 150004. */
  readonly serverVersion: number;
  /** Why nothing can be written, if so. */
  readonly readOnly: string | undefined;
  /** Whether the session is one in which triggers and foreign keys are not heeded. */
  readonly unguarded: boolean;
  /**
   * Whether a pooler is on the way, who may send each transaction to another session of the server.
   */
  readonly pooled: boolean;
  /** The schema that new tables go to; absent where the search path names none that there is. */
  readonly schema: string | undefined;
  /** Whether this user may create tables there. */
  readonly canCreate: boolean;
  /** The schema of each table; empty where the search path has one schema only. */
  readonly schemas: ReadonlyMap<string, string>;
  /** The tables that this user may not alter. */
  readonly notOwned: ReadonlySet<string>;
}

interface CatalogRow {
  readonly version: number;
  readonly replication: string;
  readonly pid: number;
  readonly schema: string | null;
  readonly several: boolean;
  readonly replica: boolean;
  readonly readonly: boolean;
  readonly cancreate: boolean | null;
  readonly tables: readonly {
    readonly name: string;
    readonly schema: string;
    readonly owned: boolean;
    readonly columns: readonly string[];
    readonly triggers: readonly string[];
  }[];
}

/**
 * Tables that an unqualified name finds, as Glance's own do; an extension's tables are nobody's.
 */
const CATALOG = `
SELECT current_setting('server_version_num')::integer AS version, pg_backend_pid() AS pid, current_schema() AS schema,
  cardinality(current_schemas(false)) > 1 AS several,
  current_setting('session_replication_role') AS replication,
  pg_is_in_recovery() AS replica, current_setting('transaction_read_only')::boolean AS readonly,
  has_schema_privilege(current_schema(), 'CREATE') AS cancreate,
  (SELECT coalesce(json_agg(json_build_object('name', c.relname, 'schema', n.nspname, 'owned', pg_has_role(c.relowner, 'USAGE'),
      'columns', (SELECT coalesce(json_agg(a.attname), '[]') FROM pg_attribute a
        WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped),
      'triggers', (SELECT coalesce(json_agg(t.tgname), '[]') FROM pg_trigger t
        WHERE t.tgrelid = c.oid AND NOT t.tgisinternal))), '[]')
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p') AND n.nspname <> 'information_schema' AND n.nspname NOT LIKE 'pg\\_%'
      AND pg_table_is_visible(c.oid)
      AND NOT EXISTS (SELECT 1 FROM pg_depend d
        WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')) AS tables`;

/**
 * Reads tables, columns and the rows of both version tables, in at most two round trips.
 *
 * @throws Failure `DatabaseUnreachable`
 */
export async function readState(session: Session): Promise<PostgresState> {
  try {
    const [catalog] = await ask<CatalogRow>(session, CATALOG);
    if (catalog === undefined) {
      throw new Error('the catalog gave no row');
    }
    const tables = new Map(catalog.tables.map((table) => [table.name, new Set(table.columns)]));
    const triggers = new Set(catalog.tables.flatMap((table) => table.triggers));
    return {
      found: { tables, triggers, ...(await readVersions(session, tables)) },
      serverVersion: catalog.version,
      readOnly: catalog.replica
        ? 'the server is a standby and read-only. Name the primary.'
        : catalog.readonly
          ? 'the connection is read-only (default_transaction_read_only). Allow writing.'
          : undefined,
      unguarded: catalog.replication !== 'origin',
      // A pooler makes up the number that it gives when a client connects.
      pooled: postgresBackend(session.client) !== catalog.pid,
      schema: catalog.schema ?? undefined,
      schemas: new Map(catalog.several ? catalog.tables.map(({ name, schema }) => [name, schema]) : []),
      canCreate: catalog.cancreate === true,
      notOwned: new Set(catalog.tables.filter((table) => !table.owned).map((table) => table.name)),
    };
  } catch (error) {
    throw readFailure(error, session.address);
  }
}

async function readVersions(
  session: Session,
  tables: Found['tables'],
): Promise<Pick<Found, 'alembic' | 'migrate'>> {
  const alembic = tables.get('alembic_version')?.has('version_num') === true;
  const migrate = tables.get('migrate_version')?.has('repository_id') === true;
  if (!alembic && !migrate) {
    return {};
  }
  const parts = [
    ...(alembic
      ? [
          `(SELECT coalesce(json_agg(version_num ORDER BY version_num), '[]') FROM alembic_version) AS alembic`,
        ]
      : []),
    ...(migrate
      ? [
          `(SELECT coalesce(json_agg(json_build_object('repository', repository_id, 'version', version)), '[]')
            FROM migrate_version) AS migrate`,
        ]
      : []),
  ];
  const [rows] = await ask<{ alembic?: string[]; migrate?: MigrateRow[] }>(
    session,
    `SELECT ${parts.join(', ')}`,
  );
  return rows ?? {};
}
