import { setTimeout as sleep } from 'node:timers/promises';
import { constants, createGzip } from 'node:zlib';
import { asBackupFailure, cannotBackUp, noClient } from '../backup/backup-failure.ts';
import { type BegunOutput, readUntil } from '../backup/begun-output.ts';
import { type ClientProgram, findClient, type RunningClient, startClient } from '../backup/client-program.ts';
import { InsertRows } from '../backup/insert-rows.ts';
import type { ConnectionTarget } from '../connection/target.ts';
import type { DumpContent, Dumper, DumpOptions, DumpReader, StartedDump } from '../engine/dump.ts';
import { reachSameServer } from '../engine/same-server.ts';
import { databaseError, isLockTimeout } from '../errors/database-error.ts';
import { type ClientFamily, clientAccess } from './client-options.ts';
import { isAboutTls, type Session } from './connect.ts';
import { readDumped, readNeeded } from './dumped.ts';
import { readGrants } from './grants.ts';
import type { ServerLock } from './lock.ts';
import { openBeside } from './open-beside.ts';
import { quoted } from './quoted.ts';
import type { LockHolding } from './writer.ts';

/** The rights that a whole dump needs; without TRIGGER the client leaves triggers out, silently. */
const RIGHTS = ['SELECT', 'LOCK TABLES', 'TRIGGER'] as const;

const COUNT_VIEWS =
  "SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE() AND TABLE_TYPE = 'VIEW'";

/** The longest that the tables stay locked for the dump's session to begin its transaction. */
const MOST_LOCKED_SECONDS = 20;

/**
 * So many dumps that reached another server are tried as they come: one of a few servers in turn is
 * the right one soon. Then sessions are left on the others, for a balancer that leads to whoever has
 * fewest.
 */
const TRIES_IN_TURN = 5;

/**
 * mariadb-dump or mysqldump, in a transaction that begins while the tables are locked for reading,
 * as does that of a session of ours, which counts the rows. A balancer may lead it to another server
 * than that one: each of its statements that reads rows asks for the lock.
 *
 * @throws Failure `BackupFailed`, `DatabaseUnreachable`
 */
export async function openDumper(
  lock: LockHolding,
  target: ConnectionTarget,
  options: DumpOptions,
): Promise<Dumper> {
  const { address } = lock.session;
  const [about] = await lock.session.query(
    `SELECT VERSION() AS version, DATABASE() AS name, (SELECT SUM(DATA_LENGTH) FROM information_schema.TABLES
      WHERE TABLE_SCHEMA = DATABASE()) AS bytes, (${COUNT_VIEWS}) AS views`,
  );
  const server = String(about?.version);
  const database = String(about?.name);
  const { program, family } = await findDumpClient(server, address);
  const access = clientAccess(family, lock.session, target);
  if ('cannot' in access) {
    throw cannotBackUp(address, access.cannot);
  }
  const { args, env } = access;
  await checkHistory(lock.session);
  await checkRights(lock.session, database, Number(about?.views) > 0 ? [...RIGHTS, 'SHOW VIEW'] : RIGHTS);
  const needs = await readNeeded(lock.session);
  const sessions: Session[] = [];
  const open = async (): Promise<Session> => {
    const session = await openBeside(lock.session, lock.lock);
    sessions.push(session);
    return session;
  };
  return {
    client: program.says,
    server,
    ending: options.compressed ? '.sql.gz' : '.sql',
    tableBytes: Number(about?.bytes ?? 0),
    needs,
    async start(): Promise<StartedDump> {
      const [locker, counter] = [await open(), await open()];
      counter.keepAlive();
      let tries = 0;
      try {
        const attempt = async () => {
          tries += 1;
          const connection = await begin(locker, counter);
          const right = await isThere(connection);
          const beside = right || tries <= TRIES_IN_TURN ? undefined : await lock.session.another();
          return { connection, right, close: async () => beside?.close() };
        };
        const begun = await reachSameServer(address, attempt, isAboutTls);
        return started(counter, begun);
      } catch (error) {
        throw asBackupFailure(error, address);
      } finally {
        await locker.close();
      }
    },
    async close() {
      await Promise.all(sessions.map((session) => session.close()));
    },
  };

  async function begin(locker: Session, counter: Session): Promise<Begun> {
    const tables = await lockTables(locker, options.lockTimeoutSeconds, options.signal);
    await counter.query('START TRANSACTION WITH CONSISTENT SNAPSHOT');
    const takenAt = new Date();
    const dump = startClient(program, {
      args: [
        ...args,
        ...DUMP_OPTIONS,
        ...(family === 'mysql' ? MYSQL_ONLY : []),
        `--where=${whereThere(lock.lock)}`,
        '--',
        database,
      ],
      env,
      signal: options.signal,
    });
    dump.input.end();
    try {
      const output = await untilBegun(dump.output, address);
      await locker.query('UNLOCK TABLES');
      return { tables, takenAt, dump, ...(await readUntil(output, hasRows)) };
    } catch (error) {
      dump.end();
      throw error;
    }
  }

  function started(counter: Session, { tables, takenAt, dump, output }: Begun): StartedDump {
    const counts = count(counter, tables);
    // Whoever waits for it may have failed before.
    counts.catch(() => undefined);
    return {
      takenAt,
      output,
      // The quickest: the proof is not to wait for it.
      encoder: options.compressed ? createGzip({ level: constants.Z_BEST_SPEED }) : undefined,
      counts,
      ended: dump.ended,
      reader: openReader(),
    };
  }
}

