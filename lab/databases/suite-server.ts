import { leaveOut } from '../process/needs.ts';
import { hasMariaDb, NO_MARIADB, startMariaDb, type TestMariaDb } from './mariadb.ts';
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
export function suiteMariaDb(): () => TestMariaDb {
  let server: TestMariaDb;

  before(async function () {
    if (!hasMariaDb()) {
      leaveOut(this, NO_MARIADB);
    }
    server = await startMariaDb();
  });

  after(async () => {
    await server?.stop();
  });

  return () => server;
}
