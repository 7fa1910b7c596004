import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { readSchema } from '../../../lab/databases/golden.ts';
import { buildGolden, type GoldenOptions } from '../../../lab/databases/golden-database.ts';
import { withClient } from '../../../lab/databases/images.ts';
import { startPostgres, type TestPostgres } from '../../../lab/databases/postgres.ts';
import { runCli } from '../../../lab/process/bundle.ts';

/** What people type where something else is asked for. */
const MISPLACED = 'postgresql://glance:hunter2@db/glance';

/** One wrong input: what is run, how it ends, and a piece of the one sentence that is said. */
interface Row {
  readonly name: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly code: number;
  readonly says: string;
}

describe('wrong input', () => {
  let server: TestPostgres;
  let silent: Server;
  /** Greets as MariaDB does. */
  let other: Server;
  let folder = '';
  let url = '';

  before(async () => {
    server = await startPostgres();
    url = await server.createDatabase('glance');
    await buildGolden(url, { schema: 'mitaka02', alembic: ['mitaka02'] });
    folder = mkdtempSync(join(tmpdir(), 'glance-schema-input-'));
    writeFileSync(join(folder, 'empty.conf'), '[DEFAULT]\ndebug = true\n');
    writeFileSync(join(folder, 'broken.conf'), '[database]\nhunter2\n');
    writeFileSync(join(folder, 'good.conf'), `[database]\nconnection = ${url}\n`);
    silent = createServer();
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
    other = createServer((client) => {
      client.on('error', () => client.destroy()).write('J\0\0\0\n11.8.2-MariaDB\0');
    });
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
  });

  after(async () => {
    rmSync(folder, { recursive: true });
    silent.close();
    other.close();
    await server.stop();
  });

  function port(of = silent): number {
    const address = of.address();
    return typeof address === 'object' && address !== null ? address.port : 0;
  }

  async function check(row: Row): Promise<void> {
    const before = await readSchema(url);
    const result = await runCli(row.args, row.env ?? { DATABASE_CONNECTION: url });
    expect(result.code, result.stderr).to.equal(row.code);
    expect(result.stderr).to.include(row.says);
    expect(result.stderr.trim().split('\n'), 'one sentence').to.have.length(1);
    expect(result.stderr + result.stdout).to.not.match(/hunter2|glance-secret|\n {4}at /);
    expect(result.stdout).to.equal('');
    expect(await readSchema(url)).to.deep.equal(before);
  }

  const rows: readonly (() => Row)[] = [
    () => ({ name: 'an unknown command', args: ['database'], code: 2, says: "unknown command 'database'" }),
    () => ({
      name: 'an unknown verb',
      args: ['db', 'downgrade'],
      code: 2,
      says: "unknown command 'downgrade'",
    }),
    () => ({
      name: 'an unknown option',
      args: ['db', 'sync', '--force'],
      code: 2,
      says: "unknown option '--force'",
    }),
    () => ({
      name: 'two versions',
      args: ['db', 'sync', 'mitaka02', 'ocata01'],
      code: 2,
      says: 'too many arguments',
    }),
    () => ({
      name: 'an unknown format',
      args: ['db', 'sync', '--output', 'xml'],
      code: 2,
      says: "'xml' is invalid",
    }),
    () => ({
      name: 'a time in words',
      args: ['db', 'sync', '--lock-timeout', 'ten'],
      code: 2,
      says: "--lock-timeout 'ten'",
    }),
    () => ({
      name: 'a time of more than eleven days',
      args: ['db', 'sync', '--lock-timeout', '1000000'],
      code: 2,
      says: "Cannot use --lock-timeout '1000000': write a whole number from 0 to 999999.",
    }),
    () => ({
      name: 'a time in words for a backup',
      args: ['db', 'backup', folder, '--lock-timeout', 'ten'],
      code: 2,
      says: "Cannot use --lock-timeout 'ten': write a whole number from 0 to 999999.",
    }),
    () => ({
      name: 'fewer backups than one',
      args: ['db', 'backup', folder, '--retain', '0'],
      code: 2,
      says: "Cannot use --retain '0': write a whole number from 1 to 999999.",
    }),
    () => ({
      name: 'no database named',
      args: ['db', 'sync'],
      env: {},
      code: 2,
      says: 'Cannot tell which database',
    }),
    () => ({
      name: 'two databases named',
      args: ['db', 'sync', '--connection', url, '--config-file', join(folder, 'good.conf')],
      code: 2,
      says: 'Cannot choose between --connection and --config-file',
    }),
    () => ({
      name: 'a file that is not there',
      args: ['db', 'sync', '--config-file', join(folder, 'x')],
      code: 2,
      says: 'no such file',
    }),
    () => ({
      name: 'a URL file that is a folder',
      args: ['db', 'sync', '--connection-file', folder],
      code: 2,
      says: 'Cannot read',
    }),
    () => ({
      name: 'a URL in the place of a file',
      args: ['db', 'sync', '--config-file', MISPLACED],
      code: 2,
      says: 'Cannot read postgresql://glance:***@db/glance: ',
    }),
    () => ({
      name: 'a URL in the place of the revision',
      args: ['db', 'sync', MISPLACED],
      code: 11,
      says: "'postgresql://glance:***@db/glance' is no revision",
    }),
    () => ({
      name: 'a URL in the place of a verb',
      args: ['db', MISPLACED],
      code: 2,
      says: "unknown command 'postgresql://glance:***@db/glance'",
    }),
    () => ({
      name: 'a URL too many',
      args: ['db', 'version', MISPLACED],
      code: 2,
      says: 'got 1: postgresql://glance:***@db/glance.',
    }),
    () => ({
      name: 'a file without the option',
      args: ['db', 'sync', '--config-file', join(folder, 'empty.conf')],
      code: 17,
      says: "found no 'connection'",
    }),
    () => ({
      name: 'a broken file',
      args: ['db', 'sync', '--config-file', join(folder, 'broken.conf')],
      code: 17,
      says: 'line 2',
    }),
    () => ({
      name: 'no URL',
      args: ['db', 'sync'],
      env: { DATABASE_CONNECTION: 'hunter2' },
      code: 17,
      says: 'no URL that can be read',
    }),
    () => ({
      name: 'a wrong TLS mode',
      args: ['db', 'sync', '--tls-mode', 'on'],
      code: 2,
      says: 'Write one of disable',
    }),
    () => ({
      name: 'a CA that is not there',
      args: ['db', 'sync', '--tls-ca', join(folder, 'ca')],
      code: 17,
      says: 'Cannot read the certificate file',
    }),
    () => ({
      name: 'a report that cannot be written',
      args: ['db', 'sync', '--report', folder],
      code: 2,
      says: 'Cannot write the report',
    }),
    () => ({
      name: 'a lower target',
      args: ['db', 'sync', 'mitaka01'],
      code: 10,
      says: "the database is already at 'mitaka02', which is later",
    }),
    () => ({
      name: 'a lower target for upgrade',
      args: ['db', 'upgrade', 'liberty'],
      code: 10,
      says: "to 'liberty': the database is already at 'mitaka02'",
    }),
    () => ({
      name: 'an unknown revision',
      args: ['db', 'sync', 'kilo'],
      code: 11,
      says: "'kilo' is no revision of Glance",
    }),
    () => ({
      name: 'a number of the old tool',
      args: ['db', 'sync', '44'],
      code: 11,
      says: "Name the revision 'mitaka02'",
    }),
    () => ({
      name: 'a revision of a release to come',
      args: ['db', 'sync', '2027_1_01'],
      code: 11,
      says: 'Name one of liberty, mitaka01',
    }),
    () => ({
      name: 'an unknown phase',
      args: ['db', 'sync', '--through', 'Half'],
      code: 2,
      says: "'Half' is invalid",
    }),
    () => ({
      name: 'rows moved before the expand',
      args: ['db', 'migrate'],
      code: 15,
      says: "'ocata_expand01' has not run yet. Run 'db expand 2024_1_01' first.",
    }),
    () => ({
      name: 'a contract before the expand',
      args: ['db', 'contract', 'ocata01'],
      code: 15,
      says: "'ocata_expand01' has not run yet. Run 'db expand ocata01' first.",
    }),
    () => ({
      name: 'a plan that leads back',
      args: ['db', 'plan', 'liberty'],
      code: 10,
      says: "the database is already at 'mitaka02'",
    }),
    () => ({
      name: 'a stamp that comes before',
      args: ['db', 'version_control', 'mitaka01'],
      code: 10,
      says: "its version table says 'mitaka02', its tables agree",
    }),
    () => ({
      name: 'a stamp that the tables contradict',
      args: ['db', 'version_control', 'pike01'],
      code: 13,
      says: 'images.visibility is missing',
    }),
    () => ({
      name: 'no server',
      args: ['db', 'sync'],
      env: { DATABASE_CONNECTION: 'postgresql://glance:hunter2@127.0.0.1:1/glance' },
      code: 20,
      says: '127.0.0.1:1/glance: the connection was refused',
    }),
    () => ({
      name: 'no such host',
      args: ['db', 'sync'],
      env: { DATABASE_CONNECTION: 'postgresql://glance:hunter2@no.invalid/glance' },
      code: 20,
      says: 'the host name cannot be resolved',
    }),
    () => ({
      name: 'a server of another kind',
      args: ['db', 'version'],
      env: { DATABASE_CONNECTION: `postgresql://u:hunter2@127.0.0.1:${port(other)}/db?sslmode=require` },
      code: 20,
      says: 'what answers there is no PostgreSQL. Check host and port',
    }),
    () => ({
      name: 'a silent server',
      args: ['db', 'sync'],
      env: {
        DATABASE_CONNECTION: `postgresql://glance:hunter2@127.0.0.1:${port()}/glance?connect_timeout=1`,
      },
      code: 20,
      says: 'no answer within 1 s',
    }),
    () => ({
      name: 'a wrong password',
      args: ['db', 'sync'],
      env: { DATABASE_CONNECTION: url.replace('glance-secret', 'hunter2') },
      code: 20,
      says: "the server refused the password of user 'glance'",
    }),
    () => ({
      name: 'no password',
      args: ['db', 'sync'],
      env: { DATABASE_CONNECTION: url.replace(':glance-secret', '') },
      code: 20,
      says: "asks for the password of user 'glance'",
    }),
    () => ({
      name: 'no such database',
      args: ['db', 'version'],
      env: { DATABASE_CONNECTION: server.url('nope') },
      code: 20,
      says: 'there is no such database',
    }),
    () => ({
      name: 'TLS where there is none',
      args: ['db', 'version', '--tls-mode', 'verify-full'],
      code: 20,
      says: 'the server has no TLS',
    }),
    () => ({
      name: 'a socket that is not there',
      args: ['db', 'version'],
      env: { DATABASE_CONNECTION: 'postgresql://glance:hunter2@/glance?host=/nowhere' },
      code: 20,
      says: 'the socket cannot be opened',
    }),
  ];
  it(`${rows.length} kinds of wrong input: one sentence, the exit code, nothing changed, no password`, async () => {
    const failures: string[] = [];
    for (const make of rows) {
      const row = make();
      await check(row).catch((error: unknown) => failures.push(`${row.name}: ${error}`));
    }
    expect(failures).to.deep.equal([]);
  });

  const databases: readonly (readonly [
    string,
    GoldenOptions | undefined,
    readonly string[],
    number,
    string,
  ])[] = [
    [
      'a number from before Liberty',
      { schema: 'ocata_era__liberty', migrate: 37 },
      [],
      13,
      'migrate_version says 37, which is before Liberty (42)',
    ],
    [
      'a number that never was',
      { schema: 'ocata_era__liberty', migrate: 99 },
      [],
      13,
      'migrate_version says 99',
    ],
    [
      'Glance without a version table',
      { schema: 'mitaka02' },
      [],
      13,
      'no version in alembic_version or migrate_version',
    ],
    [
      "another project's",
      undefined,
      ['CREATE TABLE instances (id int)'],
      13,
      "tables that are not Glance's (instances)",
    ],
    [
      "another project's stamp",
      { schema: 'mitaka02', alembic: ['29e87d24a316'] },
      [],
      13,
      "'29e87d24a316', which is no revision of Glance",
    ],
    [
      'a stamp that lies',
      { schema: 'ocata_era__mitaka02', migrate: 45 },
      [],
      13,
      'but images.visibility is missing',
    ],
    [
      'half expanded by a release to come',
      { schema: '2024_1_contract01', alembic: ['2027_1_expand01', '2024_1_contract01'] },
      [],
      12,
      "newer than '2024_1_01'",
    ],
    [
      'one of a release to come',
      { schema: 'ocata_contract01', alembic: ['2031_1_expand01'] },
      [],
      12,
      "newer than '2024_1_01'",
    ],
    [
      'a user without rights',
      { schema: 'mitaka02', alembic: ['mitaka02'] },
      ['REVOKE CREATE ON SCHEMA public FROM PUBLIC'],
      1,
      'may not create tables',
    ],
    [
      'a user who is not the owner',
      { schema: 'mitaka02', alembic: ['mitaka02'] },
      ['GRANT ALL ON SCHEMA public TO PUBLIC'],
      1,
      'does not own images',
    ],
    [
      'a read-only one',
      { schema: 'mitaka02', alembic: ['mitaka02'] },
      [
        "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET default_transaction_read_only = on', current_database()); END $$",
      ],
      20,
      'read-only',
    ],
  ];
  for (const [index, [name, options, statements, code, says]] of databases.entries()) {
    it(`a database that is ${name}: exit ${code}, nothing changed, a report`, async () => {
      const name_ = `database_${index}`;
      let target = await server.createDatabase(name_);
      const owner = target;
      if (options !== undefined) {
        await buildGolden(target, options);
      }
      await withClient(owner, async (client) => {
        for (const statement of statements) {
          await client.query(statement);
        }
        if (code === 1) {
          const role = `role_${index}`;
          await client.query(
            `CREATE ROLE ${role} LOGIN PASSWORD 'hunter2'; GRANT ALL ON ALL TABLES IN SCHEMA public TO ${role}`,
          );
          target = owner.replace('glance:glance-secret', `${role}:hunter2`);
        }
      });
      const before = await readSchema(owner);
      const report = join(folder, `report-${index}`);
      const result = await runCli(['db', 'sync', '--report', report], { DATABASE_CONNECTION: target });
      expect(result.code, result.stderr).to.equal(code);
      expect(result.stderr).to.include(says);
      expect(result.stderr.trim().split('\n')).to.have.length(1);
      expect(result.stderr).to.not.include('hunter2');
      expect(await readSchema(owner)).to.deep.equal(before);
      const written = JSON.parse(readFileSync(report, 'utf8'));
      expect(written.error.message).to.equal(result.stderr.trim());
      expect(written.applied).to.deep.equal([]);
    });
  }

  it('a search path that names no schema: one sentence at once, for each verb that writes', async () => {
    const connection = `${url}?options=-csearch_path%3Dnowhere`;
    for (const args of [['sync'], ['expand'], ['version_control', 'mitaka02']]) {
      const result = await runCli(['db', ...args], { DATABASE_CONNECTION: connection });
      expect(result.code, args.join(' ')).to.equal(args[0] === 'version_control' ? 13 : 1);
      expect(result.stderr.trim().split('\n')).to.have.length(1);
      if (result.code === 1) {
        expect(result.stderr).to.include('the search path names no schema that exists. Create it.');
      }
    }
  });

  it('a URL in the place of the revision is in no report and no JSON with its password', async () => {
    const report = join(folder, 'misplaced');
    const args = ['db', 'sync', MISPLACED, '--report', report, '--output', 'json', '--log-format', 'json'];
    const { code, stdout, stderr } = await runCli(args, { DATABASE_CONNECTION: url });
    expect(code).to.equal(11);
    expect(stdout + stderr + readFileSync(report, 'utf8'))
      .to.include('glance:***@db')
      .and.not.include('hunter2');
  });

  it('upgrade leaves an empty database alone and says what to run', async () => {
    const empty = await server.createDatabase('empty');
    const result = await runCli(['db', 'upgrade'], { DATABASE_CONNECTION: empty });
    expect(result.code).to.equal(13);
    expect(result.stderr).to.include("the database is empty. Run 'db sync'");
    expect((await readSchema(empty)).tables).to.deep.equal({});
  });

  it('an explicit flag overrides the environment, and a file of each kind is read', async () => {
    const env = { DATABASE_CONNECTION: 'postgresql://nobody:hunter2@127.0.0.1:1/nope' };
    writeFileSync(join(folder, 'url'), `${url}\n`);
    for (const args of [
      ['--connection', url],
      ['--connection-file', join(folder, 'url')],
      ['--config-file', join(folder, 'empty.conf'), '--config-file', join(folder, 'good.conf')],
    ]) {
      const result = await runCli(['db', 'version', ...args], env);
      expect(result).to.deep.include({ code: 0, stdout: 'mitaka02\n', stderr: '' });
    }
  });
});
