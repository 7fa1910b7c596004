import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import pg from 'pg';
import { seedNewton } from '../../../lab/databases/glance-data.ts';
import { goldenSchema, readSchema } from '../../../lab/databases/golden.ts';
import { expectedImages, readImages, withClient } from '../../../lab/databases/images.ts';
import { startPostgres, type TestPostgres } from '../../../lab/databases/postgres.ts';
import { bundle } from '../../../lab/process/bundle.ts';
import { eventually } from '../../../lab/process/eventually.ts';
import { db } from '../../support/db-command.ts';
import { documentedSettings } from '../../support/documented-settings.ts';

/**
 * What an administrator may set for every session of a database or of a user. The table of
 * docs/operations.md names the same.
 */
const IMPOSED: readonly (readonly [string, string])[] = [
  ['statement_timeout', "'250ms'"],
  ['lock_timeout', "'10ms'"],
  ['idle_in_transaction_session_timeout', "'250ms'"],
  ['transaction_timeout', "'250ms'"],
  // It runs from the first moment on, in which a busy machine may do something else; so it is
  // longer, and so is what takes longer.
  ['idle_session_timeout', "'3s'"],
  ['default_transaction_isolation', "'serializable'"],
  ['default_transaction_isolation', "'repeatable read'"],
  ['default_transaction_deferrable', 'on'],
  ['default_table_access_method', "'other_heap'"],
  ['temp_tablespaces', "''"],
  ['standard_conforming_strings', 'off'],
  ['escape_string_warning', 'off'],
  ['backslash_quote', 'on'],
  ['synchronize_seqscans', 'off'],
  ['synchronous_commit', 'off'],
  ['check_function_bodies', 'off'],
  ['client_encoding', "'latin1'"],
  ['datestyle', "'German, DMY'"],
  ['intervalstyle', "'sql_standard'"],
  ['timezone', "'Asia/Kathmandu'"],
  ['bytea_output', "'escape'"],
  ['quote_all_identifiers', 'on'],
  ['transform_null_equals', 'on'],
  ['array_nulls', 'off'],
  ['extra_float_digits', '-5'],
  ['xmloption', "'document'"],
  ['enable_seqscan', 'off'],
  ['jit', 'on'],
];

/**
 * In seconds, how long a write has to take so that a limit is over before; more than a moment, in
 * which a busy machine may do something else.
 */
const SLOWER: ReadonlyMap<string, number> = new Map([
  ['statement_timeout', 0.4],
  ['idle_in_transaction_session_timeout', 0.4],
  ['transaction_timeout', 0.4],
  ['idle_session_timeout', 3.5],
]);

/** One that has a test of its own. */
const ELSEWHERE: readonly string[] = ['row_security'];

