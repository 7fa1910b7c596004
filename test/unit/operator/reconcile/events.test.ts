import { expect } from 'chai';
import type { GlanceSchemaStatus } from '../../../../src/contract/glance-schema.ts';
import type { Reason } from '../../../../src/contract/reasons.ts';
import { withoutUndefined } from '../../../../src/glance/without-undefined.ts';
import type { SchemaEvent, SchemaObject } from '../../../../src/operator/kube/cluster.ts';
import { eventDeduplicator, eventsFor } from '../../../../src/operator/reconcile/events.ts';
import { withVerdict } from '../../../../src/operator/reconcile/status/status.ts';
import { aSchema, failedWith } from '../../../support/builders.ts';

const START = Date.parse('2026-11-23T07:00:00Z');
const MINUTE = 60_000;

function says(reason: Reason, status: GlanceSchemaStatus = {}): GlanceSchemaStatus {
  return withVerdict(status, { reason, message: `It is ${reason}.` }, 1, new Date(START));
}

function event(before: GlanceSchemaStatus, after: GlanceSchemaStatus): SchemaEvent {
  return eventsFor(before, after)[0] ?? expect.fail('there is no event');
}

describe('eventsFor', () => {
  it('a change of the reason is reported, as a warning when a person should look', () => {
    expect(eventsFor(says('MigrationPending'), says('MigrationRunning'))).to.deep.equal([
      {
        type: 'Normal',
        reason: 'MigrationRunning',
        message: 'It is MigrationRunning.',
        annotations: {},
      },
    ]);
    for (const reason of [
      'DowngradeNotSupported',
      'DatabaseUnreachable',
      'ConnectionInvalid',
      'JobBlocked',
    ] as const) {
      expect(event({}, says(reason)).type, reason).to.equal('Warning');
    }
  });

  it('a change of nothing but the message is not', () => {
    const before = says('UpToDate');
    const conditions = before.conditions?.map((condition) => ({ ...condition, message: 'Another.' }));
    expect(eventsFor(before, { ...before, ...withoutUndefined({ conditions }) })).to.deep.equal([]);
  });

  it('a further Job that failed is reported though the reason stays', () => {
    const before = says('DatabaseUnreachable');
    const after = says('DatabaseUnreachable', failedWith('DatabaseUnreachable'));
    expect(event(before, after).reason).to.equal('DatabaseUnreachable');
  });

  it('a further Job that failed the very same way is reported, and the same failure read again is not', () => {
    const before = says('DatabaseUnreachable', failedWith('DatabaseUnreachable'));
    expect(eventsFor(before, structuredClone(before))).to.deep.equal([]);
    const after = structuredClone({ ...before, job: before.job && { ...before.job, uid: 'next' } });
    expect(event(before, after).reason).to.equal('DatabaseUnreachable');
  });

  it('carries the revisions that are recorded and wanted', () => {
    const status = { recordedRevision: 'mitaka02', targetRevision: 'ocata01' };
    expect(event({}, says('MigrationPending', status)).annotations).to.deep.equal({
      'db.glance.openstack.org/recorded-revision': 'mitaka02',
      'db.glance.openstack.org/target-revision': 'ocata01',
    });
  });

  it('names the Job that is at work or has just ended, and none that ended before', () => {
    const ended = failedWith('DatabaseUnreachable');
    const { finishedAt: _finishedAt, ...atWork } = ended.job ?? expect.fail('there is no Job');
    const running = { ...ended, job: atWork };
    const job = { name: atWork.name, uid: atWork.uid };
    expect(event({}, says('MigrationRunning', running)).job).to.deep.equal(job);
    expect(event(says('MigrationRunning', running), says('JobBlocked', running)).job).to.deep.equal(job);
    expect(event(running, says('DatabaseUnreachable', ended)).job).to.deep.equal(job);
    expect(event(says('DatabaseUnreachable', ended), says('Suspended', ended))).not.to.have.property('job');
    expect(event({}, says('Suspended'))).not.to.have.property('job');
  });

  it('that a Secret is shared is reported once, beside the reason', () => {
    const shared = says('UpToDate', { sharesDatabaseWith: 'glance-0' });
    const warning = {
      type: 'Warning',
      reason: 'DatabaseShared',
      message:
        'GlanceSchema glance-0, which is older, names the same database: their migrations wait for each other. Delete one of the two, or give each a database of its own.',
    };
    expect(eventsFor(says('UpToDate'), shared)).to.deep.equal([warning]);
    expect(eventsFor(says('MigrationRunning'), shared).map(({ reason }) => reason)).to.deep.equal([
      'UpToDate',
      'DatabaseShared',
    ]);
    expect(eventsFor(shared, { ...shared, recordedRevision: 'liberty' })).to.deep.equal([]);
    expect(eventsFor(shared, says('UpToDate'))).to.deep.equal([]);
  });
});

describe('eventDeduplicator', () => {
  let now = START;
  const down = says('DatabaseUnreachable', failedWith('DatabaseUnreachable'));
  const running = says('MigrationRunning');

  /**
   * What is told of a night in which each of so many attempts fails for the same cause, five
   * minutes apart.
   */
  function night(attempts: number): readonly string[] {
    now = START;
    const deduplicator = eventDeduplicator(() => new Date(now));
    const told: string[] = [];
    for (let attempt = 0; attempt < attempts; attempt += 1) {
      for (const [before, after] of [
        [down, running],
        [running, down],
      ] as const) {
        if (deduplicator.isNew(aSchema(), after, event(before, after))) {
          told.push(`${(now - START) / MINUTE} ${event(before, after).reason}`);
        }
        now += 2.5 * MINUTE;
      }
    }
    return told;
  }

  it('what repeats with every attempt is reported once in an hour', () => {
    expect(night(3)).to.deep.equal(['0 MigrationRunning', '2.5 DatabaseUnreachable']);
    expect(night(24)).to.deep.equal([
      ...['0 MigrationRunning', '2.5 DatabaseUnreachable'],
      ...['60 MigrationRunning', '62.5 DatabaseUnreachable'],
    ]);
  });

  const NEWS: readonly (readonly [string, SchemaObject, GlanceSchemaStatus])[] = [
    ['another cause', aSchema(), says('DatabaseUnreachable', failedWith('NoResult'))],
    ['another spec', aSchema({ metadata: { generation: 2 } }), down],
    ['another resource of that name', aSchema({ metadata: { uid: 'other' } }), down],
    ['a retry that was asked for', aSchema(), { ...down, handledRetry: 'now' }],
  ];
  for (const [what, schema, status] of NEWS) {
    it(`${what} is reported at once`, () => {
      const deduplicator = eventDeduplicator(() => new Date(START));
      const isNew = (of: SchemaObject, after: GlanceSchemaStatus) =>
        deduplicator.isNew(of, after, event({}, after));
      expect([isNew(aSchema(), down), isNew(aSchema(), down), isNew(schema, status)]).to.deep.equal([
        true,
        false,
        true,
      ]);
    });
  }

  it('of what is gone nothing is kept', () => {
    const deduplicator = eventDeduplicator(() => new Date(START));
    const isNew = () => deduplicator.isNew(aSchema(), down, event({}, down));
    expect(isNew()).to.equal(true);
    deduplicator.forget('openstack/glance');
    expect(isNew()).to.equal(true);
  });
});
