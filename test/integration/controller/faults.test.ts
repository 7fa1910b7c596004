import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import { seedNewton } from '../../../lab/databases/glance-data.ts';
import type { ProxiedRequest } from '../../../lab/kubernetes/api-proxy.ts';
import { type Environment, startEnvironment, type Tenant } from '../../../lab/kubernetes/environment.ts';
import type { Operator } from '../../../lab/kubernetes/operator.ts';
import { LEASE } from '../../../lab/kubernetes/replicas.ts';
import type { KubeObject } from '../../../lab/kubernetes/test-api.ts';
import { eventually } from '../../../lab/process/eventually.ts';

/**
 * Without the Lease, so that the next operator need not wait for that of the killed one to expire.
 */
const ALONE = ['--no-leader-elect'];

/**
 * The requests by which a migration goes from nothing to stored, each as the controller makes it.
 */
const EFFECTS: readonly (readonly [string, (request: ProxiedRequest) => boolean, number])[] = [
  ['the finalizer is set', (request) => setsFinalizer(request, true), 1],
  ['the Job is created', (request) => request.method === 'POST' && request.path.endsWith('/jobs'), 1],
  ['the status says that the Job runs', isStatusWrite, 1],
  ['the status takes the result', isStatusWrite, 2],
  ['the TTL is set', (request) => request.method === 'PATCH' && request.path.includes('/jobs/'), 1],
  ['the finalizer is released', (request) => setsFinalizer(request, false), 1],
];

function setsFinalizer(request: ProxiedRequest, present: boolean): boolean {
  const finalizers = request.body.metadata?.finalizers;
  return request.method === 'PATCH' && Array.isArray(finalizers) && finalizers.length > 0 === present;
}

function isStatusWrite(request: ProxiedRequest): boolean {
  return request.method === 'PUT' && request.path.endsWith('/status');
}

/**
 * Matches each write the first so many times that it is made: one that is made again for what it
 * says, not for its time.
 */
function firstTimes(times: number): (request: ProxiedRequest) => boolean {
  const made = new Map<string, number>();
  return ({ method, path, body }) => {
    const said =
      body.status?.conditions?.map((condition: KubeObject) => condition.reason) ?? body.metadata?.finalizers;
    const key = JSON.stringify([method, path, said]);
    made.set(key, (made.get(key) ?? 0) + 1);
    return method !== 'GET' && (made.get(key) ?? 0) <= times;
  };
}

