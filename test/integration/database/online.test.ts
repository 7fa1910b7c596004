import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import pg from 'pg';
import { runCli, startCli } from '../../support/bundle.ts';
import { seedNewton } from '../../support/glance-data.ts';
import { startGlanceNodes } from '../../support/glance-nodes.ts';
import { goldenSchema, readSchema } from '../../support/golden.ts';
import { expectedImages, readImages, withClient } from '../../support/images.ts';
import { type LongestWait, watchLocks } from '../../support/lock-watch.ts';
import { tellNodes, upgradeOcataOnline } from '../../support/online-ocata.ts';
import { startPostgres, type TestPostgres } from '../../support/postgres.ts';

/** ONLINE_IMAGES=1000000 for the real size. */
const IMAGES = Number(process.env.ONLINE_IMAGES ?? 40_000);

/** No statement of a node may wait longer for a lock, in milliseconds. The aim is 250; a busy machine needs room. */
const LONGEST = Number(process.env.ONLINE_LONGEST ?? 1000);

describe('Ocata with old and new nodes of Glance at work on PostgreSQL', function () {
  this.timeout(900_000);
  let server: TestPostgres;

  before(async () => {
    server = await startPostgres();
  });

  after(async () => {
    await server.stop();
  });

  async function db(url: string, ...args: readonly string[]): Promise<void> {
    const started = performance.now();
    const result = await runCli(['db', ...args], { DATABASE_CONNECTION: url });
    expect(result.code, `${args.join(' ')}: ${result.stderr}`).to.equal(0);
    process.stdout.write(`      ${args.join(' ')}: ${((performance.now() - started) / 1000).toFixed(1)} s\n`);
  }

  function tellWait(wait: LongestWait): void {
    const query = wait.query.replaceAll(/\s+/g, ' ').slice(0, 50);
    process.stdout.write(`      longest wait for a lock: ${wait.milliseconds.toFixed(0)} ms (${query})\n`);
    expect(wait.milliseconds, query).to.be.lessThan(LONGEST);
  }

  it(`${IMAGES} images: no query fails or waits for long, and each row agrees with itself until contract`, async () => {
    const url = await server.createDatabase('online');
    await seedNewton(url, { images: IMAGES });
    const locks = await watchLocks(url, 'glance-api-%');
    await upgradeOcataOnline({
      url,
      images: IMAGES,
      expected: await expectedImages(url),
      readImages: () => readImages(url),
      readTorn: async (moved) => {
        const { rows } = await withClient(url, (client) =>
          client.query(`SELECT id, is_public, visibility FROM images WHERE CASE WHEN visibility IS NULL THEN ${moved}
            ELSE is_public IS DISTINCT FROM (visibility = 'public') END LIMIT 5`),
        );
        return rows;
      },
    });
    tellWait(await locks.stop());
    expect((await readSchema(url)).tables.images).to.deep.equal(
      goldenSchema('ocata_contract01').tables.images,
    );
  });

  it('a transaction that is open for long holds up the migration, and nobody else', async () => {
    const url = await server.createDatabase('long_transaction');
    await seedNewton(url, { images: 2000 });
    const reader = new pg.Client({ connectionString: url });
    await reader.connect();
    await reader.query('BEGIN; SELECT count(*) FROM images');
    const locks = await watchLocks(url, 'glance-api-%');
    const nodes = await startGlanceNodes(url, 'old', 2);
    const run = startCli(['db', 'expand', 'ocata01'], { DATABASE_CONNECTION: url });
    await sleep(3000);
    await reader.query('COMMIT');
    await reader.end();
    const result = await run.done;
    expect(result.code, result.stderr).to.equal(0);
    tellNodes('old nodes', await nodes.stop());
    tellWait(await locks.stop());
  });

  it('a table that is never free: exit 21 after the time given, and nothing is half done', async () => {
    const url = await server.createDatabase('never_free');
    await seedNewton(url, { images: 100 });
    const reader = new pg.Client({ connectionString: url });
    await reader.connect();
    await reader.query('BEGIN; SELECT count(*) FROM images');
    const result = await runCli(['db', 'expand', 'ocata01', '--lock-timeout', '1'], {
      DATABASE_CONNECTION: url,
    });
    await reader.end();
    expect(result.code, result.stderr).to.equal(21);
    expect((await readSchema(url)).tables.images).to.deep.equal(goldenSchema('mitaka02').tables.images);
  });

  it('a row that somebody keeps locked holds up its batch only, and the rest goes on', async () => {
    const url = await server.createDatabase('locked_row');
    await seedNewton(url, { images: 3000 });
    await db(url, 'expand', 'ocata01');
    const writer = new pg.Client({ connectionString: url });
    await writer.connect();
    await writer.query(
      `BEGIN; UPDATE images SET name = 'held' WHERE id = (SELECT id FROM images ORDER BY id LIMIT 1)`,
    );
    const run = startCli(['db', 'migrate', 'ocata01'], { DATABASE_CONNECTION: url });
    const left = async (): Promise<number> => {
      const { rows } = await withClient(url, (client) =>
        client.query<{ n: number }>('SELECT count(*)::int AS n FROM images WHERE visibility IS NULL'),
      );
      return rows[0]?.n ?? 0;
    };
    for (let look = 0; look < 100 && (await left()) > 1; look += 1) {
      await sleep(100);
    }
    expect(await left(), 'the row that is locked').to.equal(1);
    await writer.query('COMMIT');
    await writer.end();
    const result = await run.done;
    expect(result.code, result.stderr).to.equal(0);
    expect((await runCli(['db', 'check', 'ocata01'], { DATABASE_CONNECTION: url })).code).to.equal(5);
  });

  it('SIGTERM in the middle of the batches: exit 22, and the next run goes on and writes no row twice', async () => {
    const url = await server.createDatabase('stopped_batches');
    await seedNewton(url, { images: 3000 });
    const expected = await expectedImages(url);
    await db(url, 'expand', 'ocata01');
    // Slow, so that there is a middle.
    await withClient(url, (client) =>
      client.query(`CREATE TABLE writes (id text);
        CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS
          'BEGIN PERFORM pg_sleep(0.001); INSERT INTO writes VALUES (NEW.id); RETURN NULL; END';
        CREATE TRIGGER slow AFTER UPDATE ON images FOR EACH ROW EXECUTE PROCEDURE slow()`),
    );
    const moved = async (): Promise<number> => {
      const { rows } = await withClient(url, (client) =>
        client.query<{ n: number }>('SELECT count(*)::int AS n FROM images WHERE visibility IS NOT NULL'),
      );
      return rows[0]?.n ?? 0;
    };
    const run = startCli(['db', 'migrate', 'ocata01'], { DATABASE_CONNECTION: url });
    while ((await moved()) === 0) {
      await sleep(10);
    }
    run.kill('SIGTERM');
    const result = await run.done;
    expect(result.code, result.stderr).to.equal(22);
    expect(result.stderr).to.include('what ocata_migrate01 has moved stays');
    expect(await moved()).to.be.within(1, 2999);
    await db(url, 'migrate', 'ocata01');
    const { rows } = await withClient(url, (client) =>
      client.query('SELECT count(*)::int AS n, count(DISTINCT id)::int AS ids FROM writes'),
    );
    expect(rows).to.deep.equal([{ n: 3000, ids: 3000 }]);
    await db(url, 'contract', 'ocata01');
    expect(await readImages(url)).to.deep.equal(expected);
  });

  it('SIGTERM while an index is built beside the work: exit 22, and the next run builds it', async () => {
    const url = await server.createDatabase('stopped_index');
    await seedNewton(url, { images: 1000 });
    // What it sees is older than the index, which waits for that; the table itself it leaves alone.
    const reader = new pg.Client({ connectionString: url });
    await reader.connect();
    await reader.query('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM image_tags');
    const run = startCli(['db', 'expand', 'ocata01'], { DATABASE_CONNECTION: url });
    const index = async (): Promise<readonly unknown[]> => {
      const { rows } = await withClient(url, (client) =>
        client.query(
          `SELECT indisvalid AS valid FROM pg_index WHERE indexrelid = to_regclass('visibility_image_idx')`,
        ),
      );
      return rows;
    };
    while ((await index()).length === 0) {
      await sleep(10);
    }
    run.kill('SIGTERM');
    const result = await run.done;
    expect(result.code, result.stderr).to.equal(22);
    expect(result.stderr).to.include('the database is at mitaka02');
    expect(await index()).to.deep.equal([{ valid: false }]);
    await reader.end();
    await db(url, 'expand', 'ocata01');
    expect(await index()).to.deep.equal([{ valid: true }]);
    expect((await readSchema(url)).tables.images).to.deep.equal(goldenSchema('ocata_expand01').tables.images);
  });

  it('an index that a killed run has left unfinished is built anew', async () => {
    const url = await server.createDatabase('invalid_index');
    await seedNewton(url, { images: 100 });
    await db(url, 'expand', 'ocata01');
    await withClient(url, (client) =>
      client.query(`UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'visibility_image_idx'::regclass;
        UPDATE alembic_version SET version_num = 'mitaka02'`),
    );
    await db(url, 'sync', 'ocata01');
    const { rows } = await withClient(url, (client) =>
      client.query(`SELECT indisvalid FROM pg_index WHERE indexrelid = 'visibility_image_idx'::regclass`),
    );
    expect(rows).to.deep.equal([{ indisvalid: true }]);
    expect((await readSchema(url)).tables.images).to.deep.equal(
      goldenSchema('ocata_contract01').tables.images,
    );
  });
});
