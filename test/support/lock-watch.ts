import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';

export interface LongestWait {
  readonly milliseconds: number;
  readonly query: string;
}

const WAITING = `SELECT extract(epoch FROM clock_timestamp() - l.waitstart) * 1000 AS milliseconds, a.query
  FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
  WHERE NOT l.granted AND a.datname = current_database() AND a.application_name LIKE $1
  ORDER BY 1 DESC NULLS LAST LIMIT 1`;

/** Looks every few milliseconds who of these applications waits for a lock, and tells the longest wait in the end. */
export async function watchLocks(
  url: string,
  application: string,
): Promise<{ stop(): Promise<LongestWait> }> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  const stop = new AbortController();
  let longest: LongestWait = { milliseconds: 0, query: '' };
  const watching = (async () => {
    while (!stop.signal.aborted) {
      const { rows } = await client.query<{ milliseconds: string | null; query: string }>(WAITING, [
        application,
      ]);
      const milliseconds = Number(rows[0]?.milliseconds ?? 0);
      if (milliseconds > longest.milliseconds) {
        longest = { milliseconds, query: rows[0]?.query ?? '' };
      }
      await sleep(5);
    }
    await client.end();
  })();
  return {
    async stop() {
      stop.abort();
      await watching;
      return longest;
    },
  };
}