describe('the controller under faults', () => {
  let environment: Environment;
  let operator: Operator | undefined;

  before(async () => {
    environment = await startEnvironment();
  });

  after(async () => {
    await environment?.stop();
  });

  afterEach(async () => {
    await operator?.stop();
    operator = undefined;
  });

  /** A tenant whose database is of Newton, so that a migration to ocata01 has something to do. */
  async function newton(name: string, images = 20): Promise<Tenant> {
    const url = await environment.postgres.createDatabase(name.replaceAll('-', '_'));
    await seedNewton(url, { images });
    return environment.tenant(name, url);
  }

  function of(tenant: Tenant, matches: (request: ProxiedRequest) => boolean) {
    return (request: ProxiedRequest) => request.path.includes(`/${tenant.namespace}/`) && matches(request);
  }

  /**
   * Everything that must hold once a migration to ocata01 is over, whatever happened on the way.
   */
  async function expectOneMigration(tenant: Tenant, timeoutMilliseconds = 30_000): Promise<void> {
    const schema = await tenant.reaches('UpToDate', timeoutMilliseconds);
    expect(schema.status.recordedRevision).to.equal('ocata01');
    expect(schema.status.databaseHeads).to.deep.equal(['ocata_contract01']);
    expect(schema.status.lastMigration).to.include({ from: 'mitaka02', to: 'ocata01' });
    expect(schema.status.history, 'one migration').to.have.length(1);
    await eventually(async () => {
      const jobs = await tenant.jobs();
      expect(jobs, 'one Job for the target').to.have.length(1);
      expect(jobs[0]?.spec.ttlSecondsAfterFinished).to.equal(86400);
      expect((await tenant.read()).metadata?.finalizers).to.equal(undefined);
    });
    expect(await tenant.pods(), 'one pod').to.have.length(1);
  }

  EFFECTS.forEach(([effect, matches, nth], index) => {
    for (const moment of ['before', 'after'] as const) {
      it(`killed ${moment} ${effect}: one Job, the right status in the end`, async () => {
        const tenant = await newton(`kill-${index}-${moment}`);
        let seen = 0;
        let killed: Operator | undefined;
        const kill = (request: ProxiedRequest) => {
          if (matches(request)) {
            seen += 1;
          }
          if (seen < nth) {
            return 'pass';
          }
          killed = operator;
          operator?.kill('SIGKILL');
          return 'drop';
        };
        const rule = environment.proxy.onRequest(of(tenant, matches), { kind: 'call', [moment]: kill });
        operator = await environment.operator(ALONE);
        await tenant.apply({ revision: 'ocata01' });
        await eventually(() => expect(killed?.running(), 'the operator is killed').to.equal(false));
        rule.remove();
        operator = await environment.operator(ALONE);
        await expectOneMigration(tenant);
      });
    }
  });

  it('a conflict on every first status write', async () => {
    const tenant = await newton('conflicts');
    const first = firstTimes(1);
    const rule = environment.proxy.onRequest(
      of(tenant, (request) => isStatusWrite(request) && first(request)),
      { kind: 'respond', status: 409, reason: 'Conflict' },
    );
    operator = await environment.operator(ALONE);
    await tenant.apply({ revision: 'ocata01' });
    await expectOneMigration(tenant);
    expect(rule.hits).to.be.greaterThan(1);
    rule.remove();
  });

  for (const [what, status] of [
    ['too many requests', 429],
    ['an internal error', 500],
    ['a gateway that times out', 504],
  ] as const) {
    it(`${what}, twice for each write`, async () => {
      const tenant = await newton(`status-${status}`);
      const rule = environment.proxy.onRequest(of(tenant, firstTimes(2)), { kind: 'respond', status });
      operator = await environment.operator(ALONE);
      await tenant.apply({ revision: 'ocata01' });
      await expectOneMigration(tenant);
      expect(rule.hits).to.be.greaterThan(2);
      rule.remove();
    });
  }

  it('answers that get lost after each write took effect', async () => {
    const tenant = await newton('lost-answers');
    const rule = environment.proxy.onRequest(of(tenant, firstTimes(1)), { kind: 'drop-answer' });
    operator = await environment.operator(ALONE);
    await tenant.apply({ revision: 'ocata01' });
    await expectOneMigration(tenant);
    expect(rule.hits).to.be.greaterThan(2);
    rule.remove();
  });

  it('watches that are cut all the time', async () => {
    const tenant = await newton('cut');
    operator = await environment.operator(ALONE);
    await tenant.apply({ revision: 'ocata01' });
    let cut = 0;
    const cutting = setInterval(() => {
      cut += environment.proxy.cutWatches();
    }, 300);
    try {
      await expectOneMigration(tenant, 60_000);
    } finally {
      clearInterval(cutting);
    }
    expect(cut).to.be.greaterThan(3);
  });

  it('the API server away for a minute in the middle of a migration', async () => {
    const tenant = await newton('outage', 2000);
    operator = await environment.operator(ALONE);
    await tenant.apply({ revision: 'ocata01' });
    await eventually(async () => expect(await tenant.jobs()).to.have.length(1));
    await environment.plane.stopApiServer();
    await sleep(60_000);
    expect(operator.running(), 'the operator outlives it').to.equal(true);
    await environment.plane.startApiServer();
    await expectOneMigration(tenant);
  });

  it('a Job that is deleted by hand before its result was seen', async () => {
    const tenant = await newton('deleted-job');
    operator = await environment.operator(ALONE);
    await tenant.apply({ revision: 'ocata01' });
    const [job] = await eventually(async () => {
      const jobs = await tenant.jobs();
      expect(jobs).to.have.length(1);
      return jobs;
    });
    operator.kill('SIGKILL');
    await eventually(async () => {
      expect((await tenant.jobs())[0]?.status?.succeeded).to.equal(1);
    });
    await tenant.kubectl('delete', 'job', job?.metadata?.name ?? '');
    operator = await environment.operator(ALONE);
    const schema = await tenant.reaches('UpToDate');
    expect(schema.status.recordedRevision, 'read again from the database').to.equal('ocata01');
  });

  it('two operators side by side make one Job', async () => {
    const tenant = await newton('pair');
    operator = await environment.operator(ALONE);
    const other = await environment.operator(ALONE);
    try {
      await tenant.apply({ revision: 'ocata01' });
      await expectOneMigration(tenant);
    } finally {
      await other.stop();
    }
  });

  it('a pod that is evicted in the middle is replaced, and that is no failure', async () => {
    const tenant = await newton('evicted', 20_000);
    operator = await environment.operator(ALONE);
    await tenant.apply({ revision: 'ocata01', job: { backoffLimit: 0 } });
    const pod = await eventually(async () => {
      const running = (await tenant.pods()).find((candidate) => candidate.status?.phase === 'Running');
      expect(running, 'a pod runs').not.to.equal(undefined);
      return running;
    });
    await environment.node.evict(tenant.namespace, pod?.metadata?.name ?? '');
    const schema = await tenant.reaches('UpToDate', 60_000);
    expect(schema.status.recordedRevision).to.equal('ocata01');
    expect(await tenant.jobs()).to.have.length(1);
  });
});

