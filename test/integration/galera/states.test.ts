import {
  firstNodeAsAdministrator,
  hasGalera,
  NO_GALERA,
  startGalera,
  type TestCluster,
} from '../../../lab/databases/galera.ts';
import type { TestMariaDb } from '../../../lab/databases/mariadb.ts';
import { askMysql } from '../../../lab/databases/mysql-client.ts';
import { leaveOut } from '../../../lab/process/needs.ts';
import { halfWayCases } from '../../support/cases/half-way.ts';
import { lostLockCases } from '../../support/cases/lost-lock.ts';
import { mysqlEngine } from '../../support/mysql-engine.ts';

/** The locks of a run, by the names and rows that they have. */
const RUN_LOCK = "IS_USED_LOCK(CONCAT('glance-schema ', LEFT(SHA2(DATABASE(), 256), 16)))";
const WRITER_LOCK = "IS_USED_LOCK(CONCAT('glance-schema writer ', LEFT(SHA2(DATABASE(), 256), 16)))";

describe('states on a Galera cluster of three', () => {
  let cluster: TestCluster;
  let node: TestMariaDb;
  const engine = mysqlEngine(() => node);

  before(async function () {
    if (!hasGalera()) leaveOut(this, NO_GALERA);
    cluster = await startGalera(3);
    node = firstNodeAsAdministrator(cluster);
  });

  after(async () => {
    await cluster?.stop();
  });

  for (const [lock, session] of [
    ['the lock of its node', `SELECT ${RUN_LOCK} AS id`],
    [
      'the lock of the cluster',
      `SELECT trx_mysql_thread_id AS id FROM information_schema.INNODB_TRX
        JOIN information_schema.PROCESSLIST ON ID = trx_mysql_thread_id
        WHERE DB = DATABASE() AND trx_rows_modified > 0 AND ID <> COALESCE(${WRITER_LOCK}, 0)`,
    ],
  ] as const) {
    describe(`${lock} is lost in the middle of a run`, () => {
      lostLockCases(engine, {
        port: () => node.port,
        takes: lock.includes('node') ? /GET_LOCK\(CONCAT\('glance-schema '/ : /glance-schema lock/,
        lasting: /./,
        dropIndex: (index) => `DROP INDEX ${index} ON images`,
        async holders(url) {
          const rows = await askMysql(url, session);
          return rows.filter(({ id }) => id !== null).map(({ id }) => Number(id));
        },
        async end(_url, id) {
          await askMysql(node.adminUrl(''), `KILL ${id}`);
        },
        ...(lock.includes('node') ? {} : { only: ['migrate', 'a sync that has only repairs to make'] }),
      });
    });
  }

  halfWayCases(
    engine,
    {
      addVisibility: [
        "ALTER TABLE images ADD COLUMN visibility ENUM('private','public','shared','community') NOT NULL DEFAULT 'shared'",
      ],
      dropIndex: 'DROP INDEX ix_images_is_public ON images',
    },
    process.env.STATES === 'all' ? {} : { after: [1, 3, 6] },
  );
});
