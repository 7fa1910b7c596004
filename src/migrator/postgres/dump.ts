import { asBackupFailure, cannotBackUp, noClient } from '../backup/backup-failure.ts';
import { readUntil } from '../backup/begun-output.ts';
import { type ClientProgram, findClient, lastLine, startClient } from '../backup/client-program.ts';
import { CopyRows } from '../backup/copy-rows.ts';
import type { DumpContent, Dumper, DumpOptions, DumpReader, StartedDump } from '../engine/dump.ts';
import { reachSameServer } from '../engine/same-server.ts';
import { clientEnvironment } from './client-environment.ts';
import { isAboutTls, openSession, type Session } from './connect.ts';
import { isLockedBy, type LockHolding } from './lock.ts';
import { literal, quoted } from './quoted.ts';
import type { PostgresState } from './read-state.ts';
import { inDocument, type SchemaObject, schemaObjects } from './schema-objects.ts';
import { settings } from './session-settings.ts';

/**
 * The tables that pg_dump takes the rows of: it leaves out those of extensions, and a partitioned
 * table has none of its own.
 */
function tables(schemas: readonly string[]): string {
  return `
SELECT n.nspname AS schema, c.relname AS name, pg_table_size(c.oid) AS bytes
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND n.nspname IN (${schemas.map(literal).join(', ')})
  AND NOT EXISTS (SELECT 1 FROM pg_depend d
    WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')`;
}

/**
 * What pg_dump says of a server that does not know the snapshot, or has no TLS where ours has: it is
 * another one.
 */
const NOT_THERE = /SET TRANSACTION SNAPSHOT|server does not support SSL/;

interface Table {
  readonly schema: string;
  readonly name: string;
  readonly bytes: number;
}

/**
 * pg_dump, of a snapshot that a session of ours has exported and counts the rows of.
 *
 * @throws Failure `BackupFailed`, `DatabaseUnreachable`
 */
export async function openDumper(
  lock: LockHolding,
  state: PostgresState,
  options: DumpOptions,
): Promise<Dumper> {
  const { address } = lock.session;
  const found = await findClients(address, state);
  const environment = clientEnvironment(lock.session, lock.target);
  if ('cannot' in environment) {
    throw cannotBackUp(address, environment.cannot);
  }
  const schemas = [
    ...new Set([...state.schemas.values(), ...(state.schema === undefined ? [] : [state.schema])]),
  ];
  const begun = await beginSnapshot(lock, options);
  const { session } = begun;
  const { signal } = options;
  // It may be waiting for a table.
  signal.addEventListener('abort', () => void session.close(), { once: true });
  try {
    const { rows } = await session.client.query<Table>(tables(schemas));
    const objects = await session.client.query<SchemaObject>(schemaObjects(schemas));
    const counted = new Set(rows.map(({ schema, name }) => JSON.stringify([schema, name])));
    const others = objects.rows.filter(
      ({ kind, ofTable, schema, plain }) =>
        !ofTable && !(kind === 'table' && counted.has(JSON.stringify([schema, plain]))),
    );
    return {
      client: found.dump.says,
      server: begun.server,
      ending: '.dump',
      tableBytes: rows.reduce((sum, { bytes }) => sum + Number(bytes), 0),
      others: others.map(inDocument),
      async start(): Promise<StartedDump> {
        const args = [
          '--format=custom',
          // The quickest: the proof is not to wait for it.
          `--compress=${options.compressed ? 1 : 0}`,
          `--snapshot=${begun.snapshot}`,
          `--lock-wait-timeout=${options.lockTimeoutSeconds * 1000}`,
          '--no-password',
          ...schemas.map((schema) => `--schema=${quoted(schema)}`),
        ];
        const counts = countRows(session, rows);
        // Whoever waits for it may have failed before.
        counts.catch(() => undefined);
        const { ended, output } = await reachSameServer(address, async () => {
          const dump = startClient(found.dump, { args, env: environment.env, signal });
          dump.input.end();
          // It writes nothing before it has the snapshot.
          const read = await readUntil(dump.output, ({ length }) => length > 0);
          const right = !read.whole || !NOT_THERE.test((await dump.ended).said);
          return {
            connection: { ended: dump.ended, output: read.output },
            right,
            close: async () => undefined,
          };
        });
        return {
          takenAt: begun.takenAt,
          output,
          encoder: undefined,
          counts,
          ended,
          reader: openReader(found.restore, address, signal),
        };
      },
      close: () => session.close(),
    };
  } catch (error) {
    await session.close();
    throw asBackupFailure(error, address);
  }
}

