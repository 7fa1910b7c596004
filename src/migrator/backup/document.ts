import { z } from 'zod';
import { PHASES } from '../../glance/phase.ts';

const position = z.strictObject({ revision: z.string(), phase: z.enum(PHASES) });

const documentSchema = z.strictObject({
  version: z.literal(1),
  /** For whom it was taken, such as the UID of a GlanceSchema; empty where nobody said. */
  for: z.string(),
  engine: z.enum(['mysql', 'postgres']),
  /** The name of the database. */
  database: z.string(),
  /** What distinguishes the database from another, whatever it is called. */
  identity: z.string(),
  position,
  heads: z.array(z.string()),
  /** The migration before which it was taken; null where none was named. */
  before: position.nullable(),
  /** The name of the dump in the same folder. */
  file: z.string().regex(/^[A-Za-z0-9][-A-Za-z0-9_.]{0,251}$/),
  bytes: z.int().nonnegative(),
  /** Of the dump, in hex. */
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
  compressed: z.boolean(),
  /** What made it, such as `pg_dump (PostgreSQL) 15.4`. */
  client: z.string(),
  /** The server's version in its own words. */
  server: z.string(),
  /** RFC 3339, UTC: when its snapshot was taken. */
  takenAt: z.iso.datetime(),
  /** When it was put back, if it was: the upgrade after that takes a backup of its own. */
  restoredAt: z.iso.datetime().optional(),
  /** How many rows each table has. */
  tables: z.record(z.string(), z.int().nonnegative()),
  /** What the schemas of PostgreSQL have that has no rows of its own, such as `view public.shared`. */
  others: z.array(z.string()).optional(),
  /** The functions that views of MariaDB or MySQL call, and that are in no dump. */
  needs: z.array(z.string()).optional(),
});

/** What stands beside a dump, in a file of the same name with `.json` behind it. */
export type BackupDocument = z.output<typeof documentSchema>;

/** Reads such a file; undefined where it is none. */
export function parseBackupDocument(text: string): BackupDocument | undefined {
  try {
    return documentSchema.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}
