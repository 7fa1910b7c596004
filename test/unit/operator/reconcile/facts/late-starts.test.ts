import { expect } from 'chai';
import { decide } from '../../../../../src/operator/reconcile/decide.ts';
import { lateStarts } from '../../../../../src/operator/reconcile/facts/late-starts.ts';
import { observe } from '../../../../../src/operator/reconcile/facts/observe.ts';
import { aJob, aPod, aSchema, STARTED } from '../../../../support/builders.ts';

const NOW = new Date(Date.parse(STARTED) + 60_000);

const ENDED = aJob({ end: 'Failed', endReason: 'DeadlineExceeded' });

describe('a Job that reached its deadline', () => {
  /** What is recorded at its end, after its pod was seen in these states. */
  function failureAfter(...states: readonly Parameters<typeof observe>[2][]) {
    const late = lateStarts();
    for (const pods of states) late.of('openstack/glance', observe(aSchema(), [aJob()], pods));
    const observed = late.of('openstack/glance', observe(aSchema(), [ENDED], []));
    return decide(observed, NOW).status.job?.failure;
  }
  const pulling = [aPod('Pending', { waiting: { reason: 'ContainerCreating' } })];
  const running = [aPod('Running', { running: {} })];

  it('while its image was being pulled is tried again', () => {
    expect(failureAfter([], pulling)).to.deep.include({ reason: 'NoResult', databaseRead: false });
    expect(failureAfter(pulling)?.message).to.match(
      /reached job\.activeDeadlineSeconds before its migration began\. Its pod had not started/,
    );
  });

  it('before it had a pod is tried again', () => {
    expect(failureAfter([])?.reason).to.equal('NoResult');
  });

  it('once its migration had begun has failed for good', () => {
    expect(failureAfter(pulling, running)?.reason).to.equal('MigrationFailed');
  });

  it('whose second pod had not started has failed for good', () => {
    expect(failureAfter(running, pulling)?.reason).to.equal('MigrationFailed');
  });

  it('is nothing that another Job of the same resource was seen to be', () => {
    const late = lateStarts();
    const job = aJob();
    const another = { ...job, metadata: { ...job.metadata, uid: 'another' } };
    late.of('openstack/glance', observe(aSchema(), [another], pulling));
    const observed = late.of('openstack/glance', observe(aSchema(), [ENDED], []));
    expect(decide(observed, NOW).status.job?.failure?.reason).to.equal('MigrationFailed');
  });

  it('that this operator has not seen at work has failed for good', () => {
    expect(failureAfter()?.reason).to.equal('MigrationFailed');
  });
});
