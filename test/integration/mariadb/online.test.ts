import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import mysql from 'mysql2/promise';
import { seedMysqlNewton } from '../../../lab/databases/glance-data-mysql.ts';
import { goldenMysqlSchema, readMysqlSchema } from '../../../lab/databases/golden-mysql.ts';
import { LARGE_LOG } from '../../../lab/databases/mariadb.ts';
import { mysqlOptions } from '../../../lab/databases/mysql-client.ts';
import { suiteMariaDb } from '../../../lab/databases/suite-server.ts';
import { startGlanceNodes } from '../../../lab/glance/glance-nodes.ts';
import { startCli } from '../../../lab/process/bundle.ts';
import { eventually } from '../../../lab/process/eventually.ts';
import { onlineCases } from '../../support/cases/online.ts';
import { type LongestWait, watchMysqlLocks } from '../../support/lock-watch.ts';
import { mysqlEngine } from '../../support/mysql-engine.ts';
import { printNodes, upgradeOcataOnline } from '../../support/online-ocata.ts';

/** ONLINE_IMAGES=1000000 for the real size. */
const IMAGES = Number(process.env.ONLINE_IMAGES ?? 40_000);

/** The user that nodes connect as, and that the migrator does not. */
const NODES = 'admin';

/**
 * No query of a node may take longer, in milliseconds. The aim is 250; a busy machine needs room.
 */
const LONGEST = Number(process.env.ONLINE_LONGEST ?? 10_000);

describe('Ocata with old and new nodes of Glance at work on MariaDB', function () {
  this.timeout(1_800_000);
  const server = suiteMariaDb(IMAGES > 100_000 ? LARGE_LOG : {});
  const engine = mysqlEngine(server);

  function printWait(wait: LongestWait): void {
    const query = wait.query.replaceAll(/\s+/g, ' ').slice(0, 50);
    process.stdout.write(
      `      longest query that waited for a lock: ${wait.milliseconds.toFixed(0)} ms (${query})\n`,
    );
    expect(wait.milliseconds, query).to.be.lessThan(LONGEST);
  }

  onlineCases(engine);

  it(`${IMAGES} images: no query fails or waits for long, and each row agrees with itself until contract`, async () => {
    const url = await engine.createDatabase('online');
    await seedMysqlNewton(url, { images: IMAGES });
    const locks = await watchMysqlLocks(server().adminUrl('online'), NODES);
    const tallies = await upgradeOcataOnline({
      engine,
      url,
      // Nodes are told from the migrator by their user.
      nodesUrl: server().adminUrl('online'),
      images: IMAGES,
    });
    printWait(await locks.stop());
    for (const { longest, longestStatement } of tallies) {
      expect(longest, longestStatement).to.be.lessThan(LONGEST);
    }
    expect((await readMysqlSchema(url)).tables.images).to.deep.equal(
      goldenMysqlSchema('ocata_contract01').tables.images,
    );
  });

  it('a transaction that is open for long holds up the migration; others wait a second at a time', async () => {
    const url = await engine.createDatabase('long_transaction');
    await seedMysqlNewton(url, { images: 2000 });
    const reader = await mysql.createConnection(mysqlOptions(url));
    await reader.query('START TRANSACTION');
    await reader.query('SELECT count(*) FROM images');
    const locks = await watchMysqlLocks(server().adminUrl('long_transaction'), NODES);
    const nodes = await startGlanceNodes(server().adminUrl('long_transaction'), 'old', 2);
    const run = startCli(['db', 'expand', 'ocata01'], { DATABASE_CONNECTION: url });
    await eventually(() => expect(locks.longest().query, 'the nodes wait behind it').to.match(/image/));
    await sleep(3000);
    await reader.query('COMMIT');
    await reader.end();
    const result = await run.done;
    expect(result.code, result.stderr).to.equal(0);
    printNodes('old nodes', await nodes.stop());
    const wait = await locks.stop();
    expect(wait.query, 'the nodes were held up behind the ALTER').to.match(/image/);
    printWait(wait);
  });
});
