import { expect } from 'chai';
import type pg from 'pg';
import { runCli } from '../../support/bundle.ts';
import { fillNewton, seedNewton } from '../../support/glance-data.ts';
import { goldenSchema, readSchema, withAlembicVersion } from '../../support/golden.ts';
import { buildGolden } from '../../support/golden-database.ts';
import { expectedImages, readImages, withClient } from '../../support/images.ts';
import {
  expectedAtHead,
  ORIGINS,
  otherRows,
  sortedRows,
  type Tables,
  WAYS,
} from '../../support/populated.ts';
import { startPostgres, type TestPostgres } from '../../support/postgres.ts';

describe('the data after db sync on PostgreSQL', function () {
  this.timeout(120_000);
  let server: TestPostgres;

  before(async () => {
    server = await startPostgres();
  });

  after(async () => {
    await server.stop();
  });

  async function sync(url: string, ...args: readonly string[]): Promise<void> {
    const result = await runCli(['db', 'sync', ...args], { DATABASE_CONNECTION: url });
    expect(result.code, result.stderr).to.equal(0);
  }

  it('has each image of Newton with the visibility that Glance gives it, and all else as it was', async () => {
    const url = await server.createDatabase('newton');
    await seedNewton(url, { images: 3000 });
    const expected = await expectedImages(url);
    await sync(url, 'ocata01');
    const images = await readImages(url);
    expect(images).to.deep.equal(expected);
    const { rows } = await withClient(url, (client) =>
      client.query("SELECT reloptions FROM pg_class WHERE relname = 'images'"),
    );
    expect(rows).to.deep.equal([{ reloptions: null }]);
    const counts = Object.groupBy(images, (image) => String(image.visibility));
    expect(Object.keys(counts).sort()).to.deep.equal(['private', 'public', 'shared']);
  });

  async function readTables(url: string): Promise<Tables> {
    return withClient(url, async (client) => {
      const tables: Record<string, readonly Record<string, unknown>[]> = {};
      const { rows } = await client.query(
        `SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'alembic_version' ORDER BY 1`,
      );
      for (const { tablename } of rows) {
        const found = await client.query(`SELECT to_jsonb(t) AS r FROM ${tablename} t `);
        if (found.rows.length > 0) {
          tables[tablename] = found.rows.map(({ r }) => r);
        }
      }
      return tables;
    });
  }

  for (const [origin, way] of ORIGINS.flatMap((each) => WAYS.map((way) => [each, way] as const))) {
    it(`of a database of ${origin.release}, at the newest revision by ${way.join(', ')}: each row, and the real Glance's schema`, async () => {
      const url = await server.createDatabase(`from_${origin.release}_${way.join('_')}`);
      await buildGolden(url, origin);
      await fillNewton(url, { images: 2000, sinceOcata: origin.sinceOcata });
      await withClient(url, (client) => client.query(otherRows(origin).join(';\n')));
      const before = await readTables(url);
      const expected = origin.sinceOcata ? (before.images ?? []) : await expectedImages(url);
      for (const command of way) {
        const result = await runCli(['db', command], { DATABASE_CONNECTION: url });
        expect(result.code, result.stderr).to.equal(0);
      }
      expect(sortedRows(await readTables(url))).to.deep.equal(
        sortedRows(expectedAtHead(before, expected, false)),
      );
      const { migrate_version: legacy } = goldenSchema('ocata_era__liberty').tables;
      const golden = withAlembicVersion(goldenSchema('2024_1_contract01'));
      expect(await readSchema(url)).to.deep.equal({
        ...golden,
        tables: {
          ...golden.tables,
          ...(origin.migrate === undefined || legacy === undefined ? {} : { migrate_version: legacy }),
        },
      });
      expect((await runCli(['db', 'check'], { DATABASE_CONNECTION: url })).code).to.equal(0);
    });
  }

  it("leaves the table's own settings as they were", async () => {
    const url = await server.createDatabase('settings');
    await seedNewton(url, { images: 100 });
    const options = (sql: string) => withClient(url, (client) => client.query(sql));
    await options('ALTER TABLE images SET (fillfactor = 80, autovacuum_enabled = false)');
    await sync(url);
    const { rows } = await options("SELECT reloptions FROM pg_class WHERE relname = 'images'");
    expect(rows[0].reloptions).to.have.members(['fillfactor=80', 'autovacuum_enabled=false']);
  });

  it('continues an expanded database: what has a visibility keeps it, but private images with members', async () => {
    const url = await server.createDatabase('expanded');
    await buildGolden(url, { schema: 'ocata_expand01', alembic: ['ocata_expand01'] });
    await fillNewton(url, { images: 3000 });
    await withClient(url, async (client) => {
      await client.query(`UPDATE images SET is_public = NULL, visibility =
        (ARRAY['private', 'public', 'shared', 'community']::image_visibility[])[size / 1024 % 4 + 1]
        WHERE size / 1024 % 3 = 0`);
    });
    const expected = await expectedImages(url);
    await sync(url, 'ocata01');
    expect(await readImages(url)).to.deep.equal(expected);
  });

  it('has a resource type renamed by mitaka02, and its times as they were', async () => {
    const url = await server.createDatabase('resource_types');
    await buildGolden(url, { schema: 'mitaka01', alembic: ['mitaka01'] });
    await withClient(url, async (client) => {
      await client.query(`INSERT INTO metadef_resource_types (name, protected, created_at, updated_at) VALUES
        ('OS::Nova::Instance', true, '2015-10-15', '2015-11-01'), ('OS::Glance::Image', false, '2015-10-15', NULL)`);
    });
    await sync(url);
    const rows = await withClient(url, (client) =>
      client.query('SELECT name, updated_at::text FROM metadef_resource_types ORDER BY id'),
    );
    expect(rows.rows).to.deep.equal([
      { name: 'OS::Nova::Server', updated_at: '2015-11-01 00:00:00' },
      { name: 'OS::Glance::Image', updated_at: null },
    ]);
  });

  it('lets the next image in with the default of Ocata', async () => {
    const url = await server.createDatabase('defaults');
    await sync(url);
    const { rows } = await withClient(url, (client: pg.Client) =>
      client.query(`INSERT INTO images (id, status, created_at, deleted, min_disk, min_ram)
        VALUES ('a', 'queued', now(), false, 0, 0) RETURNING visibility, protected`),
    );
    expect(rows).to.deep.equal([{ visibility: 'shared', protected: false }]);
  });
});
