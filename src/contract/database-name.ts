import type { GlanceSchemaSpec } from './glance-schema.ts';

type Database = GlanceSchemaSpec['database'];

const STANDARD_PORTS = { mysql: 3306, postgresql: 5432 } as const;

/**
 * Names the database of a GlanceSchema as far as anybody can who reads no Secret: the Secret and
 * the key of its connection, `glance-db/connection`, or where it is,
 * `mysql://db.example.org:3306/glance`. Whose credentials are used is no part of the latter.
 */
export function databaseName({ secretRef, engine, host, port, name }: Database): string {
  if (secretRef !== undefined) {
    return `${secretRef.name}/${secretRef.key}`;
  }
  const where = host?.includes(':') ? `[${host}]` : host;
  const standard = engine === undefined ? '' : STANDARD_PORTS[engine];
  return `${engine}://${where?.toLowerCase()}:${port ?? standard}/${name}`;
}

/** What messages call a database that has this name. */
export function describeDatabase(name: string): string {
  return isPlace(name) ? `at ${name}` : `of Secret ${name}`;
}

/** Whether the name says where the database is, and not which Secret does. */
function isPlace(name: string): boolean {
  return name.includes('://');
}
