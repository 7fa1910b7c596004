import { expect } from 'chai';
import type { RowDataPacket } from 'mysql2/promise';
import { scriptsOf } from '../../../src/revision/heads.ts';
import { REVISIONS } from '../../../src/revision/revisions.ts';
import { SCRIPTS } from '../../../src/revision/scripts.ts';
import { runCli } from '../../support/bundle.ts';
import type { GoldenOptions } from '../../support/golden-database.ts';
import {
  goldenMysqlSchema,
  type MysqlSchema,
  readMysqlSchema,
  withMysqlAlembicVersion,
} from '../../support/golden-mysql.ts';
import { buildMysqlGolden } from '../../support/golden-mysql-database.ts';
import { headOf, interleaved } from '../../support/golden-names.ts';
import { hasMariaDb, NO_MARIADB, startMariaDb, type TestMariaDb } from '../../support/mariadb.ts';
import { withMysql } from '../../support/mysql-client.ts';
import { leaveOut } from '../../support/needs.ts';

const NEWEST = '2024_1_01';

async function rowsOf(url: string, table: string): Promise<unknown[]> {
  return withMysql(url, async (client) => {
    const [rows] = await client.query<RowDataPacket[]>(`SELECT * FROM ${table} ORDER BY 1`);
    return rows.map((row) => ({ ...row }));
  });
}

