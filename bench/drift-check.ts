// `make bench-drift-check`: how long each query of a drift check keeps the database, by the server's own
// clock, with so many images, at rest and between expand and contract. Prints a table.
//
// IMAGES=N      1,000,000 if absent

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { seedNewton } from '../lab/databases/glance-data.ts';
import { seedMysqlNewton } from '../lab/databases/glance-data-mysql.ts';
import { LARGE_LOG, startMariaDb } from '../lab/databases/mariadb.ts';
import { withMysql } from '../lab/databases/mysql-client.ts';
import { startPostgres } from '../lab/databases/postgres.ts';
import { runCli } from '../lab/process/bundle.ts';

const images = Number(process.env.IMAGES ?? 1_000_000);

/** Where a database is checked; each after the one before. */
const STOPS = [
  ['at rest, `mitaka02`', ['mitaka02']],
  ['expanded, rows moved, `ocata01 (Migrate)`', ['ocata01', '--through', 'Migrate']],
  ['at rest, `pike01`', ['pike01']],
  ['expanded, rows moved, `train01 (Migrate)`', ['train01', '--through', 'Migrate']],
  ['at rest, `2024_1_01`', []],
] as const;

const CHECKS = 5;

/** A query as the server's log has it, with its time in milliseconds. */
interface Timed {
  readonly sql: string;
  readonly milliseconds: number;
}

async function db(url: string, ...args: readonly string[]): Promise<void> {
  const { code, stderr } = await runCli(['db', ...args], { DATABASE_CONNECTION: url });
  if (code !== 0) throw new Error(stderr);
}

async function measure(engine: string, url: string, logged: () => Promise<readonly Timed[]>): Promise<void> {
  for (const [where, target] of STOPS) {
    await db(url, 'sync', ...target);
    const before = (await logged()).length;
    for (let check = 0; check < CHECKS; check += 1) await db(url, 'version', '--drift');
    const queries = (await logged()).slice(before);
    const slowest = queries.toSorted((one, other) => other.milliseconds - one.milliseconds)[0];
    const sum = queries.reduce((all, { milliseconds }) => all + milliseconds, 0);
    const sql = slowest?.sql.replaceAll(/\s+/g, ' ').slice(0, 70);
    console.log(
      `| ${engine} | ${where} | ${queries.length / CHECKS} | ${(sum / CHECKS).toFixed(1)} ms | ${slowest?.milliseconds.toFixed(1)} ms | \`${sql}\` |`,
    );
  }
}

console.log(`${images} images; the slowest query of ${CHECKS} drift checks\n`);
console.log('| engine | the database | queries | all of them, on average | the slowest | which is |');
console.log('|---|---|---|---|---|---|');

const postgres = await startPostgres({ settings: { log_min_duration_statement: '0' } });
try {
  const url = await postgres.createDatabase('drift_check');
  await seedNewton(url, { images });
  await measure('PostgreSQL', url, async () =>
    readFileSync(join(postgres.dataDirectory, 'server.log'), 'utf8')
      .split(/^(?=\d{4}-\d\d-\d\d )/m)
      .flatMap((line) => {
        const [, time, sql] =
          /duration: ([\d.]+) ms {2}(?:statement|execute \S+|parse \S+|bind \S+): (.*)/s.exec(line) ?? [];
        return sql === undefined ? [] : [{ sql, milliseconds: Number(time) }];
      }),
  );
} finally {
  await postgres.stop();
}

const mariadb = await startMariaDb({
  settings: {
    ...LARGE_LOG,
    slow_query_log: '1',
    long_query_time: '0',
    log_output: 'TABLE',
    innodb_buffer_pool_size: '1G',
  },
});
try {
  const url = await mariadb.createDatabase('drift_check');
  await seedMysqlNewton(url, { images });
  await measure('MariaDB', url, () =>
    withMysql(mariadb.adminUrl('mysql'), async (client) => {
      const [rows] = await client.query(
        "SELECT CAST(sql_text AS CHAR) AS q, TIME_TO_SEC(query_time) * 1000 + MICROSECOND(query_time) / 1000 AS ms FROM mysql.slow_log WHERE db = 'drift_check' ORDER BY start_time",
      );
      return (rows as { q: string; ms: string }[]).map(({ q, ms }) => ({ sql: q, milliseconds: Number(ms) }));
    }),
  );
} finally {
  await mariadb.stop();
}