describe('what a PostgreSQL imposes on a session', () => {
  let server: TestPostgres;
  let version = 0;
  let databases = 0;

  before(async () => {
    bundle();
    server = await startPostgres();
    version = await withClient(server.url('postgres'), async (client) =>
      Number((await client.query('SHOW server_version_num')).rows[0].server_version_num),
    );
  });

  after(async () => {
    await server?.stop();
  });

  async function run(url: string, ...args: string[]): Promise<string> {
    const { code, stdout, stderr } = await db(url, ...args);
    return `${args.join(' ')}: ${code}${code === 0 ? '' : ` ${stderr}${stdout}`}`;
  }

  /**
   * A database of Newton, where reads and writes take longer than any of the limits: so many
   * seconds.
   */
  async function newton(slow = 0.15): Promise<string> {
    databases += 1;
    const url = await server.createDatabase(`imposed_${databases}`);
    await seedNewton(url, { images: 100 });
    await withClient(url, (client) =>
      client.query(`CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$
          BEGIN PERFORM pg_sleep(${slow}); RETURN NULL; END $$;
        CREATE TRIGGER slow AFTER UPDATE ON images FOR EACH STATEMENT EXECUTE FUNCTION slow()`),
    );
    return url;
  }

  it('the settings in docs/operations.md are those that this file imposes', () => {
    const told = documentedSettings('PostgreSQL').filter(({ outcome }) =>
      /^(set for ours|harmless)/.test(outcome),
    );
    expect([...new Set(IMPOSED.map(([name]) => name))].sort()).to.deep.equal(
      told
        .flatMap(({ names }) => names)
        .filter((name) => !ELSEWHERE.includes(name))
        .sort(),
    );
  });

  for (const [name, value] of IMPOSED) {
    it(`${name} = ${value}: reads, the phases and a sync do what they do without`, async function () {
      if (name === 'transaction_timeout' && version < 170_000) {
        this.skip();
      }
      const url = await newton(SLOWER.get(name));
      const expected = await expectedImages(url);
      const database = url.split('/').at(-1) ?? '';
      await withClient(url, async (client) => {
        if (value.includes('other_heap')) {
          await client.query('CREATE ACCESS METHOD other_heap TYPE TABLE HANDLER heap_tableam_handler');
        }
        await client.query(`ALTER DATABASE ${database} SET ${name} = ${value}`);
      });
      const ended = [
        await run(url, 'version'),
        await run(url, 'expand', 'ocata01'),
        await run(url, 'migrate'),
        await run(url, 'contract'),
        await run(url, 'check', 'ocata01'),
        await run(url, 'sync'),
      ];
      expect(ended).to.deep.equal([
        'version: 0',
        'expand ocata01: 0',
        'migrate: 0',
        'contract: 0',
        'check ocata01: 0',
        'sync: 0',
      ]);
      await withClient(url, (client) =>
        client.query(`ALTER DATABASE ${database} RESET ALL; DROP TRIGGER slow ON images; DROP FUNCTION slow`),
      );
      const { migrate_version: _, alembic_version: __, ...tables } = (await readSchema(url)).tables;
      expect(tables).to.deep.equal(goldenSchema('2024_1_contract01').tables);
      const methods = await withClient(url, (client) =>
        client.query(
          "SELECT relname FROM pg_class c JOIN pg_am a ON a.oid = c.relam WHERE relkind = 'r' AND amname <> 'heap'",
        ),
      );
      expect(methods.rows).to.deep.equal([]);
      const images = await readImages(url);
      expect(images.map(({ id, visibility }) => ({ id, visibility }))).to.deep.equal(
        expected.map(({ id, visibility }) => ({ id, visibility })),
      );
    });
  }

  it('reads that take longer than statement_timeout and lock_timeout', async () => {
    const url = await newton();
    expect(await run(url, 'expand', 'ocata01')).to.equal('expand ocata01: 0');
    const database = url.split('/').at(-1);
    await withClient(url, (client) =>
      client.query(`ALTER DATABASE ${database} SET statement_timeout = '100ms';
        ALTER DATABASE ${database} SET lock_timeout = '100ms'`),
    );
    const blocker = new pg.Client({ connectionString: url });
    await blocker.connect();
    await blocker.query('BEGIN; SET LOCAL statement_timeout = 0; LOCK TABLE images');
    const version = run(url, 'version');
    await eventually(async () => {
      const { rows } = await blocker.query(
        "SELECT 1 FROM pg_locks WHERE NOT granted AND relation = 'images'::regclass",
      );
      expect(rows).to.have.length(1);
    });
    await sleep(500);
    await blocker.end();
    expect(await version).to.equal('version: 0');
  });

  it('row_security: rows that a policy hides from the owner too are an error, not left as they are', async () => {
    const url = await newton();
    await withClient(url, (client) =>
      client.query(`CREATE ROLE keeper_${databases} LOGIN PASSWORD 'x';
        GRANT ALL ON SCHEMA public TO keeper_${databases};
        DO $$ DECLARE t text; BEGIN FOR t IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' LOOP
          EXECUTE format('ALTER TABLE %I OWNER TO keeper_${databases}', t); END LOOP; END $$;
        CREATE POLICY part ON images USING (id < '8');
        ALTER TABLE images ENABLE ROW LEVEL SECURITY; ALTER TABLE images FORCE ROW LEVEL SECURITY`),
    );
    const keeper = url.replace(/\/\/[^@]*@/, `//keeper_${databases}:x@`);
    const ended = await run(keeper, 'sync', 'ocata01');
    expect(ended).to.match(/^sync ocata01: 1 .*row-level security policy for table "images"/s);
  });

  it('session_replication_role: refused before the first change, with its name', async () => {
    const url = await newton();
    const before = await readSchema(url);
    await withClient(url, (client) =>
      client.query(`ALTER DATABASE ${url.split('/').at(-1)} SET session_replication_role = 'replica'`),
    );
    expect(await run(url, 'sync')).to.match(
      /^sync: 1 Cannot change .* Set session_replication_role to 'origin'/,
    );
    expect(await readSchema(url)).to.deep.equal(before);
  });

  it('default_transaction_read_only, which is a guard: exit 20 with its name, nothing changed; reads go on', async () => {
    const url = await newton();
    const before = await readSchema(url);
    await withClient(url, (client) =>
      client.query(`ALTER DATABASE ${url.split('/').at(-1)} SET default_transaction_read_only = on`),
    );
    expect(await run(url, 'version')).to.equal('version: 0');
    expect(await run(url, 'sync')).to.match(/^sync: 20 .*default_transaction_read_only/);
    expect(await readSchema(url)).to.deep.equal(before);
  });
});
