import { expect } from 'chai';
import type { RowDataPacket } from 'mysql2/promise';
import { expectedMysqlImages, readMysqlImages, seedMysqlNewton } from '../../support/glance-data-mysql.ts';
import { goldenMysqlSchema, readMysqlSchema } from '../../support/golden-mysql.ts';
import { hasMariaDb, NO_MARIADB, startMariaDb, type TestMariaDb } from '../../support/mariadb.ts';
import { withMysql } from '../../support/mysql-client.ts';
import { leaveOut } from '../../support/needs.ts';
import { upgradeOcataOnline } from '../../support/online-ocata.ts';

/** ONLINE_IMAGES=1000000 for the real size. */
const IMAGES = Number(process.env.ONLINE_IMAGES ?? 40_000);

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

  it(`${IMAGES} images: no query fails or waits for long, and each row agrees with itself until contract`, async () => {
    const url = await server.createDatabase('online');
    await seedMysqlNewton(url, { images: IMAGES });
    const tallies = await upgradeOcataOnline({
      url,
      images: IMAGES,
      expected: await expectedMysqlImages(url),
      readImages: () => readMysqlImages(url),
      readTorn: () =>
        withMysql(url, async (client) => {
          const [rows] = await client.query<RowDataPacket[]>(
            `SELECT id, is_public, visibility FROM images WHERE visibility IS NULL
              OR NOT is_public <=> (visibility = 'public') LIMIT 5`,
          );
          return rows;
        }),
    });
    for (const { longest, longestStatement } of tallies) {
      expect(longest, longestStatement).to.be.lessThan(LONGEST);
    }
    expect((await readMysqlSchema(url)).tables.images).to.deep.equal(
      goldenMysqlSchema('ocata_contract01').tables.images,
    );
  });
});
