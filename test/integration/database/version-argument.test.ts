import { expect } from 'chai';
import { startPostgres, type TestPostgres } from '../../../lab/databases/postgres.ts';
import { runCli } from '../../../lab/process/bundle.ts';

describe('the version that a verb is about', () => {
  let server: TestPostgres;

  before(async () => {
    server = await startPostgres();
  });

  after(async () => {
    await server.stop();
  });

  it('--version is the revision, before or behind other options, with = or without', async () => {
    const url = await server.createDatabase('option');
    const steps: readonly (readonly [readonly string[], string])[] = [
      [['sync', '--version', 'liberty'], 'liberty'],
      [['sync', '--version=mitaka01', '--verbose'], 'mitaka01'],
      [['upgrade', '--lock-timeout', '60', '--version', 'mitaka02'], 'mitaka02'],
      [['expand', '--version', 'ocata01'], 'ocata_expand01'],
      [['migrate', '--version', 'ocata01'], 'ocata_expand01'],
      [['contract', '--version', 'ocata01'], 'ocata_contract01'],
      [['sync', 'pike01', '--version', 'pike01'], 'pike_contract01'],
    ];
    for (const [args, head] of steps) {
      const ran = await runCli(['db', ...args], { DATABASE_CONNECTION: url });
      expect(ran.code, `${args.join(' ')}: ${ran.stderr}`).to.equal(0);
      const { stdout } = await runCli(['db', 'version'], { DATABASE_CONNECTION: url });
      expect(stdout, args.join(' ')).to.equal(`${head}\n`);
    }
    const plan = await runCli(['db', 'plan', '--version', 'queens01'], { DATABASE_CONNECTION: url });
    expect(plan.stdout).to.include('to queens01');
    const check = await runCli(['db', 'check', '--version', 'pike01'], { DATABASE_CONNECTION: url });
    expect(check.code, check.stderr).to.equal(0);
    const stamp = await runCli(['db', 'version_control', '--version', 'pike01'], {
      DATABASE_CONNECTION: url,
    });
    expect(stamp).to.deep.include({ code: 0, stdout: 'Database is at pike01 already.\n' });
  });

  for (const [index, newest] of [
    [],
    ['latest'],
    ['Latest'],
    ['2024101'],
    ['2.024101e+06'],
    ['--version', 'latest'],
  ].entries()) {
    it(`the newest is what 'db sync ${newest.join(' ')}' leads to`, async () => {
      const url = await server.createDatabase(`newest_${index}`);
      const ran = await runCli(['db', 'sync', ...newest], { DATABASE_CONNECTION: url });
      expect(ran.code, ran.stderr).to.equal(0);
      for (const verb of ['check', 'version_control', 'diff', 'plan']) {
        const asked = await runCli(['db', verb, ...newest], { DATABASE_CONNECTION: url });
        expect(asked.code, `${verb}: ${asked.stderr}`).to.equal(
          verb === 'version_control' && newest.length === 0 ? 10 : 0,
        );
      }
    });
  }

  for (const verb of [
    'sync',
    'upgrade',
    'expand',
    'migrate',
    'contract',
    'check',
    'plan',
    'version_control',
  ]) {
    it(`${verb} --version with a name that is none: refused as the argument is`, async () => {
      const url = server.url('postgres');
      const option = await runCli(['db', verb, '--version', 'kilo'], { DATABASE_CONNECTION: url });
      const argument = await runCli(['db', verb, 'kilo'], { DATABASE_CONNECTION: url });
      expect(option).to.deep.equal(argument);
      expect(option.code).to.equal(11);
      const both = await runCli(['db', verb, 'ocata01', '--version', 'pike01'], { DATABASE_CONNECTION: url });
      expect(both).to.deep.include({
        code: 2,
        stdout: '',
        stderr: "Cannot choose between the version 'ocata01' and --version 'pike01'. Give one of them.\n",
      });
    });
  }

  it("the program's own version is shown at the top only", async () => {
    for (const flag of ['--version', '-V']) {
      const top = await runCli([flag]);
      expect(top.code).to.equal(0);
      expect(top.stdout).to.match(/^\d+\.\d+\.\d+\n$/);
    }
    for (const args of [
      ['db', '--version'],
      ['db', 'version', '--version'],
      ['db', 'history', '--version', 'ocata01'],
      ['db', 'sync', '-V'],
      ['controller', '--image', 'x', '--version'],
      ['kubectl', 'status', '--version'],
    ]) {
      const { code, stdout, stderr } = await runCli(args);
      expect({ code, stdout }, args.join(' ')).to.deep.equal({ code: 2, stdout: '' });
      expect(stderr).to.include('unknown option');
    }
  });
});