describe('the controller at rest', () => {
  let environment: Environment;
  let operator: Operator;

  before(async () => {
    environment = await startEnvironment();
    operator = await environment.operator();
  });

  after(async () => {
    await operator?.stop();
    await environment?.stop();
  });

  it('makes no request but its watches and its Lease', async () => {
    const tenant = await environment.tenant('rest', await environment.postgres.createDatabase('rest'));
    await tenant.apply({});
    await tenant.reaches('UpToDate');
    // The end of an upgrade is written in several, and the last of all is its Event.
    await eventually(async () => {
      expect((await tenant.read()).metadata?.finalizers).to.equal(undefined);
      expect((await tenant.jobs())[0]?.spec.ttlSecondsAfterFinished).to.equal(86400);
      expect((await tenant.events()).map(({ reason }) => reason)).to.include('UpToDate');
    });
    await sleep(2_000);
    const since = new Date();
    await sleep(70_000);
    const user = 'system:serviceaccount:glance-schema-system:glance-schema-operator';
    const asked = environment.plane
      .auditEvents({ user, since, stage: 'ResponseComplete' })
      .map((event) => `${event.verb} ${event.objectRef?.resource}`);
    expect(asked).to.include('update leases');
    // It is read again where a renewal had no answer in time.
    expect(asked.filter((what) => !/^(get|update) leases$/.test(what))).to.deep.equal([]);
    // A watch is restarted every five minutes at most; within one there is none.
    const begun = environment.plane.auditEvents({ user, since, stage: 'ResponseStarted', verb: 'watch' });
    expect(begun.map((event) => event.requestURI)).to.deep.equal([]);
  });

  it('says at its health endpoints how it is', async () => {
    const answers = ['/healthz', '/readyz', '/nosuch'].map((path) => fetch(`${operator.health}${path}`));
    expect((await Promise.all(answers)).map((answer) => answer.status)).to.deep.equal([200, 200, 404]);
  });

  it('writes nothing after a restart', async () => {
    const before = await environment.api.call('GET', '/apis/db.glance.openstack.org/v1alpha1/glanceschemas');
    await operator.stop();
    const since = new Date();
    operator = await environment.operator();
    await sleep(2_000);
    const user = 'system:serviceaccount:glance-schema-system:glance-schema-operator';
    const writes = environment.plane
      .auditEvents({ user, since })
      .filter(
        (event) => !['get', 'list', 'watch'].includes(event.verb) && event.objectRef?.resource !== 'leases',
      );
    expect(writes).to.deep.equal([]);
    const after = await environment.api.call('GET', '/apis/db.glance.openstack.org/v1alpha1/glanceschemas');
    expect(versions(after)).to.deep.equal(versions(before));
  });

  it('stops in good order on SIGTERM and gives its Lease away', async () => {
    expect(await operator.stop()).to.equal(0);
    const lease = await environment.api.call(
      'GET',
      '/apis/coordination.k8s.io/v1/namespaces/glance-schema-system/leases/glance-schema',
    );
    expect(lease.spec.holderIdentity ?? '').to.equal('');
    operator = await environment.operator();
    expect(
      operator
        .log()
        .map(({ message }) => message)
        .join('\n'),
      'the next one need not wait',
    ).to.not.match(/^Waiting: .* leads$/m);
  });

  it('a second replica takes over within seconds of the SIGTERM of the first', async () => {
    const second = await environment.operator([], { standby: true });
    try {
      expect((await fetch(`${second.health}/readyz`)).status, 'ready though it waits').to.equal(200);
      await sleep(3_000);
      expect(leads(second), 'it waits').to.equal(false);
      const first = operator.identity;
      const before = environment.proxy.requests.length;
      await operator.stop();
      await eventually(() => expect(leads(second)).to.equal(true));
      // It need not wait for the Lease to expire, in 15 s: the first has given it away.
      const holders = environment.proxy.requests
        .slice(before)
        .filter(({ method, path }) => method === 'PUT' && path === LEASE)
        .map(({ body }) => body.spec.holderIdentity ?? '')
        .filter((holder) => holder !== first);
      expect(holders.slice(0, 2)).to.deep.equal(['', second.identity]);
    } finally {
      await second.stop();
    }
  });
});

function leads(operator: Operator): boolean {
  return operator.log().some((line) => line.message === 'Leading');
}

function versions(list: KubeObject): readonly string[] {
  return list.items.map((schema: KubeObject) => schema.metadata?.resourceVersion);
}
