import { hasMariaDb, NO_MARIADB, startMariaDb, type TestMariaDb } from '../../../lab/databases/mariadb.ts';
import { askMysql } from '../../../lab/databases/mysql-client.ts';
import { leaveOut } from '../../../lab/process/needs.ts';
import { plannedCases } from '../../support/cases/planned-statements.ts';
import { mysqlEngine } from '../../support/mysql-engine.ts';

describe("a plan is what then runs, by MariaDB's own log", () => {
  let server: TestMariaDb;

  before(async function () {
    if (!hasMariaDb()) leaveOut(this, NO_MARIADB);
    server = await startMariaDb({ settings: { log_output: 'TABLE' } });
  });

  after(() => server?.stop());

  plannedCases(
    mysqlEngine(() => server),
    async (_url, work) => {
      const admin = server.adminUrl('mysql');
      await askMysql(admin, 'TRUNCATE general_log');
      await askMysql(admin, 'SET GLOBAL general_log = 1');
      await work();
      await askMysql(admin, 'SET GLOBAL general_log = 0');
      const rows = await askMysql(
        admin,
        `SELECT CONVERT(argument USING utf8mb4) AS statement FROM general_log WHERE command_type = 'Query'`,
      );
      return rows.map(({ statement }) => String(statement));
    },
  );
});
