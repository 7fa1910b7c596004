import { expect } from 'chai';
import type { RowDataPacket } from 'mysql2/promise';
import { bundle } from '../../support/bundle.ts';
import {
  expectedMysqlImages,
  fillMysqlNewton,
  readMysqlImages,
  seedMysqlNewton,
} from '../../support/glance-data-mysql.ts';
import { goldenMysqlSchema, readMysqlSchema } from '../../support/golden-mysql.ts';
import { type KillSubject, killAtRandom } from '../../support/kill-rounds.ts';
import { hasMariaDb, NO_MARIADB, startMariaDb, type TestMariaDb } from '../../support/mariadb.ts';
import { withMysql } from '../../support/mysql-client.ts';
import { leaveOut } from '../../support/needs.ts';

/** KILLS=200 for the real number. */
const KILLS = Number(process.env.KILLS ?? 25);

const IMAGES = 2000;

/** Counts each write to a row. */
const COUNT_WRITES = `
CREATE TABLE writes (tab varchar(20), id varchar(36));
CREATE TRIGGER written_images AFTER UPDATE ON images FOR EACH ROW INSERT INTO writes VALUES ('images', NEW.id);
CREATE TRIGGER written_locations AFTER UPDATE ON image_locations FOR EACH ROW
  INSERT INTO writes VALUES ('locations', NEW.id)`;

describe('a migrator on MariaDB that is killed anywhere on the way to the newest', function () {
  this.timeout(3_600_000);
  let server: TestMariaDb;

  before(async function () {
    if (!hasMariaDb()) {
      leaveOut(this, NO_MARIADB);
    }
    bundle();
    server = await startMariaDb();
  });

  after(async () => {
    await server?.stop();
  });

  async function ask(url: string, sql: string): Promise<readonly Readonly<Record<string, unknown>>[]> {
    return withMysql(url, async (client) => {
      const [rows] = await client.query<RowDataPacket[]>(sql);
      return rows.map((row) => ({ ...row }));
    });
  }

  async function locations(url: string): Promise<readonly string[]> {
    const rows = await ask(
      url,
      'SELECT CONCAT(image_id, meta_data) AS location FROM image_locations ORDER BY id',
    );
    return rows.map(({ location }) => String(location));
  }

  it(`SIGKILL at ${KILLS} random moments: a rerun makes it right, and no row is written twice`, async () => {
    const seed = Number(process.env.SEED ?? Date.now() % 1_000_000);
    process.stdout.write(`      SEED=${seed}\n`);
    const sample = await server.createDatabase('sample');
    await seedMysqlNewton(sample, { images: IMAGES });
    const images = (await expectedMysqlImages(sample)).map((image) => ({
      ...image,
      os_hidden: 0,
      os_hash_algo: null,
      os_hash_value: null,
    }));
    const before = await locations(sample);
    const moved = before.map((location) => location.replaceAll('"backend":', '"store":'));
    const golden = goldenMysqlSchema('2024_1_contract01').tables;
    const subject: KillSubject = {
      async make(name, from) {
        await withMysql(server.url(''), (client) => client.query(`DROP DATABASE IF EXISTS ${name}`));
        const url = await server.createDatabase(name);
        if (from === 'Newton') {
          await seedMysqlNewton(url, { images: IMAGES });
          await withMysql(url, (client) => client.query(COUNT_WRITES));
        }
        return url;
      },
      async fill(url) {
        await fillMysqlNewton(url, { images: IMAGES });
        await withMysql(url, (client) => client.query(COUNT_WRITES));
      },
      async state(url) {
        const schema = await readMysqlSchema(url);
        return JSON.stringify([
          schema,
          schema.tables.alembic_version && (await ask(url, 'SELECT * FROM alembic_version ORDER BY 1')),
          schema.tables.writes && (await ask(url, 'SELECT count(*) AS n FROM writes')),
        ]);
      },
      async check(url, where) {
        expect(await readMysqlImages(url), where).to.deep.equal(images);
        expect(await locations(url), where).to.deep.equal(moved);
        const written = await ask(
          url,
          'SELECT tab, count(*) AS n, count(DISTINCT id) AS ids FROM writes GROUP BY 1 ORDER BY 1',
        );
        const changed = before.filter((location, index) => location !== moved[index]).length;
        expect(written, where).to.deep.equal([
          { tab: 'images', n: IMAGES, ids: IMAGES },
          { tab: 'locations', n: changed, ids: changed },
        ]);
        expect(await ask(url, 'SELECT * FROM alembic_version'), where).to.deep.equal([
          { version_num: '2024_1_contract01' },
        ]);
        const { tables, triggers } = await readMysqlSchema(url);
        const { alembic_version: _, writes: __, migrate_version: ___, ...own } = tables;
        expect(own, where).to.deep.equal(golden);
        expect(
          triggers.map(({ name }) => name),
          where,
        ).to.deep.equal(['written_images', 'written_locations']);
      },
    };
    const { late, between, states } = await killAtRandom(subject, KILLS, seed);
    process.stdout.write(
      `      ${KILLS} runs killed at work (${late} kills came too late, made again); ${between} left half done; ${states} different states\n`,
    );
    expect(between, 'half done').to.be.at.least(KILLS * 0.4);
    expect(states).to.be.greaterThan(10);
  });
});