async function findClients(
  address: string,
  state: PostgresState,
): Promise<{ readonly dump: ClientProgram; readonly restore: ClientProgram }> {
  if (state.pooled) {
    throw cannotBackUp(
      address,
      'a pooler such as PgBouncer is on the way, and pg_dump would leave its settings in sessions that others get. Name the server itself.',
    );
  }
  const server = Math.floor(state.serverVersion / 10_000);
  const dump = await findClient(['pg_dump']);
  const restore = await findClient(['pg_restore']);
  if (dump === undefined || restore === undefined) {
    throw noClient([dump === undefined ? 'pg_dump' : 'pg_restore'], address);
  }
  const version = Number(/\b(\d+)(?:\.\d+|devel|beta|rc)/.exec(dump.says)?.[1] ?? 0);
  if (version < server) {
    throw cannotBackUp(
      address,
      `the server is PostgreSQL ${server}, and pg_dump is ${version === 0 ? 'of an unknown version' : `of ${version}`}. Use the client of PostgreSQL ${server} or later: spec.backup.image names the image that has it.`,
    );
  }
  return { dump, restore };
}

interface Snapshot {
  readonly session: Session;
  readonly snapshot: string;
  readonly server: string;
  readonly takenAt: Date;
}

/** The transaction keeps the snapshot until the session is closed. */
async function beginSnapshot({ session, target, pid }: LockHolding, options: DumpOptions): Promise<Snapshot> {
  const open = async () => {
    const own = await openSession(target);
    try {
      await own.client.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY');
      const takenAt = new Date();
      const { rows } = await own.client.query<{ right: boolean; snapshot: string; server: string }>(
        `SELECT ${isLockedBy(pid)} AS right, pg_export_snapshot() AS snapshot,
          current_setting('server_version') AS server, ${settings('true', `${options.lockTimeoutSeconds}s`)}`,
      );
      const [row] = rows;
      own.keepAlive();
      return {
        connection: { session: own, snapshot: row?.snapshot ?? '', server: row?.server ?? '', takenAt },
        right: row?.right === true,
        close: () => own.close(),
      };
    } catch (error) {
      await own.close();
      throw asBackupFailure(error, session.address);
    }
  };
  return reachSameServer(session.address, open, isAboutTls);
}

async function countRows({ client, address }: Session, tables: readonly Table[]): Promise<DumpContent> {
  const counts = new Map<string, number>();
  try {
    for (const { schema, name } of tables) {
      const { rows } = await client.query(`SELECT count(*) AS n FROM ONLY ${quoted(schema)}.${quoted(name)}`);
      counts.set(`${schema}.${name}`, Number(rows[0]?.n));
    }
  } catch (error) {
    throw asBackupFailure(error, address);
  }
  return { rows: counts };
}

const MOST_AHEAD = 4 << 20;

/** Whoever restores a dump of the custom format reads it with pg_restore. */
function openReader(restore: ClientProgram, address: string, signal: AbortSignal): DumpReader {
  const rows = new CopyRows();
  const reader = startClient(restore, { args: ['--file=-'], env: {}, signal });
  reader.output.on('data', (chunk: Buffer) => rows.push(chunk));
  return {
    async write(chunk) {
      reader.input.write(chunk);
      // Some pieces ahead, so that neither program waits for the other at each of them.
      if (reader.input.writableLength > MOST_AHEAD) {
        await Promise.race([
          new Promise((resolve) => reader.input.once('drain', resolve)),
          // What it had to say comes with `end`.
          reader.ended,
        ]);
      }
    },
    async end() {
      reader.input.end();
      const { ok, said } = await reader.ended;
      if (!ok) {
        throw cannotBackUp(address, `pg_restore cannot read what pg_dump wrote: ${lastLine(said)}`);
      }
      return rows.content();
    },
  };
}
