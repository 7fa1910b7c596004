import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { RESTORE_MARKER } from '../../glance/detect.ts';
import { whyClientFailed } from '../backup/client-error.ts';
import { type ClientProgram, findClient, isClosedPipe, startClient } from '../backup/client-program.ts';
import { editedLines, type LineEdits } from '../backup/edited-lines.ts';
import { unpacked } from '../backup/read-backup.ts';
import { cannotRestore, noRestoreClient } from '../backup/restore-failure.ts';
import { strangers, whyStrangers } from '../backup/strangers.ts';
import type { ConnectionTarget } from '../connection/target.ts';
import { BrokenRestore, type OtherSession, type RestoreOptions, type Restorer } from '../engine/restore.ts';
import { databaseError, describeDatabaseError } from '../errors/database-error.ts';
import { type ClientAccess, clientAccess } from './client-options.ts';
import type { Session } from './connect.ts';
import { whyNotRestorable } from './preflight.ts';
import { quoted } from './quoted.ts';
import type { LockHolding } from './writer.ts';

/**
 * The client of MariaDB or MySQL, which runs the dump. Each statement is committed by itself: so a
 * table that every other command goes by is there from before the first change until after the last
 * check.
 *
 * @throws Failure `RestoreRefused`, `DatabaseUnreachable`
 */
export async function openRestorer(
  lock: LockHolding,
  target: ConnectionTarget,
  options: RestoreOptions,
): Promise<Restorer> {
  const { session, cluster } = lock;
  const { address } = session;
  const { document } = options;
  const [about] = await session.query(
    'SELECT VERSION() AS version, DATABASE() AS name, CONNECTION_ID() AS id',
  );
  const server = String(about?.version);
  const names = isMariaDb(server) ? ['mariadb', 'mysql'] : ['mysql', 'mariadb'];
  const client = await findClient(names);
  if (client === undefined) {
    throw noRestoreClient(names, address);
  }
  const unfit = whyUnfit(server, client, document.server);
  if (unfit !== undefined) {
    throw cannotRestore(address, unfit);
  }
  const access = clientAccess(isMariaDb(client.says) ? 'mariadb' : 'mysql', session, target);
  if ('cannot' in access) {
    throw cannotRestore(address, access.cannot);
  }
  const refused = await whyNotRestorable(session, options.triggers > 0);
  if (refused !== undefined) {
    throw cannotRestore(address, refused);
  }
  const tables = await readTables(session);
  const strange = strangers(
    tables.map((name) => ({ name, inDocument: name })),
    document,
  );
  if (strange.length > 0) {
    throw cannotRestore(address, whyStrangers(strange));
  }
  const own = [Number(about?.id), ...(cluster === undefined ? [] : [await cluster.id()])];
  return {
    others: () => others(session, own),
    restore: (dump, signal) =>
      restore({ session, client, access, options, database: String(about?.name) }, dump, signal),
  };
}

function isMariaDb(version: string): boolean {
  return /mariadb/i.test(version);
}

/** What the server would not take in the middle of the dump. */
function whyUnfit(server: string, client: ClientProgram, from: string): string | undefined {
  const kind = (version: string): string => (isMariaDb(version) ? 'MariaDB' : 'MySQL');
  if (kind(server) !== kind(from)) {
    return `the backup is of ${kind(from)} (${from}), and this server is ${kind(server)} (${server}). Restore it into a server of its own kind.`;
  }
  const [now, before] = [series(server), series(from)];
  if (now < before) {
    return `the backup is of ${kind(from)} ${from}, and this server is older (${server}). Use a server of that version or a later one.`;
  }
  const own = /(?:Distrib|from|Ver) (\d+\.\d+\.\d+)[^\s,]*/.exec(
    client.says.replace(/^.*Ver 1\d\.\d+ /, ''),
  )?.[1];
  return kind(server) === 'MySQL' && !isMariaDb(client.says) && series(own ?? '0.0') < 800 && now >= 800
    ? `the server is MySQL ${server}, and ${client.name} is of ${own}. Use that of MySQL 8 or later.`
    : undefined;
}

/** 10.11 as 1011. */
function series(version: string): number {
  const [, major = 0, minor = 0] = /(\d+)\.(\d+)/.exec(version) ?? [];
  return Number(major) * 100 + Number(minor);
}

async function readTables(session: Session): Promise<readonly string[]> {
  const rows = await session.query(
    `SELECT TABLE_NAME AS name FROM information_schema.TABLES
      WHERE TABLE_SCHEMA = DATABASE() AND TABLE_TYPE IN ('BASE TABLE', 'SYSTEM VERSIONED', 'SEQUENCE')`,
  );
  return rows.map(({ name }) => String(name));
}

/** Without the right PROCESS a user sees his own sessions only. */
async function others(session: Session, own: readonly number[]): Promise<readonly OtherSession[]> {
  const rows = await session.query(
    `SELECT USER AS user, HOST AS host FROM information_schema.PROCESSLIST
      WHERE DB = DATABASE() AND ID NOT IN (${own.join(', ')}) AND COMMAND NOT IN ('Daemon', 'Killed')
        AND USER NOT IN ('system user', 'event_scheduler')
      ORDER BY 1, 2`,
  );
  return rows.map(({ user, host }) => ({
    user: String(user),
    application: '',
    host: typeof host === 'string' ? host.replace(/:\d+$/, '') : null,
  }));
}

interface Restoring {
  readonly session: Session;
  readonly client: ClientProgram;
  readonly access: ClientAccess;
  readonly options: RestoreOptions;
  readonly database: string;
}

