import { expect } from 'chai';
import pg from 'pg';
import { seedNewton } from '../../../lab/databases/glance-data.ts';
import { type Environment, startEnvironment, type Tenant } from '../../../lab/kubernetes/environment.ts';
import { kubectl } from '../../../lab/kubernetes/kubectl.ts';
import type { Operator } from '../../../lab/kubernetes/operator.ts';
import type { KubeObject } from '../../../lab/kubernetes/test-api.ts';
import { eventually } from '../../../lab/process/eventually.ts';
import { API_VERSION, KIND } from '../../../src/contract/names.ts';
import { argoHealth, kstatus } from '../../support/health.ts';

describe('what GitOps tools make of a live GlanceSchema', () => {
  let environment: Environment;
  let operator: Operator;

  before(async function () {
    this.timeout(1_200_000);
    await Promise.all([kstatus([]), argoHealth([])]);
    environment = await startEnvironment();
    operator = await environment.operator(['--no-leader-elect']);
  });

  after(async () => {
    await operator?.stop();
    await environment?.stop();
  });

  /** A tenant with a database of Newton. */
  async function newton(name: string): Promise<Tenant> {
    const url = await environment.postgres.createDatabase(name);
    await seedNewton(url, { images: 10 });
    return environment.tenant(name, url);
  }

  /**
   * The same, with a transaction that keeps a migration to ocata01 at work until it is released.
   */
  async function held(name: string): Promise<{ tenant: Tenant; release(): Promise<void> }> {
    const url = await environment.postgres.createDatabase(name);
    await seedNewton(url, { images: 10 });
    const reader = new pg.Client({ connectionString: url });
    await reader.connect();
    await reader.query('BEGIN');
    await reader.query('SELECT count(*) FROM images');
    return { tenant: await environment.tenant(name, url), release: () => reader.end() };
  }

  async function expectHealth(schema: KubeObject, flux: string, argo: string): Promise<void> {
    const [[fluxSays], [argoSays]] = await Promise.all([kstatus([schema]), argoHealth([schema])]);
    expect([fluxSays?.status, argoSays?.status], JSON.stringify(schema.status)).to.deep.equal([flux, argo]);
  }

  /** Does what has to be seen by nobody yet, while no operator runs. */
  async function withoutOperator(work: () => Promise<void>): Promise<void> {
    await operator.stop();
    try {
      await work();
    } finally {
      operator = await environment.operator(['--no-leader-elect']);
    }
  }

  it('new, then up to date, then with a spec that nobody has read', async () => {
    const tenant = await newton('fresh');
    await withoutOperator(async () => {
      await tenant.apply({ revision: 'mitaka02' });
      const schema = await tenant.read();
      expect(schema.status).to.deep.equal({ observedGeneration: -1 });
      await expectHealth(schema, 'InProgress', 'Progressing');
    });
    await expectHealth(await tenant.reaches('UpToDate'), 'Current', 'Healthy');
    await withoutOperator(async () => {
      await tenant.apply({ revision: 'ocata01' });
      await expectHealth(await tenant.read(), 'InProgress', 'Progressing');
    });
    await expectHealth(await tenant.reaches('UpToDate'), 'Current', 'Healthy');
  });

  it('suspended: Flux waits until its timeout, Argo CD says so', async () => {
    const tenant = await newton('suspended');
    await tenant.apply({ suspend: true });
    await expectHealth(await tenant.reaches('Suspended'), 'InProgress', 'Suspended');
  });

  it('a migration at work, then deleted while it is', async () => {
    const { tenant, release } = await held('busy');
    try {
      await tenant.apply({ revision: 'ocata01' });
      await expectHealth(await tenant.reaches('MigrationRunning'), 'InProgress', 'Progressing');
      await tenant.kubectl('delete', 'glanceschema', 'glance', '--wait=false');
      await expectHealth(await tenant.read(), 'Terminating', 'Progressing');
    } finally {
      await release();
    }
    await eventually(async () => {
      expect((await tenant.kubectl('get', 'glanceschema', 'glance')).stderr).to.contain('NotFound');
    });
  });

  it('a Secret that is missing', async () => {
    const tenant = await newton('nosecret');
    await tenant.apply({ database: { secretRef: { name: 'later' } } });
    await expectHealth(await tenant.reaches('SecretNotReady'), 'InProgress', 'Progressing');
  });

  it('a Job that a quota keeps out', async () => {
    const tenant = await newton('quota');
    await environment.api.call('POST', `/api/v1/namespaces/${tenant.namespace}/resourcequotas`, {
      metadata: { name: 'none' },
      spec: { hard: { 'count/jobs.batch': '0' } },
    });
    // The quota counts from when its status is written; such a label is refused in any case.
    await tenant.apply({ job: { labels: { 'no label': 'x' } } });
    await expectHealth(await tenant.reaches('JobBlocked'), 'InProgress', 'Progressing');
  });

  it('a database that nobody reaches, with its next attempt pending', async () => {
    const tenant = await environment.tenant('unreachable', 'postgresql://glance:hunter2@127.0.0.1:1/glance');
    await tenant.apply({ job: { backoffLimit: 0 } });
    const schema = await eventually(async () => {
      const pending = await tenant.reaches('DatabaseUnreachable');
      expect(pending.status.conditions[0].message).to.contain('The next attempt is at ');
      return pending;
    });
    await expectHealth(schema, 'InProgress', 'Progressing');
  });

  it('a revert in Git is refused by the API server in a sentence, and changes nothing', async () => {
    const tenant = await newton('reverted');
    await tenant.apply({ revision: 'ocata01' });
    await tenant.reaches('UpToDate');
    expect(await tenant.refusal({ revision: 'mitaka02' })).to.contain(
      "Cannot lower the revision to 'mitaka02': the database is already at 'ocata01'",
    );
    await expectHealth(await tenant.read(), 'Current', 'Healthy');
  });

  it('a resource recreated with a lower revision counts as failed for Flux and Argo CD', async () => {
    const tenant = await newton('lowered');
    await tenant.apply({ revision: 'ocata01' });
    await tenant.reaches('UpToDate');
    await tenant.kubectl('delete', 'glanceschema', 'glance');
    await tenant.apply({ revision: 'mitaka02' });
    await expectHealth(await tenant.reaches('DowngradeNotSupported'), 'Failed', 'Degraded');
  });

  it('the operator leaves nothing in a resource that a diff with Git shows, at work and at rest', async () => {
    const { tenant, release } = await held('drift');
    const git = {
      apiVersion: API_VERSION,
      kind: KIND,
      metadata: { name: 'glance', namespace: tenant.namespace },
      spec: { revision: 'ocata01', database: { secretRef: { name: 'glance-db' } } },
    };
    const run = (args: readonly string[], object: object) =>
      kubectl(environment.plane.kubeconfigPath, [...args, '-f', '-'], { input: JSON.stringify(object) });
    // As Argo CD and kubectl apply, and as Flux does.
    const ways = [[], ['--server-side', '--field-manager=git', '--force-conflicts']];
    async function expectNoDrift(): Promise<void> {
      for (const way of ways) {
        const diff = await run(['diff', ...way], git);
        expect(diff, diff.stdout).to.deep.equal({ code: 0, stdout: '', stderr: '' });
        const changed = await run(['diff', ...way], { ...git, spec: { ...git.spec, revision: 'pike01' } });
        expect(changed.code, 'a difference is seen').to.equal(1);
      }
    }
    try {
      expect((await run(['apply'], git)).code).to.equal(0);
      const atWork = await tenant.reaches('MigrationRunning');
      expect(atWork.metadata?.finalizers, 'what the operator adds').to.have.length(1);
      expect(atWork.metadata?.annotations).to.include.keys('db.glance.openstack.org/reserved-sequence');
      await expectNoDrift();
    } finally {
      await release();
    }
    await tenant.reaches('UpToDate');
    // Its finalizer goes after that, and a difference between two reads would be taken for drift.
    await eventually(async () => expect((await tenant.read()).metadata?.finalizers).to.equal(undefined));
    await expectNoDrift();
    expect(
      (await run(['apply', '--server-side', '--field-manager=git', '--force-conflicts'], git)).code,
    ).to.equal(0);
    await expectNoDrift();
  });
});