/** A dump whose session has its snapshot. */
interface Begun extends BegunOutput {
  readonly tables: readonly string[];
  readonly takenAt: Date;
  readonly dump: RunningClient;
}

/**
 * What the dump reads rows by: all of them on the server that has the lock, and an error on another.
 * It is asked once, as the session then knows.
 */
function whereThere({ there }: ServerLock): string {
  return `COALESCE(@glance_schema, @glance_schema := (SELECT 1 UNION SELECT ${there}))`;
}

/**
 * The server's number for the two rows that there are on another one; and what a client says of one
 * that has no TLS, where the server that has the lock has.
 */
const NOT_THERE = /\b1242\b|SSL is required/;

/** Whether the server has given a row, and so has answered. */
function hasRows(begun: Buffer): boolean {
  return begun.includes('\nINSERT INTO ');
}

/** What else a dump has failed of is seen where it is written. */
async function isThere({ dump, whole }: Begun): Promise<boolean> {
  return !whole || !NOT_THERE.test((await dump.ended).said);
}

const DUMP_OPTIONS: readonly string[] = [
  '--single-transaction',
  '--skip-lock-tables',
  '--quick',
  '--triggers',
  '--skip-routines',
  '--skip-events',
  '--hex-blob',
  '--no-tablespaces',
  '--comments',
];

const MYSQL_ONLY: readonly string[] = ['--column-statistics=0', '--set-gtid-purged=OFF'];

/** That of the server's own family, where there is one. */
async function findDumpClient(
  server: string,
  address: string,
): Promise<{ readonly program: ClientProgram; readonly family: ClientFamily }> {
  const names = /mariadb/i.test(server) ? ['mariadb-dump', 'mysqldump'] : ['mysqldump', 'mariadb-dump'];
  const program = await findClient(names);
  if (program === undefined) {
    throw noClient(names, address);
  }
  const family = /mariadb/i.test(program.says) ? 'mariadb' : 'mysql';
  const major = (version: string): number => Number(/(\d+)\.\d+/.exec(version)?.[1] ?? 0);
  if (family === 'mysql' && !/mariadb/i.test(server) && major(program.says) < 8 && major(server) >= 8) {
    throw cannotBackUp(
      address,
      `the server is MySQL ${server}, and mysqldump is of ${major(program.says)}. Use that of MySQL 8 or later: spec.backup.image names the image that has it.`,
    );
  }
  return { program, family };
}

/** A dump has the rows of now, and the earlier ones would be lost with no word. */
async function checkHistory(session: Session): Promise<void> {
  const [versioned] = await session.query(
    `SELECT TABLE_NAME AS name FROM information_schema.TABLES
      WHERE TABLE_SCHEMA = DATABASE() AND TABLE_TYPE = 'SYSTEM VERSIONED' ORDER BY 1`,
  );
  if (versioned !== undefined) {
    throw cannotBackUp(
      session.address,
      `the table ${versioned.name} keeps its earlier rows (system versioning), which are in no dump. Move it to another database, or drop its versioning.`,
    );
  }
}

