import { setTimeout as sleep } from 'node:timers/promises';
import type { Connection } from './connect.ts';
import { databaseError, describeDatabaseError } from './database-error.ts';
import { Failure } from './failure.ts';
import { LOCAL_SETTINGS } from './session-settings.ts';

/** Another session that holds the lock. */
export interface LockHolder {
  readonly pid: number;
  readonly application: string;
  /** Absent for a Unix socket. */
  readonly address: string | null;
  /** When it got the lock, as RFC 3339. */
  readonly since: string;
}

export interface LockOptions {
  readonly timeoutSeconds: number;
  readonly signal: AbortSignal;
  /** Called at once and then every ten seconds. The holder may be gone by then. */
  readonly waiting: (holder: LockHolder | undefined, secondsWaited: number) => void;
}

/** First half of the advisory lock's key, "glsc"; the second half stands for the schema. */
const LOCK_CLASS = 0x676c7363;

const TELL_EVERY_SECONDS = 10;

const TRY = `
BEGIN ISOLATION LEVEL READ COMMITTED;
${LOCAL_SETTINGS};
SELECT pg_try_advisory_xact_lock(${LOCK_CLASS}, hashtext(current_schema())) AS locked`;

const HOLDER = `
SELECT a.pid, a.application_name AS application, host(a.client_addr) AS address,
  to_char(a.xact_start AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS since
FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
WHERE l.locktype = 'advisory' AND l.granted AND l.classid = ${LOCK_CLASS} AND l.objsubid = 2
  AND l.objid = (hashtext(current_schema())::bigint & 4294967295)::oid
  AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())`;

/**
 * Waits for the one lock that every migrator of this database takes, and leaves a transaction open on the connection
 * that holds it. The lock goes with that transaction: a killed migrator blocks nobody, and a pooler in transaction mode
 * cannot hand the session on meanwhile.
 *
 * @throws Failure `LockTimeout`, `Interrupted`, `DatabaseUnreachable`
 */
export async function acquireLock(connection: Connection, options: LockOptions): Promise<void> {
  const started = performance.now();
  let told = Number.NEGATIVE_INFINITY;
  try {
    while (!(await tryLock(connection))) {
      const waited = (performance.now() - started) / 1000;
      if (waited >= options.timeoutSeconds) {
        const holder = await lockHolder(connection);
        throw new Failure(
          'LockTimeout',
          `Cannot start on ${connection.place}: another migrator has had the lock for longer than ${options.timeoutSeconds} s${holder === undefined ? '' : ` (${describeHolder(holder)})`}, do wait for it or end it`,
        );
      }
      if (waited - told >= TELL_EVERY_SECONDS) {
        told = waited;
        options.waiting(await lockHolder(connection), Math.round(waited));
      }
      await sleep(150 + Math.random() * 200, undefined, { signal: options.signal });
    }
  } catch (error) {
    if (options.signal.aborted) {
      throw new Failure(
        'Interrupted',
        `Stopped while waiting for the lock on ${connection.place}: nothing was changed`,
      );
    }
    if (error instanceof Failure) {
      throw error;
    }
    throw new Failure(
      'DatabaseUnreachable',
      `Lost the connection to ${connection.place} while waiting for the lock: ${describeDatabaseError(databaseError(error))}`,
      { cause: error },
    );
  }
}

/** `pid 4711, glance-schema, from 10.0.0.7, since 2026-11-23T03:00:00Z`. */
export function describeHolder(holder: LockHolder): string {
  const from = holder.address === null ? '' : `, from ${holder.address}`;
  return `pid ${holder.pid}, ${holder.application}${from}, since ${holder.since}`;
}

async function tryLock(connection: Connection): Promise<boolean> {
  // Several statements give several results, which the driver's types do not know.
  const results: unknown = await connection.client.query(TRY);
  const last: unknown = Array.isArray(results) ? results.at(-1) : results;
  const locked = isLocked(last);
  if (!locked) {
    await connection.client.query('ROLLBACK');
  }
  return locked;
}

function isLocked(result: unknown): boolean {
  return (
    typeof result === 'object' &&
    result !== null &&
    'rows' in result &&
    Array.isArray(result.rows) &&
    result.rows[0]?.locked === true
  );
}

async function lockHolder(connection: Connection): Promise<LockHolder | undefined> {
  return (await connection.client.query<LockHolder>(HOLDER)).rows[0];
}
