import { expect } from 'chai';
import pg from 'pg';
import { scriptsOf } from '../../../src/revision/heads.ts';
import { NEWEST_CARRIED, REVISIONS } from '../../../src/revision/revisions.ts';
import { SCRIPTS } from '../../../src/revision/scripts.ts';
import { runCli } from '../../support/bundle.ts';
import { goldenSchema, readSchema, type Schema, withAlembicVersion } from '../../support/golden.ts';
import { buildGolden, type GoldenOptions } from '../../support/golden-database.ts';
import { headOf, interleaved } from '../../support/golden-names.ts';
import { startPostgres, type TestPostgres } from '../../support/postgres.ts';

/** What ours has between Ocata's expand and contract; the real tool has no triggers on PostgreSQL. */
const TRIGGERS = { triggers: ['insert_visibility', 'update_visibility'] };
const NEITHER = { triggers: [], functions: [] };

async function rowsOf(url: string, table: string): Promise<unknown[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query(`SELECT * FROM ${table} ORDER BY 1`)).rows;
  } finally {
    await client.end();
  }
}

describe('the schema that is left on PostgreSQL', function () {
  this.timeout(240_000);
  let server: TestPostgres;
  let count = 0;

  before(async () => {
    server = await startPostgres();
  });

  after(async () => {
    await server.stop();
  });

  async function database(): Promise<string> {
    count += 1;
    return server.createDatabase(`schema_${count}`);
  }

  async function db(url: string, ...args: string[]): Promise<string> {
    const result = await runCli(['db', ...args], { DATABASE_CONNECTION: url });
    expect(result.code, `${args.join(' ')}: ${result.stderr}`).to.equal(0);
    return result.stdout;
  }

  async function expectSchema(url: string, schema: Schema, heads: readonly string[]): Promise<void> {
    expect(await readSchema(url), heads.join()).to.deep.equal(schema);
    expect(await rowsOf(url, 'alembic_version')).to.deep.equal(
      [...heads].sort().map((version_num) => ({ version_num })),
    );
  }

  async function expectAt(url: string, revision: string, extra: Schema['tables'] = {}): Promise<void> {
    const golden = withAlembicVersion(goldenSchema(headOf(revision)));
    await expectSchema(url, { ...golden, tables: { ...golden.tables, ...extra } }, [headOf(revision)]);
  }

  for (const revision of REVISIONS) {
    it(`from empty to ${revision.name} is the real Glance's`, async () => {
      const url = await database();
      await db(url, 'sync', revision.name);
      await expectAt(url, revision.name);
    });
  }

  it('is the same one revision at a time, and a second run does nothing', async () => {
    const url = await database();
    for (const { name } of REVISIONS) {
      await db(url, 'sync', name);
      await expectAt(url, name);
      expect(await db(url, 'sync', name)).to.equal(
        `Database is up to date at ${name}. No migrations needed.\n`,
      );
    }
  });

  it('is that of each of the 29 scripts, revision by revision through the phases', async () => {
    const url = await database();
    for (const revision of REVISIONS) {
      for (const script of scriptsOf(revision.name)) {
        const through = script.kind === 'expand' ? 'Expand' : 'Contract';
        await db(url, 'sync', revision.name, '--through', through);
        const golden = withAlembicVersion(goldenSchema(interleaved(script)));
        const live =
          script.name === 'ocata_expand01' ? { ...TRIGGERS, functions: TRIGGERS.triggers } : NEITHER;
        await expectSchema(
          url,
          { ...golden, ...live },
          script.kind === 'expand' && revision.name !== 'ocata01'
            ? [script.name, headOf(REVISIONS[REVISIONS.indexOf(revision) - 1]?.name ?? '')]
            : [script.name],
        );
      }
    }
  });

  it('is that of each of the 29 scripts, all expands first and then all contracts', async () => {
    const url = await database();
    await db(url, 'sync', 'mitaka02');
    const phased = REVISIONS.filter((revision) => revision.phased).map((revision) => revision.name);
    for (const revision of phased) {
      await db(url, 'expand', revision);
      const expand =
        SCRIPTS.find((script) => script.revision === revision && script.kind === 'expand')?.name ?? '';
      const golden = withAlembicVersion(goldenSchema(expand));
      await expectSchema(url, { ...golden, ...TRIGGERS, functions: TRIGGERS.triggers }, [expand]);
    }
    await db(url, 'migrate');
    for (const revision of phased) {
      await db(url, 'contract', revision);
      const heads = headOf(revision) === headOf(NEWEST_CARRIED) ? [] : ['2024_1_expand01'];
      const head = withAlembicVersion(goldenSchema(headOf(NEWEST_CARRIED)));
      // No golden file tells of Ocata's contract with all expands: it is the head and what Pike drops. After Pike none changes a thing.
      const dropped = revision === 'ocata01' ? goldenSchema('ocata_contract01').tables : {};
      await expectSchema(url, { ...head, tables: { ...dropped, ...head.tables } }, [
        ...heads,
        headOf(revision),
      ]);
    }
    await expectAt(url, NEWEST_CARRIED);
  });

  it('follows the search path', async () => {
    const url = await database();
    const client = new pg.Client({ connectionString: url });
    await client.connect();
    await client.query('CREATE SCHEMA imaging; CREATE TABLE public.images (x int)');
    await client.end();
    const inSchema = `${url}?options=-csearch_path%3Dimaging`;
    await db(inSchema, 'sync');
    await expectAt(inSchema, NEWEST_CARRIED);
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
    ["the real Pike's row", { schema: 'pike_contract01', alembic: ['pike01'] }, 'pike01'],
    ...SCRIPTS.filter((script) => script.kind !== 'expand').map((script): [string, GoldenOptions, string] => [
      `alembic_version ${script.name}`,
      { schema: script.name, alembic: [script.name] },
      script.revision,
    ]),
    ['alembic_version ocata_expand01', { schema: 'ocata_expand01', alembic: ['ocata_expand01'] }, 'ocata01'],
    [
      'expanded Wallaby over contracted Rocky',
      { schema: 'wallaby_contract01', alembic: ['wallaby_expand01', 'rocky_contract02'] },
      'wallaby01',
    ],
  ];
  for (const [name, options, at] of adoptable) {
    it(`from ${name} to itself and on to the newest`, async () => {
      const url = await database();
      await buildGolden(url, options);
      const migrate = options.migrate === undefined ? undefined : await rowsOf(url, 'migrate_version');
      const table = goldenSchema('ocata_era__liberty').tables.migrate_version;
      const extra = migrate === undefined || table === undefined ? {} : { migrate_version: table };
      await db(url, 'sync', at);
      await expectAt(url, at, extra);
      await db(url, 'sync');
      await expectAt(url, NEWEST_CARRIED, extra);
      if (migrate !== undefined) {
        expect(await rowsOf(url, 'migrate_version')).to.deep.equal(migrate);
      }
    });
  }

  it("from the real Ocata's migrate_version 0 with nothing else", async () => {
    const url = await database();
    const client = new pg.Client({ connectionString: url });
    await client.connect();
    await client.query(`CREATE TABLE migrate_version (repository_id varchar(250) PRIMARY KEY, repository_path text,
      version integer); INSERT INTO migrate_version VALUES ('Glance Migrations', '/x', 0)`);
    await client.end();
    await db(url, 'sync');
    const table = goldenSchema('ocata_era__liberty').tables.migrate_version;
    await expectAt(url, NEWEST_CARRIED, table === undefined ? {} : { migrate_version: table });
  });

  it('is the same on a server that cannot turn a generated column into a plain one', async () => {
    const { renderStep } = await import('../../../src/database/engines/postgres/render-step.ts');
    const { FUSED } = await import('../../../migrations/registry.ts');
    const url = await database();
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
