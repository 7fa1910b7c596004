import { readdirSync } from 'node:fs';
import { expect } from 'chai';
import { db, position } from '../db-command.ts';
import { goldenDatabase, newtonDatabase, type TestEngine } from '../test-engine.ts';
import { type OcataScript, statementsOf } from './half-way.ts';

/** What an administrator's hands do to a schema, in an engine's SQL. */
export interface DriftingHands {
  readonly dropOwnerIndex: string;
  readonly widenName: string;
  /** What the real Ocata runs, statement by statement. */
  readonly script: OcataScript;
}

const GOLDEN = readdirSync(new URL('../../../lab/golden/postgres', import.meta.url))
  .map((file) => file.replace('.json', ''))
  .filter((name) => !name.startsWith('ocata_era'));

/** The cases of drift that hold on every engine. */
export function driftCases(engine: TestEngine, hands: DriftingHands): void {
  async function diff(url: string, ...args: readonly string[]) {
    const { stdout, stderr } = await db(url, 'diff', '--drift', '--output', 'json', ...args);
    expect(stderr).to.equal('');
    const told: {
      readonly differences: readonly { readonly what: string; readonly sql: readonly string[] }[];
      readonly also: readonly string[];
    } = JSON.parse(stdout);
    return told;
  }

  async function report(url: string, ...args: readonly string[]) {
    const result = await db(url, ...args, '--output', 'json');
    return { ...result, report: JSON.parse(result.stdout) };
  }

  it('nothing that the real Glance leaves is drift, and nothing of it is somebody else’s', async () => {
    for (const schema of GOLDEN) {
      const url = await goldenDatabase(engine, { schema, alembic: [schema] });
      expect(await diff(url), schema).to.deep.include({ differences: [], also: [] });
    }
  });

  for (const [fact, statement, told] of [
    ['an index is missing', hands.dropOwnerIndex, 'index owner_image_idx on images (owner) is missing'],
    [
      'a column is of another type',
      hands.widenName,
      /^column images\.name is .*\(512\) instead of .*\(255\)$/,
    ],
    [
      "a column is not Glance's",
      'ALTER TABLE images ADD COLUMN cost_centre varchar(20)',
      /^column images\.cost_centre is not Glance's: /,
    ],
  ] as const) {
    it(`${fact}: block stops before the first change, the SQL of db diff fixes it, and it goes on`, async () => {
      const url = await newtonDatabase(engine, 20);
      await engine.query(url, statement);
      const before = [await engine.readSchema(url), await engine.readTables(url)];
      const blocked = await report(url, 'sync', 'ocata01', '--drift', 'block');
      expect(blocked.code, blocked.stderr).to.equal(23);
      expect(blocked.stderr)
        .to.contain("its schema is not what 'mitaka02' has: ")
        .and.contain('Nothing was changed.');
      expect(blocked.report.error.reason).to.equal('SchemaDrift');
      expect(blocked.report.drift.differences).to.have.length(1);
      expect(blocked.report.drift.differences[0]).to.match(typeof told === 'string' ? /./ : told);
      expect([await engine.readSchema(url), await engine.readTables(url)]).to.deep.equal(before);
      const { differences } = await diff(url);
      expect(differences.map(({ what }) => what)).to.deep.equal(blocked.report.drift.differences);
      for (const sql of differences.flatMap((each) => each.sql)) await engine.query(url, sql);
      const done = await report(url, 'sync', 'ocata01', '--drift', 'block');
      expect(done.code, done.stderr).to.equal(0);
      expect(done.report.drift).to.deep.equal({ differences: [], also: [] });
      expect(await position(url)).to.equal('ocata01 Contract');
    });
  }

  it('report goes on, logs what it found before, and reports what is left after it', async () => {
    const url = await newtonDatabase(engine, 20);
    for (const sql of [hands.dropOwnerIndex, 'ALTER TABLE images ADD COLUMN cost_centre varchar(20)']) {
      await engine.query(url, sql);
    }
    const done = await report(url, 'sync', 'ocata01', '--drift', 'report');
    expect(done.code, done.stderr).to.equal(0);
    expect(done.stderr)
      .to.contain('drift: index owner_image_idx on images (owner) is missing\n')
      .and.contain("drift: column images.cost_centre is not Glance's");
    expect(done.report.repaired).to.deep.equal(['index owner_image_idx on images (owner) is missing']);
    expect(done.report.drift.differences).to.have.length(1);
    expect(done.report.drift.differences[0]).to.contain('cost_centre');
    const again = await report(url, 'sync', 'ocata01', '--drift', 'report');
    expect(again.report.drift, 'with nothing to run too').to.deep.equal(done.report.drift);
  });

  it('what an administrator has added is named, not called wrong, and can be left out', async () => {
    const url = await newtonDatabase(engine, 20);
    for (const sql of [
      'CREATE INDEX ours ON images (owner, status)',
      'ALTER TABLE images ADD COLUMN cost_centre varchar(20)',
      'CREATE TABLE audit (id integer PRIMARY KEY)',
    ]) {
      await engine.query(url, sql);
    }
    const also = ['index ours on images (owner, status)', 'table audit'];
    expect(await diff(url)).to.deep.include({ also });
    const version = await db(url, 'version', '--drift');
    expect(version.code, version.stderr).to.equal(0);
    expect(version.stdout.trimEnd().split('\n').slice(-3)).to.have.members([
      version.stdout
        .split('\n')
        .find((line) => line.startsWith("Drift: column images.cost_centre is not Glance's")),
      ...also.map((what) => `Also there: ${what}.`),
    ]);
    for (const [pattern, differences] of [
      ['images.cost_*', 0],
      ['images', 0],
      ['*.cost_centr?', 0],
      ['cost_centre', 1],
      ['image', 1],
      ['images.COST*', 1],
    ] as const) {
      expect((await diff(url, '--drift-exclude', pattern)).differences, pattern).to.have.length(differences);
    }
    expect((await diff(url, '--drift-exclude', 'au*', '--drift-exclude', 'ours')).also).to.deep.equal([]);
    const exclude = ['--drift', 'block', '--drift-exclude=images.cost_*'];
    expect((await db(url, 'sync', 'ocata01', ...exclude)).code).to.equal(0);
  });

  it('a pattern that cannot be read is a mistake of the command line', async () => {
    const url = await engine.createDatabase();
    for (const pattern of ['', 'a b', '[a]', '{a,b}', '*a*a*a*', 'a'.repeat(130)]) {
      const { code, stderr } = await db(url, 'version', '--drift', `--drift-exclude=${pattern}`);
      expect(code, pattern).to.equal(2);
      expect(stderr).to.contain('Cannot use --drift-exclude');
    }
  });

  it('a database in the middle of a script of the real Glance: nothing is drift, and it goes on', async () => {
    const statements = statementsOf(hands.script);
    for (const ran of statements.map((_, index) => index + 1)) {
      const url = await goldenDatabase(engine, { schema: 'ocata_era__mitaka02', migrate: 44 });
      for (const statement of statements.slice(0, ran)) await engine.query(url, statement);
      const fact = `after ${ran} statements`;
      expect(await diff(url), fact).to.deep.include({ differences: [], also: [] });
      const { code, stderr } = await db(url, 'sync', 'ocata01', '--drift', 'block');
      expect(code, `${fact}: ${stderr}`).to.equal(0);
    }
  });

  it('an empty database, and one that is there already: nothing is compared, or nothing differs', async () => {
    const url = await engine.createDatabase();
    const made = await report(url, 'sync', '--drift', 'block');
    expect(made.code, made.stderr).to.equal(0);
    expect(made.report.drift).to.deep.equal({ differences: [], also: [] });
    const empty = await report(await engine.createDatabase(), 'version', '--drift');
    expect(empty.report).not.to.have.property('drift');
  });

  it('between expand and contract no row is asked, and the phase is the first that it can be', async () => {
    const url = await newtonDatabase(engine, 20);
    expect((await db(url, 'sync', 'ocata01', '--through', 'Migrate')).code).to.equal(0);
    expect(await position(url)).to.equal('ocata01 Migrate');
    const { code, report: told } = await report(url, 'version', '--drift');
    expect(code).to.equal(0);
    expect(told).to.deep.include({
      to: { revision: 'ocata01', phase: 'Expand' },
      drift: { differences: [], also: [] },
    });
  });

  it('a column that is missing: the version is not believed, and what is missing is reported', async () => {
    const url = await goldenDatabase(engine, { schema: 'mitaka02', alembic: ['mitaka02'] });
    await engine.query(url, 'ALTER TABLE images DROP COLUMN min_ram');
    const { code, report: told } = await report(url, 'version', '--drift');
    expect(code).to.equal(13);
    expect(told.drift.differences).to.deep.equal(['column images.min_ram is missing']);
  });
}
