import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import { parse } from 'yaml';
import { seedNewton } from '../../../lab/databases/glance-data.ts';
import { withClient } from '../../../lab/databases/images.ts';
import { type Environment, startEnvironment, type Tenant } from '../../../lab/kubernetes/environment.ts';
import { kubectl } from '../../../lab/kubernetes/kubectl.ts';
import type { Operator } from '../../../lab/kubernetes/operator.ts';
import { eventually } from '../../../lab/process/eventually.ts';
import { documented, follow } from '../../support/documented.ts';
import { holdMigration } from '../../support/held-migration.ts';

// The same bundle under two names of images stands for two versions of the operator.
const OLD = ['--image', 'glance-schema:old'];
const NEW = ['--image', 'glance-schema:new'];

const ACCOUNT = 'system:serviceaccount:glance-schema-system:glance-schema-operator';
const CRD = new URL('../../../crds/glanceschemas.db.glance.openstack.org.yaml', import.meta.url);
const [REPLACE_CRD = ''] = documented('docs/operations.md', 'Upgrade the operator');

describe('the operator is upgraded', () => {
  let environment: Environment;
  const operators: Operator[] = [];

  before(async () => {
    environment = await startEnvironment();
  });

  after(async () => {
    await environment?.stop();
  });

  afterEach(async () => {
    await Promise.all(operators.splice(0).map((operator) => operator.stop()));
  });

  async function start(args: readonly string[], more: { standby?: boolean } = {}): Promise<Operator> {
    const operator = await environment.operator(args, more);
    operators.push(operator);
    return operator;
  }

  async function newton(name: string, images: number): Promise<Tenant> {
    const url = await environment.postgres.createDatabase(name);
    await seedNewton(url, { images });
    return environment.tenant(name, url);
  }

  /** All is written that follows a status. */
  async function rests(tenant: Tenant): Promise<void> {
    await eventually(async () => {
      expect((await tenant.read()).metadata?.finalizers).to.equal(undefined);
      expect((await tenant.jobs()).map(({ spec }) => spec.ttlSecondsAfterFinished)).to.not.include(undefined);
      expect((await tenant.events()).map(({ reason }) => reason)).to.include('UpToDate');
    });
  }

  const imagesOf = async (tenant: Tenant) =>
    (await tenant.jobs()).map((job) => job.spec.template.spec.containers[0].image).sort();

  it('with a Job at work: the new one takes it up and starts no other, and its next Job runs the new image', async () => {
    const tenant = await newton('rolling', 100);
    const old = await start(OLD);
    // Somebody reads for long: the migration waits for the table.
    await withClient(environment.postgres.url('rolling'), async (reader) => {
      await reader.query('BEGIN; LOCK TABLE images IN ACCESS SHARE MODE');
      await tenant.apply({ revision: 'ocata01' });
      await tenant.reaches('MigrationRunning');
      // As a Deployment does it: the new one is there before the old one goes.
      await start(NEW, { standby: true });
      expect(await old.stop()).to.equal(0);
      await eventually(async () => {
        expect((await tenant.pods())[0]?.status?.phase, 'the migration goes on').to.equal('Running');
      });
    });

    const { status } = await tenant.reaches('UpToDate', 60_000);
    expect(status.lastMigration).to.include({ from: 'mitaka02', to: 'ocata01' });
    expect(status.history).to.have.length(1);
    expect(await imagesOf(tenant)).to.deep.equal(['glance-schema:old']);

    await tenant.apply({ revision: 'pike01' });
    await tenant.reaches('UpToDate');
    expect(await imagesOf(tenant)).to.deep.equal(['glance-schema:new', 'glance-schema:old']);
  });

  it('with Jobs that ended while there was none: each result is stored', async () => {
    const tenant = await newton('between', 100);
    const held = await holdMigration(environment.postgres.url('between'));
    const old = await start(OLD);
    await tenant.apply({ revision: 'ocata01' });
    await tenant.reaches('MigrationRunning');
    old.kill('SIGKILL');
    await eventually(() => expect(old.running()).to.equal(false));
    await held.release();
    await eventually(async () => expect((await tenant.jobs())[0]?.status?.succeeded).to.equal(1));
    await start([...NEW, '--no-leader-elect']);
    const { status } = await tenant.reaches('UpToDate');
    expect(status.lastMigration).to.include({ from: 'mitaka02', to: 'ocata01' });
    expect(await imagesOf(tenant)).to.deep.equal(['glance-schema:old']);
  });

  it('with a Job whose old image can no longer be pulled: it is replaced by one of the new image', async () => {
    const tenant = await newton('pulled', 10);
    await start(['--image', 'moved-away:1', '--no-leader-elect']);
    await tenant.apply({ revision: 'ocata01' });
    await tenant.reaches('JobBlocked');
    await operators.pop()?.stop();
    await start([...NEW, '--no-leader-elect']);
    await tenant.reaches('UpToDate');
    expect(await imagesOf(tenant)).to.deep.equal(['glance-schema:new']);
  });

  it('with nothing to do: nothing is written', async () => {
    const tenant = await newton('rest', 10);
    const old = await start([...OLD, '--no-leader-elect']);
    await tenant.apply({ revision: 'ocata01' });
    await tenant.reaches('UpToDate');
    await rests(tenant);
    await old.stop();
    const since = new Date();
    await start([...NEW, '--no-leader-elect']);
    await sleep(2_000);
    const asked = environment.plane.auditEvents({ user: ACCOUNT, since });
    expect(asked.filter(({ verb }) => !['list', 'watch'].includes(verb))).to.deep.equal([]);
  });

  /** The CRD of a version that had not yet what the paths name, and had no revision after Ocata. */
  async function applyOlderCrd(...missing: readonly string[]): Promise<void> {
    const crd = parse(readFileSync(CRD, 'utf8'));
    const { openAPIV3Schema } = crd.spec.versions[0].schema;
    const { spec, status } = openAPIV3Schema.properties;
    for (const name of missing) delete status.properties[name];
    if (missing.includes('revision is required')) spec.required = ['database'];
    const [supported] = spec.properties.revision['x-kubernetes-validations'];
    supported.rule = supported.rule.replace(/'pike01'.*\]/, "'pike']");
    delete supported.messageExpression;
    // As its predecessor was installed, by `kubectl apply -k`.
    const { kubeconfigPath } = environment.plane;
    const applied = await kubectl(kubeconfigPath, ['apply', '-f', '-'], { input: JSON.stringify(crd) });
    expect(applied.code, applied.stderr).to.equal(0);
    await eventually(async () => {
      const tried = await trial('rocky02');
      expect(tried.status, tried.body.message).to.equal(422);
    });
  }

  it('with a resource without a revision, which an older CRD let in: nothing is migrated until one is named', async () => {
    await applyOlderCrd('revision is required');
    const tenant = await newton('nameless', 10);
    await start([...NEW, '--no-leader-elect']);
    await environment.api.call('POST', tenant.path, {
      apiVersion: 'db.glance.openstack.org/v1alpha1',
      kind: 'GlanceSchema',
      metadata: { name: 'glance' },
      spec: { database: { secretRef: { name: 'glance-db' } } },
    });
    const found = await tenant.reaches('RevisionNotFound');
    expect(found.status.conditions[0].message).to.contain(
      'The spec names no revision, so nothing is migrated',
    );
    expect(found.status.targetRevision).to.equal(undefined);
    expect(await tenant.jobs()).to.deep.equal([]);

    await replaceCrd();
    // Its status can still be written under the CRD that asks for the line.
    const observe = 'db.glance.openstack.org/observe';
    await environment.api.call('PATCH', `${tenant.path}/glance`, {
      metadata: { annotations: { [observe]: '1' } },
    });
    await eventually(async () => expect((await tenant.read()).status.recordedRevision).to.equal('mitaka02'));
    await tenant.reaches('RevisionNotFound');
    expect((await tenant.jobs()).map((job) => job.spec.template.spec.containers[0].args[1])).to.deep.equal([
      'version',
    ]);
    await tenant.apply({ revision: 'ocata01' });
    expect((await tenant.reaches('UpToDate')).status.recordedRevision).to.equal('ocata01');
  });

  async function replaceCrd(): Promise<void> {
    const replaced = await follow(environment.plane, REPLACE_CRD);
    expect(replaced.code, replaced.stderr).to.equal(0);
    await eventually(async () => expect((await trial('rocky02')).status).to.equal(201));
  }

  /** The API server takes a moment for a CRD. */
  function trial(revision: string) {
    const path = '/apis/db.glance.openstack.org/v1alpha1/namespaces/default/glanceschemas?dryRun=All';
    return environment.api.request('POST', path, {
      apiVersion: 'db.glance.openstack.org/v1alpha1',
      kind: 'GlanceSchema',
      metadata: { name: 'trial' },
      spec: { revision, database: { secretRef: { name: 'x' } } },
    });
  }

  it('with the CRD of the version before under resources and a Job at work: all of them go on', async () => {
    await applyOlderCrd();
    const [working, resting] = [await newton('working', 100), await newton('resting', 10)];
    const held = await holdMigration(environment.postgres.url('working'));
    const old = await start(OLD);
    await resting.apply({ revision: 'mitaka02' });
    await resting.reaches('UpToDate');
    await working.apply({ revision: 'ocata01' });
    await working.reaches('MigrationRunning');
    expect(await resting.refusal({ revision: 'rocky02' })).to.contain('Cannot use this revision');
    await rests(resting);
    const before = await resting.read();

    await replaceCrd();
    expect(await resting.read(), 'the resource is as it was').to.deep.equal(before);
    expect(old.running(), 'the old operator goes on').to.equal(true);
    await start(NEW, { standby: true });
    await old.stop();
    await held.release();

    await working.reaches('UpToDate', 60_000);
    expect(await working.jobs()).to.have.length(1);
    await resting.apply({ revision: 'rocky02' });
    expect((await resting.reaches('UpToDate')).status.recordedRevision).to.equal('rocky02');
  });

  it('before its CRD: it says so, and goes on by itself once that is there', async () => {
    await applyOlderCrd('lastMigration', 'history');
    const tenant = await newton('crdless', 10);
    const operator = await start([...NEW, '--no-leader-elect']);
    await tenant.apply({ revision: 'ocata01' });
    await eventually(async () => {
      const warned = operator.log().filter(({ level }) => level === 'warn');
      expect(JSON.stringify(warned)).to.contain(
        'Cannot keep the status of crdless/glance: the CRD is older than this operator. Apply the CRD of its version.',
      );
    });
    await replaceCrd();
    await tenant.reaches('UpToDate', 90_000);
  });
});
