import { expect } from 'chai';
import type { RowDataPacket } from 'mysql2/promise';
import { runCli } from '../../support/bundle.ts';
import {
  expectedMysqlImages,
  fillMysqlNewton,
  readMysqlImages,
  seedMysqlNewton,
} from '../../support/glance-data-mysql.ts';
import { goldenMysqlSchema, readMysqlSchema, withMysqlAlembicVersion } from '../../support/golden-mysql.ts';
import { buildMysqlGolden } from '../../support/golden-mysql-database.ts';
import { hasMariaDb, NO_MARIADB, startMariaDb, type TestMariaDb } from '../../support/mariadb.ts';
import { withMysql } from '../../support/mysql-client.ts';
import { leaveOut } from '../../support/needs.ts';
import {
  expectedAtHead,
  ORIGINS,
  otherRows,
  sortedRows,
  type Tables,
  WAYS,
} from '../../support/populated.ts';

interface PlannedStep {
  readonly statements: readonly { readonly sql: string; readonly alone: boolean }[];
}

describe('the data after db sync on MariaDB', function () {
  this.timeout(240_000);
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

  async function sync(url: string, ...args: string[]): Promise<void> {
    const result = await runCli(['db', 'sync', ...args], { DATABASE_CONNECTION: url });
    expect(result.code, result.stderr).to.equal(0);
  }

  async function ask(url: string, sql: string): Promise<readonly Record<string, unknown>[]> {
    return withMysql(url, async (client) => {
      const [rows] = await client.query<RowDataPacket[]>(sql);
      return rows.map((row) => ({ ...row }));
    });
  }

  it('has each image of Newton with the visibility that Glance gives it, and all else as it was', async () => {
    const url = await server.createDatabase('newton');
    await seedMysqlNewton(url, { images: 3000 });
    const expected = await expectedMysqlImages(url);
    await sync(url, 'ocata01');
    const images = await readMysqlImages(url);
    expect(images).to.deep.equal(expected);
    const counts = Object.groupBy(images, (image) => String(image.visibility));
    expect(Object.keys(counts).sort()).to.deep.equal(['private', 'public', 'shared']);
  });

  async function readTables(url: string): Promise<Tables> {
    const tables: Record<string, readonly Record<string, unknown>[]> = {};
    for (const { name } of await ask(
      url,
      `SELECT table_name AS name FROM information_schema.tables WHERE table_schema = DATABASE()
        AND table_name <> 'alembic_version' ORDER BY 1`,
    )) {
      const rows = await ask(url, `SELECT * FROM ${name}`);
      if (rows.length > 0) {
        tables[String(name)] = rows;
      }
    }
    return tables;
  }

  for (const [origin, way] of ORIGINS.flatMap((each) => WAYS.map((way) => [each, way] as const))) {
    it(`of a database of ${origin.release}, at the newest revision by ${way.join(', ')}: each row, and the real Glance's schema`, async () => {
      const url = await server.createDatabase(`from_${origin.release}_${way.join('_')}`);
      await buildMysqlGolden(url, origin);
      await fillMysqlNewton(url, { images: 2000, sinceOcata: origin.sinceOcata });
      await withMysql(url, (client) => client.query(otherRows(origin).join(';\n')));
      const before = await readTables(url);
      const expected = origin.sinceOcata ? (before.images ?? []) : await expectedMysqlImages(url);
      for (const command of way) {
        const result = await runCli(['db', command], { DATABASE_CONNECTION: url });
        expect(result.code, result.stderr).to.equal(0);
      }
      expect(sortedRows(await readTables(url))).to.deep.equal(
        sortedRows(expectedAtHead(before, expected, 0)),
      );
      const { migrate_version: legacy } = goldenMysqlSchema('ocata_era__liberty').tables;
      const golden = withMysqlAlembicVersion(goldenMysqlSchema('2024_1_contract01'));
      expect(await readMysqlSchema(url)).to.deep.equal({
        ...golden,
        tables: {
          ...golden.tables,
          ...(origin.migrate === undefined || legacy === undefined ? {} : { migrate_version: legacy }),
        },
      });
      expect((await runCli(['db', 'check'], { DATABASE_CONNECTION: url })).code).to.equal(0);
    });
  }

  it('continues an expanded database: what has a visibility keeps it, but private images with members', async () => {
    const url = await server.createDatabase('expanded');
    await buildMysqlGolden(url, { schema: 'ocata_expand01', alembic: ['ocata_expand01'] });
    // Rows from before the expand have no visibility; those written since have both, by the triggers.
    await withMysql(url, async (client) => {
      await client.query('DROP TRIGGER insert_visibility; DROP TRIGGER update_visibility');
    });
    await fillMysqlNewton(url, { images: 3000 });
    await withMysql(url, async (client) => {
      await client.query(`UPDATE images SET visibility = ELT(size DIV 1024 % 4 + 1, 'private', 'public', 'shared', 'community')
        WHERE size DIV 1024 % 3 = 0`);
      await client.query(
        'UPDATE images SET is_public = (visibility = "public") WHERE visibility IS NOT NULL',
      );
    });
    const expected = await expectedMysqlImages(url);
    await sync(url, 'ocata01');
    expect(await readMysqlImages(url)).to.deep.equal(expected);
  });

  it('agrees with what old nodes of Glance write between any two statements of db expand', async () => {
    const url = await server.createDatabase('between');
    await buildMysqlGolden(url, { schema: 'mitaka02', alembic: ['mitaka02'] });
    const env = { DATABASE_CONNECTION: url };
    const plan = await runCli(['db', 'plan', 'ocata01', '--through', 'Expand', '--output', 'json'], env);
    const [expand] = JSON.parse(plan.stdout).steps as readonly PlannedStep[];
    const statements = expand?.statements.filter(({ alone }) => alone) ?? [];
    expect(statements).to.have.length.greaterThan(3);
    await withMysql(url, async (client) => {
      // One image for each place at which it can be made, and later one at which it can be changed.
      for (let place = 0; ; place += 1) {
        for (let later = place; later <= statements.length; later += 1) {
          for (const isPublic of [true, false]) {
            await client.query(
              `INSERT INTO images (id, is_public, status, created_at, deleted, min_disk, min_ram)
                VALUES (?, ?, 'queued', now(), false, 0, 0)`,
              [`${place}-${later}-${isPublic}`, isPublic],
            );
          }
        }
        await client.query(`UPDATE images SET is_public = NOT is_public WHERE id LIKE '%-${place}-%'`);
        const statement = statements[place];
        if (statement === undefined) return;
        await client.query(statement.sql);
      }
    });
    for (const phase of ['expand', 'migrate']) {
      const result = await runCli(['db', phase, 'ocata01'], env);
      expect(result.code, result.stderr).to.equal(0);
    }
    expect(
      await ask(url, `SELECT id FROM images WHERE NOT is_public <=> (visibility <=> 'public')`),
    ).to.deep.equal([]);
    expect(
      await ask(url, `SELECT id FROM images WHERE NOT is_public <=> (id LIKE '%-false')`),
      'each was changed once',
    ).to.deep.equal([]);
  });

  it('has a resource type renamed by mitaka02, and its times as they were', async () => {
    const url = await server.createDatabase('resource_types');
    await buildMysqlGolden(url, { schema: 'mitaka01', alembic: ['mitaka01'] });
    await withMysql(url, (client) =>
      client.query(`INSERT INTO metadef_resource_types (name, protected, created_at, updated_at) VALUES
        ('OS::Nova::Instance', true, '2015-10-15', '2015-11-01'), ('OS::Glance::Image', false, '2015-10-15', NULL)`),
    );
    await sync(url);
    expect(await ask(url, 'SELECT name, updated_at FROM metadef_resource_types ORDER BY id')).to.deep.equal([
      { name: 'OS::Nova::Server', updated_at: '2015-11-01 00:00:00' },
      { name: 'OS::Glance::Image', updated_at: null },
    ]);
  });

  it('has the key backend renamed by Train, in that spelling only', async () => {
    const url = await server.createDatabase('stores');
    await seedMysqlNewton(url, { images: 30 });
    await withMysql(url, (client) =>
      client.query(`UPDATE image_locations SET meta_data = '{"Backend": "x"}' WHERE id = 1`),
    );
    await sync(url);
    const rows = await ask(url, 'SELECT meta_data, count(*) AS n FROM image_locations GROUP BY 1 ORDER BY 1');
    expect(rows).to.deep.equal([
      { meta_data: '{"Backend": "x"}', n: 1 },
      { meta_data: '{"store": "ceph"}', n: 10 },
      { meta_data: '{}', n: 19 },
    ]);
  });

  it('lets the next image in with the default of Ocata', async () => {
    const url = await server.createDatabase('defaults');
    await sync(url);
    await withMysql(url, (client) =>
      client.query(`INSERT INTO images (id, status, created_at, deleted, min_disk, min_ram)
        VALUES ('a', 'queued', now(), false, 0, 0)`),
    );
    expect(await ask(url, 'SELECT visibility, protected, os_hidden FROM images')).to.deep.equal([
      { visibility: 'shared', protected: 0, os_hidden: 0 },
    ]);
  });
});
