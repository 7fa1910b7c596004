import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import { seedNewton } from '../../../lab/databases/glance-data.ts';
import { withClient } from '../../../lab/databases/images.ts';
import { startPostgres, type TestPostgres } from '../../../lab/databases/postgres.ts';
import { type Environment, startEnvironment, type Tenant } from '../../../lab/kubernetes/environment.ts';
import type { Operator } from '../../../lab/kubernetes/operator.ts';
import { eventually } from '../../../lab/process/eventually.ts';
import { committedDdl, countDdl } from '../../support/ddl-count.ts';
import { type HeldMigration, holdMigration } from '../../support/held-migration.ts';

const OBSERVE = 'db.glance.openstack.org/observe';

describe('what changes under a GlanceSchema', () => {
  let environment: Environment;
  let operator: Operator;
  let elsewhere: TestPostgres | undefined;
  let held: HeldMigration | undefined;

  before(async () => {
    environment = await startEnvironment();
    operator = await environment.operator();
  });

  afterEach(async () => {
    await held?.release();
  });

  after(async () => {
    await operator?.stop();
    await elsewhere?.stop();
    await environment?.stop();
  });

  async function newton(name: string): Promise<string> {
    const url = await environment.postgres.createDatabase(name);
    await seedNewton(url, { images: 20 });
    return url;
  }

  /** A migration to ocata01 that is at work until `held` is released. */
  async function atWork(name: string): Promise<Tenant> {
    const url = await newton(name);
    const tenant = await environment.tenant(name, url);
    held = await holdMigration(url);
    await tenant.apply({ revision: 'ocata01' });
    await held.waits();
    return tenant;
  }

  /** The Job that is at work and the pod of it, which nothing must touch. */
  async function migrators(tenant: Tenant): Promise<readonly unknown[]> {
    return [...(await tenant.jobs()), ...(await tenant.pods())].map(({ metadata, spec }) => [
      metadata?.uid,
      metadata?.deletionTimestamp,
      spec,
    ]);
  }

  it('a higher revision during a migration: that ends and is stored, then the next begins', async () => {
    const tenant = await atWork('higher');
    const before = await migrators(tenant);
    await tenant.apply({ revision: 'pike01' });
    await tenant.reaches('MigrationRunning');
    await sleep(2_000);
    expect(await migrators(tenant)).to.deep.equal(before);
    await held?.release();
    const { status } = await tenant.reaches('UpToDate');
    expect(status.recordedRevision).to.equal('pike01');
    expect(status.history.map(fromTo)).to.deep.equal(['ocata01 to pike01', 'mitaka02 to ocata01']);
    expect(await tenant.jobs()).to.have.length(2);
  });

  it('suspend and a higher revision during a migration: that ends and is stored, and nothing begins until it is taken back', async () => {
    const tenant = await atWork('suspended');
    const before = await migrators(tenant);
    await tenant.apply({ revision: 'pike01', suspend: true });
    await tenant.reaches('MigrationRunning');
    expect(await migrators(tenant)).to.deep.equal(before);
    await held?.release();
    const { status } = await tenant.reaches('Suspended');
    expect(status.recordedRevision).to.equal('ocata01');
    expect(status.history.map(fromTo)).to.deep.equal(['mitaka02 to ocata01']);
    await sleep(2_000);
    expect(await tenant.jobs()).to.have.length(1);
    await tenant.apply({ revision: 'pike01' });
    expect((await tenant.reaches('UpToDate')).status.recordedRevision).to.equal('pike01');
  });

  it('two resources on one database: one migrates, the other waits and finds it done; what the one does later the other learns by observe', async () => {
    const url = await newton('shared');
    await countDdl(url);
    held = await holdMigration(url);
    const [one, two] = [await environment.tenant('one', url), await environment.tenant('two', url)];
    await one.apply({ revision: 'ocata01' });
    await held.waits();
    await two.apply({ revision: 'ocata01' });
    await eventually(async () => {
      expect((await two.pods())[0]?.status?.phase).to.equal('Running');
      expect(environment.node.logs('two', (await two.pods())[0]?.metadata?.name ?? '')).to.contain('lock');
    });
    await sleep(2_000);
    await one.reaches('MigrationRunning', 0);
    await two.reaches('MigrationRunning', 0);
    await held.release();
    const [first, second] = [await one.reaches('UpToDate'), await two.reaches('UpToDate')];
    expect(first.status.lastMigration).to.include({ from: 'mitaka02', to: 'ocata01' });
    expect(second.status.recordedRevision).to.equal('ocata01');
    expect(second.status.lastMigration, 'it found all done').to.equal(undefined);
    const made = (await committedDdl(url)).filter((statement) => statement === 'CREATE TYPE');
    expect(made).to.have.length(1);

    await one.apply({ revision: 'pike01' });
    await one.reaches('UpToDate');
    expect((await two.reaches('UpToDate')).status.recordedRevision, 'nobody has read').to.equal('ocata01');
    await two.apply({ revision: 'ocata01' }, { [OBSERVE]: 'one has migrated' });
    const told = await two.reaches('DowngradeNotSupported');
    expect(told.status).to.include({ recordedRevision: 'pike01', handledObserve: 'one has migrated' });
  });

  const WAYS: readonly (readonly [string, string, (tenant: Tenant, url: string) => Promise<void>])[] = [
    [
      'restored in its place',
      'restored',
      async (_tenant, url) => {
        await withClient(environment.postgres.url('postgres'), (client) =>
          client.query('DROP DATABASE restored'),
        );
        await environment.postgres.createDatabase('restored');
        await seedNewton(url, { images: 10 });
      },
    ],
    [
      'moved to a new server',
      'moved',
      async ({ namespace }) => {
        elsewhere = await startPostgres();
        const connection = await elsewhere.createDatabase('moved');
        await seedNewton(connection, { images: 10 });
        await environment.api.call('PATCH', `/api/v1/namespaces/${namespace}/secrets/glance-db`, {
          stringData: { connection },
        });
      },
    ],
  ];
  for (const [what, name, bringBack] of WAYS) {
    it(`a database ${what} at a lower revision: observe, the record follows down, and a lower spec is taken and reached`, async () => {
      const url = await newton(name);
      const tenant = await environment.tenant(name, url);
      await tenant.apply({ revision: 'ocata01' });
      await tenant.reaches('UpToDate');
      await tenant.apply({ revision: 'ocata01', suspend: true });
      await tenant.reaches('Suspended');
      await bringBack(tenant, url);
      expect(await tenant.refusal({ revision: 'mitaka02', suspend: true })).to.contain(
        "Cannot lower the revision to 'mitaka02': the database is already at 'ocata01'",
      );
      const observe = { [OBSERVE]: 'restore-1' };
      await tenant.apply({ revision: 'ocata01', suspend: true }, observe);
      await eventually(async () => {
        const { status } = await tenant.reaches('Suspended', 0);
        expect(status).to.include({ handledObserve: 'restore-1', recordedRevision: 'mitaka02' });
      });
      await tenant.apply({ revision: 'mitaka02' }, observe);
      const { status } = await tenant.reaches('UpToDate');
      expect(status).to.deep.include({ recordedRevision: 'mitaka02', recordedPhase: 'Contract' });
      expect(status.history.map(fromTo), 'nothing was migrated again').to.deep.equal(['mitaka02 to ocata01']);
    });
  }
});

function fromTo({ from, to }: { readonly from: string; readonly to: string }): string {
  return `${from} to ${to}`;
}
