import { expect } from 'chai';
import { seedNewton } from '../../../lab/databases/glance-data.ts';
import { type Environment, startEnvironment, type Tenant } from '../../../lab/kubernetes/environment.ts';
import type { Operator } from '../../../lab/kubernetes/operator.ts';
import type { KubeObject } from '../../../lab/kubernetes/test-api.ts';
import { eventually } from '../../../lab/process/eventually.ts';
import { holdMigration } from '../../support/held-migration.ts';

const POLICIES = '/apis/admissionregistration.k8s.io/v1';
const LONG_WAIT = { timeoutMilliseconds: 90_000 };

/** What a cluster's owner may refuse the operator though nothing depends on it. */
interface Policy {
  readonly name: string;
  readonly resource: { readonly group: string; readonly version: string; readonly plural: string };
  readonly operation: 'CREATE' | 'UPDATE';
  /** What it lets through, in CEL. */
  readonly lets: string;
}

const jobs = { group: 'batch', version: 'v1', plural: 'jobs' };
const schemas = { group: 'db.glance.openstack.org', version: 'v1alpha1', plural: 'glanceschemas' };
const events = { group: 'events.k8s.io', version: 'v1', plural: 'events' };
const finalizers = (object: string) =>
  `(has(${object}.metadata.finalizers) ? ${object}.metadata.finalizers : [])`;

const NO_TTL: Policy = {
  name: 'no-ttl',
  resource: jobs,
  operation: 'UPDATE',
  lets: 'has(oldObject.spec.ttlSecondsAfterFinished) == has(object.spec.ttlSecondsAfterFinished)',
};
const NO_RELEASE: Policy = {
  name: 'no-release',
  resource: schemas,
  operation: 'UPDATE',
  lets: `size(${finalizers('object')}) >= size(${finalizers('oldObject')})`,
};
const NO_FINALIZER: Policy = {
  name: 'no-finalizer',
  resource: schemas,
  operation: 'UPDATE',
  lets: `size(${finalizers('object')}) <= size(${finalizers('oldObject')})`,
};
const NO_EVENTS: Policy = { name: 'no-events', resource: events, operation: 'CREATE', lets: 'false' };

