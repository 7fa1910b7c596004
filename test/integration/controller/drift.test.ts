import { expect } from 'chai';
import { hasMariaDb, NO_MARIADB, startMariaDb, type TestMariaDb } from '../../../lab/databases/mariadb.ts';
import type { Tenant } from '../../../lab/kubernetes/environment.ts';
import type { KubeObject } from '../../../lab/kubernetes/test-api.ts';
import { eventually } from '../../../lab/process/eventually.ts';
import { leaveOut } from '../../../lab/process/needs.ts';
import { db, succeeds } from '../../support/db-command.ts';
import { mysqlEngine } from '../../support/mysql-engine.ts';
import { postgresEngine } from '../../support/postgres-engine.ts';
import type { TestEngine } from '../../support/test-engine.ts';
import { describeWithOperator } from '../../support/with-operator.ts';

const WAIT = 60_000;

describeWithOperator('drift', (shared) => {
  let mariadb: TestMariaDb | undefined;

  after(() => mariadb?.stop());

  async function newton(engine: TestEngine, name: string): Promise<{ url: string; tenant: Tenant }> {
    const url = await engine.createDatabase(name);
    await engine.seedNewton(url, { images: 10 });
    return { url, tenant: await shared.environment.tenant(name.replaceAll('_', '-'), url) };
  }

  /** Has the next drift check come due, which would be hours away, and gives the resource after it. */
  async function nextCheck(tenant: Tenant): Promise<KubeObject> {
    // Not its time, which may be the same second.
    const before = (await tenant.read()).status.job?.sequence;
    const nextCheckAt = `${new Date().toISOString().slice(0, 19)}Z`;
    const { code, stderr } = await tenant.kubectl(
      ...['patch', 'glanceschema', 'glance', '--subresource=status', '--type=merge', '--patch'],
      JSON.stringify({ status: { drift: { nextCheckAt } } }),
    );
    expect(code, stderr).to.equal(0);
    return eventually(
      async () => {
        const schema = await tenant.read();
        const { drift, job } = schema.status;
        expect(job.purpose).to.equal('DriftCheck');
        expect(job.sequence).not.to.equal(before);
        expect(drift.nextCheckAt).not.to.equal(nextCheckAt);
        expect(schema.metadata?.finalizers, 'all is done').to.equal(undefined);
        return schema;
      },
      { timeoutMilliseconds: WAIT },
    );
  }

  function condition({ status }: KubeObject, type: string): KubeObject | undefined {
    return status.conditions.find((each: KubeObject) => each.type === type);
  }

  /** What the operator wrote in the namespace of a tenant, without its Events. */
  function writes(tenant: Tenant, since: Date): readonly string[] {
    const user = 'system:serviceaccount:glance-schema-system:glance-schema-operator';
    return shared.environment.plane
      .auditEvents({ user, since, stage: 'ResponseComplete' })
      .filter(({ verb, objectRef }) => {
        const isRead = ['get', 'list', 'watch'].includes(verb);
        return !isRead && objectRef?.namespace === tenant.namespace && objectRef.resource !== 'events';
      })
      .map(({ verb, objectRef }) =>
        [verb, objectRef?.resource, objectRef?.subresource].filter(Boolean).join(' '),
      );
  }

  function cases(engine: () => TestEngine, prefix: string, dropIndex: string): void {
    it('a drift check finds an index that is gone, says so beside Ready, and takes it back once it is fixed', async () => {
      const { url, tenant } = await newton(engine(), `${prefix}_check`);
      await tenant.apply({ revision: 'ocata01', drift: { interval: '24h' } });
      const ready = condition(await tenant.reaches('UpToDate', WAIT), 'Ready');
      await engine().query(url, dropIndex);
      await engine().query(url, 'CREATE TABLE audit (id integer PRIMARY KEY)');
      const before = [await engine().readSchema(url), await engine().readTables(url)];
      const drifted = await nextCheck(tenant);
      expect(condition(drifted, 'SchemaDrift')?.message)
        .to.contain('index owner_image_idx on images (owner) is missing')
        .and.contain('Extra objects that do no harm: table audit.');
      expect(drifted.status.drift.differences).to.have.length(1);
      expect(condition(drifted, 'Ready')).to.deep.equal(ready);
      expect([await engine().readSchema(url), await engine().readTables(url)]).to.deep.equal(before);
      const { differences } = JSON.parse((await db(url, 'diff', '--drift', '--output', 'json')).stdout);
      for (const sql of differences[0].sql) await engine().query(url, sql);
      const mended = await nextCheck(tenant);
      expect(condition(mended, 'SchemaDrift')).to.equal(undefined);
      expect(condition(mended, 'Ready')).to.deep.equal(ready);
    });

    it('a drift check finds that somebody has migrated it by hand: the record follows, and the message says so', async () => {
      const { url, tenant } = await newton(engine(), `${prefix}_hand`);
      await tenant.apply({ revision: 'ocata01', drift: { interval: '24h' } });
      await tenant.reaches('UpToDate', WAIT);
      await succeeds(url, 'sync', 'pike01');
      const { status } = await nextCheck(tenant);
      expect(status).to.deep.include({ recordedRevision: 'pike01', databaseHeads: ['pike_contract01'] });
      await tenant.apply({ revision: 'pike01', drift: { interval: '24h' } });
      const own = await tenant.reaches('UpToDate', WAIT);
      expect(condition(own, 'Ready')?.message).to.equal(
        'The database is at pike01. It was migrated from ocata01 to pike01 by something other than this GlanceSchema.',
      );
    });

    it('Block keeps a migration from a schema that has drifted, and lets it go on by itself once that is meant', async () => {
      const { url, tenant } = await newton(engine(), `${prefix}_block`);
      await engine().query(url, 'ALTER TABLE images ADD COLUMN cost_centre varchar(20)');
      const before = [await engine().readSchema(url), await engine().readTables(url)];
      await tenant.apply({ revision: 'ocata01', drift: { beforeMigration: 'Block' } });
      const blocked = await tenant.reaches('SchemaDrift', WAIT);
      expect(condition(blocked, 'SchemaDrift')?.message).to.contain("images.cost_centre is not Glance's");
      expect([await engine().readSchema(url), await engine().readTables(url)]).to.deep.equal(before);
      await tenant.apply({
        revision: 'ocata01',
        drift: { beforeMigration: 'Block', exclude: ['images.cost_*'] },
      });
      const ready = await tenant.reaches('UpToDate', WAIT);
      expect(condition(ready, 'SchemaDrift')).to.equal(undefined);
    });
  }

  describe('on PostgreSQL', () => {
    cases(() => postgresEngine(() => shared.environment.postgres), 'pgdrift', 'DROP INDEX owner_image_idx');

    it('a drift check writes so much and no more, and nothing is written of a resource whose turn is to come', async () => {
      const engine = postgresEngine(() => shared.environment.postgres);
      const [one, other] = [await newton(engine, 'pgdrift_one'), await newton(engine, 'pgdrift_other')];
      for (const { tenant } of [one, other]) {
        await tenant.apply({ revision: 'ocata01', drift: { interval: '24h' } });
        const { metadata } = await tenant.reaches('UpToDate', WAIT);
        expect(metadata?.uid).not.to.equal(undefined);
        await eventually(async () => expect((await tenant.read()).metadata?.finalizers).to.equal(undefined));
      }
      const rested = (await other.tenant.read()).metadata?.resourceVersion;
      const since = new Date();
      await nextCheck(one.tenant);
      // The log of the API server may be a moment behind its answers.
      await eventually(() => {
        const done = writes(one.tenant, since);
        // Reserved and released; at work and done; its TTL.
        expect([...new Set(done)].sort()).to.deep.equal([
          'create jobs',
          'patch glanceschemas',
          'patch jobs',
          'update glanceschemas status',
        ]);
        expect(done.filter((write) => write === 'patch glanceschemas')).to.have.length(2);
      });
      const [, job] = await one.tenant.jobs();
      expect(job?.spec.ttlSecondsAfterFinished).to.equal(600);
      await nextCheck(one.tenant);
      expect(writes(other.tenant, since)).to.deep.equal([]);
      expect((await other.tenant.read()).metadata?.resourceVersion).to.equal(rested);
    });
  });

  describe('on MariaDB', () => {
    before(async function () {
      if (!hasMariaDb()) {
        leaveOut(this, NO_MARIADB);
      }
      mariadb = await startMariaDb();
    });
    cases(
      () => {
        if (mariadb === undefined) throw new Error('MariaDB has not started');
        const server = mariadb;
        return mysqlEngine(() => server);
      },
      'mariadrift',
      'DROP INDEX owner_image_idx ON images',
    );
  });
});
