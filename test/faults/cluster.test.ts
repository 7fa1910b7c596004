import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import { seedNewton } from '../../lab/databases/glance-data.ts';
import { expectedImages, readImages } from '../../lab/databases/images.ts';
import type { ProxiedRequest } from '../../lab/kubernetes/api-proxy.ts';
import { type Environment, startEnvironment, type Tenant } from '../../lab/kubernetes/environment.ts';
import type { Operator } from '../../lab/kubernetes/operator.ts';
import type { KubeObject } from '../../lab/kubernetes/test-api.ts';
import { eventually } from '../../lab/process/eventually.ts';
import { startTcpProxy } from '../../lab/process/tcp-proxy.ts';
import { committedDdl, countDdl } from '../support/ddl-count.ts';
import { type HeldMigration, holdMigration } from '../support/held-migration.ts';

/**
 * Without the Lease, so that the next operator need not wait for that of the one before to expire.
 */
const ALONE = ['--no-leader-elect'];

const USER = 'system:serviceaccount:glance-schema-system:glance-schema-operator';

interface Given {
  readonly tenant: Tenant;
  readonly url: string;
  /** Every image as it has to be in the end. */
  readonly expected: Awaited<ReturnType<typeof expectedImages>>;
}

describe('the operator when what it stands on fails', () => {
  let environment: Environment;
  let operator: Operator;
  let undisturbed: readonly string[];
  const held: HeldMigration[] = [];

  before(async () => {
    environment = await startEnvironment();
    operator = await environment.operator(ALONE);
    const { tenant, url } = await newton('undisturbed');
    await tenant.apply({ revision: 'ocata01' });
    await tenant.reaches('UpToDate');
    undisturbed = await committedDdl(url);
    expect(undisturbed).to.include('CREATE TYPE');
  });

  afterEach(async () => {
    await release();
  });

  after(async () => {
    await operator?.stop();
    await environment?.stop();
  });

  /** A database of Newton, which the migration reaches by `port` where one is given. */
  async function newton(name: string, port?: number): Promise<Given> {
    const url = await environment.postgres.createDatabase(name);
    await seedNewton(url, { images: 100 });
    await countDdl(url);
    const connection = new URL(url);
    connection.port = String(port ?? connection.port);
    const tenant = await environment.tenant(name, connection.href);
    return { tenant, url, expected: await expectedImages(url) };
  }

  /** Wants ocata01 and keeps its Job at work, until `release`. Gives the name of its pod. */
  async function atWork({ tenant, url }: Given, job: Record<string, unknown> = {}): Promise<string> {
    const migration = await holdMigration(url);
    held.push(migration);
    await tenant.apply({ revision: 'ocata01', job });
    await migration.waits();
    return (await tenant.pods())[0]?.metadata?.name ?? '';
  }

  async function release(): Promise<void> {
    await Promise.all(held.splice(0).map((migration) => migration.release()));
  }

  /** Nothing is lost, nothing was done twice, and the resource says so. */
  async function expectDoneOnce({ tenant, url, expected }: Given, milliseconds = 30_000): Promise<void> {
    const schema = await tenant.reaches('UpToDate', milliseconds);
    expect(schema.status).to.deep.include({
      recordedRevision: 'ocata01',
      recordedPhase: 'Contract',
      databaseHeads: ['ocata_contract01'],
    });
    expect(await committedDdl(url)).to.deep.equal(undisturbed);
    expect(await readImages(url)).to.deep.equal(expected);
  }

  function of({ tenant }: Given) {
    return (request: ProxiedRequest) => request.path.includes(`/${tenant.namespace}/`);
  }

  it('PostgreSQL killed while a Job runs, and back after a while: Ready without a person, and no Job after that', async () => {
    const given = await newton('killed');
    await atWork(given, { backoffLimit: 0 });
    await environment.postgres.crash();
    try {
      await eventually(
        async () => {
          const { status } = await given.tenant.reaches('DatabaseUnreachable', 0);
          expect(status.conditions[0].message).to.match(/127\.0\.0\.1:\d+.* The next attempt is at/);
        },
        { timeoutMilliseconds: 60_000 },
      );
      await sleep(15_000);
    } finally {
      await environment.postgres.restart();
    }
    await expectDoneOnce(given, 90_000);
    const jobs = await given.tenant.jobs();
    await operator.stop();
    operator = await environment.operator(ALONE);
    await sleep(3_000);
    expect((await given.tenant.jobs()).map(uid).sort()).to.deep.equal(jobs.map(uid).sort());
  });

  it('PostgreSQL frozen while a Job runs, and thawed: the Job waits and succeeds', async () => {
    const given = await newton('frozen');
    await atWork(given);
    environment.postgres.freeze();
    try {
      await sleep(10_000);
      await given.tenant.reaches('MigrationRunning', 0);
    } finally {
      environment.postgres.thaw();
    }
    await release();
    await expectDoneOnce(given);
    expect(await given.tenant.pods()).to.have.length(1);
  });

  it('PostgreSQL that takes 50 ms for each packet: the Job succeeds', async () => {
    const slow = await startTcpProxy(environment.postgres.port, { delay: 50 });
    try {
      const given = await newton('slow-database', slow.port);
      await given.tenant.apply({ revision: 'ocata01' });
      await expectDoneOnce(given, 60_000);
      expect(await given.tenant.pods()).to.have.length(1);
    } finally {
      await slow.stop();
    }
  });

  it('a node that is gone in the middle, and its pod with it: another pod of the same Job ends it', async () => {
    const given = await newton('node-gone');
    const lost = await atWork(given, { backoffLimit: 0 });
    await environment.node.loseNode();
    const next = await eventually(async () => {
      const names = (await given.tenant.pods()).map((each) => each.metadata?.name);
      expect(names, 'the pod garbage collector has taken the first').to.have.length(1).and.not.include(lost);
      return names;
    });
    await release();
    await expectDoneOnce(given, 60_000);
    expect(await given.tenant.jobs(), 'no failure of the Job').to.have.length(1);
    expect((await given.tenant.pods()).map((each) => each.metadata?.name)).to.deep.equal(next);
  });

  it('a container killed for its memory, without a word: another pod of the same Job ends it', async () => {
    const given = await newton('oom');
    const pod = await atWork(given);
    environment.node.kill(given.tenant.namespace, pod, 'SIGKILL', 'OOMKilled');
    await release();
    await expectDoneOnce(given, 60_000);
    expect(await given.tenant.jobs()).to.have.length(1);
    const ends = (await given.tenant.pods()).map(
      ({ status }) => status.containerStatuses[0].state.terminated,
    );
    expect(ends.map(({ reason, exitCode }) => `${reason} ${exitCode}`)).to.have.members([
      'OOMKilled 137',
      'Completed 0',
    ]);
  });

  it('a container killed without a word in the last pod of its Job: the next Job ends it', async () => {
    const given = await newton('killed-pod');
    const pod = await atWork(given, { backoffLimit: 0 });
    environment.node.kill(given.tenant.namespace, pod, 'SIGKILL');
    await release();
    const failed = await eventually(async () => {
      const { status } = await given.tenant.read();
      expect(status.job.failure?.reason).to.equal('NoResult');
      return status.conditions[0];
    });
    expect(failed.message).to.contain('ended without a report').and.contain('The next attempt is at');
    await expectDoneOnce(given, 60_000);
    expect(await given.tenant.jobs()).to.have.length(2);
  });

  it('the API server frozen for 20 s while a Job ends, and thawed', async () => {
    const given = await newton('frozen-api');
    await atWork(given);
    environment.plane.killApiServer('SIGSTOP');
    try {
      await release();
      await sleep(20_000);
      expect(operator.running(), 'the operator outlives it').to.equal(true);
    } finally {
      environment.plane.killApiServer('SIGCONT');
    }
    await expectDoneOnce(given, 90_000);
    expect(await given.tenant.pods()).to.have.length(1);
  });

  it('an API server that takes two seconds for each answer', async () => {
    const given = await newton('slow');
    const rule = environment.proxy.onRequest(of(given), { kind: 'delay', milliseconds: 2000 });
    await given.tenant.apply({ revision: 'ocata01' });
    try {
      await expectDoneOnce(given, 60_000);
    } finally {
      rule.remove();
    }
    expect(rule.hits).to.be.greaterThan(2);
    expect(await given.tenant.jobs()).to.have.length(1);
  });

  it('a Job deleted with --cascade=orphan while its pod runs: nothing starts beside the pod', async () => {
    const given = await newton('orphaned');
    const pod = await atWork(given);
    await given.tenant.kubectl('delete', 'job', '--all', '--cascade=orphan');
    const waiting = await eventually(async () => {
      const schema = await given.tenant.reaches('MigrationRunning', 0);
      expect(await given.tenant.jobs()).to.deep.equal([]);
      expect(schema.status.conditions[0].message).to.contain('though its Job is gone');
      return schema;
    });
    expect(waiting.status.conditions[0].message).to.contain(pod);
    await sleep(2_000);
    expect((await given.tenant.pods()).map((each) => each.metadata?.name)).to.deep.equal([pod]);
    await release();
    await expectDoneOnce(given);
  });

  it('the next version of the operator takes over while a Job is at work, and leaves that as it is', async () => {
    const given = await newton('upgraded');
    const pod = await atWork(given);
    const [before] = await given.tenant.jobs();
    expect(await operator.stop()).to.equal(0);
    operator = await environment.operator([...ALONE, '--image', 'glance-schema:next']);
    await sleep(2_000);
    expect((await given.tenant.jobs()).map((job) => job.spec)).to.deep.equal([before?.spec]);
    await release();
    await expectDoneOnce(given);
    expect((await given.tenant.pods()).map((each) => each.metadata?.name)).to.deep.equal([pod]);
    expect(operator.log().filter((line) => line.level === 'error')).to.deep.equal([]);
  });

  it('a change while the operator is away: the old Ready speaks of the old generation', async () => {
    const given = await newton('away');
    await given.tenant.apply({ revision: 'mitaka02' });
    await given.tenant.reaches('UpToDate');
    await operator.stop();
    await given.tenant.apply({ revision: 'ocata01' });
    const { metadata, status } = await given.tenant.read();
    const generations = [status.observedGeneration, status.conditions[0].observedGeneration];
    expect(generations).to.deep.equal(
      [metadata?.generation ?? 0, metadata?.generation ?? 0].map((now) => Number(now) - 1),
    );
    operator = await environment.operator(ALONE);
    await expectDoneOnce(given);
  });

  it('etcd compacted and the API server restarted while no watch gets through: 410, and changes are seen again', async () => {
    const given = await newton('compacted');
    const rule = environment.proxy.onRequest((request) => request.isWatch, { kind: 'drop' });
    environment.proxy.cutWatches();
    await given.tenant.apply({ revision: 'ocata01' });
    await environment.plane.compactEtcd();
    await environment.plane.stopApiServer();
    await environment.plane.startApiServer();
    expect(await given.tenant.jobs(), 'nothing was seen').to.deep.equal([]);
    const from = environment.proxy.requests.length;
    rule.remove();
    await eventually(async () => expect(await given.tenant.jobs()).to.have.length(1), {
      timeoutMilliseconds: 40_000,
    });
    const listed = environment.proxy.requests
      .slice(from)
      .filter(
        ({ path, isWatch, status }) => path.endsWith('/v1alpha1/glanceschemas') && !isWatch && status === 200,
      );
    expect(listed, 'read again, once').to.have.length(1);
    await expectDoneOnce(given);
  });

  it('through all of that it never asked for a Secret', () => {
    const asked = environment.plane.auditEvents({ user: USER }).map((event) => event.objectRef?.resource);
    expect(asked).to.include('jobs').and.not.to.include('secrets');
  });
});

function uid(object: KubeObject): string {
  return object.metadata?.uid ?? '';
}
