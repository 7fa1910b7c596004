import { setTimeout as sleep } from 'node:timers/promises';
import mysql, { type RowDataPacket } from 'mysql2/promise';
import pg from 'pg';
import { mysqlOptions } from '../../lab/databases/mysql-client.ts';

export interface LongestWait {
  readonly milliseconds: number;
  readonly query: string;
}

export interface LockWatch {
  /** What it has seen so far. */
  longest(): LongestWait;
  stop(): Promise<LongestWait>;
}

const WAITING = `SELECT extract(epoch FROM clock_timestamp() - l.waitstart) * 1000 AS milliseconds, a.query
  FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
  WHERE NOT l.granted AND a.datname = current_database() AND a.application_name LIKE $1
  ORDER BY 1 DESC NULLS LAST LIMIT 1`;

/** A wait for a table is a state of the session, one for a row is of its transaction. */
const WAITING_ON_MYSQL = `SELECT p.TIME_MS AS milliseconds, p.INFO AS query FROM information_schema.PROCESSLIST p
  WHERE p.DB = DATABASE() AND p.USER = ? AND p.ID <> CONNECTION_ID() AND (p.STATE LIKE 'Waiting for table%'
    OR p.ID IN (SELECT trx_mysql_thread_id FROM information_schema.INNODB_TRX WHERE trx_state = 'LOCK WAIT'))
  ORDER BY 1 DESC LIMIT 1`;

/**
 * Asks every few milliseconds who of these applications waits for a lock, and tells the longest
 * wait in the end.
 */
export async function watchLocks(url: string, application: string): Promise<LockWatch> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  return watch(
    async () => (await client.query<SeenWait>(WAITING, [application])).rows[0],
    () => client.end(),
  );
}

/**
 * The same on MariaDB and MySQL for the sessions of a user. They tell how long a query runs and
 * that it waits now, not since when: so it is the longest query that was seen waiting for a table
 * or a row, which has not waited longer than that.
 */
export async function watchMysqlLocks(url: string, user: string): Promise<LockWatch> {
  const client = await mysql.createConnection(mysqlOptions(url));
  return watch(
    async () => (await client.query<(RowDataPacket & SeenWait)[]>(WAITING_ON_MYSQL, [user]))[0][0],
    () => client.end(),
  );
}

interface SeenWait {
  readonly milliseconds: string | number | null;
  readonly query: string;
}

async function watch(ask: () => Promise<SeenWait | undefined>, end: () => Promise<void>): Promise<LockWatch> {
  const stop = new AbortController();
  let longest: LongestWait = { milliseconds: 0, query: '' };
  const watching = (async () => {
    while (!stop.signal.aborted) {
      const seen = await ask();
      const milliseconds = Number(seen?.milliseconds ?? 0);
      if (milliseconds > longest.milliseconds) {
        longest = { milliseconds, query: seen?.query ?? '' };
      }
      await sleep(5);
    }
    await end();
  })();
  return {
    longest: () => longest,
    async stop() {
      stop.abort();
      await watching;
      return longest;
    },
  };
}