async function restore(
  restoring: Restoring,
  dump: AsyncIterable<Buffer>,
  signal: AbortSignal,
): Promise<void> {
  const { session, options } = restoring;
  let begun = false;
  try {
    signal.throwIfAborted();
    await session.query(`SET SESSION lock_wait_timeout = ${Math.max(1, options.lockTimeoutSeconds)}`);
    await session.query('SET SESSION foreign_key_checks = 0');
    begun = true;
    await mark(session, options.document.file);
    const tables = (await readTables(session)).filter((name) => name !== RESTORE_MARKER);
    if (tables.length > 0) {
      await session.query(`DROP TABLE ${tables.map(quoted).join(', ')}`);
    }
    signal.throwIfAborted();
    await load(restoring, dump, signal);
    await compare(session, options);
    signal.throwIfAborted();
    await session.query(`DROP TABLE ${RESTORE_MARKER}`);
  } catch (error) {
    throw error instanceof BrokenRestore
      ? error
      : new BrokenRestore(describeDatabaseError(databaseError(error)), begun ? 'unfinished' : 'unchanged', {
          cause: error,
        });
  }
}

/** One statement makes the table with what it says; a restore before may have left one. */
async function mark(session: Session, file: string): Promise<void> {
  const comment = `COMMENT = '${file}'`;
  await session.query(
    `CREATE TABLE IF NOT EXISTS ${RESTORE_MARKER} (file varchar(255)) ENGINE = InnoDB ${comment}`,
  );
  await session.query(`ALTER TABLE ${RESTORE_MARKER} ${comment}`);
}

/** Limits of a server or a user do not reach the dump, and it goes where it is meant to. */
const HEAD = `SET SESSION autocommit = 1, sql_safe_updates = 0 /*M!100307 , max_statement_time = 0, idle_transaction_timeout = 0, idle_write_transaction_timeout = 0 */;
SELECT file FROM ${RESTORE_MARKER};
`;

async function load(
  { client, access, options, database }: Restoring,
  dump: AsyncIterable<Buffer>,
  signal: AbortSignal,
): Promise<void> {
  const running = startClient(client, {
    args: [
      ...access.args,
      '--batch',
      // No command of the client is taken from a file, such as one that starts a shell.
      '--binary-mode',
      '--max-allowed-packet=1G',
      '--',
      database,
    ],
    env: access.env,
    signal,
  });
  running.output.resume();
  async function* sql(): AsyncGenerator<Buffer> {
    yield Buffer.from(HEAD);
    yield* editedLines(unpacked(dump, options.document), LINES);
  }
  let why: unknown;
  try {
    await pipeline(Readable.from(sql()), running.input);
  } catch (error) {
    why = error;
    running.input.destroy();
    if (!isClosedPipe(error)) {
      running.end();
    }
  }
  const { ok, said } = await running.ended;
  if (signal.aborted) {
    throw new BrokenRestore('it was stopped', 'unfinished');
  }
  if (why !== undefined && !isClosedPipe(why)) {
    throw new BrokenRestore(describeDatabaseError(databaseError(why)), 'unfinished', { cause: why });
  }
  if (!ok || why !== undefined) {
    throw new BrokenRestore(whyClientFailed(client.name, said), 'unfinished');
  }
}

/**
 * Triggers and views become those of who restores, as their definer may be nobody here; nothing is
 * said of the database itself, which may have had another name; and other clients do not know the
 * line that turns on MariaDB's sandbox.
 */
const LINES: LineEdits = {
  beginnings: [
    '/*!50003 CREATE*/ /*!50017 DEFINER=',
    '/*!50013 DEFINER=',
    'ALTER DATABASE ',
    '/*M!999999\\- ',
  ],
  edit(line) {
    if (line.startsWith('/*!50003')) {
      return line.replace(/\/\*!50017 DEFINER=(?:`(?:[^`]|``)*`@`(?:[^`]|``)*`|\S+)\s*\*\/ ?/, '');
    }
    return line.startsWith('/*!50013')
      ? line.replace(/DEFINER=(?:`(?:[^`]|``)*`@`(?:[^`]|``)*`|\S+) /, '')
      : undefined;
  },
};

/** @throws BrokenRestore where what is there is not what the document says */
async function compare(session: Session, { document }: RestoreOptions): Promise<void> {
  const there = (await readTables(session)).filter((name) => name !== RESTORE_MARKER);
  const wanted = Object.entries(document.tables);
  const more = there.filter((name) => !Object.hasOwn(document.tables, name));
  if (more.length > 0) {
    throw new BrokenRestore(`there is ${more.join(', ')}, which the backup has not`, 'unfinished');
  }
  for (const [table, rows] of wanted) {
    const [row] = there.includes(table)
      ? await session.query(`SELECT COUNT(*) AS n FROM ${quoted(table)}`)
      : [{ n: 'none of its' }];
    if (Number(row?.n) !== rows) {
      throw new BrokenRestore(`${table} has ${row?.n} rows, and the backup has ${rows}`, 'unfinished');
    }
  }
  if (there.includes('alembic_version')) {
    const rows = await session.query('SELECT version_num AS head FROM alembic_version');
    const heads = rows.map(({ head }) => String(head)).sort();
    if (heads.join() !== [...document.heads].sort().join()) {
      throw new BrokenRestore(
        `alembic_version has ${heads.join(', ') || 'no rows'}, and the backup ${document.heads.join(', ') || 'none'}`,
        'unfinished',
      );
    }
  }
}
