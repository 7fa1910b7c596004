import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import { withClient } from '../../../lab/databases/images.ts';
import { startPostgres, type TestPostgres } from '../../../lab/databases/postgres.ts';
import { type CliResult, runCli } from '../../../lab/process/bundle.ts';
import { runCliInThread } from '../../../lab/process/cli-threads.ts';
import { exitCodeOf } from '../../../src/contract/failures.ts';
import { planSchema } from '../../../src/contract/plan-schema.ts';
import { reportSchema } from '../../../src/contract/report-schema.ts';

describe('what the commands print', () => {
  let server: TestPostgres;

  before(async () => {
    server = await startPostgres();
  });

  after(async () => {
    await server.stop();
  });

  it('--help of each verb has its exit codes, on stdout, exit 0', async () => {
    for (const verb of ['sync', 'upgrade', 'version']) {
      const { code, stdout, stderr } = await runCli(['db', verb, '--help']);
      expect({ code, stderr }).to.deep.equal({ code: 0, stderr: '' });
      for (const exit of [exitCodeOf('Done'), exitCodeOf('Usage'), exitCodeOf('DatabaseNotGlance')]) {
        expect(stdout).to.match(new RegExp(`^ *${exit}  \\w`, 'm'));
      }
    }
  });

  it('--log-format json gives one JSON object a line, --output json the report on stdout', async () => {
    const url = await server.createDatabase('json');
    const args = ['db', 'sync', 'ocata01', '--log-format', 'json', '--output', 'json', '--verbose'];
    const { code, stdout, stderr } = await runCli(args, { DATABASE_CONNECTION: url });
    expect(code, stderr).to.equal(0);
    const lines = stderr
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(lines.every((line) => line.level !== undefined && line.timestamp !== undefined)).to.equal(true);
    const report = JSON.parse(stdout);
    expect(report).to.deep.include({ version: 1, command: 'sync', from: null, error: null, adopted: false });
    expect(report.applied.map((script: { name: string }) => script.name)).to.deep.equal([
      'liberty',
      'mitaka01',
      'mitaka02',
      'ocata01',
    ]);
  });

  /**
   * What a command says of a database of its own at ocata01, without that database's name and
   * without times.
   */
  async function printed(
    run: typeof runCliInThread,
    where: string,
    args: readonly string[],
  ): Promise<CliResult> {
    const name = `${args.join('_').replaceAll(/\W/g, '')}_in_${where}`;
    const url = await server.createDatabase(name);
    await runCli(['db', 'sync', 'ocata01'], { DATABASE_CONNECTION: url });
    const result = await run(['db', ...args], { DATABASE_CONNECTION: url });
    const plain = (text: string): string =>
      text
        .replaceAll(name, 'NAME')
        .replaceAll(/\d+\.\d+ s/g, 'TIME')
        // The name of the database is in it.
        .replaceAll(/\b[0-9a-f]{64}\b/g, 'HASH');
    return { ...result, stdout: plain(result.stdout), stderr: plain(result.stderr) };
  }

  it('in a thread, as most tests run them, is what they print as a process, with the same exit code', async () => {
    for (const args of [
      ['sync', 'pike01'],
      ['sync', 'mitaka01'],
      ['version'],
      ['check', '--schema'],
      ['plan', '--output', 'json'],
      ['sync', '--through', 'Nothing'],
      ['history', '--help'],
    ]) {
      const [thread, own] = await Promise.all([
        printed(runCliInThread, 'thread', args),
        printed(runCli, 'process', args),
      ]);
      expect(thread, args.join(' ')).to.deep.equal(own);
    }
  });

  it('report and plan are as their published schemas say, with no field beside', async () => {
    const env = { DATABASE_CONNECTION: await server.createDatabase('published') };
    const ask = async (...args: readonly string[]) =>
      JSON.parse((await runCliInThread(['db', ...args, '--output', 'json'], env)).stdout);
    for (const step of [
      () => ask('plan', 'mitaka02'),
      () => ask('plan', 'ocata01'),
      async () => {
        await ask('sync', 'ocata01');
        return ask('plan');
      },
    ]) {
      const plan = await step();
      expect(plan.steps).not.to.deep.equal([]);
      expect(planSchema.parse(plan)).to.deep.equal(plan);
    }
    for (const args of [['sync'], ['check'], ['version'], ['sync', 'liberty'], ['sync', 'nosuch']]) {
      const report = await ask(...args);
      expect(report.version, args.join(' ')).to.equal(1);
      expect(reportSchema.parse(report)).to.deep.equal(report);
    }
    for (const name of ['report', 'plan']) {
      const schema = readFileSync(new URL(`../../../docs/schemas/${name}.json`, import.meta.url), 'utf8');
      expect(JSON.parse(schema)).to.include({
        type: 'object',
        $schema: 'https://json-schema.org/draft/2020-12/schema',
      });
    }
  });

  it('on a pipe there is neither colour nor a bar', async () => {
    const url = await server.createDatabase('pipe');
    const { stdout, stderr } = await runCli(['db', 'sync'], { DATABASE_CONNECTION: url });
    expect(stdout + stderr).to.not.include('\u001b');
  });

  it('names with line breaks and control characters are on one line, and no statement of the SQL of a diff or a plan', async () => {
    const url = await server.createDatabase('names');
    const env = { DATABASE_CONNECTION: url };
    await runCli(['db', 'sync', 'mitaka02'], env);
    const name = 'x\r\nDROP TABLE images; \u001b[2J\n--';
    await withClient(url, (client) =>
      client.query(`CREATE TABLE "t${name}" (id int); CREATE INDEX "i${name}" ON images (updated_at);
        ALTER TABLE images ADD COLUMN "c${name}" int; CREATE VIEW "v${name}" AS SELECT is_public FROM images`),
    );
    for (const [args, says] of [
      [['diff', '--drift', '--output', 'sql'], '-- column images.cx DROP TABLE images;'],
      [['diff', '--drift'], 'also there: table tx DROP'],
      [['version', '--drift'], 'Also there: index ix DROP'],
      [['plan', 'ocata01', '--output', 'sql'], '-- In the way: view'],
      [['plan', 'ocata01'], 'In the way: view'],
      [['sync', 'ocata01'], 'Cannot change'],
    ] as const) {
      const { stdout, stderr } = await runCli(['db', ...args], env);
      expect(stdout + stderr, args.join(' ')).to.include(says);
      expect(stdout + stderr, args.join(' ')).to.not.match(/^\s*DROP TABLE images|[^\n\P{Cc}]/mu);
    }
    await withClient(url, (client) =>
      client
        .query('ALTER TABLE alembic_version ALTER version_num TYPE text')
        .then(() => client.query('UPDATE alembic_version SET version_num = $1', [name])),
    );
    for (const verb of ['version', 'check', 'history', 'diff', 'plan', 'sync']) {
      const { code, stdout, stderr } = await runCli(['db', verb], env);
      expect(code, verb).to.equal(13);
      expect(stderr.split('\n'), verb).to.have.length(2);
      expect(stdout + stderr, verb)
        .to.include('DROP TABLE images')
        .and.not.match(/[^\n\P{Cc}]/u);
    }
  });

  it('db version says where a database is, in a sentence or in heads', async () => {
    const url = await server.createDatabase('version');
    const env = { DATABASE_CONNECTION: url };
    expect(await runCli(['db', 'version'], env)).to.deep.include({
      code: 0,
      stdout: "Database is empty and not under migration control; 'db sync' places it there.\n",
    });
    await runCli(['db', 'sync', 'ocata01'], env);
    expect(await runCli(['db', 'version'], env)).to.deep.include({ code: 0, stdout: 'ocata_contract01\n' });
  });
});
