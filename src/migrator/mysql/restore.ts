import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { RESTORE_MARKER } from '../../glance/detect.ts';
import { whyClientFailed } from '../backup/client-error.ts';
import {
  type ClientProgram,
  findClient,
  isClosedPipe,
  type RunningClient,
  startClient,
} from '../backup/client-program.ts';
import { editedLines, type LineEdits } from '../backup/edited-lines.ts';
import { foreignTables, some, whyForeignTables } from '../backup/foreign-tables.ts';
import { unpacked } from '../backup/read-backup.ts';
import { cannotRestore, noRestoreClient } from '../backup/restore-failure.ts';
import type { ConnectionTarget } from '../connection/target.ts';
import {
  BrokenRestore,
  type OtherSession,
  type RestoreOptions,
  type Restorer,
  type RestoreState,
} from '../engine/restore.ts';
import { databaseError, describeDatabaseError, isLockTimeout } from '../errors/database-error.ts';
import { type ClientAccess, clientAccess } from './client-options.ts';
import type { Session } from './connect.ts';
import { readDumped, readFunctions } from './dumped.ts';
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
  const refused = await whyNotRestorable(session, options.made);
  if (refused !== undefined) {
    throw cannotRestore(address, refused);
  }
  const functions = await readFunctions(session);
  const missing = (document.needs ?? []).filter((name) => !functions.includes(name));
  if (missing.length > 0) {
    throw cannotRestore(
      address,
      `views of the backup call the function ${some(missing)}, which does not exist, and which no dump has. Create it first.`,
    );
  }
  const tables = await readDumped(session);
  const strange = foreignTables(
    tables.map((name) => ({ name, inDocument: name })),
    document,
  );
  if (strange.length > 0) {
    throw cannotRestore(address, whyForeignTables(strange));
  }
  const own = [Number(about?.id), ...(cluster === undefined ? [] : [await cluster.id()])];
  return {
    others: () => others(session, own),
    restore: (dump, signal) =>
      restore(
        { session, client, access, options, database: String(about?.name), cluster: cluster !== undefined },
        dump,
        signal,
      ),
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
  /** Whether the server is a node of a cluster. */
  readonly cluster: boolean;
}

async function restore(
  restoring: Restoring,
  dump: AsyncIterable<Buffer>,
  signal: AbortSignal,
): Promise<void> {
  const { session, options } = restoring;
  let state: RestoreState = 'unchanged';
  try {
    signal.throwIfAborted();
    await session.query(`SET SESSION lock_wait_timeout = ${Math.max(1, options.lockTimeoutSeconds)}`);
    await session.query('SET SESSION foreign_key_checks = 0');
    await clear(restoring, signal);
    state = 'unfinished';
    signal.throwIfAborted();
    await load(restoring, dump, signal);
    await compare(session, options);
    signal.throwIfAborted();
    await session.query(`DROP TABLE ${RESTORE_MARKER}`);
  } catch (error) {
    throw error instanceof BrokenRestore
      ? error
      : new BrokenRestore(describeDatabaseError(databaseError(error)), state, { cause: error });
  }
}

/** @throws BrokenRestore, which says whether anything is gone */
async function clear(restoring: Restoring, signal: AbortSignal): Promise<void> {
  const { session, options } = restoring;
  const before = await readDumped(session);
  const tables = before.filter((name) => name !== RESTORE_MARKER);
  try {
    await mark(session, options.document.file);
    await tryOut(restoring, signal);
    if (tables.length > 0) {
      await session.query(`DROP TABLE ${tables.map(quoted).join(', ')}`);
    }
  } catch (error) {
    const cause = databaseError(error);
    const why =
      error instanceof BrokenRestore
        ? error.message
        : isLockTimeout(cause)
          ? 'another session has kept a table for longer than --lock-timeout'
          : describeDatabaseError(cause);
    throw new BrokenRestore(why, (await isAsBefore(session, before)) ? 'unchanged' : 'unfinished', {
      cause: error,
    });
  }
}

/** Whether nothing is gone, and no mark is left: one that was there before says what is true. */
async function isAsBefore(session: Session, before: readonly string[]): Promise<boolean> {
  if (before.includes(RESTORE_MARKER)) {
    return false;
  }
  try {
    const there = await readDumped(session);
    if (before.some((table) => !there.includes(table))) {
      return false;
    }
    await session.query(`DROP TABLE IF EXISTS ${RESTORE_MARKER}`);
    return true;
  } catch {
    // A server that does not answer may have dropped some.
    return false;
  }
}

/** One statement makes the table with what it says; a restore before may have left one. */
async function mark(session: Session, file: string): Promise<void> {
  const comment = `COMMENT = '${file}'`;
  await session.query(
    `CREATE TABLE IF NOT EXISTS ${RESTORE_MARKER} (id integer PRIMARY KEY) ENGINE = InnoDB ${comment}`,
  );
  await session.query(`ALTER TABLE ${RESTORE_MARKER} ${comment}`);
}

/**
 * Limits of a server or a user do not reach the dump, what the server has let in before is let in
 * again, and it goes where it is meant to.
 */
const HEAD = `SET SESSION autocommit = 1, sql_safe_updates = 0 /*M!100307 , innodb_strict_mode = 0, max_statement_time = 0, idle_transaction_timeout = 0, idle_write_transaction_timeout = 0 */;
SELECT COUNT(*) FROM ${RESTORE_MARKER};
`;

/** On a cluster another node may be reached, which is to know of the mark. */
function headFor({ cluster }: Restoring): string {
  return `${cluster ? 'SET SESSION wsrep_sync_wait = 15;\n' : ''}${HEAD}`;
}

/** @throws BrokenRestore where the client does not come to the database that is marked */
async function tryOut(restoring: Restoring, signal: AbortSignal): Promise<void> {
  const running = start(restoring, signal, `--execute=${headFor(restoring)}`);
  running.input.end();
  const { ok, said } = await running.ended;
  if (!ok) {
    throw new BrokenRestore(whyClientFailed(restoring.client.name, said), 'unchanged');
  }
}

function start(
  { client, access, database }: Restoring,
  signal: AbortSignal,
  ...more: readonly string[]
): RunningClient {
  const running = startClient(client, {
    args: [
      ...access.args,
      '--batch',
      // Those within triggers are theirs.
      '--comments',
      // No command of the client is taken from a file, such as one that starts a shell.
      '--binary-mode',
      '--max-allowed-packet=1G',
      ...more,
      '--',
      database,
    ],
    env: access.env,
    signal,
  });
  running.output.resume();
  return running;
}

async function load(restoring: Restoring, dump: AsyncIterable<Buffer>, signal: AbortSignal): Promise<void> {
  const { client, options } = restoring;
  const running = start(restoring, signal);
  async function* sql(): AsyncGenerator<Buffer> {
    yield Buffer.from(headFor(restoring));
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
  const there = (await readDumped(session)).filter((name) => name !== RESTORE_MARKER);
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