/** A right that comes by a role is not seen, and is tried out then. */
async function checkRights(session: Session, database: string, rights: readonly string[]): Promise<void> {
  const rows = await session.query('SHOW GRANTS');
  const { onDatabase, more } = readGrants(
    rows.map((row) => String(Object.values(row)[0])),
    database,
  );
  const missing = rights.filter((right) => !onDatabase.has(right));
  if (missing.length > 0 && !more) {
    throw cannotBackUp(session.address, missingRights(missing, database));
  }
}

function missingRights(rights: readonly string[], database: string): string {
  return `the user lacks ${rights.join(' and ')}, without which no whole backup of one moment can be made. As an administrator: GRANT ${[...new Set([...RIGHTS, ...rights])].join(', ')} ON ${quoted(database)}.* TO that user.`;
}

/**
 * Locks all tables for reading and gives their names. Whoever waits for a table makes all later
 * writers of it wait behind, so it waits for a second, lets them pass, and tries again.
 */
async function lockTables(
  session: Session,
  timeoutSeconds: number,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const started = performance.now();
  await session.query('SET SESSION lock_wait_timeout = 1');
  for (;;) {
    signal.throwIfAborted();
    const tables = await readDumped(session);
    try {
      // Only who has the migrator's lock writes there, and on Galera that lock is a transaction in it.
      const locked = tables.filter((table) => table !== 'alembic_version');
      if (locked.length > 0) {
        await session.query(`LOCK TABLES ${locked.map((table) => `${quoted(table)} READ`).join(', ')}`);
      }
      return tables;
    } catch (error) {
      const cause = databaseError(error);
      if (cause.number === 1044 || cause.number === 1142) {
        const [row] = await session.query('SELECT DATABASE() AS name');
        throw cannotBackUp(session.address, missingRights(['LOCK TABLES'], String(row?.name)), error);
      }
      const again = isLockTimeout(cause) || cause.number === 1146;
      if (!again || (performance.now() - started) / 1000 >= timeoutSeconds) {
        throw error;
      }
      await sleep(500, undefined, { signal });
    }
  }
}

/**
 * The first that the client says of a table comes after the start of its transaction, and it says
 * nothing later than at its end.
 */
async function untilBegun(output: AsyncIterable<Buffer>, address: string): Promise<AsyncIterable<Buffer>> {
  const timer = new AbortController();
  const late = sleep(MOST_LOCKED_SECONDS * 1000, undefined, { signal: timer.signal }).then(
    () => 'late' as const,
    () => 'late' as const,
  );
  const begun = readUntil(output, (read) => read.includes('\nCREATE TABLE '));
  try {
    const first = await Promise.race([begun, late]);
    if (first === 'late') {
      throw cannotBackUp(
        address,
        `the dump has not begun within ${MOST_LOCKED_SECONDS} s, for which all tables were locked against writing. Run the same again when the server is less busy.`,
      );
    }
    return first.output;
  } finally {
    timer.abort();
    // Whoever is late is ended, and read no more.
    begun.catch(() => undefined);
  }
}

async function count(session: Session, tables: readonly string[]): Promise<DumpContent> {
  const counts = new Map<string, number>();
  try {
    for (const table of tables) {
      const [row] = await session.query(`SELECT COUNT(*) AS n FROM ${quoted(table)}`);
      counts.set(table, Number(row?.n));
    }
    const [row] = await session.query(
      `SELECT (SELECT COUNT(*) FROM information_schema.TRIGGERS WHERE EVENT_OBJECT_SCHEMA = DATABASE()) AS triggers,
        (${COUNT_VIEWS}) AS views`,
    );
    return { rows: counts, made: { triggers: Number(row?.triggers), views: Number(row?.views) } };
  } catch (error) {
    throw asBackupFailure(error, session.address);
  }
}

function openReader(): DumpReader {
  const rows = new InsertRows();
  return {
    write: async (chunk) => rows.push(chunk),
    end: async () => rows.content(),
  };
}
