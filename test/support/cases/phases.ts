import { expect } from 'chai';
import { db, position, succeeds } from '../db-command.ts';
import { count, goldenDatabase, newtonDatabase, type TestEngine } from '../test-engine.ts';

/** The cases of expand, migrate and contract that hold on every engine. */
export function phaseCases(engine: TestEngine): void {
  it('go one after the other, say which is next as glance-manage does, and leave the schema of a sync', async () => {
    const url = await newtonDatabase(engine, 500);
    const expected = await engine.expectedImages(url);
    const seen: (readonly [number | null, string])[] = [];
    const check = async (): Promise<void> => {
      seen.push([(await db(url, 'check', 'ocata01')).code, await position(url)]);
    };
    await check();
    await succeeds(url, 'expand', 'ocata01');
    await check();
    expect((await db(url, 'contract')).code, 'contract with rows to move').to.equal(15);
    await succeeds(url, 'migrate');
    await check();
    await succeeds(url, 'contract');
    await check();
    expect(seen).to.deep.equal([
      [3, 'mitaka02 Contract'],
      [4, 'ocata01 Expand'],
      [5, 'ocata01 Migrate'],
      [0, 'ocata01 Contract'],
    ]);
    expect(await engine.readImages(url)).to.deep.equal(expected);
    const { tables, ...rest } = await engine.readSchema(url);
    const { migrate_version: _, ...own } = tables;
    expect({ ...rest, tables: own }).to.deep.equal(engine.goldenSchema('ocata_contract01'));
    expect(await succeeds(url, 'migrate', 'ocata01')).to.include('No migrations needed');
    expect((await db(url, 'migrate')).code, 'with nothing expanded').to.equal(15);
  });

  it('say what runs first with exit 15, and change nothing', async () => {
    const url = await newtonDatabase(engine, 500);
    const before = await engine.readSchema(url);
    for (const [args, says] of [
      [['migrate'], "Run 'db expand 2024_1_01' first"],
      [['contract', 'ocata01'], "Run 'db expand ocata01' first"],
    ] as const) {
      const result = await db(url, ...args);
      expect(result.code).to.equal(15);
      expect(result.stderr).to.include(says);
    }
    expect(await engine.readSchema(url)).to.deep.equal(before);
  });

  it('write each image once, by batches and at once, and none that has its visibility', async () => {
    for (const online of [true, false]) {
      const url = await newtonDatabase(engine, 3000);
      await succeeds(url, 'expand', 'ocata01');
      await engine.query(
        url,
        `UPDATE images SET visibility = 'community' WHERE NOT is_public AND size % 4096 = 0`,
      );
      await engine.countWrites(url);
      const pending = await count(engine, url, 'images WHERE visibility IS NULL');
      expect(pending).to.be.within(1, 2999);
      await succeeds(url, ...(online ? ['migrate'] : ['sync', 'ocata01']));
      expect(await count(engine, url, 'writes')).to.equal(pending);
      expect(await count(engine, url, '(SELECT DISTINCT id FROM writes) w')).to.equal(pending);
    }
  });

  describe('the triggers while both columns live', () => {
    let url = '';

    before(async () => {
      url = await newtonDatabase(engine, 0);
      await succeeds(url, 'expand', 'ocata01');
    });

    /** What one statement makes of the row: `is_public/visibility`, or its error. */
    async function outcome(statement: string): Promise<string> {
      const session = await engine.connect(url);
      try {
        await session.query('BEGIN');
        await session.query(statement);
        const [row] =
          await session.query(`SELECT CASE is_public WHEN true THEN 'true' WHEN false THEN 'false' END AS is_public,
          visibility FROM images`);
        return `${row?.is_public}/${row?.visibility}`;
      } catch (error) {
        return refusal(error);
      } finally {
        await session.query('ROLLBACK');
        await session.end();
      }
    }

    const REFUSED = '45000/Invalid visibility value';

    for (const [given, expected] of [
      ['is_public NULL, visibility NULL', REFUSED],
      ["is_public true, visibility 'public'", REFUSED],
      ["is_public false, visibility 'public'", REFUSED],
      ['is_public true, visibility NULL', 'true/public'],
      ['is_public false, visibility NULL', 'false/shared'],
      ["is_public NULL, visibility 'public'", 'true/public'],
      ["is_public NULL, visibility 'private'", 'false/private'],
      ["is_public NULL, visibility 'shared'", 'false/shared'],
      ["is_public NULL, visibility 'community'", 'false/community'],
    ] as const) {
      it(`insert of ${given}: ${expected}`, async () => {
        const [isPublic, visibility] = given.replace('is_public ', '').split(', visibility ');
        await engine.query(url, 'DELETE FROM images');
        expect(
          await outcome(`INSERT INTO images (id, status, created_at, deleted, min_disk, min_ram, is_public, visibility)
            VALUES ('n', 'queued', now(), false, 0, 0, ${isPublic}, ${visibility})`),
        ).to.equal(expected);
      });
    }

    for (const [row, set, expected] of [
      ["false, 'shared'", "name = 'x'", 'false/shared'],
      ["false, 'shared'", 'is_public = true', 'true/public'],
      ["true, 'public'", 'is_public = false', 'false/shared'],
      ["true, 'public'", "visibility = 'private'", 'false/private'],
      ["false, 'private'", "visibility = 'public'", 'true/public'],
      ["false, 'private'", "visibility = 'community'", 'false/community'],
      ["false, 'private'", "is_public = false, visibility = 'public'", 'true/public'],
      ["false, 'private'", 'is_public = NULL', REFUSED],
      ["false, 'private'", 'visibility = NULL', REFUSED],
      ["false, 'private'", "is_public = true, visibility = 'public'", REFUSED],
      ['false, NULL', "name = 'x'", 'false/null'],
      ['true, NULL', "visibility = 'public'", 'true/public'],
    ] as const) {
      it(`update of (${row}) by ${set}: ${expected}`, async () => {
        await engine.insertUnseen(url, row);
        expect(await outcome(`UPDATE images SET ${set} WHERE id = 'u'`)).to.equal(expected);
      });
    }
  });

  it('db plan shows scripts, SQL, locks and rows, and changes nothing', async () => {
    const url = await newtonDatabase(engine, 700);
    const before = await engine.readSchema(url);
    const text = await succeeds(url, 'plan', 'ocata01');
    expect(text).to.include(
      'from mitaka02 to ocata01: 1 to run, with Glance stopped, adopting migrate_version 44',
    );
    expect(text).to.include('ocata01: writes 700 rows');
    expect(text).to.match(engine.planLock);
    const plan = JSON.parse(
      await succeeds(url, 'plan', 'ocata01', '--through', 'Migrate', '--output', 'json'),
    );
    expect(plan.steps.map((step: { name: string; rows?: number }) => [step.name, step.rows])).to.deep.equal([
      ['alembic_version', undefined],
      ['ocata_expand01', undefined],
      ['ocata_migrate01', 700],
    ]);
    expect(plan.online).to.equal(true);
    expect(await engine.readSchema(url)).to.deep.equal(before);
  });

  it('db history lists the chain and where the database is', async () => {
    const url = await newtonDatabase(engine, 0);
    expect(await succeeds(url, 'history')).to.include('x mitaka02');
    await succeeds(url, 'expand', 'pike01');
    const { at, scripts } = JSON.parse(await succeeds(url, 'history', '--output', 'json'));
    expect(at).to.deep.equal({ revision: 'ocata01', phase: 'Migrate' });
    expect(scripts).to.have.length(29);
    expect(scripts.filter((script: { head: boolean }) => script.head)).to.deep.equal([
      { name: 'pike_expand01', revision: 'pike01', kind: 'expand', applied: true, head: true },
    ]);
  });

  it('db version_control stamps what the tables agree with', async () => {
    const url = await goldenDatabase(engine, { schema: 'rocky_contract02' });
    expect((await db(url, 'sync')).code).to.equal(13);
    for (const wrong of ['liberty', 'pike01', '2024_1_01']) {
      expect((await db(url, 'version_control', wrong)).code, wrong).to.equal(13);
    }
    expect(await succeeds(url, 'version_control', 'rocky02')).to.include(
      'alembic_version says rocky_contract02',
    );
    expect(await engine.readSchema(url)).to.deep.equal(engine.goldenSchema('rocky_contract02'));
    expect(await succeeds(url, 'version_control', 'rocky02')).to.include('already');
    await succeeds(url, 'sync');
  });
}

/**
 * SQLSTATE and message of a statement that was refused. One driver has the former in `sqlState`,
 * the other in `code`.
 */
function refusal(error: unknown): string {
  if (!(error instanceof Error)) throw error;
  const state = 'sqlState' in error ? error.sqlState : 'code' in error ? error.code : undefined;
  return `${state}/${error.message}`;
}
