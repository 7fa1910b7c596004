import { askMysql } from '../../../lab/databases/mysql-client.ts';
import { suiteMariaDb } from '../../../lab/databases/suite-server.ts';
import { lostLockCases } from '../../support/cases/lost-lock.ts';
import { mysqlEngine } from '../../support/mysql-engine.ts';

describe('a lock on MariaDB that is lost in the middle of a run', () => {
  const server = suiteMariaDb();
  const engine = mysqlEngine(server);

  lostLockCases(engine, {
    port: () => server().port,
    takes: /GET_LOCK\(CONCAT\('glance-schema '/,
    lasting: /./,
    dropIndex: (index) => `DROP INDEX ${index} ON images`,
    async holders(url) {
      const rows = await askMysql(
        url,
        "SELECT IS_USED_LOCK(CONCAT('glance-schema ', LEFT(SHA2(DATABASE(), 256), 16))) AS id",
      );
      return rows.filter(({ id }) => id !== null).map(({ id }) => Number(id));
    },
    async end(_url, session) {
      await askMysql(server().adminUrl(''), `KILL ${session}`);
    },
  });
});
