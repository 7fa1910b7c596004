import { expect } from 'chai';
import { seedNewton } from '../../../lab/databases/glance-data.ts';
import { goldenSchema, readSchema, withAlembicVersion } from '../../../lab/databases/golden.ts';
import { type Environment, startEnvironment, type Tenant } from '../../../lab/kubernetes/environment.ts';
import { CHART, helm, prepareHelm } from '../../../lab/kubernetes/helm.ts';
import type { Operator } from '../../../lab/kubernetes/operator.ts';
import { eventually } from '../../../lab/process/eventually.ts';
import { documented, follow } from '../../support/documented.ts';
import { type HeldMigration, holdMigration } from '../../support/held-migration.ts';

const REMOVE = documented('docs/operations.md', 'Remove the operator');

function remove(what: string): string {
  return REMOVE.find((line) => line.includes(what)) ?? expect.fail(`the document has no line with ${what}`);
}

describe('the operator is removed', () => {
  let environment: Environment;
  let operator: Operator;

  before(async function () {
    this.timeout(1_200_000);
    await prepareHelm();
    environment = await startEnvironment({ rights: 'given by the test' });
  });

  after(async () => {
    await operator?.stop();
    await environment?.stop();
  });

  beforeEach(async () => {
    await run('kubectl apply -k crds');
    const release = ['install', 'glance-schema', CHART, '--namespace', 'glance-schema-system'];
    // Its pods find no node: a process of the test does their work, with their rights.
    const nowhere = ['--create-namespace', '--set', 'crds.enabled=false,nodeSelector.nowhere=yes'];
    const installed = await helm([...release, ...nowhere], environment.plane.kubeconfigPath);
    expect(installed.code, installed.stderr).to.equal(0);
    operator = await environment.operator(['--no-leader-elect']);
  });

  async function run(line: string): Promise<string> {
    const result = await follow(environment.plane, line);
    expect(result.code, `${line}: ${result.stderr}`).to.equal(0);
    return result.stdout;
  }

  /** A tenant named as in the document, with a migration at work until `held` is released. */
  async function atWork(database: string): Promise<{
    readonly tenant: Tenant;
    readonly url: string;
    readonly held: HeldMigration;
  }> {
    const url = await environment.postgres.createDatabase(database);
    await seedNewton(url, { images: 200 });
    const tenant = await environment.tenant('openstack', url);
    const held = await holdMigration(url);
    await tenant.apply({ revision: 'ocata01' });
    await held.waits();
    await tenant.reaches('MigrationRunning');
    return { tenant, url, held };
  }

  async function expectNothingLeft(): Promise<void> {
    await run('kubectl delete namespace openstack');
    await run(remove('kubectl delete -k crds'));
    const found = await run('kubectl get clusterroles,clusterrolebindings,crds -o name');
    expect(found.split('\n').filter((name) => name.includes('glance'))).to.deep.equal([]);
    // What belonged to the Deployment goes after it.
    await eventually(async () => {
      const own = await run(
        'kubectl get all,roles,rolebindings,networkpolicies -n glance-schema-system -o name',
      );
      expect(own).to.equal('');
    });
  }

  it('after its resources: the migration at work is waited for, and nothing is left', async () => {
    const { tenant, url, held } = await atWork('in_order');
    const deleted = run(remove('delete glanceschemas --all'));
    await eventually(async () => expect((await tenant.read()).metadata?.deletionTimestamp).to.be.a('string'));
    await held.release();
    await deleted;
    expect(await readSchema(url), 'migrated').to.deep.equal(
      withAlembicVersion(goldenSchema('ocata_era__ocata01')),
    );
    await operator.stop();
    await run(remove('helm uninstall'));
    await expectNothingLeft();
  });

  it('before them: the Job ends by itself, and the documented command releases the resource', async () => {
    const { tenant, url, held } = await atWork('too_early');
    operator.kill('SIGKILL');
    await eventually(() => expect(operator.running()).to.equal(false));
    await held.release();
    await run(remove('helm uninstall'));
    const waiting = await tenant.kubectl('delete', 'glanceschema', 'glance', '--timeout=1s');
    expect(waiting.code, 'nobody releases it').to.equal(1);
    await run(remove('kubectl wait --for=condition=Complete'));
    expect(await readSchema(url), 'migrated').to.deep.equal(
      withAlembicVersion(goldenSchema('ocata_era__ocata01')),
    );
    expect((await tenant.read()).metadata?.finalizers).to.deep.equal([
      'db.glance.openstack.org/migration-running',
    ]);
    await run(remove('"finalizers": null'));
    expect((await tenant.kubectl('get', 'glanceschema', 'glance')).stderr).to.contain('not found');
    await expectNothingLeft();
  });

  it('before them: an operator that is installed again releases the resource', async () => {
    const { tenant, held } = await atWork('again');
    operator.kill('SIGKILL');
    await eventually(() => expect(operator.running()).to.equal(false));
    await held.release();
    await tenant.kubectl('delete', 'glanceschema', 'glance', '--wait=false');
    await run(remove('kubectl wait --for=condition=Complete'));
    operator = await environment.operator(['--no-leader-elect']);
    await eventually(async () => {
      expect((await tenant.kubectl('get', 'glanceschema', 'glance')).stderr).to.contain('not found');
    });
    await operator.stop();
    await run(remove('helm uninstall'));
    await expectNothingLeft();
  });

  it('as it came with the manifests', async () => {
    await operator.stop();
    await run(remove('helm uninstall'));
    await run('kubectl delete namespace glance-schema-system');
    await run('kubectl apply -k manifests/overlays/cluster');
    for (const line of REMOVE.filter((each) => /delete -[kf] /.test(each))) {
      await run(line);
    }
    const found = await run('kubectl get clusterroles,clusterrolebindings,crds,namespaces -o name');
    expect(found.split('\n').filter((name) => name.includes('glance'))).to.deep.equal([]);
  });
});
