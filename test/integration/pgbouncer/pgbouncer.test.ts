import { tmpdir } from 'node:os';
import { expect } from 'chai';
import pg from 'pg';
import { seedNewton } from '../../../lab/databases/glance-data.ts';
import { goldenSchema, readSchema, withAlembicVersion } from '../../../lab/databases/golden.ts';
import { expectedImages, withClient } from '../../../lab/databases/images.ts';
import {
  findPgBouncer,
  type PgBouncerOptions,
  startPgBouncer,
  type TestPgBouncer,
} from '../../../lab/databases/pgbouncer.ts';
import { startPostgres, type TestPostgres } from '../../../lab/databases/postgres.ts';
import { runCli, startCli } from '../../../lab/process/bundle.ts';
import { eventually } from '../../../lab/process/eventually.ts';
import { leaveOut } from '../../../lab/process/needs.ts';
import { REVISIONS } from '../../../src/glance/revisions.ts';

const NEWEST = `${REVISIONS.at(-1)?.name.replace(/_?(\d\d)$/, '_contract$1')}`;

describe('db sync through PgBouncer in transaction mode', () => {
  let server: TestPostgres;
  let program = '';
  const poolers: TestPgBouncer[] = [];

  before(async function () {
    const found = findPgBouncer();
    if (found === null)
      leaveOut(
        this,
        'PgBouncer is not on this machine. Run `make test`, which brings it on Debian and Ubuntu.',
      );
    program = found;
    server = await startPostgres();
  });

  afterEach(async () => {
    for (const pooler of poolers.splice(0)) await pooler.stop();
  });

  after(async () => {
    await server?.stop();
  });

  async function pooled(options: PgBouncerOptions): Promise<TestPgBouncer> {
    const pooler = await startPgBouncer(program, server, options);
    poolers.push(pooler);
    return pooler;
  }

  /** Advisory locks that any session of the database has or waits for. */
  async function advisoryLocks(database: string): Promise<number> {
    return withClient(server.url(database), async (client) => {
      const { rows } = await client.query<{ n: number }>(
        `SELECT count(*)::int AS n FROM pg_locks WHERE locktype = 'advisory'
          AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`,
      );
      return rows[0]?.n ?? 0;
    });
  }

  it('is no way for a backup, whose program would leave its settings to the next client', async () => {
    await seedNewton(await server.createDatabase('dumped'), { images: 1 });
    const pooler = await pooled({ poolSize: 2 });
    const result = await runCli(['db', 'backup', tmpdir()], { DATABASE_CONNECTION: pooler.url('dumped') });
    expect(result.stderr).to.include('a pooler such as PgBouncer is on the way');
    expect(result.code).to.equal(19);
  });

  it('makes the whole schema, and leaves no lock and no setting to the next client', async () => {
    const direct = await server.createDatabase('empty');
    const pooler = await pooled({ poolSize: 2 });
    const url = pooler.url('empty');
    const settings = `SELECT name, setting FROM pg_settings WHERE name LIKE '%timeout%' OR name IN ('TimeZone',
      'search_path', 'client_connection_check_interval', 'synchronous_commit') ORDER BY name`;
    const before = await withClient(url, (client) => client.query(settings));
    const result = await runCli(['db', 'sync'], { DATABASE_CONNECTION: url });
    expect(result.code, result.stderr).to.equal(0);
    expect(await readSchema(direct)).to.deep.equal(withAlembicVersion(goldenSchema(NEWEST)));
    // The pooler lets go of the server's session a moment after its client has gone.
    await eventually(async () => expect(await advisoryLocks('empty')).to.equal(0));
    // Both of the pool's connections, by two transactions at once.
    const clients = [new pg.Client(url), new pg.Client(url)];
    const after = [];
    for (const client of clients) {
      await client.connect();
      await client.query('BEGIN');
    }
    for (const client of clients) after.push((await client.query(settings)).rows);
    for (const client of clients) await client.end();
    expect(after).to.deep.equal([before.rows, before.rows]);
  });

  for (const poolSize of [20, 2]) {
    it(`two at once, with ${poolSize} connections to the server: one migrates, the other finds it done`, async () => {
      const database = `at_once_${poolSize}`;
      const direct = await server.createDatabase(database);
      await seedNewton(direct, { images: 2000 });
      const pooler = await pooled({ poolSize });
      const runs = [0, 1].map(() => runCli(['db', 'sync'], { DATABASE_CONNECTION: pooler.url(database) }));
      const results = await Promise.all(runs);
      for (const { code, stderr } of results) expect(code, stderr).to.equal(0);
      expect(results.filter(({ stdout }) => stdout.includes('No migrations needed'))).to.have.length(1);
      await eventually(async () => expect(await advisoryLocks(database)).to.equal(0));
    });
  }

  it('a migrator killed in the middle blocks nobody: the next one starts at once and finishes', async () => {
    const direct = await server.createDatabase('killed');
    await seedNewton(direct, { images: 2000 });
    const expected = await expectedImages(direct);
    const pooler = await pooled({ poolSize: 5 });
    const env = { DATABASE_CONNECTION: pooler.url('killed') };
    const reader = new pg.Client({ connectionString: direct });
    await reader.connect();
    await reader.query('BEGIN; LOCK TABLE images IN ACCESS SHARE MODE');
    const first = startCli(['db', 'sync'], env);
    // It has the lock and waits for the table.
    await eventually(async () => {
      const { rows } = await reader.query(
        `SELECT 1 FROM pg_locks WHERE NOT granted AND relation = 'images'::regclass`,
      );
      expect(rows).to.have.length(1);
    });
    expect(await advisoryLocks('killed')).to.equal(1);
    first.kill('SIGKILL');
    await first.done;
    await eventually(async () => expect(await advisoryLocks('killed')).to.equal(0));
    const second = startCli(['db', 'sync', '--lock-timeout', '60'], env);
    await eventually(async () => expect(await advisoryLocks('killed')).to.equal(1));
    await reader.end();
    const { code, stderr } = await second.done;
    expect(code, stderr).to.equal(0);
    const { rows } = await withClient(direct, (client) =>
      client.query('SELECT id, visibility::text FROM images ORDER BY id'),
    );
    expect(rows).to.deep.equal(expected.map(({ id, visibility }) => ({ id, visibility })));
  });

  it('the three phases, with limits of the role in the way, while others use the pool', async () => {
    const direct = await server.createDatabase('phases');
    await seedNewton(direct, { images: 2000 });
    await withClient(direct, (client) =>
      client.query(
        `ALTER DATABASE phases SET statement_timeout = '2s'; ALTER DATABASE phases SET lock_timeout = '1s'`,
      ),
    );
    const pooler = await pooled({ poolSize: 4 });
    const settings =
      "SELECT current_setting('statement_timeout') AS statement, current_setting('lock_timeout') AS lock";
    const seen = new Set<string>();
    let stop = false;
    const others = [1, 2].map(async () => {
      const client = new pg.Client(pooler.url('phases'));
      await client.connect();
      while (!stop) {
        await client.query('BEGIN');
        const { rows } = await client.query(settings);
        seen.add(`${rows[0].statement} ${rows[0].lock}`);
        await client.query('COMMIT');
      }
      await client.end();
    });
    const codes = [];
    for (const phase of ['expand', 'migrate', 'contract']) {
      const { code, stderr } = await runCli(['db', phase, 'ocata01'], {
        DATABASE_CONNECTION: pooler.url('phases'),
      });
      codes.push(code === 0 ? 0 : stderr);
    }
    stop = true;
    await Promise.all(others);
    expect(codes).to.deep.equal([0, 0, 0]);
    expect([...seen]).to.deep.equal(['2s 1s']);
    const { tables } = await readSchema(direct);
    expect(tables.images).to.deep.equal(goldenSchema('ocata_contract01').tables.images);
  });

  it('a statement_timeout that cannot be lifted through the pooler: exit 1 and what to do; a rerun goes on', async () => {
    const direct = await server.createDatabase('limited');
    await seedNewton(direct, { images: 10 });
    const url = (await pooled({ poolSize: 4 })).url('limited');
    for (const phase of ['expand', 'migrate']) {
      const { code, stderr } = await runCli(['db', phase, 'ocata01'], { DATABASE_CONNECTION: url });
      expect(code, stderr).to.equal(0);
    }
    await withClient(direct, (client) => client.query("ALTER DATABASE limited SET statement_timeout = '1s'"));
    const writer = new pg.Client({ connectionString: direct });
    await writer.connect();
    await writer.query('BEGIN; UPDATE images SET name = name');
    const again = (await pooled({ poolSize: 4 })).url('limited');
    const ended = await runCli(['db', 'contract'], { DATABASE_CONNECTION: again });
    await writer.end();
    expect(ended.code, ended.stderr).to.equal(1);
    expect(ended.stderr).to.match(
      /ended 'DROP INDEX CONCURRENTLY .* by a statement_timeout, .* through a pooler\. /,
    );
    const rerun = await runCli(['db', 'contract'], { DATABASE_CONNECTION: again });
    expect(rerun.code, rerun.stderr).to.equal(0);
  });

  it('SIGTERM ends what runs outside of a transaction: exit 22', async () => {
    const direct = await server.createDatabase('ended');
    await seedNewton(direct, { images: 10 });
    const url = (await pooled({ poolSize: 4 })).url('ended');
    for (const phase of ['expand', 'migrate']) {
      const { code, stderr } = await runCli(['db', phase, 'ocata01'], { DATABASE_CONNECTION: url });
      expect(code, stderr).to.equal(0);
    }
    const writer = new pg.Client({ connectionString: direct });
    await writer.connect();
    await writer.query('BEGIN; UPDATE images SET name = name');
    const run = startCli(['db', 'contract'], { DATABASE_CONNECTION: url });
    await eventually(async () => {
      const { rows } = await withClient(direct, (client) =>
        client.query(
          "SELECT 1 FROM pg_stat_activity WHERE state = 'active' AND query LIKE 'DROP INDEX CONCURRENTLY%'",
        ),
      );
      expect(rows).to.have.length(1);
    });
    run.kill('SIGTERM');
    const { code, stderr } = await run.done;
    await writer.end();
    expect(code, stderr).to.equal(22);
  });

  it('what a killed run has left at work outside of a transaction is ended by the next one', async () => {
    const direct = await server.createDatabase('left');
    await seedNewton(direct, { images: 10 });
    const url = (await pooled({ poolSize: 4 })).url('left');
    for (const phase of ['expand', 'migrate']) {
      const { code, stderr } = await runCli(['db', phase, 'ocata01'], { DATABASE_CONNECTION: url });
      expect(code, stderr).to.equal(0);
    }
    const writer = new pg.Client({ connectionString: direct });
    await writer.connect();
    await writer.query('BEGIN; UPDATE images SET name = name');
    const dropping = async (): Promise<readonly number[]> => {
      const { rows } = await withClient(direct, (client) =>
        client.query(
          "SELECT pid FROM pg_stat_activity WHERE state = 'active' AND query LIKE 'DROP INDEX CONCURRENTLY%'",
        ),
      );
      return rows.map(({ pid }) => pid);
    };
    const first = startCli(['db', 'contract'], { DATABASE_CONNECTION: url });
    await eventually(async () => expect(await dropping()).to.have.length(1));
    const left = await dropping();
    first.kill('SIGKILL');
    await first.done;
    const second = startCli(['db', 'contract'], { DATABASE_CONNECTION: url });
    await eventually(async () => {
      const now = await dropping();
      expect(now).to.have.length(1);
      expect(now).to.not.deep.equal(left);
    });
    await writer.end();
    const { code, stderr } = await second.done;
    expect(code, stderr).to.equal(0);
  });

  it('a pooler that goes in the middle: exit 20, rolled back, and a rerun makes it right', async () => {
    const direct = await server.createDatabase('gone');
    await seedNewton(direct, { images: 2000 });
    const pooler = await pooled({ poolSize: 5 });
    const reader = new pg.Client({ connectionString: direct });
    await reader.connect();
    await reader.query('BEGIN; LOCK TABLE images IN ACCESS SHARE MODE');
    const run = startCli(['db', 'sync'], { DATABASE_CONNECTION: pooler.url('gone') });
    await eventually(async () => expect(await advisoryLocks('gone')).to.equal(1));
    await pooler.kill();
    const { code, stderr } = await run.done;
    await reader.end();
    expect(code, stderr).to.equal(20);
    const rerun = await runCli(['db', 'sync'], { DATABASE_CONNECTION: direct });
    expect(rerun.code, rerun.stderr).to.equal(0);
  });

  it('options in the URL that the pooler refuses: exit 20, and its sentence names them', async () => {
    await server.createDatabase('options_refused');
    const pooler = await pooled({ poolSize: 5 });
    const url = `${pooler.url('options_refused')}?options=-c%20lock_timeout%3D5s`;
    const { code, stderr } = await runCli(['db', 'sync'], { DATABASE_CONNECTION: url });
    expect(code, stderr).to.equal(20);
    expect(stderr).to.include('unsupported startup parameter: options');
    expect(stderr.trim().split('\n')).to.have.length(1);
  });

  it('options in the URL that ignore_startup_parameters drops: all is done all the same', async () => {
    const direct = await server.createDatabase('options_dropped');
    const pooler = await pooled({ poolSize: 5, ignoreStartupParameters: 'options' });
    const url = `${pooler.url('options_dropped')}?options=-c%20lock_timeout%3D5s`;
    const { code, stderr } = await runCli(['db', 'sync'], { DATABASE_CONNECTION: url });
    expect(code, stderr).to.equal(0);
    expect(await readSchema(direct)).to.deep.equal(withAlembicVersion(goldenSchema(NEWEST)));
  });

  it('one connection where two are needed: exit 20 and what to do, nothing changed', async () => {
    const direct = await server.createDatabase('single');
    const pooler = await pooled({ poolSize: 1 });
    const { code, stderr } = await runCli(['db', 'sync'], {
      DATABASE_CONNECTION: `${pooler.url('single')}?connect_timeout=2`,
    });
    expect(code, stderr).to.equal(20);
    expect(stderr).to.match(/no answer within 2 s .*\. Give it two \(PgBouncer: default_pool_size\)\.$/m);
    expect((await readSchema(direct)).tables).to.deep.equal({});
  });
});
