import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import mysql, { type RowDataPacket } from 'mysql2/promise';
import { runCli, startCli } from '../../support/bundle.ts';
import { expectedMysqlImages, readMysqlImages, seedMysqlNewton } from '../../support/glance-data-mysql.ts';
import { startGlanceNodes } from '../../support/glance-nodes.ts';
import { goldenMysqlSchema, readMysqlSchema } from '../../support/golden-mysql.ts';
import { type LongestWait, watchMysqlLocks } from '../../support/lock-watch.ts';
import { hasMariaDb, NO_MARIADB, startMariaDb, type TestMariaDb } from '../../support/mariadb.ts';
import { mysqlOptions, withMysql } from '../../support/mysql-client.ts';
import { leaveOut } from '../../support/needs.ts';
import { tellNodes, upgradeOcataOnline } from '../../support/online-ocata.ts';

/** ONLINE_IMAGES=1000000 for the real size. */
const IMAGES = Number(process.env.ONLINE_IMAGES ?? 40_000);

/** The user that nodes connect as, and that the migrator does not. */
const NODES = 'admin';

/** No query of a node may take longer, in milliseconds. The aim is 250; a busy machine needs room. */
const LONGEST = Number(process.env.ONLINE_LONGEST ?? 3000);

describe('Ocata with old and new nodes of Glance at work on MariaDB', function () {
  this.timeout(1_800_000);
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

  function tellWait(wait: LongestWait): void {
    const query = wait.query.replaceAll(/\s+/g, ' ').slice(0, 50);
    process.stdout.write(
      `      longest query that waited for a lock: ${wait.milliseconds.toFixed(0)} ms (${query})\n`,
    );
    expect(wait.milliseconds, query).to.be.lessThan(LONGEST);
  }

  it(`${IMAGES} images: no query fails or waits for long, and each row agrees with itself until contract`, async () => {
    await server.createDatabase('online');
    // Nodes are told from the migrator by their user.
    const url = server.url('online');
    await seedMysqlNewton(url, { images: IMAGES });
    const locks = await watchMysqlLocks(server.adminUrl('online'), NODES);
    const tallies = await upgradeOcataOnline({
      url,
      nodesUrl: server.adminUrl('online'),
      images: IMAGES,
      expected: await expectedMysqlImages(url),
      readImages: () => readMysqlImages(url),
      readTorn: (moved) =>
        withMysql(url, async (client) => {
          const [rows] = await client.query<RowDataPacket[]>(
            `SELECT id, is_public, visibility FROM images WHERE CASE WHEN visibility IS NULL THEN ${moved}
              ELSE NOT is_public <=> (visibility = 'public') END LIMIT 5`,
          );
          return rows;
        }),
    });
    tellWait(await locks.stop());
    for (const { longest, longestStatement } of tallies) {
      expect(longest, longestStatement).to.be.lessThan(LONGEST);
    }
    expect((await readMysqlSchema(url)).tables.images).to.deep.equal(
      goldenMysqlSchema('ocata_contract01').tables.images,
    );
  });

  it('a transaction that is open for long holds up the migration; others wait a second at a time', async () => {
    const url = await server.createDatabase('long_transaction');
    await seedMysqlNewton(url, { images: 2000 });
    const reader = await mysql.createConnection(mysqlOptions(url));
    await reader.query('START TRANSACTION');
    await reader.query('SELECT count(*) FROM images');
    const locks = await watchMysqlLocks(server.adminUrl('long_transaction'), NODES);
    const nodes = await startGlanceNodes(server.adminUrl('long_transaction'), 'old', 2);
    const run = startCli(['db', 'expand', 'ocata01'], { DATABASE_CONNECTION: url });
    await sleep(6000);
    await reader.query('COMMIT');
    await reader.end();
    const result = await run.done;
    expect(result.code, result.stderr).to.equal(0);
    tellNodes('old nodes', await nodes.stop());
    const wait = await locks.stop();
    expect(wait.query, 'the nodes were held up behind the ALTER').to.match(/images/);
    tellWait(wait);
  });

  it('a table that is never free: exit 21 after the time given, and nothing is half done', async () => {
    const url = await server.createDatabase('never_free');
    await seedMysqlNewton(url, { images: 100 });
    const before = await readMysqlSchema(url);
    const reader = await mysql.createConnection(mysqlOptions(url));
    await reader.query('START TRANSACTION');
    await reader.query('SELECT count(*) FROM images');
    const result = await runCli(['db', 'expand', 'ocata01', '--lock-timeout', '1'], {
      DATABASE_CONNECTION: url,
    });
    await reader.end();
    expect(result.code, result.stderr).to.equal(21);
    expect(result.stderr).to.include('nothing of ocata_expand01 was applied');
    const { alembic_version: _, ...tables } = (await readMysqlSchema(url)).tables;
    expect(tables).to.deep.equal(before.tables);
    const rerun = await runCli(['db', 'expand', 'ocata01'], { DATABASE_CONNECTION: url });
    expect(rerun.code, rerun.stderr).to.equal(0);
  });

  it('a row that somebody keeps locked holds up its batch only, and the rest goes on', async () => {
    const url = await server.createDatabase('locked_row');
    await seedMysqlNewton(url, { images: 3000 });
    const expand = await runCli(['db', 'expand', 'ocata01'], { DATABASE_CONNECTION: url });
    expect(expand.code, expand.stderr).to.equal(0);
    const writer = await mysql.createConnection(mysqlOptions(url));
    await writer.query('START TRANSACTION');
    await writer.query("UPDATE images SET name = 'held' ORDER BY id LIMIT 1");
    const run = startCli(['db', 'migrate', 'ocata01'], { DATABASE_CONNECTION: url });
    const left = (): Promise<number> =>
      withMysql(url, async (client) => {
        const [[row]] = await client.query<RowDataPacket[]>(
          'SELECT count(*) AS n FROM images WHERE visibility IS NULL',
        );
        return Number(row?.n);
      });
    for (let look = 0; look < 200 && (await left()) > 1; look += 1) {
      await sleep(100);
    }
    expect(await left(), 'the row that is locked').to.equal(1);
    await writer.query('COMMIT');
    await writer.end();
    const result = await run.done;
    expect(result.code, result.stderr).to.equal(0);
    expect((await runCli(['db', 'check', 'ocata01'], { DATABASE_CONNECTION: url })).code).to.equal(5);
  });

  it('SIGTERM in the middle of the batches: exit 22, and the next run goes on and writes no row twice', async () => {
    const url = await server.createDatabase('stopped_batches');
    await seedMysqlNewton(url, { images: 3000 });
    const expected = await expectedMysqlImages(url);
    const db = async (phase: string): Promise<void> => {
      const result = await runCli(['db', phase, 'ocata01'], { DATABASE_CONNECTION: url });
      expect(result.code, result.stderr).to.equal(0);
    };
    await db('expand');
    // Slow, so that there is a middle.
    await withMysql(url, (client) =>
      client.query(`CREATE TABLE writes (id varchar(36));
        CREATE TRIGGER slow AFTER UPDATE ON images FOR EACH ROW
          INSERT INTO writes VALUES (IF(SLEEP(0.001) = 0, NEW.id, NULL))`),
    );
    const moved = (): Promise<number> =>
      withMysql(url, async (client) => {
        const [[row]] = await client.query<RowDataPacket[]>(
          'SELECT count(*) AS n FROM images WHERE visibility IS NOT NULL',
        );
        return Number(row?.n);
      });
    const run = startCli(['db', 'migrate', 'ocata01'], { DATABASE_CONNECTION: url });
    while ((await moved()) === 0) {
      await sleep(10);
    }
    run.kill('SIGTERM');
    const result = await run.done;
    expect(result.code, result.stderr).to.equal(22);
    expect(result.stderr).to.include('what ocata_migrate01 has moved stays');
    expect(await moved()).to.be.within(1, 2999);
    await db('migrate');
    const written = await withMysql(url, async (client) => {
      const [rows] = await client.query<RowDataPacket[]>(
        'SELECT count(*) AS n, count(DISTINCT id) AS ids FROM writes',
      );
      return rows.map((row) => ({ ...row }));
    });
    expect(written).to.deep.equal([{ n: 3000, ids: 3000 }]);
    await db('contract');
    expect(await readMysqlImages(url)).to.deep.equal(expected);
  });
});
