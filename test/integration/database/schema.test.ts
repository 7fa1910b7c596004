import { expect } from 'chai';
import pg from 'pg';
import { runCli } from '../../support/bundle.ts';
import { goldenSchema, readSchema, type Schema, withAlembicVersion } from '../../support/golden.ts';
import { buildGolden, type GoldenOptions } from '../../support/golden-database.ts';
import { startPostgres, type TestPostgres } from '../../support/postgres.ts';

/** The head that each revision leaves, which is also the name of its golden file. */
const HEADS: Readonly<Record<string, string>> = {
  liberty: 'liberty',
  mitaka01: 'mitaka01',
  mitaka02: 'mitaka02',
  ocata01: 'ocata_contract01',
};

async function rowsOf(url: string, table: string): Promise<unknown[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query(`SELECT * FROM ${table} ORDER BY 1`)).rows;
  } finally {
    await client.end();
  }
}

describe('the schema that db sync leaves on PostgreSQL', function () {
  this.timeout(120_000);
  let server: TestPostgres;
  let count = 0;

  before(async () => {
    server = await startPostgres();
  });

  after(async () => {
    await server.stop();
  });

  async function sync(url: string, ...args: string[]): Promise<string> {
    const result = await runCli(['db', 'sync', ...args], { DATABASE_CONNECTION: url });
    expect(result.code, result.stderr).to.equal(0);
    return result.stdout;
  }

  async function expectAt(
    url: string,
    revision: string,
    extra: Partial<Schema['tables']> = {},
  ): Promise<void> {
    const head = HEADS[revision] ?? '';
    const golden = withAlembicVersion(goldenSchema(head));
    expect(await readSchema(url)).to.deep.equal({ ...golden, tables: { ...golden.tables, ...extra } });
    expect(await rowsOf(url, 'alembic_version')).to.deep.equal([{ version_num: head }]);
  }

  for (const revision of Object.keys(HEADS)) {
    it(`from empty to ${revision} is the real Glance's`, async () => {
      const url = await server.createDatabase(`empty_to_${revision}`);
      await sync(url, revision);
      await expectAt(url, revision);
    });
  }

  it('is the same one revision at a time, and a second run does nothing', async () => {
    const url = await server.createDatabase('step_by_step');
    for (const revision of Object.keys(HEADS)) {
      expect(await sync(url, revision)).to.include(`applied ${revision} in`);
      await expectAt(url, revision);
      expect(await sync(url, revision)).to.equal(
        `Database is up to date at ${revision}. No migrations needed.\n`,
      );
    }
  });

  it('follows the search path', async () => {
    const url = await server.createDatabase('search_path');
    const client = new pg.Client({ connectionString: url });
    await client.connect();
    await client.query('CREATE SCHEMA imaging; CREATE TABLE public.images (x int)');
    await client.end();
    const inSchema = `${url}?options=-csearch_path%3Dimaging`;
    await sync(inSchema);
    await expectAt(inSchema, 'ocata01');
    expect(Object.keys((await readSchema(url)).tables)).to.deep.equal(['images']);
  });

  const adoptable: readonly (readonly [string, GoldenOptions, string])[] = [
    ['migrate_version 42', { schema: 'ocata_era__liberty', migrate: 42 }, 'liberty'],
    ['migrate_version 43', { schema: 'ocata_era__mitaka01', migrate: 43 }, 'mitaka01'],
    ['migrate_version 44', { schema: 'ocata_era__mitaka02', migrate: 44 }, 'mitaka02'],
    ['migrate_version 45', { schema: 'ocata_era__ocata01', migrate: 45 }, 'ocata01'],
    [
      'an empty alembic_version beside 44',
      { schema: 'ocata_era__mitaka02', migrate: 44, alembic: [] },
      'mitaka02',
    ],
    ["the real Ocata's row", { schema: 'ocata_era__ocata01', migrate: 0, alembic: ['ocata01'] }, 'ocata01'],
    ['alembic_version liberty', { schema: 'liberty', alembic: ['liberty'] }, 'liberty'],
    ['alembic_version ocata_expand01', { schema: 'ocata_expand01', alembic: ['ocata_expand01'] }, 'ocata01'],
    [
      'alembic_version ocata_contract01',
      { schema: 'ocata_contract01', alembic: ['ocata_contract01'] },
      'ocata01',
    ],
  ];
  for (const [name, options, at] of adoptable) {
    it(`from ${name} to itself and on to ocata01`, async () => {
      count += 1;
      const url = await server.createDatabase(`adopt_${count}`);
      await buildGolden(url, options);
      const migrate = options.migrate === undefined ? undefined : await rowsOf(url, 'migrate_version');
      const table = goldenSchema('ocata_era__liberty').tables.migrate_version;
      const extra = migrate === undefined || table === undefined ? {} : { migrate_version: table };
      await sync(url, at);
      await expectAt(url, at, extra);
      await sync(url);
      await expectAt(url, 'ocata01', extra);
      if (migrate !== undefined) {
        expect(await rowsOf(url, 'migrate_version')).to.deep.equal(migrate);
      }
    });
  }

  it("from the real Ocata's migrate_version 0 with nothing else", async () => {
    const url = await server.createDatabase('migrate_0');
    const client = new pg.Client({ connectionString: url });
    await client.connect();
    await client.query(`CREATE TABLE migrate_version (repository_id varchar(250) PRIMARY KEY, repository_path text,
      version integer); INSERT INTO migrate_version VALUES ('Glance Migrations', '/x', 0)`);
    await client.end();
    await sync(url);
    const table = goldenSchema('ocata_era__liberty').tables.migrate_version;
    await expectAt(url, 'ocata01', table === undefined ? {} : { migrate_version: table });
  });

  it('is the same on a server that cannot turn a generated column into a plain one', async () => {
    const { renderStep } = await import('../../../src/database/engines/postgres/render-step.ts');
    const { FUSED } = await import('../../../migrations/registry.ts');
    const url = await server.createDatabase('old_server');
    await buildGolden(url, { schema: 'mitaka02' });
    const client = new pg.Client({ connectionString: url });
    await client.connect();
    await client.query(
      FUSED.flatMap(({ steps }) => steps.flatMap((step) => renderStep(step, 120_000))).join(';\n'),
    );
    await client.end();
    expect(await readSchema(url)).to.deep.equal(goldenSchema('ocata_contract01'));
  });
});
