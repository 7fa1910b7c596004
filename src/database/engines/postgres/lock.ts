import type { LockHolder, Row } from '../engine.ts';
import type { Session } from './connect.ts';
import { LOCAL_SETTINGS } from './session-settings.ts';

/** First half of the advisory lock's key, "glsc"; the second half stands for the schema. */
const LOCK_CLASS = 0x676c7363;

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
 * Tries the one lock that every migrator of this database takes, and leaves a transaction open on the session that
 * got it. The lock goes with that transaction: a killed migrator blocks nobody, and a pooler in transaction mode
 * cannot hand the session on meanwhile.
 */
export async function tryLock(session: Session): Promise<boolean> {
  const { client } = session;
  // Several statements give several results, which the driver's types do not know.
  const results: unknown = await client.query(TRY);
  const last: unknown = Array.isArray(results) ? results.at(-1) : results;
  const locked = isLocked(last);
  if (locked) {
    HOLDERS.add(client);
    session.keepAlive();
  } else {
    await client.query('ROLLBACK');
  }
  return locked;
}

/** The sessions with the lock, whose transaction is open until they end. */
const HOLDERS = new WeakSet<object>();

/**
 * Asks something. In the open transaction of the lock a look would keep its weak lock on the table to the end, and the
 * migration itself would wait for that.
 */
export async function queryWithoutTrace<T extends object = Row>(
  { client }: Session,
  sql: string,
): Promise<readonly T[]> {
  if (!HOLDERS.has(client)) {
    return (await client.query<T>(sql)).rows;
  }
  await client.query('SAVEPOINT look');
  try {
    return (await client.query<T>(sql)).rows;
  } finally {
    await client.query('ROLLBACK TO SAVEPOINT look; RELEASE SAVEPOINT look');
  }
}

/** Who has the lock, if anybody still has. */
export async function lockHolder({ client }: Session): Promise<LockHolder | undefined> {
  return (await client.query<LockHolder>(HOLDER)).rows[0];
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
