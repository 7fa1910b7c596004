import { expect } from 'chai';
import { eventually } from '../../../lab/process/eventually.ts';
import { describeWithOperator } from '../../support/with-operator.ts';

/** What a slow machine makes of it besides: its pod waits. */
const WHILE_WAITING: readonly unknown[] = ['MigrationPending', 'JobBlocked'];

describeWithOperator('Events', (shared) => {
  it('a database that is away is reported by its first attempt, and not by each', async () => {
    const tenant = await shared.environment.tenant('away', 'postgresql://glance:hunter2@127.0.0.1:1/glance');
    const told = async () =>
      (await tenant.events())
        .filter((event) => event.regarding?.kind === 'GlanceSchema')
        .filter((event) => !WHILE_WAITING.includes(event.reason))
        .map((event) => `${event.type} ${event.reason}`)
        .sort();
    const attempted = (attempt: number) =>
      eventually(
        async () => {
          const { job } = (await tenant.read()).status ?? {};
          expect(job?.attempt).to.equal(attempt);
          expect(job?.finishedAt, 'it has ended').not.to.equal(undefined);
        },
        { timeoutMilliseconds: 60_000 },
      );
    await tenant.apply({ job: { backoffLimit: 0 } });
    await attempted(1);
    const first = await eventually(async () => {
      const events = await told();
      expect(events).to.include.members(['Normal MigrationRunning', 'Warning DatabaseUnreachable']);
      return events;
    });
    expect(first.length, first.join()).to.be.at.most(4);
    const running = (await tenant.events()).find(({ reason }) => reason === 'MigrationRunning');
    const jobs = (await tenant.jobs()).map(({ metadata: { name, namespace, uid } = {} }) => ({
      ...{ apiVersion: 'batch/v1', kind: 'Job' },
      ...{ namespace, name, uid },
    }));
    expect(jobs).to.deep.include(running?.related);
    expect(running?.metadata?.annotations).to.deep.equal({
      'db.glance.openstack.org/target-revision': '2024_1_01',
    });
    await attempted(3);
    const later = await told();
    expect(later.length, later.join()).to.be.at.most(4);
    expect(new Set(later)).to.deep.equal(new Set(first));

    await tenant.apply({ revision: 'mitaka02', job: { backoffLimit: 0 } });
    await eventually(async () =>
      expect((await told()).length, 'another spec').to.be.greaterThan(later.length),
    );
  });
});
