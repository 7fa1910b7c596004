import { expect } from 'chai';
import {
  expectedMysqlImages,
  fillMysqlNewton,
  readMysqlImages,
  seedMysqlNewton,
} from '../../lab/databases/glance-data-mysql.ts';
import { goldenMysqlSchema, readMysqlSchema, withoutDialect } from '../../lab/databases/golden-mysql.ts';
import type { TestMariaDb } from '../../lab/databases/mariadb.ts';
import { askMysql, withMysql } from '../../lab/databases/mysql-client.ts';
import type { KillSubject } from './kill-rounds.ts';

/** Counts each write to a row. */
const COUNT_WRITES = `
CREATE TABLE writes (tab varchar(20), id varchar(36));
CREATE TRIGGER written_images AFTER UPDATE ON images FOR EACH ROW INSERT INTO writes VALUES ('images', NEW.id);
CREATE TRIGGER written_locations AFTER UPDATE ON image_locations FOR EACH ROW
  INSERT INTO writes VALUES ('locations', NEW.id)`;

async function locations(url: string): Promise<readonly string[]> {
  const rows = await askMysql(
    url,
    'SELECT CONCAT(image_id, meta_data) AS location FROM image_locations ORDER BY id',
  );
  return rows.map(({ location }) => String(location));
}

/** The databases of MariaDB or MySQL whose migrators are killed. */
export async function mysqlKillSubject(server: TestMariaDb, images: number): Promise<KillSubject> {
  const sample = await server.createDatabase('sample');
  await seedMysqlNewton(sample, { images });
  const expected = (await expectedMysqlImages(sample)).map((image) => ({
    ...image,
    os_hidden: 0,
    os_hash_algo: null,
    os_hash_value: null,
  }));
  const before = await locations(sample);
  const moved = before.map((location) => location.replaceAll('"backend":', '"store":'));
  const golden = withoutDialect(goldenMysqlSchema('2024_1_contract01')).tables;
  return {
    async make(name, from) {
      await withMysql(server.url(''), (client) => client.query(`DROP DATABASE IF EXISTS ${name}`));
      const url = await server.createDatabase(name);
      if (from === 'Newton') {
        await seedMysqlNewton(url, { images });
        await withMysql(url, (client) => client.query(COUNT_WRITES));
      }
      return url;
    },
    async fill(url) {
      await fillMysqlNewton(url, { images });
      await withMysql(url, (client) => client.query(COUNT_WRITES));
    },
    async state(url) {
      const schema = await readMysqlSchema(url);
      return JSON.stringify([
        schema,
        schema.tables.alembic_version && (await askMysql(url, 'SELECT * FROM alembic_version ORDER BY 1')),
        schema.tables.writes && (await askMysql(url, 'SELECT count(*) AS n FROM writes')),
      ]);
    },
    async check(url, where) {
      expect(await readMysqlImages(url), where).to.deep.equal(expected);
      expect(await locations(url), where).to.deep.equal(moved);
      const written = await askMysql(
        url,
        'SELECT tab, count(*) AS n, count(DISTINCT id) AS ids FROM writes GROUP BY 1 ORDER BY 1',
      );
      const changed = before.filter((location, index) => location !== moved[index]).length;
      expect(written, where).to.deep.equal([
        { tab: 'images', n: images, ids: images },
        { tab: 'locations', n: changed, ids: changed },
      ]);
      expect(await askMysql(url, 'SELECT * FROM alembic_version'), where).to.deep.equal([
        { version_num: '2024_1_contract01' },
      ]);
      const { tables, triggers } = withoutDialect(await readMysqlSchema(url));
      const { alembic_version: _, writes: __, migrate_version: ___, ...own } = tables;
      expect(own, where).to.deep.equal(golden);
      expect(
        triggers.map(({ name }) => name),
        where,
      ).to.deep.equal(['written_images', 'written_locations']);
    },
  };
}
