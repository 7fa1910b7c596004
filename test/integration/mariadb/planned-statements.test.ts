import { hasMariaDb, NO_MARIADB, startMariaDb, type TestMariaDb } from '../../../lab/databases/mariadb.ts';
import { loggedStatements } from '../../../lab/databases/mysql-client.ts';
import { leaveOut } from '../../../lab/process/needs.ts';
import { plannedCases } from '../../support/cases/planned-statements.ts';
import { mysqlEngine } from '../../support/mysql-engine.ts';

describe("a plan is what then runs, by MariaDB's own log", () => {
  let server: TestMariaDb;

  before(async function () {
    if (!hasMariaDb()) leaveOut(this, NO_MARIADB);
    server = await startMariaDb();
  });

  after(() => server?.stop());

  plannedCases(
    mysqlEngine(() => server),
    (_url, work) => loggedStatements(server.adminUrl('mysql'), work),
  );
});
