import type { ConnectionTarget } from '../connection/target.ts';
import type { LockHolder } from '../engine/engine.ts';
import { ask, askAsOneself, keepTransaction } from './ask.ts';
import type { Session } from './connect.ts';
import { settings } from './session-settings.ts';

/** Who has the lock while work is done on other sessions. */
export interface LockHolding {
  /** Has the lock, and cancels what runs elsewhere. */
  readonly session: Session;
  /** How others like it are reached. */
  readonly target: ConnectionTarget;
  /** The server's process of that session. */
  readonly pid: number;
}

/**
 * The advisory lock's key, "glsc" and a number that is always the same. The server has a space of
 * keys for each database, so that it is one lock for one database, whatever schema a search path
 * leads to.
 */
const LOCK_CLASS = 0x676c7363;
const LOCK_KEY = 1;

const TRY = `
BEGIN ISOLATION LEVEL READ COMMITTED;
SELECT ${settings('true')};
SELECT pg_try_advisory_xact_lock(${LOCK_CLASS}, ${LOCK_KEY}) AS locked, pg_backend_pid() AS pid`;

/** The lock, as pg_locks shows it where somebody has it. */
const GRANTED = `l.locktype = 'advisory' AND l.granted AND l.classid = ${LOCK_CLASS} AND l.objid = ${LOCK_KEY} AND l.objsubid = 2
  AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())`;

const HOLDER = `
SELECT a.pid, a.application_name AS application, host(a.client_addr) AS address,
  to_char(a.xact_start AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS since
FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid WHERE ${GRANTED}`;

/**
 * Tries the one lock that every migrator of this database takes, and leaves a transaction open on
 * the session that got it. The lock goes with that transaction: a killed migrator blocks nobody,
 * and a pooler in transaction mode cannot hand the session on meanwhile.
 *
 * @returns the server's process of the session that got the lock.
 */
export async function tryLock(session: Session): Promise<number | undefined> {
  const { client } = session;
  // Several statements give several results, which the driver's types do not know.
  const results: unknown = await client.query(TRY);
  const [row] = (Array.isArray(results) ? results.at(-1)?.rows : undefined) ?? [];
  if (row?.locked !== true) {
    await client.query('ROLLBACK');
    return undefined;
  }
  keepTransaction(session);
  session.keepAlive();
  return Number(row.pid);
}

/**
 * An expression that is true on the server, and in the database, in which this process has the
 * lock.
 */
export function isLockedBy(pid: number): string {
  return `EXISTS (SELECT 1 FROM pg_locks l WHERE ${GRANTED} AND l.pid = ${pid})`;
}

/** Who has locks on these tables, but for the session itself and one other, the longest first. */
export async function tableHolders(
  session: Session,
  tables: readonly string[],
  own: number,
): Promise<readonly LockHolder[]> {
  const names = tables.map((table) => `to_regclass('${table}')`).join(', ');
  return ask<LockHolder>(
    session,
    `SELECT DISTINCT a.pid, a.application_name AS application, host(a.client_addr) AS address,
      to_char(a.xact_start AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS since
    FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
    WHERE l.granted AND l.relation IN (${names}) AND l.pid NOT IN (pg_backend_pid(), ${own})
    ORDER BY since LIMIT 3`,
  );
}

/**
 * Who keeps a session waiting, the longest first.
 *
 * @param waiting the process of that session, as a query of one row or none
 */
export async function blockersOf(session: Session, waiting: string): Promise<readonly LockHolder[]> {
  return askAsOneself<LockHolder>(
    session,
    `SELECT a.pid, a.application_name AS application, host(a.client_addr) AS address,
      to_char(a.xact_start AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS since
    FROM pg_stat_activity a WHERE a.pid = ANY (pg_blocking_pids((${waiting})))
    ORDER BY since LIMIT 3`,
  );
}

/** Who has the lock, if anybody still has. */
export async function lockHolder(session: Session): Promise<LockHolder | undefined> {
  const [holder] = await ask<LockHolder>(session, HOLDER);
  return holder;
}
