import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import pg from 'pg';
import { seedNewton } from '../../../lab/databases/glance-data.ts';
import { goldenSchema, readSchema, type Schema, withAlembicVersion } from '../../../lab/databases/golden.ts';
import { buildGolden } from '../../../lab/databases/golden-database.ts';
import { expectedImages, readImages, withClient } from '../../../lab/databases/images.ts';
import { startPostgres, type TestPostgres } from '../../../lab/databases/postgres.ts';
import { bundle, runCli, startCli } from '../../../lab/process/bundle.ts';
import { eventually } from '../../../lab/process/eventually.ts';
import { startTcpProxy } from '../../../lab/process/tcp-proxy.ts';

const IMAGES = 100_000;

const KILLS = 20;

/** A repeatable source of numbers from 0 to 1 (mulberry32). */
function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

function withOldTool(name: string): Schema {
  const golden = withAlembicVersion(goldenSchema(name));
  return {
    ...golden,
    tables: { ...golden.tables, ...pick(goldenSchema('ocata_era__liberty').tables, 'migrate_version') },
  };
}

function pick<T>(record: Readonly<Record<string, T>>, key: string): Readonly<Record<string, T>> {
  const value = record[key];
  return value === undefined ? {} : { [key]: value };
}

describe('a migrator or a server that is killed', () => {
  let server: TestPostgres;
  let folder = '';

  before(async () => {
    bundle();
    server = await startPostgres();
    folder = mkdtempSync(join(tmpdir(), 'glance-schema-faults-'));
    const url = await server.createDatabase('template_newton');
    await seedNewton(url, { images: IMAGES });
  });

  after(async () => {
    rmSync(folder, { recursive: true, force: true });
    await server.stop();
  });

  /** A fresh copy of the seeded database. */
  async function copy(name: string): Promise<string> {
    await withClient(server.url('postgres'), (client) =>
      client.query(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`),
    );
    return server.createDatabase(name, 'template_newton');
  }

  async function heads(url: string): Promise<string> {
    return withClient(url, async (client) => {
      const { rows } = await client.query<{ there: boolean }>(
        `SELECT to_regclass('alembic_version') IS NOT NULL AS there`,
      );
      if (rows[0]?.there !== true) {
        return '';
      }
      return (await client.query<{ version_num: string }>('SELECT version_num FROM alembic_version')).rows
        .map((row) => row.version_num)
        .join();
    });
  }

  async function activeMigrators(url: string): Promise<number> {
    return withClient(url, async (client) => {
      const { rows } = await client.query<{ n: number }>(
        `SELECT count(*)::int AS n FROM pg_stat_activity WHERE application_name = 'glance-schema'
          AND datname = current_database()`,
      );
      return rows[0]?.n ?? 0;
    });
  }

  /** Waits until the migrator runs the statement, and gives its server process. */
  async function running(url: string, statement: string): Promise<number> {
    return withClient(url, (client) =>
      eventually(
        async () => {
          const { rows } = await client.query<{ pid: number }>(
            `SELECT pid FROM pg_stat_activity WHERE application_name = 'glance-schema' AND state = 'active'
              AND datname = current_database() AND query LIKE $1`,
            [`%${statement}%`],
          );
          if (rows[0] === undefined) throw new Error(`the migrator never ran ${statement}`);
          return rows[0].pid;
        },
        { everyMilliseconds: 5 },
      ),
    );
  }

  /** Another session that holds a table until its connection ends. */
  async function block(url: string, table: string): Promise<pg.Client> {
    const blocker = new pg.Client({ connectionString: url });
    await blocker.connect();
    await blocker.query(`BEGIN; LOCK TABLE ${table} IN ACCESS SHARE MODE`);
    return blocker;
  }

  it(`SIGKILL at ${KILLS} random moments of ocata01 on ${IMAGES} images: never a half state, and a rerun makes it right`, async () => {
    const seed = Number(process.env.SEED ?? Date.now() % 1_000_000);
    process.stdout.write(`      SEED=${seed}\n`);
    const next = random(seed);
    const expected = await expectedImages(server.url('template_newton'));
    const measured = performance.now();
    const whole = await runCli(['db', 'sync', 'ocata01'], { DATABASE_CONNECTION: await copy('killed') });
    expect(whole.code, whole.stderr).to.equal(0);
    const duration = performance.now() - measured;
    const states: Record<string, number> = {};
    for (let round = 0; round < KILLS; round += 1) {
      const url = await copy('killed');
      const run = startCli(['db', 'sync', 'ocata01'], { DATABASE_CONNECTION: url });
      const delay = 60 + next() * duration;
      await sleep(delay);
      run.kill('SIGKILL');
      await run.done;
      const found = await heads(url);
      states[found] = (states[found] ?? 0) + 1;
      const schema = await readSchema(url);
      const name = found === 'ocata_contract01' ? found : 'mitaka02';
      const where = `SEED=${seed}, round ${round}, killed after ${delay.toFixed(0)} ms`;
      expect(['', 'mitaka02', 'ocata_contract01'], where).to.include(found);
      expect(schema.tables.images, where).to.deep.equal(goldenSchema(name).tables.images);
      // It ends with 21 where a dead migrator keeps it out.
      const rerun = await runCli(['db', 'sync', 'ocata01', '--lock-timeout', '60'], {
        DATABASE_CONNECTION: url,
      });
      expect(rerun.code, `${where}: ${rerun.stderr}`).to.equal(0);
      expect(await readSchema(url), where).to.deep.equal(withOldTool('ocata_contract01'));
      expect(await heads(url), where).to.equal('ocata_contract01');
      if (round % 5 === 0) {
        expect(await readImages(url), where).to.deep.equal(expected);
      } else {
        const wrong = await withClient(url, (client) =>
          client.query<{ visibility: string; n: number }>(
            'SELECT visibility::text, count(*)::int AS n FROM images GROUP BY 1 ORDER BY 1',
          ),
        );
        const counts = Object.groupBy(expected, (image) => String(image.visibility));
        expect(wrong.rows, where).to.deep.equal(
          Object.entries(counts)
            .map(([visibility, images]) => ({ visibility, n: images?.length ?? 0 }))
            .sort((a, b) => a.visibility.localeCompare(b.visibility)),
        );
      }
    }
    process.stdout.write(`      found after the kill: ${JSON.stringify(states)}\n`);
  });

  it('a row that a session keeps locked, with Glance stopped: exit 21 after the time given, nothing changed', async () => {
    const rows: readonly (readonly [string, string, string, string])[] = [
      [
        'mitaka01',
        'mitaka02',
        "INSERT INTO metadef_resource_types (name, protected, created_at) VALUES ('OS::Nova::Instance', true, now())",
        'UPDATE metadef_resource_types SET protected = true',
      ],
      [
        'ussuri_contract01',
        'wallaby01',
        `INSERT INTO images (id, status, created_at, deleted, min_disk, min_ram, protected, os_hidden)
          VALUES ('a', 'active', now(), false, 0, 0, false, false);
        INSERT INTO image_locations (image_id, value, created_at, deleted, status, meta_data)
          VALUES ('a', 'file:///a', now(), false, 'active', '{"backend": "x"}')`,
        "UPDATE image_locations SET status = 'active'",
      ],
    ];
    for (const [schema, target, fill, lock] of rows) {
      const url = await server.createDatabase(`row_of_${schema}`);
      await buildGolden(url, { schema, alembic: [schema] });
      await withClient(url, (client) => client.query(fill));
      const before = await readSchema(url);
      const blocker = new pg.Client({ connectionString: url });
      await blocker.connect();
      await blocker.query(`BEGIN; ${lock}`);
      const result = await runCli(['db', 'sync', target, '--lock-timeout', '1'], {
        DATABASE_CONNECTION: url,
      });
      await blocker.end();
      expect(result.code, result.stderr).to.equal(21);
      expect(result.stderr).to.include("waited for another session's lock for 1 s");
      expect(await readSchema(url)).to.deep.equal(before);
      expect(await heads(url)).to.equal(schema);
    }
  });

  it('the lock outlives a balancer that ends idle connections', async () => {
    const url = await copy('balanced');
    const proxy = await startTcpProxy(server.port, { idleLimit: 15_000 });
    const blocker = await block(url, 'images');
    const run = startCli(['db', 'sync', 'ocata01'], {
      DATABASE_CONNECTION: url.replace(`:${server.port}/`, `:${proxy.port}/`),
    });
    await running(url, 'LOCK TABLE images');
    await Promise.race([sleep(22_000), run.done]);
    await blocker.end();
    const result = await run.done;
    await proxy.stop();
    expect(result.code, result.stderr).to.equal(0);
  });

  it('SIGTERM rolls the running migration back, reports it and exits 22 at once', async () => {
    const url = await copy('stopped');
    const report = join(folder, 'stopped.json');
    const blocker = await block(url, 'images');
    const run = startCli(['db', 'sync', 'ocata01', '--report', report], { DATABASE_CONNECTION: url });
    await running(url, 'LOCK TABLE images');
    run.kill('SIGTERM');
    // As long as the blocker is there the statement does not end by itself.
    const result = await run.done;
    await blocker.end();
    expect(result.code, result.stderr).to.equal(22);
    expect(result.stderr).to.include('ocata01 was rolled back, the database is at mitaka02');
    expect(JSON.parse(readFileSync(report, 'utf8'))).to.deep.include({
      adopted: true,
      applied: [],
      heads: ['mitaka02'],
      to: { revision: 'mitaka02', phase: 'Contract' },
    });
    expect(await heads(url)).to.equal('mitaka02');
    expect((await readSchema(url)).tables.images).to.deep.equal(goldenSchema('mitaka02').tables.images);
  });

  it('SIGTERM while it waits for the lock changes nothing and exits 22', async () => {
    const url = await copy('waiting');
    const holder = new pg.Client({ connectionString: url });
    await holder.connect();
    await holder.query(`BEGIN; SELECT pg_advisory_xact_lock(${0x676c7363}, 1)`);
    const run = startCli(['db', 'sync', 'ocata01'], { DATABASE_CONNECTION: url });
    await run.says('waiting for the lock, held by pid');
    run.kill('SIGTERM');
    const result = await run.done;
    await holder.end();
    expect(result.code).to.equal(22);
    expect(result.stderr).to.include('nothing was changed');
    expect(await heads(url)).to.equal('');
  });

  it('a server that goes in the middle: exit 20, and after its return a rerun makes it right', async () => {
    const url = await copy('gone');
    const run = startCli(['db', 'sync', 'ocata01'], { DATABASE_CONNECTION: url });
    await running(url, 'ADD COLUMN visibility');
    await server.crash();
    const result = await run.done;
    await server.restart();
    expect(result.code, result.stderr).to.equal(20);
    expect(result.stderr).to.match(
      /Lost the connection to .* during ocata01.*rolled back, the database is at mitaka02/,
    );
    const rerun = await runCli(['db', 'sync', 'ocata01'], { DATABASE_CONNECTION: url });
    expect(rerun.code, rerun.stderr).to.equal(0);
    expect(await readSchema(url)).to.deep.equal(withOldTool('ocata_contract01'));
  });

  it('one session ended by an administrator: exit 20, rolled back', async () => {
    const url = await copy('ended');
    const run = startCli(['db', 'sync', 'ocata01'], { DATABASE_CONNECTION: url });
    const pid = await running(url, 'ADD COLUMN visibility');
    await withClient(url, (client) => client.query('SELECT pg_terminate_backend($1)', [pid]));
    const result = await run.done;
    expect(result.code, result.stderr).to.equal(20);
    expect(await heads(url)).to.equal('mitaka02');
  });

  it('the session with the lock ended: it stops before the next migration', async () => {
    const url = await server.createDatabase('lock_lost');
    const blocker = new pg.Client({ connectionString: url });
    await buildGolden(url, { schema: 'liberty', alembic: ['liberty'] });
    await blocker.connect();
    await blocker.query('BEGIN; LOCK TABLE images IN SHARE ROW EXCLUSIVE MODE');
    const run = startCli(['db', 'sync', 'ocata01'], { DATABASE_CONNECTION: url });
    await running(url, 'LOCK TABLE images');
    await withClient(url, (client) =>
      client.query(`SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND classid = ${0x676c7363}
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`),
    );
    await withClient(url, (client) =>
      eventually(async () => {
        const { rows } = await client.query(`SELECT pid FROM pg_locks WHERE locktype = 'advisory'
          AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`);
        expect(rows, 'the lock is gone').to.deep.equal([]);
      }),
    );
    await blocker.query('COMMIT');
    await blocker.end();
    const result = await run.done;
    expect(result.code, result.stderr).to.equal(20);
    expect(await heads(url)).to.equal('liberty');
  });

  it('a statement that fails: exit 1, the error of the database, the step, and what is committed', async () => {
    const url = await server.createDatabase('failing');
    await buildGolden(url, { schema: 'mitaka01', alembic: ['mitaka01'] });
    await withClient(url, (client) => client.query("CREATE TYPE image_visibility AS ENUM ('x')"));
    const report = join(folder, 'failing.json');
    const result = await runCli(['db', 'sync', 'ocata01', '--report', report], { DATABASE_CONNECTION: url });
    expect(result.code).to.equal(1);
    expect(result.stderr).to.include(
      `'create type image_visibility' failed with the type image_visibility exists with other values (x). Rename or drop it (SQLSTATE P0001); ocata01 was rolled back, the database is at mitaka02`,
    );
    const written = JSON.parse(readFileSync(report, 'utf8'));
    expect(written.error).to.deep.include({ reason: 'MigrationFailed', migration: 'ocata01' });
    expect(written.applied.map((script: { name: string }) => script.name)).to.deep.equal(['mitaka02']);
    expect(written.heads).to.deep.equal(['mitaka02']);
  });

  it('time limits of the role do not reach a migration', async () => {
    const url = await copy('limits');
    await withClient(url, (client) =>
      client.query(`ALTER DATABASE limits SET statement_timeout = '100ms';
        ALTER DATABASE limits SET lock_timeout = '50ms';
        ALTER DATABASE limits SET idle_in_transaction_session_timeout = '100ms'`),
    );
    const result = await runCli(['db', 'sync', 'ocata01'], { DATABASE_CONNECTION: url });
    expect(result.code, result.stderr).to.equal(0);
  });

  describe('the lock', () => {
    it('two at once: one migrates, the other waits and finds it done, both exit 0', async () => {
      const url = await copy('two');
      const runs = await Promise.all(
        [1, 2, 3].map(() =>
          runCli(['db', 'sync', 'ocata01', '--output', 'json'], { DATABASE_CONNECTION: url }),
        ),
      );
      const applied = runs.map((run) => {
        expect(run.code, run.stderr).to.equal(0);
        return JSON.parse(run.stdout).applied.length;
      });
      expect(applied.sort()).to.deep.equal([0, 0, 1]);
      expect(await readSchema(url)).to.deep.equal(withOldTool('ocata_contract01'));
    });

    it('says who holds it, and gives up after the time given with exit 21', async () => {
      const url = await copy('held');
      const blocker = await block(url, 'images');
      const first = startCli(['db', 'sync', 'ocata01'], { DATABASE_CONNECTION: url });
      await running(url, 'LOCK TABLE images');
      const second = await runCli(['db', 'sync', 'ocata01', '--lock-timeout', '0'], {
        DATABASE_CONNECTION: url,
      });
      expect(second.code, second.stderr).to.equal(21);
      expect(second.stderr).to.match(
        /longer than 0 s \(pid \d+, glance-schema, from 127\.0\.0\.1, since \d{4}-/,
      );
      await blocker.end();
      expect((await first.done).code).to.equal(0);
    });

    it('goes with a holder that is killed in the middle of a statement', async () => {
      const url = await copy('holder');
      // A statement that takes forever: the server has to find out by itself that nobody wants its
      // answer.
      const blocker = await block(url, 'images');
      const first = startCli(['db', 'sync', 'ocata01'], { DATABASE_CONNECTION: url });
      await running(url, 'LOCK TABLE images');
      first.kill('SIGKILL');
      await first.done;
      await eventually(async () => expect(await activeMigrators(url), 'its sessions').to.equal(0));
      await blocker.end();
      const second = await runCli(['db', 'sync', 'ocata01'], { DATABASE_CONNECTION: url });
      expect(second.code, second.stderr).to.equal(0);
    });

    it('without the lock too, a database that another tool has migrated meanwhile is left alone', async () => {
      const url = await server.createDatabase('moved');
      await buildGolden(url, { schema: 'mitaka01', alembic: ['mitaka01'] });
      const other = new pg.Client({ connectionString: url });
      await other.connect();
      await other.query("BEGIN; UPDATE alembic_version SET version_num = 'mitaka02'");
      const run = startCli(['db', 'sync', 'ocata01'], { DATABASE_CONNECTION: url });
      await running(url, 'LOCK TABLE alembic_version');
      await other.query('COMMIT');
      await other.end();
      const result = await run.done;
      expect(result.code, result.stderr).to.equal(1);
      expect(result.stderr).to.include('another tool has changed alembic_version to mitaka02 meanwhile');
    });
  });
});
