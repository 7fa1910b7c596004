import type pg from 'pg';
import { postgresBackend } from '../engine/driver-internals.ts';
import type { Row } from '../engine/engine.ts';
import type { Session } from './connect.ts';
import { settings } from './session-settings.ts';

/** The sessions that are settled for good, as nobody else will have them. */
const SETTLED = new WeakSet<pg.Client>();

/** The sessions with a transaction that is open until they end, and settled. */
const IN_TRANSACTION = new WeakSet<pg.Client>();

/** Says that the transaction which is open on a session stays open until that ends. */
export function keepTransaction({ client }: Session): void {
  IN_TRANSACTION.add(client);
}

/**
 * Asks something in a session that is ours: what was imposed on it does not reach the statement.
 * One round trip, the first time too.
 */
export async function ask<T extends pg.QueryResultRow = Row>(
  { client }: Session,
  sql: string,
): Promise<readonly T[]> {
  if (IN_TRANSACTION.has(client)) {
    return askWithoutTrace(client, sql);
  }
  if (SETTLED.has(client)) {
    return (await client.query<T>(sql)).rows;
  }
  // A pooler makes up the number that it gives when a client connects, and may send each
  // transaction to another session of the server: then the settings are made in each.
  const pooled = `pg_backend_pid() <> ${postgresBackend(client) ?? 0}`;
  try {
    // Several statements give several results, which the driver's types do not know.
    const results: unknown = await client.query(
      `BEGIN ISOLATION LEVEL READ COMMITTED; SELECT ${pooled} AS pooled, ${settings(pooled)}; ${sql}; COMMIT`,
    );
    const [, first, asked] = Array.isArray(results) ? results : [];
    if (first?.rows[0]?.pooled === false) {
      SETTLED.add(client);
    }
    return asked?.rows ?? [];
  } catch (error) {
    await client.query('ROLLBACK').catch(() => undefined);
    throw error;
  }
}

/**
 * Within a transaction the server shows the sessions of others (pg_stat_activity) as they were when
 * it was first asked.
 */
const SESSIONS_ANEW = 'SELECT pg_stat_clear_snapshot()';

/**
 * In an open transaction a query would keep its weak lock on the table to the end, and the migration
 * itself would wait for that.
 */
async function askWithoutTrace<T extends pg.QueryResultRow>(
  client: pg.Client,
  sql: string,
): Promise<readonly T[]> {
  await client.query(`SAVEPOINT query; ${SESSIONS_ANEW}`);
  try {
    return (await client.query<T>(sql)).rows;
  } finally {
    await client.query('ROLLBACK TO SAVEPOINT query; RELEASE SAVEPOINT query');
  }
}

/** The place of what is asked among the results of `askAsOneself`. */
const ASKED = 3;

/**
 * Asks something as the user that has logged in, whose sessions ours are: the role that it takes by
 * itself (`ALTER ROLE ... SET role`) may neither see what they are at nor end them. Within an open
 * transaction, and in one round trip, as a stop may ask something of the same session meanwhile.
 */
export async function askAsOneself<T extends pg.QueryResultRow = Row>(
  { client }: Session,
  sql: string,
): Promise<readonly T[]> {
  const back = 'ROLLBACK TO SAVEPOINT oneself; RELEASE SAVEPOINT oneself';
  try {
    // Several statements give several results, which the driver's types do not know.
    const results: unknown = await client.query(
      `SAVEPOINT oneself; SET LOCAL ROLE NONE; ${SESSIONS_ANEW}; ${sql}; ${back}`,
    );
    return Array.isArray(results) ? (results[ASKED]?.rows ?? []) : [];
  } catch (error) {
    await client.query(back).catch(() => undefined);
    throw error;
  }
}
