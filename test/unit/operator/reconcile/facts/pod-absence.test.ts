import { expect } from 'chai';
import { readyReason } from '../../../../../src/contract/glance-schema.ts';
import { decide } from '../../../../../src/operator/reconcile/decide.ts';
import { observe } from '../../../../../src/operator/reconcile/facts/observe.ts';
import { podAbsence } from '../../../../../src/operator/reconcile/facts/pod-absence.ts';
import { aJob, aPod, aSchema, STARTED } from '../../../../support/builders.ts';

/** Long after the Job was made. */
const LATER = Date.parse(STARTED) + 600_000;

describe('a Job whose pod is gone', () => {
  const absence = () => {
    let time = LATER;
    const known = podAbsence(() => new Date(time));
    return (milliseconds: number, pods: Parameters<typeof observe>[2], schema = aSchema()) => {
      time = LATER + milliseconds;
      const observed = known.of('openstack/glance', observe(schema, [aJob()], pods));
      return decide(observed, new Date(time));
    };
  };

  it('is blocked half a minute after its pod was seen last, however old it is itself', () => {
    const at = absence();
    expect(readyReason(at(0, [aPod('Running', { running: {} })]).status)).to.equal('MigrationRunning');
    const gone = at(1000, []);
    expect(readyReason(gone.status)).to.equal('MigrationRunning');
    expect(gone.requeueAfter).to.equal(30_000);
    expect(readyReason(at(30_000, []).status)).to.equal('MigrationRunning');
    expect(readyReason(at(31_000, []).status)).to.equal('JobBlocked');
  });

  it('stays blocked for an operator that begins, where the status says so', () => {
    const at = absence();
    at(0, []);
    const { status } = at(31_000, []);
    expect(readyReason(absence()(32_000, [], aSchema({ status })).status)).to.equal('JobBlocked');
  });
});
