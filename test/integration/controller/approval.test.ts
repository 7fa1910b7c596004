import { expect } from 'chai';
import { hasMariaDb, NO_MARIADB, startMariaDb, type TestMariaDb } from '../../../lab/databases/mariadb.ts';
import type { Tenant } from '../../../lab/kubernetes/environment.ts';
import { eventually } from '../../../lab/process/eventually.ts';
import { leaveOut } from '../../../lab/process/needs.ts';
import { succeeds } from '../../support/db-command.ts';
import { mysqlEngine } from '../../support/mysql-engine.ts';
import { postgresEngine } from '../../support/postgres-engine.ts';
import type { TestEngine } from '../../support/test-engine.ts';
import { describeWithOperator } from '../../support/with-operator.ts';

const WAIT = 60_000;

describeWithOperator('a migration that needs approval', (shared) => {
  let mariadb: TestMariaDb | undefined;

  after(() => mariadb?.stop());

  /** A GlanceSchema of a Newton database, with a plan that waits. */
  async function planned(engine: TestEngine, name: string): Promise<{ url: string; tenant: Tenant }> {
    const url = await engine.createDatabase(name);
    await engine.seedNewton(url, { images: 20 });
    const tenant = await shared.environment.tenant(name.replaceAll('_', '-'), url);
    await tenant.apply({ revision: 'ocata01', approval: 'Manual' });
    await tenant.reaches('AwaitingApproval', WAIT);
    return { url, tenant };
  }

  async function purposes(tenant: Tenant): Promise<readonly string[]> {
    const jobs = await tenant.jobs();
    return jobs
      .map(({ metadata }) => JSON.parse(metadata?.annotations['db.glance.openstack.org/purpose']))
      .sort((a, b) => a.sequence - b.sequence)
      .map(({ kind }) => kind);
  }

  const approve = (tenant: Tenant, approvedPlan: string) =>
    tenant.apply({ revision: 'ocata01', approval: 'Manual', approvedPlan });

  function cases(engine: () => TestEngine, prefix: string): void {
    it('is planned by reading, counts no approval but that of its own plan, and then does what was planned', async () => {
      const { url, tenant } = await planned(engine(), `${prefix}_own`);
      const other = await planned(engine(), `${prefix}_other`);
      const before = await engine().readSchema(url);
      const { plan, job } = (await tenant.read()).status;
      expect(plan).to.include({
        from: 'mitaka02',
        to: 'ocata01',
        rows: 20,
        mostRows: 100_000,
        database: 'glance-db/connection',
        job: job.name,
      });
      expect(plan.revisions).to.deep.equal(['alembic_version', 'ocata01']);
      expect(plan.locks.join()).to.contain(' on images: ');
      expect(plan.warnings).to.deep.equal([]);
      const log = await tenant.kubectl('logs', `job/${plan.job}`);
      expect(log.stdout, log.stderr).to.contain(`-- Plan ${plan.hash}`).and.to.contain('ADD COLUMN');

      const hostile = (await other.tenant.read()).status.plan.hash;
      expect(hostile).not.to.equal(plan.hash);
      await approve(tenant, hostile);
      await eventually(async () => {
        const { status, metadata } = await tenant.read();
        expect(status.observedGeneration).to.equal(metadata?.generation);
        expect(status.conditions[0].message).to.contain(
          'spec.approvedPlan names a different plan, so it does not count.',
        );
      });
      expect(await purposes(tenant)).to.deep.equal(['Plan']);
      expect(await engine().readSchema(url)).to.deep.equal(before);

      await approve(tenant, plan.hash);
      const ready = await tenant.reaches('UpToDate', WAIT);
      expect(ready.status).not.to.have.property('plan');
      expect(ready.status.lastMigration).to.include({ from: 'mitaka02', to: 'ocata01' });
      expect(await purposes(tenant)).to.deep.equal(['Plan', 'Migrate']);
    });

    it('is refused by a plan that is another by now, which is recreated and approved again', async () => {
      const { url, tenant } = await planned(engine(), `${prefix}_stale`);
      const { hash } = (await tenant.read()).status.plan;
      await succeeds(url, 'expand', 'ocata01');
      const before = await engine().readSchema(url);
      await approve(tenant, hash);
      const again = await eventually(
        async () => {
          const { status } = await tenant.reaches('AwaitingApproval', 0);
          expect(status.plan.hash).not.to.equal(hash);
          return status;
        },
        { timeoutMilliseconds: WAIT },
      );
      expect(again).to.include({ recordedRevision: 'ocata01', refusedPlan: hash });
      expect(again.plan).to.include({ from: 'ocata01 (Expand)', to: 'ocata01' });
      expect(again).not.to.have.property('history');
      expect(await purposes(tenant)).to.deep.equal(['Plan', 'Migrate', 'Plan']);
      expect(await engine().readSchema(url), 'nothing was changed').to.deep.equal(before);
      await approve(tenant, again.plan.hash);
      const ready = await tenant.reaches('UpToDate', WAIT);
      expect(ready.status).not.to.have.any.keys('plan', 'refusedPlan');
    });
  }

  describe('on PostgreSQL', () => cases(() => postgresEngine(() => shared.environment.postgres), 'pg'));

  describe('on MariaDB', () => {
    before(async function () {
      if (!hasMariaDb()) {
        leaveOut(this, NO_MARIADB);
      }
      mariadb = await startMariaDb();
    });
    cases(() => {
      if (mariadb === undefined) throw new Error('MariaDB has not started');
      const server = mariadb;
      return mysqlEngine(() => server);
    }, 'maria');
  });
});