describe('the schema that db sync leaves on MariaDB', function () {
  this.timeout(240_000);
  let server: TestMariaDb;
  let count = 0;

  before(async function () {
    if (!hasMariaDb()) {
      leaveOut(this, NO_MARIADB);
    }
    server = await startMariaDb();
  });

  after(async () => {
    await server?.stop();
  });

  async function sync(url: string, ...args: string[]): Promise<string> {
    const result = await runCli(['db', 'sync', ...args], { DATABASE_CONNECTION: url });
    expect(result.code, result.stderr).to.equal(0);
    return result.stdout;
  }

  async function expectAt(
    url: string,
    revision: string,
    extra: Partial<MysqlSchema['tables']> = {},
  ): Promise<void> {
    const head = headOf(revision);
    const golden = withMysqlAlembicVersion(goldenMysqlSchema(head));
    expect(await readMysqlSchema(url)).to.deep.equal({ ...golden, tables: { ...golden.tables, ...extra } });
    expect(await rowsOf(url, 'alembic_version')).to.deep.equal([{ version_num: head }]);
  }

  for (const { name } of REVISIONS) {
    it(`from empty to ${name} is the real Glance's`, async () => {
      const url = await server.createDatabase(`empty_to_${name}`);
      await sync(url, name);
      await expectAt(url, name);
    });
  }

  it('is the same one revision at a time, and a second run does nothing', async () => {
    const url = await server.createDatabase('step_by_step');
    for (const { name } of REVISIONS) {
      await sync(url, name);
      await expectAt(url, name);
      expect(await sync(url, name)).to.equal(`Database is up to date at ${name}. No migrations needed.\n`);
    }
  });

  async function expectGolden(url: string, golden: string, heads: readonly string[]): Promise<void> {
    expect(await readMysqlSchema(url), heads.join()).to.deep.equal(
      withMysqlAlembicVersion(goldenMysqlSchema(golden)),
    );
    expect(await rowsOf(url, 'alembic_version')).to.deep.equal(
      [...heads].sort().map((version_num) => ({ version_num })),
    );
  }

  it('is that of each of the 29 scripts, revision by revision through the phases', async () => {
    const url = await server.createDatabase('interleaved');
    let last = '';
    for (const { name: revision } of REVISIONS) {
      for (const script of scriptsOf(revision)) {
        await sync(url, revision, '--through', script.kind === 'expand' ? 'Expand' : 'Contract');
        const beside = script.kind === 'expand' && revision !== 'ocata01' ? [last] : [];
        await expectGolden(url, interleaved(script), [script.name, ...beside]);
      }
      last = headOf(revision);
    }
  });

  it('is that of each of the 29 scripts, all expands first and then all contracts', async () => {
    const url = await server.createDatabase('expand_first');
    const run = async (...args: readonly string[]): Promise<void> => {
      const result = await runCli(['db', ...args], { DATABASE_CONNECTION: url });
      expect(result.code, result.stderr).to.equal(0);
    };
    await sync(url, 'mitaka02');
    const expands = SCRIPTS.filter(({ kind }) => kind === 'expand');
    for (const { name, revision } of expands) {
      await run('expand', revision);
      await expectGolden(url, name, [name]);
    }
    await run('migrate');
    for (const { revision } of expands) {
      await run('contract', revision);
      const head = withMysqlAlembicVersion(goldenMysqlSchema(headOf(NEWEST)));
      // No golden file tells of Ocata's contract with all expands: it is the head and what Pike drops. After Pike none changes a thing.
      const dropped = revision === 'ocata01' ? goldenMysqlSchema('ocata_contract01').tables : {};
      expect(await readMysqlSchema(url), revision).to.deep.equal({
        ...head,
        tables: { ...dropped, ...head.tables },
      });
      expect(await rowsOf(url, 'alembic_version')).to.deep.equal(
        (revision === NEWEST ? [headOf(NEWEST)] : ['2024_1_expand01', headOf(revision)])
          .sort()
          .map((version_num) => ({ version_num })),
      );
    }
    await expectAt(url, NEWEST);
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
    ['alembic_version liberty', { schema: 'liberty', alembic: ['liberty'] }, 'liberty'],
    ['expanded, with the triggers', { schema: 'ocata_expand01', alembic: ['ocata_expand01'] }, 'ocata01'],
    ['expanded to the end', { schema: '2024_1_expand01', alembic: ['2024_1_expand01'] }, NEWEST],
    ['rocky', { schema: 'rocky_contract02', alembic: ['rocky_contract02'] }, 'rocky02'],
    ['the end', { schema: '2024_1_contract01', alembic: ['2024_1_contract01'] }, NEWEST],
  ];
  for (const [name, options, at] of adoptable) {
    it(`from ${name} to ${at} and on to the end`, async () => {
      count += 1;
      const url = await server.createDatabase(`adopt_${count}`);
      await buildMysqlGolden(url, options);
      const legacy = goldenMysqlSchema('ocata_era__liberty').tables.migrate_version;
      const migrate = options.migrate === undefined ? undefined : await rowsOf(url, 'migrate_version');
      const extra = migrate === undefined || legacy === undefined ? {} : { migrate_version: legacy };
      await sync(url, at);
      await expectAt(url, at, extra);
      await sync(url);
      await expectAt(url, NEWEST, extra);
      if (migrate !== undefined) {
        expect(await rowsOf(url, 'migrate_version')).to.deep.equal(migrate);
      }
    });
  }

  it('has the golden triggers after db expand, and none after db contract', async () => {
    const url = await server.createDatabase('phases');
    await sync(url, 'mitaka02');
    for (const [phase, golden] of [
      ['expand', 'ocata_expand01'],
      ['migrate', 'ocata_expand01'],
      ['contract', 'ocata_contract01'],
    ] as const) {
      const result = await runCli(['db', phase, 'ocata01'], { DATABASE_CONNECTION: url });
      expect(result.code, result.stderr).to.equal(0);
      expect(await readMysqlSchema(url), phase).to.deep.equal(
        withMysqlAlembicVersion(goldenMysqlSchema(golden)),
      );
    }
  });

  it('is made in a database of utf8mb4, tables as Glance has them', async () => {
    const url = await server.createDatabase('four_bytes');
    await withMysql(url, (client) => client.query('ALTER DATABASE four_bytes CHARACTER SET utf8mb4'));
    await sync(url);
    const { alembic_version: _, ...tables } = (await readMysqlSchema(url)).tables;
    expect(tables).to.deep.equal(goldenMysqlSchema(headOf(NEWEST)).tables);
  });
});
