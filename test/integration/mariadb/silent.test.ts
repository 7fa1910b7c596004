import { suiteMariaDb } from '../../../lab/databases/suite-server.ts';
import { silentCases } from '../../support/cases/silent.ts';
import { mysqlEngine } from '../../support/mysql-engine.ts';

describe('a MariaDB that does not answer any more', () => {
  const server = suiteMariaDb();
  const engine = mysqlEngine(server);

  silentCases(engine, {
    port: () => server().port,
    points: {
      'its first statement': /SET SESSION sql_mode/,
      'a query before the lock': /SHOW GRANTS/,
      'the lock': /GET_LOCK/,
      'the connection for the work': /SET time_zone/,
      'its first transaction': /IS_USED_LOCK.*AS there/s,
    },
    lockImages: ['LOCK TABLES images WRITE'],
    tried: 1,
  });
});
