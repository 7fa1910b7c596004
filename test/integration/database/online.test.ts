import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import { goldenSchema, readSchema } from '../../../lab/databases/golden.ts';
import { openSession, withClient } from '../../../lab/databases/images.ts';
import { suitePostgres } from '../../../lab/databases/suite-server.ts';
import { startGlanceNodes } from '../../../lab/glance/glance-nodes.ts';
import { startCli } from '../../../lab/process/bundle.ts';
import { eventually } from '../../../lab/process/eventually.ts';
import { onlineCases } from '../../support/cases/online.ts';
import { succeeds } from '../../support/db-command.ts';
import { type LongestWait, watchLocks } from '../../support/lock-watch.ts';
import { printNodes, upgradeOcataOnline } from '../../support/online-ocata.ts';
import { postgresEngine } from '../../support/postgres-engine.ts';
import { goldenDatabase, newtonDatabase } from '../../support/test-engine.ts';

/** ONLINE_IMAGES=1000000 for the real size. */
const IMAGES = Number(process.env.ONLINE_IMAGES ?? 40_000);

/**
 * No statement of a node may wait longer for a lock, in milliseconds. The aim is 250; a busy
 * machine needs room.
 */
const LONGEST = Number(process.env.ONLINE_LONGEST ?? 5000);

describe('Ocata with old and new nodes of Glance at work on PostgreSQL', function () {
  this.timeout(900_000);
  const engine = postgresEngine(suitePostgres());

  function printWait(wait: LongestWait): void {
    const query = wait.query.replaceAll(/\s+/g, ' ').slice(0, 50);
    process.stdout.write(`      longest wait for a lock: ${wait.milliseconds.toFixed(0)} ms (${query})\n`);
    expect(wait.milliseconds, query).to.be.lessThan(LONGEST);
  }

  onlineCases(engine);

  it(`${IMAGES} images: no query fails or waits for long, and each row agrees with itself until contract`, async () => {
    const url = await newtonDatabase(engine, IMAGES);
    const locks = await watchLocks(url, 'glance-api-%');
    await upgradeOcataOnline({ engine, url, images: IMAGES });
    printWait(await locks.stop());
    expect((await readSchema(url)).tables.images).to.deep.equal(
      goldenSchema('ocata_contract01').tables.images,
    );
  });

  it('a transaction that is open for long holds up the migration, and nobody else', async () => {
    const url = await newtonDatabase(engine, 2000);
    const reader = await openSession(url);
    await reader.query('BEGIN; SELECT count(*) FROM images');
    const locks = await watchLocks(url, 'glance-api-%');
    const nodes = await startGlanceNodes(url, 'old', 2);
    const run = startCli(['db', 'expand', 'ocata01'], { DATABASE_CONNECTION: url });
    await withClient(url, (client) =>
      eventually(async () => {
        const { rows } = await client.query(`SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'
          AND application_name = 'glance-schema' AND datname = current_database()`);
        expect(rows, 'the migration waits').to.have.length(1);
      }),
    );
    await sleep(3000);
    await reader.query('COMMIT');
    await reader.end();
    const result = await run.done;
    expect(result.code, result.stderr).to.equal(0);
    printNodes('old nodes', await nodes.stop());
    printWait(await locks.stop());
  });

  it('an index that waits for the transaction of the lock is begun again', async () => {
    const url = await goldenDatabase(engine, { schema: 'liberty', alembic: ['liberty'] });
    const [writer, administrator, observer] = await Promise.all([
      openSession(url),
      openSession(url),
      openSession(url),
    ]);
    await writer.query('BEGIN; LOCK TABLE images IN ROW EXCLUSIVE MODE');
    const run = startCli(['db', 'expand', 'mitaka01', '--lock-timeout', '60'], { DATABASE_CONNECTION: url });
    const waits = (condition: string) =>
      eventually(async () => {
        const found = await observer.query(`SELECT 1 FROM pg_locks l
          JOIN pg_stat_get_activity(NULL) a ON a.pid = l.pid WHERE NOT l.granted AND a.application_name = 'glance-schema' AND (${condition})`);
        expect(found.rows, condition).to.have.length(1);
      });
    await waits("l.locktype = 'virtualxid'");
    // What the session with the lock asks then ends no sooner than this transaction.
    await administrator.query('BEGIN; LOCK TABLE pg_authid IN ACCESS EXCLUSIVE MODE');
    await waits("l.relation = 'pg_authid'::regclass AND a.backend_xmin IS NOT NULL");
    await writer.end();
    await waits("l.locktype = 'virtualxid' AND a.query LIKE 'CREATE INDEX CONCURRENTLY%'");
    await administrator.end();
    const { code, stderr } = await run.done;
    expect(code, stderr).to.equal(0);
    await observer.end();
  });

  it('SIGTERM while an index is built concurrently: exit 22, and the next run builds it', async () => {
    const url = await newtonDatabase(engine, 1000);
    // What it sees is older than the index, which waits for that; the table itself it leaves alone.
    const reader = await openSession(url);
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
    await succeeds(url, 'expand', 'ocata01');
    expect(await index()).to.deep.equal([{ valid: true }]);
    expect((await readSchema(url)).tables.images).to.deep.equal(goldenSchema('ocata_expand01').tables.images);
  });

  it('an index that a killed run has left unfinished is rebuilt', async () => {
    const url = await newtonDatabase(engine, 100);
    await succeeds(url, 'expand', 'ocata01');
    await withClient(url, (client) =>
      client.query(`UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'visibility_image_idx'::regclass;
        UPDATE alembic_version SET version_num = 'mitaka02'`),
    );
    await succeeds(url, 'sync', 'ocata01');
    const { rows } = await withClient(url, (client) =>
      client.query(`SELECT indisvalid FROM pg_index WHERE indexrelid = 'visibility_image_idx'::regclass`),
    );
    expect(rows).to.deep.equal([{ indisvalid: true }]);
    expect((await readSchema(url)).tables.images).to.deep.equal(
      goldenSchema('ocata_contract01').tables.images,
    );
  });
});
