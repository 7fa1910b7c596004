import { leaveOut } from '../process/needs.ts';
import { findMysqld } from '../tools/mysql.ts';
import { hasMariaDb, NO_MARIADB, startMariaDb, type TestMariaDb } from './mariadb.ts';
import { askMysql } from './mysql-client.ts';
import { startPostgres, type TestPostgres } from './postgres.ts';

/** Called in a suite: starts a PostgreSQL before its first test and stops it after the last. */
export function suitePostgres(): () => TestPostgres {
  let server: TestPostgres;

  before(async () => {
    server = await startPostgres();
  });

  after(async () => {
    await server?.stop();
  });

  return () => server;
}

/** The same with MariaDB; a machine that lacks it leaves the suite out, see `needs.ts`. */
export function suiteMariaDb(settings: Readonly<Record<string, string>> = {}): () => TestMariaDb {
  let server: TestMariaDb;

  before(async function () {
    if (!hasMariaDb()) {
      leaveOut(this, NO_MARIADB);
    }
    server = await startMariaDb({ settings });
  });

  after(async () => {
    await server?.stop();
  });

  return () => server;
}

/** What a machine without MySQL is told, where `make test` could not bring it. */
export const NO_MYSQL =
  'MySQL is not on this machine. Run `make test`, which brings it on Debian and says what keeps it from that, or name a server by MYSQLD.';

/** The same with a MySQL instead of MariaDB. */
export function suiteMysql(
  program: 'mysqld-9' | 'mysqld-8',
  settings: Readonly<Record<string, string>> = {},
): () => TestMariaDb {
  let server: TestMariaDb;

  before(async function () {
    const mysqld = findMysqld(program);
    if (mysqld === null) leaveOut(this, NO_MYSQL);
    server = await startMariaDb({ mysqld, settings });
    const [row] = await askMysql(server.url(''), 'SELECT VERSION() AS version');
    process.stdout.write(`      ${row?.version}\n`);
  });

  after(async () => {
    await server?.stop();
  });

  return () => server;
}