describe('what others do to the Jobs, and refuse of them', function () {
  this.timeout(600_000);
  let environment: Environment;
  let operator: Operator;

  before(async () => {
    environment = await startEnvironment();
    operator = await environment.operator(['--no-leader-elect']);
  });

  after(async () => {
    await operator?.stop();
    await environment?.stop();
  });

  async function database(name: string): Promise<string> {
    const url = await environment.postgres.createDatabase(name.replaceAll('-', '_'));
    await seedNewton(url, { images: 5 });
    return url;
  }

  /** Makes a policy for a namespace; gives how it is lifted. */
  async function make(
    { name, resource, operation, lets }: Policy,
    namespace: string,
  ): Promise<() => Promise<void>> {
    const { group, version, plural } = resource;
    const rule = { apiGroups: [group], apiVersions: [version], operations: [operation], resources: [plural] };
    const matchConstraints = { resourceRules: [rule] };
    const ours = "request.userInfo.username.endsWith(':glance-schema-operator')";
    await environment.api.call('POST', `${POLICIES}/validatingadmissionpolicies`, {
      metadata: { name },
      spec: {
        matchConstraints,
        validations: [{ expression: `!${ours} || ${lets}`, message: `policy ${name}` }],
      },
    });
    await environment.api.call('POST', `${POLICIES}/validatingadmissionpolicybindings`, {
      metadata: { name },
      spec: {
        policyName: name,
        validationActions: ['Deny'],
        matchResources: { namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': namespace } } },
      },
    });
    return async () => {
      await environment.api.call('DELETE', `${POLICIES}/validatingadmissionpolicybindings/${name}`);
      await environment.api.call('DELETE', `${POLICIES}/validatingadmissionpolicies/${name}`);
    };
  }

  /**
   * The API server takes a moment to heed a policy: the operator is asked for harmless migrations
   * until it has been refused.
   */
  async function refused(says: RegExp): Promise<void> {
    await eventually(async () => {
      expect(
        operator.log().some(({ message }) => says.test(message)),
        String(says),
      ).to.equal(true);
    }, LONG_WAIT);
  }

  async function atWork(name: string) {
    const url = await database(name);
    const held = await holdMigration(url);
    const tenant = await environment.tenant(name, url);
    await tenant.apply({ revision: 'ocata01' });
    await held.waits();
    await tenant.reaches('MigrationRunning');
    const [job] = await tenant.jobs();
    return { tenant, held, job: job?.metadata?.name ?? expect.fail('there is no Job') };
  }

  async function run(tenant: Tenant, ...args: string[]): Promise<void> {
    const result = await tenant.kubectl(...args);
    expect(result.code, result.stderr).to.equal(0);
  }

  const messageOf = ({ status }: KubeObject): string => status.conditions[0].message;

  for (const { policy, says } of [
    { policy: NO_TTL, says: /^refused-no-ttl\/glance: Job glance-\d+-\w+ keeps no TTL: .*policy no-ttl/ },
    {
      policy: NO_RELEASE,
      says: /^refused-no-release\/glance: .* refused to remove the finalizer .*policy no-release/,
    },
    { policy: NO_EVENTS, says: /^Trouble with the Events: .*policy no-events/ },
  ]) {
    it(`a policy (${policy.name}): the next migrations run, the status reports them, and a deletion is done`, async () => {
      const name = `refused-${policy.name}`;
      const tenant = await environment.tenant(name, await database(name));
      const lift = await make(policy, name);
      await tenant.apply({ revision: 'mitaka02' });
      await tenant.reaches('UpToDate', 60_000);
      for (const revision of ['ocata01', 'pike01', 'queens01', 'rocky01']) {
        await tenant.apply({ revision });
        const schema = await tenant.reaches('UpToDate', 60_000);
        expect(schema.status.recordedRevision).to.equal(revision);
      }
      await refused(says);
      if (policy === NO_RELEASE) {
        await lift();
      }
      const deleted = await tenant.kubectl('delete', 'glanceschema', 'glance', '--timeout=300s');
      expect(deleted.code, deleted.stderr).to.equal(0);
      if (policy !== NO_RELEASE) {
        await lift();
      }
    });
  }

  it('a policy that lets no finalizer be put on: the status has its words, and no Job is made until it is lifted', async () => {
    const tenant = await environment.tenant('no-finalizer', await database('no-finalizer'));
    const lift = await make(NO_FINALIZER, 'no-finalizer');
    await tenant.apply({ revision: 'ocata01', suspend: true });
    await tenant.reaches('Suspended');
    // The API server takes a moment to heed it.
    const account = '/api/v1/namespaces/glance-schema-system/serviceaccounts/glance-schema-operator';
    const { status } = await environment.api.call('POST', `${account}/token`, {
      apiVersion: 'authentication.k8s.io/v1',
      kind: 'TokenRequest',
      spec: { expirationSeconds: 3600 },
    });
    const asOperator = environment.plane.api(status.token);
    await eventually(async () => {
      const probe = { metadata: { finalizers: ['example.org/probe'] } };
      const asked = await asOperator.request('PATCH', `${tenant.path}/glance?dryRun=All`, probe);
      expect(asked.text).to.include('policy no-finalizer');
    }, LONG_WAIT);
    await tenant.apply({ revision: 'ocata01' });
    const blocked = await tenant.reaches('JobBlocked');
    expect(messageOf(blocked)).to.match(
      /^Cannot start Job glance-1-\w+: .* refused to set the finalizer .*policy no-finalizer/,
    );
    expect(await tenant.jobs()).to.deep.equal([]);
    await lift();
    await tenant.reaches('UpToDate', 120_000);
  });

  for (const change of ['app.kubernetes.io/managed-by=somebody', 'app.kubernetes.io/managed-by-']) {
    it(`a Job and a pod whose label is changed (${change}) are ours all the same`, async () => {
      const { tenant, held, job } = await atWork(change.endsWith('-') ? 'unlabelled' : 'relabelled');
      await run(tenant, 'label', 'job', job, '--overwrite', change);
      await run(tenant, 'label', 'pods', '--all', '--overwrite', change);
      await held.release();
      const schema = await tenant.reaches('UpToDate', 60_000);
      expect(schema.status.job).to.include({ name: job, attempt: 1 });
    });
  }

  it('a Job that is suspended while it runs: that is said, and it ends once it is resumed', async () => {
    const { tenant, held, job } = await atWork('suspended-job');
    const suspend = (value: boolean) =>
      run(tenant, 'patch', 'job', job, '--type=merge', `--patch={"spec": {"suspend": ${value}}}`);
    await suspend(true);
    const blocked = await tenant.reaches('JobBlocked', 60_000);
    expect(messageOf(blocked)).to.include(`Job ${job} is suspended, by a queue such as Kueue or by a person`);
    await held.release();
    await suspend(false);
    await tenant.reaches('UpToDate', 60_000);
  });

  for (const cascade of ['background', 'foreground', 'orphan']) {
    it(`a Job that a person deletes while it runs, --cascade=${cascade}: that is said, and the database is read again`, async () => {
      const { tenant, held, job } = await atWork(`job-${cascade}`);
      await run(tenant, 'delete', 'job', job, `--cascade=${cascade}`, '--wait=false');
      if (cascade === 'orphan') {
        await eventually(async () => {
          expect(messageOf(await tenant.read())).to.include('still exists although its Job is gone');
        }, LONG_WAIT);
        await held.waits();
      }
      await held.release();
      const schema = await tenant.reaches('UpToDate', 120_000);
      expect(schema.status.recordedRevision).to.equal('ocata01');
      expect(schema.status.job.sequence).to.be.greaterThan(1);
    });
  }

  it('a Job at work with the resource as its owner, as an older operator made it, is taken off that', async () => {
    const { tenant, held, job } = await atWork('owned');
    const { metadata } = await tenant.read();
    const path = `/apis/batch/v1/namespaces/owned/jobs/${job}`;
    const owner = { apiVersion: 'db.glance.openstack.org/v1alpha1', kind: 'GlanceSchema', name: 'glance' };
    await environment.api.call('PATCH', path, {
      metadata: {
        ownerReferences: [{ ...owner, uid: metadata?.uid, controller: true, blockOwnerDeletion: false }],
      },
    });
    await eventually(async () => {
      expect((await environment.api.call('GET', path)).metadata).not.to.have.property('ownerReferences');
    }, LONG_WAIT);
    await held.release();
    await tenant.reaches('UpToDate', 60_000);
    await eventually(async () => {
      const { metadata: after } = await environment.api.call('GET', path);
      expect(after?.ownerReferences?.[0]).to.include({ uid: metadata?.uid, controller: true });
    }, LONG_WAIT);
  });

  it('a Job at work whose annotation somebody takes off: it is waited for, and what its report says of the database counts', async () => {
    const { tenant, held, job } = await atWork('stripped');
    await run(tenant, 'annotate', 'job', job, 'db.glance.openstack.org/purpose-');
    await held.waits();
    expect(await tenant.jobs(), 'nothing is started beside it').to.have.length(1);
    await held.release();
    const { status } = await tenant.reaches('UpToDate', 60_000);
    expect(status.recordedRevision, 'its report says where the database is').to.equal('ocata01');
    expect(status.job.failure.message).to.include(
      `Job ${job} succeeded and does not say what it was for: its annotation was changed or taken off.`,
    );
    expect(await tenant.jobs()).to.have.length(1);
  });

  it('a Job whose resource was torn away ends, and does not stay forever', async () => {
    const { tenant, held, job } = await atWork('leftover');
    await run(tenant, 'delete', 'glanceschema', 'glance', '--wait=false');
    await run(
      tenant,
      'patch',
      'glanceschema',
      'glance',
      '--type=merge',
      '--patch={"metadata": {"finalizers": null}}',
    );
    await held.release();
    await eventually(async () => {
      const { spec, status } = await environment.api.call(
        'GET',
        `/apis/batch/v1/namespaces/leftover/jobs/${job}`,
      );
      expect(status.succeeded).to.equal(1);
      expect(spec.ttlSecondsAfterFinished).to.equal(86_400);
    }, LONG_WAIT);
  });
});
