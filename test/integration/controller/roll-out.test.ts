import { expect } from 'chai';
import { seedNewton } from '../../../lab/databases/glance-data.ts';
import { type Environment, startEnvironment, type Tenant } from '../../../lab/kubernetes/environment.ts';
import type { Operator } from '../../../lab/kubernetes/operator.ts';
import type { KubeObject } from '../../../lab/kubernetes/test-api.ts';
import { eventually } from '../../../lab/process/eventually.ts';
import { aDaemonSet, aStatefulSet } from '../../support/workloads.ts';

const WAIT = 120_000;

const ACCOUNT = 'system:serviceaccount:glance-schema-system:glance-schema-operator';

const API = { kind: 'Deployment', name: 'glance-api', image: 'glance-api:ocata' };

/** The selector and the template of pods, as the restricted Pod Security Standard takes them. */
function podsOf(app: string, image: string): object {
  const securityContext = { runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } };
  const confined = { allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } };
  const containers = [{ name: 'glance-api', image, securityContext: confined }];
  return {
    selector: { matchLabels: { app } },
    template: { metadata: { labels: { app } }, spec: { securityContext, containers } },
  };
}

describe('a contract that waits for a roll-out', () => {
  let environment: Environment;
  let operator: Operator;
  let asked = 0;

  before(async () => {
    // The Deployment controller is real, and so is the roll-out; the nodes sleep.
    environment = await startEnvironment({ images: { 'glance-api': ['/bin/sleep', '600'] } });
    operator = await environment.operator();
  });

  after(async () => {
    await operator?.stop();
    await environment?.stop();
  });

  async function newton(name: string): Promise<Tenant> {
    const url = await environment.postgres.createDatabase(name);
    await seedNewton(url, { images: 10 });
    return environment.tenant(name, url);
  }

  async function succeeds(tenant: Tenant, ...args: readonly string[]): Promise<void> {
    const { code, stderr } = await tenant.kubectl(...args);
    expect(code, stderr).to.equal(0);
  }

  /** The right to read workloads, in this namespace alone. */
  const allow = (tenant: Tenant) => succeeds(tenant, 'apply', '-k', 'manifests/roll-outs');

  /** Has the operator reconcile at once, which it would do by itself in some seconds. */
  async function reconcile(tenant: Tenant): Promise<void> {
    asked += 1;
    const annotation = `db.glance.openstack.org/retry=${asked}`;
    await succeeds(tenant, 'annotate', 'glanceschema', 'glance', '--overwrite', annotation);
  }

  async function says(tenant: Tenant, words: string): Promise<void> {
    await eventually(
      async () => {
        await reconcile(tenant);
        const { status } = await tenant.reaches('WaitingForRollOut', 0);
        expect(status.conditions[0].message).to.contain(words);
        expect(status.conditions[1].type).to.equal('Reconciling');
        expect(status).to.include({ recordedRevision: 'ocata01', recordedPhase: 'Migrate' });
      },
      { timeoutMilliseconds: WAIT },
    );
  }

  /** What its Jobs were for, in order, as arguments of the command. */
  async function commands(tenant: Tenant): Promise<readonly string[]> {
    const jobs = await tenant.jobs();
    return jobs
      .map(({ metadata, spec }) => ({
        sequence: Number(JSON.parse(metadata?.annotations['db.glance.openstack.org/purpose']).sequence),
        args: spec.template.spec.containers[0].args.join(' ').split(' --report')[0],
      }))
      .toSorted((a, b) => a.sequence - b.sequence)
      .map(({ args }) => args);
  }

  /** The reads of workloads so far. */
  const reads = (tenant: Tenant) =>
    environment.proxy.requests.filter(({ path }) =>
      path.startsWith(`/apis/apps/v1/namespaces/${tenant.namespace}/`),
    );

  it('goes on once the right is there and the Deployment is rolled out, and reads it only until then', async () => {
    const tenant = await newton('rolled');
    await environment.api.call('POST', '/apis/apps/v1/namespaces/rolled/deployments', {
      metadata: { name: 'glance-api' },
      spec: { replicas: 2, ...podsOf('glance-api', 'glance-api:newton') },
    });
    await succeeds(tenant, 'rollout', 'status', 'deployment/glance-api', '--timeout=120s');
    await tenant.apply({ revision: 'ocata01', contractAfter: [API] });
    await tenant.reaches('WaitingForRollOut', WAIT);
    await says(tenant, 'Deployment glance-api cannot be read: the operator has no right to');
    await says(tenant, `The right is given by 'kubectl apply -n rolled -k manifests/roll-outs'`);
    await allow(tenant);
    await says(tenant, 'Deployment glance-api does not have the image glance-api:ocata in its template');
    expect(await commands(tenant)).to.deep.equal(['db version', 'db sync ocata01 --through Migrate']);
    for (const [verb, answer] of [
      ['get', 'yes'],
      ['list', 'no'],
      ['watch', 'no'],
      ['patch', 'no'],
    ] as const) {
      const may = await tenant.kubectl('auth', 'can-i', verb, 'deployments.apps', `--as=${ACCOUNT}`);
      expect(may.stdout.trim(), verb).to.equal(answer);
    }

    // Of the same commit, and applied later.
    await succeeds(tenant, 'set', 'image', 'deployment/glance-api', 'glance-api=glance-api:ocata');
    const { status } = await tenant.reaches('UpToDate', WAIT);
    expect(await commands(tenant)).to.deep.equal([
      'db version',
      'db sync ocata01 --through Migrate',
      'db sync ocata01',
    ]);
    expect(status.history.map(({ from, to }: { from: string; to: string }) => [from, to])).to.deep.equal([
      ['ocata01 (Migrate)', 'ocata01'],
      ['mitaka02', 'ocata01 (Migrate)'],
    ]);
    const pods = await environment.api.call('GET', '/api/v1/namespaces/rolled/pods');
    // One that has ended may be there for a moment longer.
    const nodes = pods.items.filter(
      ({ metadata }: KubeObject) => metadata?.labels?.app !== undefined && !metadata.deletionTimestamp,
    );
    expect(nodes.map(({ spec }: KubeObject) => spec.containers[0].image)).to.deep.equal([
      'glance-api:ocata',
      'glance-api:ocata',
    ]);

    const before = reads(tenant).length;
    await succeeds(tenant, 'annotate', 'glanceschema', 'glance', 'db.glance.openstack.org/observe=again');
    await eventually(async () => {
      const { status } = await tenant.reaches('UpToDate', 0);
      expect(status.handledObserve).to.equal('again');
    });
    expect(reads(tenant).length, 'nothing is read at rest').to.equal(before);
    expect(reads(tenant).every(({ method, isWatch }) => method === 'GET' && !isWatch)).to.equal(true);
  });

  // No controller of these two runs in the control plane of the tests: what it would say is patched.
  it('waits for a StatefulSet and a DaemonSet, through answers that are none', async () => {
    const tenant = await newton('sets');
    await allow(tenant);
    const sets = {
      statefulsets: ['StatefulSet', aStatefulSet()],
      daemonsets: ['DaemonSet', aDaemonSet()],
    } as const;
    const contractAfter = Object.values(sets).map(([kind]) => ({ kind, name: 'glance-api' }));
    await tenant.apply({ revision: 'ocata01', contractAfter });
    await tenant.reaches('WaitingForRollOut', WAIT);
    await says(tenant, 'StatefulSet glance-api does not exist, DaemonSet glance-api does not exist');

    const path = (plural: string) => `/apis/apps/v1/namespaces/sets/${plural}`;
    for (const [plural, [kind, { spec }]] of Object.entries(sets)) {
      await environment.api.call('POST', path(plural), {
        metadata: { name: 'glance-api' },
        spec: { ...spec, serviceName: 'glance-api', ...podsOf(kind.toLowerCase(), 'glance-api:ocata') },
      });
    }
    await says(tenant, 'has a newer spec than its controller has seen, DaemonSet');
    const patch = (plural: string, status: object) =>
      succeeds(
        tenant,
        ...['patch', plural, 'glance-api', '--subresource=status', '--type=merge', '--patch'],
        JSON.stringify({ status: { ...status, observedGeneration: 1 } }),
      );
    await patch('statefulsets', { ...sets.statefulsets[1].status, readyReplicas: 3, updatedReplicas: 1 });
    await patch('daemonsets', {
      ...sets.daemonsets[1].status,
      currentNumberScheduled: 3,
      numberMisscheduled: 0,
      numberReady: 3,
    });
    await says(tenant, ': StatefulSet glance-api has 1 of 3 pods updated. It starts');

    for (const status of [429, 503]) {
      const rule = environment.proxy.onRequest((request) => request.path.startsWith(path('daemonsets')), {
        kind: 'respond',
        status,
      });
      await says(tenant, 'DaemonSet glance-api cannot be read for now');
      rule.remove();
    }
    await patch('statefulsets', sets.statefulsets[1].status ?? {});
    await tenant.reaches('UpToDate', WAIT);
  });

  it('has a plan of its own, and so has what comes before it', async () => {
    const tenant = await newton('planned');
    await allow(tenant);
    const spec = {
      revision: 'ocata01',
      approval: 'Manual',
      contractAfter: [{ kind: 'Deployment', name: 'glance-api' }],
    };
    // Of a Deployment that is scaled to zero no node is left.
    await environment.api.call('POST', '/apis/apps/v1/namespaces/planned/deployments', {
      metadata: { name: 'glance-api' },
      spec: { replicas: 0, ...podsOf('glance-api', 'glance-api:newton') },
    });
    await tenant.apply(spec);
    for (const [from, to] of [
      ['mitaka02', 'ocata01 (Migrate)'],
      ['ocata01 (Migrate)', 'ocata01'],
    ]) {
      const plan = await eventually(
        async () => {
          const { status } = await tenant.reaches('AwaitingApproval', 0);
          expect(status.plan).to.include({ from, to });
          return status.plan;
        },
        { timeoutMilliseconds: WAIT },
      );
      await tenant.apply({ ...spec, approvedPlan: plan.hash });
    }
    await tenant.reaches('UpToDate', WAIT);
  });

  it('is deleted while it waits, and contracts at once when nothing is waited for any more', async () => {
    const tenant = await newton('dropped');
    await allow(tenant);
    await tenant.apply({ revision: 'ocata01', contractAfter: [API] });
    await tenant.reaches('WaitingForRollOut', WAIT);
    await succeeds(tenant, 'delete', 'glanceschema', 'glance', '--timeout=300s');
    await tenant.apply({ revision: 'ocata01', contractAfter: [API] });
    await tenant.reaches('WaitingForRollOut', WAIT);
    await succeeds(
      tenant,
      'patch',
      'glanceschema',
      'glance',
      '--type=merge',
      '-p',
      '{"spec": {"contractAfter": null}}',
    );
    await tenant.reaches('UpToDate', WAIT);
  });

  it('of an empty database waits for nothing', async () => {
    const url = await environment.postgres.createDatabase('fresh');
    const tenant = await environment.tenant('fresh', url);
    await tenant.apply({ revision: 'ocata01', contractAfter: [API] });
    await tenant.reaches('UpToDate', WAIT);
    expect(await commands(tenant)).to.deep.equal(['db version', 'db sync ocata01']);
    expect(reads(tenant)).to.deep.equal([]);
  });
});
