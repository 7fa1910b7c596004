import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { seedNewton } from '../../../lab/databases/glance-data.ts';
import { buildGolden } from '../../../lab/databases/golden-database.ts';
import { withClient } from '../../../lab/databases/images.ts';
import { type Environment, startEnvironment, type Tenant } from '../../../lab/kubernetes/environment.ts';
import { kubectl } from '../../../lab/kubernetes/kubectl.ts';
import type { Operator } from '../../../lab/kubernetes/operator.ts';
import { pluginBundle } from '../../../lab/process/bundle.ts';
import { eventually } from '../../../lab/process/eventually.ts';
import { endOf, type ProgramResult } from '../../../lab/process/program-end.ts';
import { holdMigration } from '../../support/held-migration.ts';

describe('kubectl glanceschema with an operator at work', () => {
  let environment: Environment;
  let operator: Operator;
  let plugins: string;

  before(async () => {
    environment = await startEnvironment();
    operator = await environment.operator();
    plugins = mkdtempSync(join(tmpdir(), 'glance-schema-plugins-'));
    symlinkSync(pluginBundle(), join(plugins, 'kubectl-glanceschema'));
  });

  after(async () => {
    await operator?.stop();
    await environment?.stop();
    rmSync(plugins, { recursive: true, force: true });
  });

  async function plugin(tenant: Tenant, verb: string, ...args: readonly string[]): Promise<ProgramResult> {
    const words = ['glanceschema', verb, 'glance', '-n', tenant.namespace, ...args];
    return kubectl(environment.plane.kubeconfigPath, words, { plugins });
  }

  /** What the verb prints when it does what it should. */
  async function says(tenant: Tenant, verb: string, ...args: readonly string[]): Promise<string> {
    const { code, stdout, stderr } = await plugin(tenant, verb, ...args);
    expect(code, stderr).to.equal(0);
    return stdout;
  }

  it('what is planned is what runs, once it is let', async () => {
    const url = await environment.postgres.createDatabase('planned');
    await seedNewton(url, { images: 20 });
    const tenant = await environment.tenant('planned', url);
    await tenant.apply({ revision: 'mitaka02' });
    expect(await says(tenant, 'wait')).to.equal(
      'GlanceSchema planned/glance is ready: The database is at mitaka02.\n',
    );
    const log = await says(tenant, 'logs');
    expect(log.trimEnd().split('\n').length).to.be.greaterThan(1);
    const pod = (await tenant.pods())[0]?.metadata?.name ?? expect.fail('no pod');
    expect(log).to.equal((await tenant.kubectl('logs', pod)).stdout);
    expect(await says(tenant, 'logs', '--tail', '1')).to.equal(`${log.trimEnd().split('\n').at(-1)}\n`);
    await says(tenant, 'suspend');
    await tenant.reaches('Suspended');
    for (const [through, steps] of [
      ['Expand', ['ocata_expand01']],
      ['Migrate', ['ocata_migrate01']],
      ['Contract', ['ocata_migrate01', 'ocata_contract01']],
    ] as const) {
      await tenant.apply({ revision: 'ocata01', through, suspend: true });
      await tenant.reaches('Suspended');
      const plan = await says(tenant, 'plan');
      expect(
        plan
          .split('\n')
          .filter((line) => /^\w+(:|$)/.test(line))
          .map((line) => line.replace(/:.*/, '')),
      ).to.deep.equal(steps);
      await says(tenant, 'resume');
      await says(tenant, 'wait');
      const { history } = (await tenant.read()).status;
      // A data migration that finds no row left is planned, as nobody has read them, and leaves no
      // trace.
      expect(steps).to.include.members(history[0].applied);
      expect(history[0].applied).to.include(steps.at(-1));
      await says(tenant, 'suspend');
    }
    const history = await says(tenant, 'history');
    expect(history.split('\n').map((line) => line.split(/ {2,}/).at(-1))).to.deep.equal([
      'COMMITTED',
      'ocata_contract01',
      'ocata_migrate01',
      'ocata_expand01',
      '',
    ]);
  });

  it('a log is followed while the migration is at work, until it ends', async () => {
    const url = await environment.postgres.createDatabase('followed');
    await seedNewton(url, { images: 20 });
    const tenant = await environment.tenant('followed', url);
    const held = await holdMigration(url);
    await tenant.apply({ revision: 'ocata01' });
    await held.waits();
    const pod = (await tenant.pods())[0]?.metadata?.name ?? expect.fail('no pod');
    const before = (await tenant.kubectl('logs', pod)).stdout;
    const env = { PATH: process.env.PATH, KUBECONFIG: environment.plane.kubeconfigPath };
    const words = ['logs', 'glance', '-n', 'followed', '--follow'];
    const child = spawn(process.execPath, [pluginBundle(), ...words], { env, stdio: 'pipe' });
    let seen = '';
    child.stdout.on('data', (text) => {
      seen += text;
    });
    const following = endOf(child);
    await eventually(() => expect(seen).to.match(/\n$/).and.to.contain(before));
    await held.release();
    await tenant.reaches('UpToDate');
    const { code, stdout, stderr } = await following;
    expect([code, stderr]).to.deep.equal([0, '']);
    expect(stdout).to.equal((await tenant.kubectl('logs', pod)).stdout);
    expect(stdout.length).to.be.greaterThan(before.length);
  });

  it('a database that is not one of Glance stalls, and is tried again when it is fixed', async () => {
    const url = await environment.postgres.createDatabase('strange');
    await withClient(url, (client) => client.query('CREATE TABLE stranger (id integer)'));
    const tenant = await environment.tenant('strange', url);
    await tenant.apply({ revision: 'mitaka02' });
    const stalled = await plugin(tenant, 'wait');
    expect([stalled.code, stalled.stdout]).to.deep.equal([3, '']);
    expect(stalled.stderr).to.contain('is stalled, DatabaseNotGlance: ');
    expect(await says(tenant, 'status')).to.contain('kubectl glanceschema retry glance -n strange\n');
    await withClient(url, (client) => client.query('DROP TABLE stranger'));
    await says(tenant, 'retry');
    expect(await says(tenant, 'wait')).to.contain('is ready: The database is at mitaka02.');
  });

  it('a restored database is read again', async () => {
    const url = await environment.postgres.createDatabase('restored');
    const tenant = await environment.tenant('restored', url);
    await tenant.apply({ revision: 'mitaka02' });
    await says(tenant, 'wait');
    await withClient(url, async (client) => {
      await client.query('DROP SCHEMA public CASCADE');
      await client.query('CREATE SCHEMA public');
    });
    await buildGolden(url, { schema: 'ocata_era__mitaka01', migrate: 43 });
    await says(tenant, 'observe');
    await says(tenant, 'wait');
    // Read first, and as the spec asks for it, migrated again.
    expect(await says(tenant, 'status')).to.match(/^Last run +mitaka01 to mitaka02, ended /m);
  });

  it('a database that nobody reaches has its next attempt shown', async () => {
    const tenant = await environment.tenant('unreachable', 'postgresql://glance:hunter2@127.0.0.1:1/glance');
    await tenant.apply({ job: { backoffLimit: 0 } });
    await tenant.reaches('DatabaseUnreachable');
    await eventually(async () => {
      expect(await says(tenant, 'status')).to.match(
        /^Next attempt {2}\d{4}-\S+ \S+ UTC \(in \d+ seconds?\)$/m,
      );
    });
  });
});
