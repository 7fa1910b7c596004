import { expect } from 'chai';
import { eventually } from '../../../lab/process/eventually.ts';
import { describeWithOperator } from '../../support/with-operator.ts';

const ACCOUNT = 'system:serviceaccount:glance-schema-system:glance-schema-operator';

/**
 * One of each, whatever the machine: the place is noted and the finalizer set, the Job made and
 * given its TTL and owner, the finalizer released. With two statuses they are the six of
 * docs/performance.md.
 */
const WRITES = ['create jobs', 'patch glanceschemas', 'patch glanceschemas', 'patch jobs'];
const STATUSES = ['MigrationRunning', 'UpToDate'];

/** What a slow machine makes of it besides: its pod waits. */
const WHILE_WAITING = ['MigrationPending', 'JobBlocked'];

describeWithOperator('what an upgrade asks of the API server', (shared) => {
  it('is each write once, and a read of what the caches cannot be trusted with', async () => {
    const tenant = await shared.environment.tenant(
      'asked',
      await shared.environment.postgres.createDatabase('asked'),
    );
    async function upgradeTo(revision: string, upgrades: number): Promise<void> {
      await tenant.apply({ revision });
      await tenant.reaches('UpToDate');
      await eventually(async () => {
        const { metadata } = await tenant.read();
        expect(metadata?.finalizers ?? []).to.deep.equal([]);
        const ends = (await tenant.events()).filter(({ reason }) => reason === 'UpToDate');
        expect(ends, 'the end is told').to.have.length(upgrades);
      });
    }
    await upgradeTo('liberty', 1);
    const since = new Date();
    const before = shared.environment.proxy.requests.length;
    await upgradeTo('mitaka01', 2);
    const reasons = shared.environment.proxy.requests
      .slice(before)
      .filter(({ method, path }) => method === 'PUT' && path.endsWith('/status'))
      .map(({ body }) => body.status.conditions[0].reason)
      .filter((reason) => !WHILE_WAITING.includes(reason));
    // The log of the API server may be a moment behind its answers.
    await eventually(() => {
      const asked = shared.environment.plane
        .auditEvents({ user: ACCOUNT, since, stage: 'ResponseComplete' })
        .filter(({ verb, objectRef }) => verb !== 'watch' && objectRef?.resource !== 'leases')
        .map(({ verb, objectRef }) =>
          [`${verb} ${objectRef?.resource}`, objectRef?.subresource].filter(Boolean).join('/'),
        )
        .sort();
      const but = (...others: readonly string[]) => asked.filter((what) => !others.includes(what));
      const count = (what: string) => asked.filter((other) => other === what).length;
      const states = ['create events', 'update glanceschemas/status'];
      expect(but(...states, 'get jobs', 'list pods')).to.deep.equal(WRITES);
      // Each is one write and one Event.
      expect(reasons).to.deep.equal(STATUSES);
      expect(count('update glanceschemas/status')).to.be.within(2, 5);
      expect(count('create events')).to.be.within(2, count('update glanceschemas/status'));
      // The previous Job and the pods, so that nobody is at work; the pods again only where the end
      // of the Job was seen first.
      expect(count('get jobs')).to.equal(1);
      expect(count('list pods')).to.be.within(1, 2);
    });
  });
});
