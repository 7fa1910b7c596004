import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import type pg from 'pg';
import { seedNewton } from '../../../lab/databases/glance-data.ts';
import { goldenSchema, readSchema } from '../../../lab/databases/golden.ts';
import { openSession, withClient } from '../../../lab/databases/images.ts';
import { startPostgres, type TestPostgres } from '../../../lab/databases/postgres.ts';
import { bundle, runCli, startCli } from '../../../lab/process/bundle.ts';
import { eventually } from '../../../lab/process/eventually.ts';
import { startTcpProxy } from '../../../lab/process/tcp-proxy.ts';

describe('sessions of a PostgreSQL', () => {
  let server: TestPostgres;
  let folder = '';
  let databases = 0;

  before(async () => {
    bundle();
    server = await startPostgres();
    folder = mkdtempSync(join(tmpdir(), 'glance-schema-sessions-'));
  });

  after(async () => {
    rmSync(folder, { recursive: true, force: true });
    await server?.stop();
  });

  async function newton(): Promise<string> {
    databases += 1;
    const url = await server.createDatabase(`sessions_${databases}`);
    await seedNewton(url, { images: 300 });
    return url;
  }

  /**
   * Another user who takes the role of the tables' owner as soon as he logs in, as Vault makes
   * them.
   */
  async function issued(url: string, name: string): Promise<string> {
    await withClient(url, (client) =>
      client.query(`DO $$ BEGIN CREATE ROLE owner_of_all NOLOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$;
        CREATE ROLE ${name} LOGIN PASSWORD 'x' NOINHERIT IN ROLE owner_of_all; ALTER ROLE ${name} SET role = 'owner_of_all';
        GRANT ALL ON SCHEMA public TO owner_of_all;
        DO $$ DECLARE t text; BEGIN FOR t IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' LOOP
          EXECUTE format('ALTER TABLE %I OWNER TO owner_of_all', t); END LOOP; END $$`),
    );
    return url.replace(/\/\/[^@]*@/, `//${name}:x@`);
  }

  /** Leaves nothing but the contract of ocata01 to be done. */
  async function bringToContract(connection: string): Promise<void> {
    for (const phase of ['expand', 'migrate']) {
      const { code, stderr } = await runCli(['db', phase, 'ocata01'], { DATABASE_CONNECTION: connection });
      expect(code, stderr).to.equal(0);
    }
  }

  async function block(url: string, lock: string): Promise<pg.Client> {
    const blocker = await openSession(url);
    await blocker.query(`BEGIN; ${lock}`);
    return blocker;
  }

  /** Resolves once a migrator is at the statement. */
  async function at(url: string, statement: string): Promise<void> {
    await withClient(url, (client) =>
      eventually(async () => expect(await count(client, statement)).to.equal(1)),
    );
  }

  async function count(client: pg.Client, statement: string): Promise<number> {
    const { rows } = await client.query(
      `SELECT 1 FROM pg_stat_activity WHERE application_name = 'glance-schema' AND state = 'active'
        AND datname = current_database() AND query LIKE $1`,
      [`%${statement}%`],
    );
    return rows.length;
  }

  async function gone(url: string, statement: string): Promise<void> {
    await withClient(url, (client) =>
      eventually(async () => expect(await count(client, statement)).to.equal(0)),
    );
  }

  describe('of a user who takes another role by himself (ALTER ROLE ... SET role)', () => {
    it('SIGTERM in a transaction: the statement is ended, rolled back, exit 22', async () => {
      const url = await newton();
      const user = await issued(url, 'issued_one');
      await withClient(url, (client) =>
        client.query(`CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN PERFORM pg_sleep(600); RETURN NEW; END $$;
          CREATE TRIGGER slow BEFORE UPDATE ON images FOR EACH ROW EXECUTE FUNCTION slow()`),
      );
      const run = startCli(['db', 'sync', 'ocata01', '--through', 'Migrate'], { DATABASE_CONNECTION: user });
      await at(url, 'UPDATE images');
      run.kill('SIGTERM');
      const { code, stderr } = await run.done;
      expect(code, stderr).to.equal(22);
      await gone(url, 'UPDATE images');
    });

    it('SIGTERM outside of a transaction: the same', async () => {
      const url = await newton();
      const user = await issued(url, 'issued_two');
      await bringToContract(user);
      const blocker = await block(url, 'LOCK TABLE images IN ROW EXCLUSIVE MODE');
      const run = startCli(['db', 'contract'], { DATABASE_CONNECTION: user });
      await at(url, 'INDEX CONCURRENTLY');
      run.kill('SIGTERM');
      const { code, stderr } = await run.done;
      expect(code, stderr).to.equal(22);
      await gone(url, 'INDEX CONCURRENTLY');
      await blocker.end();
    });

    it('a wait outside of a transaction ends with --lock-timeout, also in a schema of the name of the role', async () => {
      const url = await newton();
      const user = await issued(url, 'issued_five');
      await withClient(url, (client) =>
        client.query('ALTER SCHEMA public RENAME TO owner_of_all; CREATE SCHEMA public'),
      );
      await bringToContract(user);
      const blocker = await block(url, 'LOCK TABLE owner_of_all.images IN ROW EXCLUSIVE MODE');
      const run = startCli(['db', 'contract', '--lock-timeout', '2'], { DATABASE_CONNECTION: user });
      const tooLong = setTimeout(() => blocker.end(), 60_000);
      const { code, stderr } = await run.done;
      clearTimeout(tooLong);
      expect(code, stderr).to.equal(21);
      await gone(url, 'INDEX CONCURRENTLY');
      await blocker.end();
    });

    it('what a killed run has left is ended: the next one finishes, whoever it logs in as', async () => {
      const url = await newton();
      const user = await issued(url, 'issued_three');
      const other = await issued(url, 'issued_four');
      await bringToContract(user);
      const blocker = await block(url, 'LOCK TABLE images IN ROW EXCLUSIVE MODE');
      const run = startCli(['db', 'contract'], { DATABASE_CONNECTION: user });
      await at(url, 'INDEX CONCURRENTLY');
      run.kill('SIGKILL');
      await run.done;
      await gone(url, 'INDEX CONCURRENTLY');
      await blocker.end();
      const { code, stderr } = await runCli(['db', 'contract'], { DATABASE_CONNECTION: other });
      expect(code, stderr).to.equal(0);
      expect((await readSchema(url)).tables.images).to.deep.equal(
        goldenSchema('ocata_contract01').tables.images,
      );
    });
  });

  it('no connection left for the work: exit 20, nothing changed, and a rerun does it', async () => {
    const url = await newton();
    const before = await readSchema(url);
    const user = await issued(url, 'single');
    await withClient(url, (client) => client.query('ALTER ROLE single CONNECTION LIMIT 1'));
    const first = await runCli(['db', 'sync', 'ocata01'], { DATABASE_CONNECTION: user });
    expect(first.code, first.stderr).to.equal(20);
    expect(first.stderr).to.include('too many connections for role "single" (SQLSTATE 53300)');
    expect(await readSchema(url)).to.deep.equal(before);
    await withClient(url, (client) => client.query('ALTER ROLE single CONNECTION LIMIT 10'));
    const second = await runCli(['db', 'sync', 'ocata01'], { DATABASE_CONNECTION: user });
    expect(second.code, second.stderr).to.equal(0);
  });

  it('a server that becomes read-only, or ends statements, in the middle: exit 20, rolled back', async () => {
    for (const state of ['25006', '57014', '53200', '40001']) {
      const url = await newton();
      await withClient(url, (client) =>
        client.query(`CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN RAISE EXCEPTION 'not now' USING ERRCODE = '${state}'; END $$;
          CREATE TRIGGER refuse BEFORE UPDATE ON images FOR EACH STATEMENT EXECUTE FUNCTION refuse()`),
      );
      const { code, stderr } = await runCli(['db', 'sync', 'ocata01', '--through', 'Migrate'], {
        DATABASE_CONNECTION: url,
      });
      expect(code, stderr).to.equal(20);
      expect(stderr).to.include(`SQLSTATE ${state}`).and.to.include('Run the same again');
    }
  });

  it('one that is ended while it looks for rows that are left: exit 20, with the address', async () => {
    const url = await newton();
    const expanded = await runCli(['db', 'expand', 'ocata01'], { DATABASE_CONNECTION: url });
    expect(expanded.code, expanded.stderr).to.equal(0);
    const blocker = await block(url, 'LOCK TABLE images');
    for (const args of [['version'], ['check', 'ocata01'], ['migrate']]) {
      const run = startCli(['db', ...args], { DATABASE_CONNECTION: url });
      await eventually(async () => {
        const { rows } = await blocker.query(
          "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE NOT granted AND relation = 'images'::regclass",
        );
        expect(rows).to.have.length(1);
      });
      const { code, stderr } = await run.done;
      expect(code, stderr).to.equal(20);
      expect(stderr).to.match(/^Lost the connection to 127\.0\.0\.1:\d+\/sessions_\d+ while reading: /m);
    }
    await blocker.end();
  });

  it('a table that others keep: exit 21, and who they are', async () => {
    const url = await newton();
    const blocker = await block(
      url,
      "SET application_name = 'glance-api'; LOCK TABLE images IN ACCESS SHARE MODE",
    );
    const { code, stderr } = await runCli(['db', 'sync', 'ocata01', '--lock-timeout', '3'], {
      DATABASE_CONNECTION: url,
    });
    await blocker.end();
    expect(code, stderr).to.equal(21);
    expect(stderr).to.match(
      /waited for another session's lock for 3 s \(pid \d+, glance-api, from 127\.0\.0\.1, since /,
    );
  });

  it('an index that others keep from being dropped: exit 21, and who they are; then a rerun drops it', async () => {
    const url = await newton();
    await bringToContract(url);
    const blocker = await block(url, "SET application_name = 'glance-api'; SELECT FROM images LIMIT 1");
    const kept = await runCli(['db', 'contract', '--lock-timeout', '2'], { DATABASE_CONNECTION: url });
    await blocker.end();
    expect(kept.code, kept.stderr).to.equal(21);
    expect(kept.stderr).to.match(
      /'drop index ix_images_is_public on images' waited for another session's lock for 2 s \(pid \d+, glance-api, from /,
    );
    const { code, stderr } = await runCli(['db', 'contract'], { DATABASE_CONNECTION: url });
    expect(code, stderr).to.equal(0);
    expect((await readSchema(url)).tables.images).to.deep.equal(
      goldenSchema('ocata_contract01').tables.images,
    );
  });

  it('SIGTERM where nobody can look into the table any more: exit 22, while others have it still', async () => {
    const url = await newton();
    await bringToContract(url);
    const blocker = await block(url, 'SELECT FROM images LIMIT 1');
    const run = startCli(['db', 'contract'], { DATABASE_CONNECTION: url });
    await at(url, 'INDEX CONCURRENTLY');
    const next = await block(url, '');
    next.query('LOCK TABLE images').catch(() => undefined);
    await withClient(url, (client) =>
      eventually(async () => {
        const { rows } = await client.query(
          "SELECT 1 FROM pg_locks WHERE NOT granted AND relation = 'images'::regclass",
        );
        expect(rows).to.have.length(1);
      }),
    );
    run.kill('SIGTERM');
    const { code, stderr } = await run.done;
    await next.end();
    await blocker.end();
    expect(code, stderr).to.equal(22);
    expect(stderr)
      .to.match(/\nStopped .* as asked: /)
      .and.to.not.include('Warning');
  });

  it('SIGTERM while a read waits for a table that others have: exit 22 at once, nothing changed', async () => {
    const url = await newton();
    const expanded = await runCli(['db', 'expand', 'ocata01'], { DATABASE_CONNECTION: url });
    expect(expanded.code, expanded.stderr).to.equal(0);
    const blocker = await block(url, 'LOCK TABLE images');
    const run = startCli(['db', 'migrate'], { DATABASE_CONNECTION: url });
    await eventually(async () => {
      const { rows } = await blocker.query(
        "SELECT 1 FROM pg_locks WHERE NOT granted AND relation = 'images'::regclass",
      );
      expect(rows).to.have.length(1);
    });
    run.kill('SIGTERM');
    const { code, stderr } = await run.done;
    await blocker.end();
    expect(code, stderr).to.equal(22);
    expect(stderr).to.match(/^Stopped while reading .*: nothing was changed$/m);
  });

  for (const [command, changed] of [
    ['expand', 'ocata_expand01'],
    ['sync', 'ocata_contract01'],
  ] as const) {
    it(`a balancer that leads to another server in between: ${command} finds the one again that has the lock`, async () => {
      const other = await startPostgres();
      const proxy = await startTcpProxy([server.port, other.port]);
      try {
        const name = `balanced_${command}`;
        const urls = [await server.createDatabase(name), await other.createDatabase(name)];
        for (const url of urls) await seedNewton(url, { images: 300 });
        const through = `${urls[0]}`.replace(`:${server.port}/`, `:${proxy.port}/`);
        const run = await runCli(['db', command, 'ocata01'], {
          // One attempt for each connection, so that the first one leads to the first server.
          DATABASE_CONNECTION: `${through}?sslmode=disable`,
        });
        expect(run.code, run.stderr).to.equal(0);
        const tables = await Promise.all(urls.map(async (url) => (await readSchema(url)).tables.images));
        expect(tables).to.deep.equal([
          goldenSchema(changed).tables.images,
          goldenSchema('mitaka02').tables.images,
        ]);
      } finally {
        await proxy.stop();
        await other.stop();
      }
    });
  }

  it('what a row holds is reported by no failure: not on stderr, not in the report', async () => {
    const url = await newton();
    await withClient(url, (client) =>
      client.query(`UPDATE image_locations SET value = 'swift+https://tenant%3Auser:hunter2@keystone/v3/images/' || id,
          meta_data = '{"backend": "x"}';
        ALTER TABLE image_locations ADD CONSTRAINT short CHECK (meta_data NOT LIKE '%store%')`),
    );
    const report = join(folder, 'values.json');
    const { code, stdout, stderr } = await runCli(['db', 'sync', '--report', report], {
      DATABASE_CONNECTION: url,
    });
    expect(code, stderr).to.equal(1);
    expect(stderr).to.include('violates check constraint "short" (SQLSTATE 23514)');
    expect(stdout + stderr + readFileSync(report, 'utf8')).to.not.include('hunter2');
  });
});
