import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import { seedNewton } from '../../lab/databases/glance-data.ts';
import { type Environment, startEnvironment, type Tenant } from '../../lab/kubernetes/environment.ts';
import type { Operator } from '../../lab/kubernetes/operator.ts';
import { LEASE } from '../../lab/kubernetes/replicas.ts';
import { eventually } from '../../lab/process/eventually.ts';
import { type HeldMigration, holdMigration } from '../support/held-migration.ts';

/** Longer than the Lease of a leader that does not renew it. */
const EXPIRY = { timeoutMilliseconds: 40_000 };

describe('a leader that does not renew its Lease', () => {
  let environment: Environment;
  let leader: Operator;
  let other: Operator;
  let held: HeldMigration | undefined;

  before(async () => {
    environment = await startEnvironment();
    leader = await environment.operator();
    other = await environment.operator([], { standby: true });
  });

  afterEach(async () => {
    await held?.release();
  });

  after(async () => {
    leader?.kill('SIGKILL');
    await other?.stop();
    await environment?.stop();
  });

  /** A migration to ocata01 that is at work until `held` is released. */
  async function atWork(name: string): Promise<Tenant> {
    const url = await environment.postgres.createDatabase(name);
    await seedNewton(url, { images: 20 });
    const tenant = await environment.tenant(name, url);
    held = await holdMigration(url);
    await tenant.apply({ revision: 'ocata01' });
    await held.waits();
    await tenant.reaches('MigrationRunning');
    return tenant;
  }

  async function leads(operator: Operator): Promise<void> {
    await eventually(async () => {
      expect(operator.log().map(({ message }) => message)).to.include('Leading');
      const { spec } = await environment.api.call('GET', LEASE);
      expect(spec.holderIdentity).to.equal(operator.identity);
    }, EXPIRY);
  }

  /** What the Jobs of a tenant are for, in their order. */
  async function targets(tenant: Tenant): Promise<readonly string[]> {
    return (await tenant.jobs())
      .map((job) => `${job.metadata?.name} ${job.spec.template.spec.containers[0].args[2]}`)
      .sort()
      .map((each) => each.split(' ')[1] ?? '');
  }

  it('a leader paused longer than its Lease: another takes over, the first exits with 1, one Job per target', async () => {
    const tenant = await atWork('paused');
    leader.kill('SIGSTOP');
    const stopped = Date.now();
    await leads(other);
    await held?.release();
    await tenant.reaches('UpToDate');
    await tenant.apply({ revision: 'pike01' });
    await sleep(Math.max(0, stopped + 20_000 - Date.now()));
    // It wakes up with an old cache, and with all that happened since in its watches.
    leader.kill('SIGCONT');
    await tenant.apply({ revision: 'queens01' });
    await eventually(() => expect(leader.running(), 'it ends').to.equal(false));
    expect(await leader.stop()).to.equal(1);
    expect(leader.log().map(({ message }) => message)).to.include(
      'Lost the Lease, so another replica may lead: stopping. If this repeats, check that the API server answers within seconds',
    );
    const { status } = await tenant.reaches('UpToDate');
    expect(status.recordedRevision).to.equal('queens01');
    expect(new Set(await targets(tenant)).size, 'one Job for each').to.equal((await tenant.jobs()).length);
    expect(other.running()).to.equal(true);
  });

  it('killed, its Lease left as it is: another leads when that has expired, and takes the result', async () => {
    const tenant = await atWork('expired');
    leader = other;
    other = await environment.operator([], { standby: true });
    leader.kill('SIGKILL');
    await held?.release();
    await leads(other);
    const { status } = await tenant.reaches('UpToDate');
    expect(status.lastMigration).to.include({ from: 'mitaka02', to: 'ocata01' });
    expect(await targets(tenant)).to.deep.equal(['ocata01']);
  });
});
