import { expect } from 'chai';
import { type Environment, startEnvironment } from '../../../lab/kubernetes/environment.ts';
import type { Operator } from '../../../lab/kubernetes/operator.ts';
import { eventually } from '../../../lab/process/eventually.ts';

describe('Events', () => {
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

  it('a database that is away is reported by its first attempt, and not by each', async () => {
    const tenant = await environment.tenant('away', 'postgresql://glance:hunter2@127.0.0.1:1/glance');
    const told = async () =>
      (await tenant.events())
        .filter((event) => event.regarding?.kind === 'GlanceSchema')
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
