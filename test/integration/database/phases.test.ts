import { expect } from 'chai';
import pg from 'pg';
import { fillNewton } from '../../../lab/databases/glance-data.ts';
import { goldenSchema, readSchema, withAlembicVersion } from '../../../lab/databases/golden.ts';
import { buildGolden } from '../../../lab/databases/golden-database.ts';
import { expectedImages, readImages, withClient } from '../../../lab/databases/images.ts';
import { suitePostgres } from '../../../lab/databases/suite-server.ts';
import { startCli } from '../../../lab/process/bundle.ts';
import { eventually } from '../../../lab/process/eventually.ts';
import { approvalCases } from '../../support/cases/approval.ts';
import { phaseCases } from '../../support/cases/phases.ts';
import { db, position, succeeds } from '../../support/db-command.ts';
import { postgresEngine } from '../../support/postgres-engine.ts';
import { goldenDatabase, newtonDatabase } from '../../support/test-engine.ts';

describe('expand, migrate and contract on PostgreSQL', () => {
  const engine = postgresEngine(suitePostgres());
  const newton = (images = 500): Promise<string> => newtonDatabase(engine, images);

  phaseCases(engine);
  approvalCases(engine);

  it('stop where --through says, and sync goes on from there', async () => {
    const url = await newton();
    const expected = await expectedImages(url);
    for (const phase of ['Expand', 'Migrate', 'Contract']) {
      await succeeds(url, 'sync', 'ocata01', '--through', phase);
      expect(await position(url)).to.equal(`ocata01 ${phase}`);
      expect(await succeeds(url, 'sync', 'ocata01', '--through', phase)).to.include('No migrations needed');
    }
    expect((await db(url, 'sync', 'ocata01', '--through', 'Expand')).code).to.equal(10);
    expect(await readImages(url)).to.deep.equal(expected);
  });

  it('an expanded revision without rows to move is at Migrate, which is Expand and more', async () => {
    const url = await newton(10);
    await succeeds(url, 'sync', 'pike01', '--through', 'Expand');
    expect(await position(url)).to.equal('pike01 Migrate');
    expect(await succeeds(url, 'sync', 'pike01', '--through', 'Expand')).to.include('No migrations needed');
  });

  it('a private image that gets a member afterwards is to be moved again', async () => {
    const url = await newton();
    await succeeds(url, 'sync', 'ocata01', '--through', 'Migrate');
    await withClient(url, (client) =>
      client.query(`INSERT INTO image_members (image_id, member, can_share, created_at, deleted, status)
        SELECT id, 'late', false, now(), false, 'pending' FROM images WHERE visibility = 'private' LIMIT 3`),
    );
    expect((await db(url, 'check', 'ocata01')).code).to.equal(4);
    expect(await succeeds(url, 'migrate')).to.include('applied ocata_migrate01');
    expect((await db(url, 'check', 'ocata01')).code).to.equal(5);
  });

  it('check --through ends with 0 as soon as that phase is done', async () => {
    const url = await newton(10);
    const codes = async () => {
      const checks = ['Expand', 'Migrate', 'Contract'].map((phase) =>
        db(url, 'check', 'ocata01', '--through', phase),
      );
      return (await Promise.all(checks)).map(({ code }) => code);
    };
    expect(await codes()).to.deep.equal([3, 3, 3]);
    await succeeds(url, 'expand', 'ocata01');
    expect(await codes()).to.deep.equal([0, 4, 4]);
    await succeeds(url, 'migrate', 'ocata01');
    expect(await codes()).to.deep.equal([0, 0, 5]);
    expect(await succeeds(url, 'check', 'ocata01', '--through', 'Expand')).to.include('through Expand');
    await succeeds(url, 'contract', 'ocata01');
    expect(await codes()).to.deep.equal([0, 0, 0]);
  });

  it('that another tool ended, which left the triggers behind: nothing can be written until a sync drops them', async () => {
    const url = await newton(10);
    await succeeds(url, 'expand', 'ocata01');
    await succeeds(url, 'migrate');
    await withClient(url, (client) =>
      client.query(`ALTER TABLE images DROP COLUMN is_public, ALTER visibility SET NOT NULL, ALTER visibility SET DEFAULT 'shared';
        UPDATE alembic_version SET version_num = 'ocata_contract01'`),
    );
    const insert = (id: string) =>
      withClient(url, (client) =>
        client.query(`INSERT INTO images (id, status, created_at, deleted, min_disk, min_ram, protected)
          VALUES ('${id}', 'active', now(), false, 0, 0, false)`),
      );
    expect(await insert('a').catch((error: Error) => error.message)).to.include('no field "is_public"');
    expect((await db(url, 'check', 'ocata01')).code).to.equal(5);
    expect(await succeeds(url, 'plan', 'ocata01', '--output', 'sql')).to.include(
      'DROP TRIGGER IF EXISTS insert_visibility ON images;',
    );
    const { applied, from, to } = JSON.parse(await succeeds(url, 'sync', 'ocata01', '--output', 'json'));
    expect([applied.map(({ name }: { name: string }) => name), from, to]).to.deep.equal([
      ['left_triggers'],
      { revision: 'ocata01', phase: 'Contract' },
      { revision: 'ocata01', phase: 'Contract' },
    ]);
    await insert('b');
    expect((await db(url, 'check', 'ocata01')).code).to.equal(0);
    expect(await succeeds(url, 'sync', 'ocata01')).to.include('No migrations needed');
    const { rows } = await withClient(url, (client) =>
      client.query("SELECT proname FROM pg_proc WHERE proname LIKE '%\\_visibility'"),
    );
    expect(rows).to.deep.equal([]);
  });

  it('expand refuses a type of the same name with other words, and takes one with the same', async () => {
    const url = await newton(10);
    const type = (...words: readonly string[]) =>
      withClient(url, (client) =>
        client.query(`DROP TYPE IF EXISTS image_visibility;
          CREATE TYPE image_visibility AS ENUM (${words.map((word) => `'${word}'`).join(', ')})`),
      );
    await type('private', 'public');
    const refused = await db(url, 'expand', 'ocata01');
    expect(refused.code, refused.stderr).to.equal(1);
    expect(refused.stderr).to.include('the type image_visibility exists with other values (private, public)');
    await type('private', 'public', 'shared', 'community');
    await succeeds(url, 'expand', 'ocata01');
  });

  it('db plan counts the rows that mitaka02 writes, not those of the table', async () => {
    const url = await goldenDatabase(engine, { schema: 'mitaka01', alembic: ['mitaka01'] });
    await withClient(url, (client) =>
      client.query(`INSERT INTO metadef_resource_types (name, protected, created_at)
        VALUES ('OS::Nova::Instance', true, now()), ('OS::Glance::Image', true, now())`),
    );
    expect(await succeeds(url, 'plan', 'mitaka02')).to.include('mitaka02: writes 1 rows');
  });

  it('of one schema wait for those of another: one database has one lock, whatever search path leads to it', async () => {
    const url = await engine.createDatabase();
    await withClient(url, (client) => client.query('CREATE SCHEMA one; CREATE SCHEMA two'));
    const [one = '', two = ''] = ['one', 'two'].map((schema) => `${url}?options=-csearch_path%3D${schema}`);
    for (const each of [one, two]) await buildGolden(each, { schema: 'liberty', alembic: ['liberty'] });
    const writer = new pg.Client({ connectionString: one });
    await writer.connect();
    await writer.query('BEGIN; LOCK TABLE images IN ROW EXCLUSIVE MODE');
    const building = startCli(['db', 'expand', 'mitaka01'], { DATABASE_CONNECTION: one });
    await eventually(async () => {
      const { rows } = await withClient(url, (client) =>
        client.query(
          "SELECT 1 FROM pg_stat_activity WHERE state = 'active' AND query LIKE 'CREATE INDEX CONC%'",
        ),
      );
      expect(rows).to.have.length(1);
    });
    const waiting = startCli(['db', 'expand', 'mitaka01'], { DATABASE_CONNECTION: two });
    await waiting.says('waiting for the lock, held by pid');
    await writer.end();
    for (const { code, stderr } of [await building.done, await waiting.done]) {
      expect(code, stderr).to.equal(0);
    }
  });

  it('db sync takes away the triggers that an expand left', async () => {
    const url = await newton();
    await succeeds(url, 'expand', 'ocata01');
    expect((await readSchema(url)).triggers).to.have.length(2);
    await succeeds(url, 'sync', 'ocata01');
    expect(await readSchema(url)).to.deep.include({ triggers: [], functions: [] });
  });

  it('go on from a database that a glance-manage has expanded, which has no triggers', async () => {
    const url = await goldenDatabase(engine, { schema: 'ocata_expand01', alembic: ['ocata_expand01'] });
    await fillNewton(url, { images: 300 });
    const expected = await expectedImages(url);
    await succeeds(url, 'migrate');
    await succeeds(url, 'contract');
    expect(await readImages(url)).to.deep.equal(expected);
    expect(await readSchema(url)).to.deep.equal(withAlembicVersion(goldenSchema('ocata_contract01')));
  });

  describe("the data of Train, 'backend' to 'store'", () => {
    const META: readonly (string | null)[] = [
      null,
      '{}',
      '{"backend": "a"}',
      '{"backend":"a", "x": {"backend":"b"}}',
      '{"Backend": "a"}',
      '{"store": "a"}',
      '{"note": "it\'s a \\"backend\\": no"}',
      '{"backend" : "a"}',
    ];

    async function locations(head: string): Promise<string> {
      const url = await goldenDatabase(engine, { schema: head, alembic: [head] });
      await withClient(url, async (client) => {
        await client.query(`INSERT INTO images (id, status, created_at, deleted, min_disk, min_ram)
          VALUES ('a', 'active', now(), false, 0, 0)`);
        for (const [index, meta] of META.entries()) {
          await client.query(
            `INSERT INTO image_locations (image_id, value, created_at, updated_at, deleted, meta_data)
              VALUES ('a', 'file:///x', '2019-01-01', '2019-01-02', $1, $2)`,
            [index % 2 === 1, meta],
          );
        }
      });
      return url;
    }

    async function expectMoved(url: string): Promise<void> {
      const { rows } = await withClient(url, (client) =>
        client.query('SELECT meta_data, updated_at::text, deleted FROM image_locations ORDER BY id'),
      );
      expect(rows).to.deep.equal(
        META.map((meta, index) => ({
          meta_data: meta?.replaceAll('"backend":', '"store":') ?? null,
          updated_at: '2019-01-02 00:00:00',
          deleted: index % 2 === 1,
        })),
      );
    }

    const ways: readonly (readonly [string, string, readonly (readonly string[])[]])[] = [
      ['by sync from Stein', 'rocky_contract02', [['sync', 'train01']]],
      ['by sync from Stein over Train', 'rocky_contract02', [['sync']]],
      ['in phases', 'rocky_contract02', [['expand'], ['migrate'], ['contract']]],
      ['where a tool has skipped it, on the way up', 'ussuri_contract01', [['sync']]],
      ['where a tool has skipped it, when asked for', '2024_1_contract01', [['migrate']]],
      ['through Migrate', 'rocky_contract02', [['sync', 'train01', '--through', 'Migrate']]],
    ];
    for (const [name, head, commands] of ways) {
      it(name, async () => {
        const url = await locations(head);
        for (const command of commands) {
          await succeeds(url, ...command);
        }
        await expectMoved(url);
      });
    }

    it('holds up a contract', async () => {
      const url = await locations('rocky_contract02');
      await succeeds(url, 'expand', 'train01');
      expect((await db(url, 'check', 'train01')).code).to.equal(4);
      expect((await db(url, 'contract', 'train01')).stderr).to.include("Run 'db migrate train01' first");
    });
  });

  it('the SQL of db plan, run by hand, leaves the schema and the record of the real Glance', async () => {
    const starts = [undefined, 'mitaka02', 'ocata_expand01', 'rocky_contract02'];
    for (const from of starts) {
      const url = await engine.createDatabase();
      if (from !== undefined) {
        await buildGolden(url, { schema: from, alembic: [from] });
      }
      const sql = await succeeds(url, 'plan', '--output', 'sql');
      await withClient(url, async (client) => {
        for (const statement of sql.split(/;\n/)) {
          if (!statement.includes('(last key)')) {
            await client.query(statement);
          }
        }
        const { rows } = await client.query('SELECT version_num FROM alembic_version');
        expect(rows).to.deep.equal([{ version_num: '2024_1_contract01' }]);
      });
      expect(await readSchema(url)).to.deep.equal(withAlembicVersion(goldenSchema('2024_1_contract01')));
    }
  });

  it('db version_control leaves the stamp of a release to come', async () => {
    const url = await goldenDatabase(engine, { schema: '2024_1_contract01', alembic: ['2027_1_contract01'] });
    const result = await db(url, 'version_control', '2024_1_01');
    expect(result.code, result.stdout).to.equal(12);
    expect(result.stderr).to.include(
      "with '2024_1_01': alembic_version says '2027_1_contract01', which is newer than '2024_1_01'",
    );
    const { rows } = await withClient(url, (client) => client.query('SELECT * FROM alembic_version'));
    expect(rows).to.deep.equal([{ version_num: '2027_1_contract01' }]);
  });
});
