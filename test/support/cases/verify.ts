import { readdirSync } from 'node:fs';
import { expect } from 'chai';
import { db, succeeds } from '../db-command.ts';
import { count, goldenDatabase, newtonDatabase, type TestEngine } from '../test-engine.ts';

/** What an administrator's hands do to a schema, in an engine's SQL. */
export interface Hands {
  /** Drops this index of this table. */
  dropIndex(index: string, table: string): string;
  /** Makes a column of images as wide as this. */
  widen(column: string, type: string): string;
  /** Drops the foreign key of image_tags. */
  readonly dropForeignKey: string;
  /** Drops the unique key of image_members. */
  readonly dropUnique: string;
  /** What years of work leave: indexes, columns and keys that are gone, other, and new. */
  readonly years: readonly string[];
  /** What `db diff` says of that: each difference with its SQL, which a text and JSON have alike. */
  readonly told: readonly (readonly [what: string, sql: string, caution?: string])[];
  /** Makes the trigger of an INSERT do nothing. */
  readonly emptyTrigger: readonly string[];
}

const GOLDEN = readdirSync(new URL('../../../lab/golden/postgres', import.meta.url)).map((file) =>
  file.replace('.json', ''),
);

/** The cases of what a run says of the schema that it leaves, which hold on every engine. */
export function verifyCases(engine: TestEngine, hands: Hands): void {
  for (const schema of GOLDEN.filter((name) => !name.startsWith('ocata_era'))) {
    it(`db diff finds nothing in what the real Glance leaves at ${schema}`, async () => {
      const url = await goldenDatabase(engine, { schema, alembic: [schema] });
      expect(await db(url, 'diff')).to.deep.include({ code: 0, stderr: '' });
    });
  }

  for (const migrate of [42, 43, 44, 45]) {
    const schema = `ocata_era__${{ 42: 'liberty', 43: 'mitaka01', 44: 'mitaka02', 45: 'ocata01' }[migrate]}`;
    it(`db diff finds nothing in what the old tool left at ${migrate}`, async () => {
      const url = await goldenDatabase(engine, { schema, migrate });
      expect(await db(url, 'diff')).to.deep.include({ code: 0, stderr: '' });
    });
  }

  async function harmed(...statements: readonly string[]): Promise<string> {
    const url = await engine.createDatabase();
    await succeeds(url, 'sync');
    for (const statement of statements) await engine.query(url, statement);
    return url;
  }

  it('an index that is gone: recreated and reported, by a run that has nothing else to do too', async () => {
    const url = await harmed(hands.dropIndex('owner_image_idx', 'images'));
    const { stdout } = await db(url, 'diff');
    expect(stdout).to.contain('index owner_image_idx on images (owner) is missing');
    expect((await db(url, 'check')).code).to.equal(0);
    expect((await db(url, 'check', '--schema')).code).to.equal(16);
    expect(await succeeds(url, 'sync')).to.contain(
      'Repaired: index owner_image_idx on images (owner) is missing.',
    );
    expect(await engine.readSchema(url)).to.deep.equal(engine.goldenSchema('2024_1_contract01'));
    expect(await succeeds(url, 'sync')).to.match(/^Database is up to date at 2024_1_01\./);
    expect((await db(url, 'check', '--schema')).code).to.equal(0);
  });

  it('an index of the right name on another column: recreated', async () => {
    const url = await harmed(
      hands.dropIndex('owner_image_idx', 'images'),
      'CREATE INDEX owner_image_idx ON images (name)',
    );
    expect((await db(url, 'diff')).stdout).to.contain('index owner_image_idx on images (owner) is on (name)');
    await succeeds(url, 'sync');
    expect(await engine.readSchema(url)).to.deep.equal(engine.goldenSchema('2024_1_contract01'));
  });

  it('keys that are gone: reported at rest, where Glance may be at work, and recreated by a run with Glance stopped', async () => {
    const url = await engine.createDatabase();
    await succeeds(url, 'sync', 'ocata01');
    for (const sql of [hands.dropForeignKey, hands.dropUnique]) await engine.query(url, sql);
    const { code, stdout } = await db(url, 'diff', '--output', 'json');
    expect(code).to.equal(16);
    expect(JSON.parse(stdout).differences.map(({ what }: { what: string }) => what)).to.have.members([
      'foreign key of image_tags (image_id) to images (id) is missing',
      'unique key on image_members (image_id, member, deleted_at) is missing',
    ]);
    expect((await db(url, 'sync', 'ocata01')).code).to.equal(16);
    expect(await succeeds(url, 'sync')).to.contain('Repaired: foreign key of image_tags');
    expect((await db(url, 'diff')).code).to.equal(0);
  });

  it('a wider column: left, reported with how to fix it, and exit 16', async () => {
    const url = await harmed(hands.widen('name', 'varchar(512)'));
    const before = await engine.readSchema(url);
    const { code, stderr } = await db(url, 'sync');
    expect(code, stderr).to.equal(16);
    expect(stderr).to.match(
      /column images\.name is .*\(512\) instead of .*\(255\)\. Run 'glance-schema db diff'/,
    );
    expect(await engine.readSchema(url)).to.deep.equal(before);
    const told = (await db(url, 'diff', '--output', 'sql')).stdout.split('\n').filter((line) => line !== '');
    expect(
      told.filter((line) => !line.startsWith('--')),
      'nothing cuts a value by itself',
    ).to.deep.equal([]);
    expect(told.join('\n')).to.match(
      /-- Check the rows first: this cuts or refuses each name that no .*\(255\) holds\./,
    );
    await engine.query(url, told.at(-1)?.replace('-- ', '') ?? '');
    expect(await succeeds(url, 'sync')).to.match(/^Database is up to date/);
  });

  it('a year of hands: each difference with its SQL, as text and as JSON, and what is new is none', async () => {
    const url = await harmed(...hands.years);
    const text = await db(url, 'diff');
    expect(text.code).to.equal(16);
    expect(text.stdout.trimEnd().split('\n').slice(1)).to.deep.equal(
      hands.told.flatMap(([what, sql, caution]) => [
        `  ${what}`,
        ...(caution === undefined
          ? []
          : [`      -- Check the rows first: this ${caution}. Take a backup, then run it by hand.`]),
        `      ${sql};`,
      ]),
    );
    const { differences } = JSON.parse((await db(url, 'diff', '--output', 'json')).stdout);
    expect(differences).to.deep.equal(
      hands.told.map(([what, sql, caution]) => ({
        what,
        sql: [sql],
        ...(caution === undefined ? {} : { caution }),
      })),
    );
    for (const [, sql] of hands.told) await engine.query(url, sql);
    expect(await db(url, 'diff')).to.deep.include({ code: 0, stderr: '' });
  });

  it('a narrower column and another default: db diff fixes them, with nothing to check before', async () => {
    const url = await harmed(
      hands.widen('name', 'varchar(40)'),
      "ALTER TABLE images ALTER COLUMN visibility SET DEFAULT 'private'",
    );
    const { differences } = JSON.parse((await db(url, 'diff', '--output', 'json')).stdout);
    expect(differences).to.have.length(2);
    for (const { sql, caution } of differences) {
      expect(caution).to.equal(undefined);
      for (const statement of sql) await engine.query(url, statement);
    }
    expect(await succeeds(url, 'sync')).to.match(/^Database is up to date/);
  });

  it('a trigger that somebody has made do something else: reported, with how to fix it', async () => {
    const url = await newtonDatabase(engine, 20);
    await succeeds(url, 'expand', 'ocata01');
    expect((await db(url, 'diff')).code).to.equal(0);
    const before = await engine.readSchema(url);
    for (const sql of hands.emptyTrigger) await engine.query(url, sql);
    const { code, stdout } = await db(url, 'diff', '--output', 'json');
    expect(code).to.equal(16);
    const { differences } = JSON.parse(stdout);
    expect(differences.map(({ what }: { what: string }) => what)).to.deep.equal([
      'trigger insert_visibility on images does something else',
    ]);
    for (const sql of differences[0].sql) await engine.query(url, sql);
    expect((await db(url, 'diff')).code).to.equal(0);
    expect(await engine.readSchema(url)).to.deep.equal(before);
    expect((await db(url, 'expand', 'ocata01')).code).to.equal(0);
  });

  it('rows that a key does not allow: the key is reported as missing, and no row is touched', async () => {
    const url = await harmed(
      hands.dropForeignKey,
      `INSERT INTO image_tags (image_id, value, created_at, deleted) VALUES ('nobody', 'x', '2020-01-01', ${String(engine.no)})`,
    );
    const { code, stderr } = await db(url, 'sync');
    expect(code, stderr).to.equal(16);
    expect(stderr)
      .to.contain('foreign key of image_tags (image_id) to images (id) is missing')
      .and.not.contain('nobody');
    expect(await count(engine, url, 'image_tags')).to.equal(1);
  });

  it('what an administrator has added is left and not called wrong', async () => {
    const url = await newtonDatabase(engine, 20);
    for (const sql of [
      'CREATE INDEX ours ON images (owner, status)',
      'ALTER TABLE images ADD COLUMN cost_centre varchar(20)',
      'CREATE TABLE audit (id integer PRIMARY KEY)',
    ]) {
      await engine.query(url, sql);
    }
    await succeeds(url, 'sync');
    expect((await db(url, 'diff')).code).to.equal(0);
    expect(await count(engine, url, 'images WHERE cost_centre IS NULL')).to.equal(20);
  });

  it('an index that somebody has dropped before the script that would: the script goes on', async () => {
    const url = await newtonDatabase(engine, 20);
    await engine.query(url, hands.dropIndex('ix_images_is_public', 'images'));
    await succeeds(url, 'sync');
    expect((await db(url, 'diff')).code).to.equal(0);
  });

  it('an index that somebody has made before the script that would: the script goes on', async () => {
    const url = await goldenDatabase(engine, { schema: 'liberty', alembic: ['liberty'] });
    await engine.query(url, 'CREATE INDEX created_at_image_idx ON images (created_at)');
    await succeeds(url, 'sync');
    expect(await engine.readSchema(url)).to.deep.equal(engine.goldenSchema('2024_1_contract01'));
  });
}

/** What hangs on `images.is_public` or on a table of the artifacts, and how a message names it. */
export type Hanging = readonly (readonly [fact: string, sql: readonly string[], named: string])[];

/** The cases of what keeps a server from dropping what a script drops. */
export function obstacleCases(engine: TestEngine, hanging: Hanging): void {
  for (const [fact, statements, named] of hanging) {
    it(`${fact}: reported by db plan, and refused before the first change, by sync and by expand`, async () => {
      const url = await newtonDatabase(engine, 20);
      for (const sql of statements) await engine.query(url, sql);
      const before = [await engine.readSchema(url), await engine.readTables(url)];
      expect(await succeeds(url, 'plan')).to.contain(`In the way: ${named}. The run refuses to begin.`);
      for (const command of ['sync', 'expand']) {
        const { code, stderr } = await db(url, command);
        expect(code, stderr).to.equal(1);
        expect(stderr).to.contain(named).and.contain('Nothing was changed.');
      }
      expect([await engine.readSchema(url), await engine.readTables(url)]).to.deep.equal(before);
    });
  }
}
