import { expect } from 'chai';
import { hasMariaDb, NO_MARIADB, startMariaDb, type TestMariaDb } from '../../../lab/databases/mariadb.ts';
import { startStandInMySqlProxy } from '../../../lab/databases/stand-in-mysql-proxy.ts';
import { leaveOut } from '../../../lab/process/needs.ts';
import { db, succeeds } from '../../support/db-command.ts';
import { mysqlEngine } from '../../support/mysql-engine.ts';
import { newtonDatabase, type Row } from '../../support/test-engine.ts';

describe('the queries of the catalog of a MariaDB that other services share', () => {
  let server: TestMariaDb;
  const engine = mysqlEngine(() => server);

  before(async function () {
    if (!hasMariaDb()) leaveOut(this, NO_MARIADB);
    server = await startMariaDb({ settings: { log_output: 'TABLE' } });
  });

  after(() => server?.stop());

  it('none opens the tables of another database, of a migration by phases, check, plan and diff', async () => {
    const url = await newtonDatabase(engine, 100);
    const admin = server.adminUrl('mysql');
    await engine.query(admin, 'SET GLOBAL general_log = 1');
    for (const command of [['check'], ['plan'], ['plan', '--through', 'Expand'], ['version']])
      await db(url, ...command);
    for (const phase of ['expand', 'migrate', 'contract']) {
      await succeeds(url, phase);
      await db(url, 'check', '--schema');
      await db(url, 'plan');
    }
    await engine.query(url, 'DROP INDEX checksum_image_idx ON images');
    await db(url, 'diff');
    await succeeds(url, 'sync');
    await engine.query(admin, 'SET GLOBAL general_log = 0');
    const rows = await engine.query(
      admin,
      `SELECT DISTINCT CONVERT(argument USING utf8mb4) AS query FROM general_log
        WHERE command_type IN ('Query', 'Execute') AND argument LIKE '%information_schema%'
          AND argument NOT LIKE '%information_schema.DISKS%'`,
    );
    const queries = rows.map(({ query }) => String(query));
    expect(queries.length).to.be.greaterThan(8);
    const wide: string[] = [];
    for (const query of queries) {
      const plan = await engine.query(url, `EXPLAIN ${query}`);
      if (plan.some(({ Extra }) => String(Extra).includes('Scanned all databases'))) wide.push(query);
    }
    expect(wide).to.deep.equal([]);
  });

  it('each is repeated that a node of Galera ends in favour of another change, and the run goes on', async () => {
    const url = await newtonDatabase(engine, 100);
    const expected = await engine.expectedImages(url);
    const lost = new Set<string>();
    const proxy = await startStandInMySqlProxy(server.port, {
      refuse(sql) {
        const isCatalogQuery = /^\s*SELECT\b.*\b(information_schema|visibility IS NULL)/is.test(sql);
        if (!isCatalogQuery || lost.has(sql)) return undefined;
        lost.add(sql);
        return {
          number: 1213,
          message: 'Deadlock found when trying to get lock; try restarting transaction',
        };
      },
    });
    const through = url.replace(`:${server.port}/`, `:${proxy.port}/`);
    for (const phase of ['expand', 'migrate', 'contract']) await succeeds(through, phase);
    await proxy.stop();
    expect(lost.size).to.be.greaterThan(12);
    expect((await db(url, 'check', '--schema')).code).to.equal(0);
    const short = ({ id, visibility }: Row) => [id, visibility];
    expect((await engine.readImages(url)).map(short)).to.deep.equal(expected.map(short));
  });
});
