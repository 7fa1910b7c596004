import { expect } from 'chai';
import { OBSERVE_ANNOTATION, RESERVED_SEQUENCE_ANNOTATION } from '../../../../../src/contract/names.ts';
import { observe } from '../../../../../src/operator/reconcile/facts/observe.ts';
import { aJob, aPod, aPodThatReported, aReport, aSchema, recordedAt } from '../../../../support/builders.ts';

/** A Job with another name, UID and sequence number. */
function anotherJob(sequence: number, changes: Parameters<typeof aJob>[0] = {}) {
  const metadata = { name: `glance-${sequence}-bd7662a5`, uid: `job-${sequence}`, ...changes.metadata };
  return aJob({ ...changes, purpose: { sequence }, metadata });
}

describe('observe', () => {
  it('finds nothing but the schema where there is nothing else', () => {
    const seen = observe(aSchema(), [], []);
    expect(seen.job).to.equal(undefined);
    expect(seen).to.deep.include({
      lastSequence: 0,
      olderJobsWithoutTtl: [],
      ownedActiveJobs: [],
      livePods: [],
    });
  });

  it('takes the Job with the highest sequence number', () => {
    const seen = observe(aSchema(), [anotherJob(2), anotherJob(10), anotherJob(9)], []);
    expect(seen.job?.uid).to.equal('job-10');
    expect(seen.lastSequence).to.equal(10);
  });

  it('takes the Job at work with the higher number once one that was made too late is done with', () => {
    const late = { creationTimestamp: '2026-11-24T00:00:00Z' };
    const done = anotherJob(2, { end: 'Complete', ttl: 60, metadata: late });
    expect(observe(aSchema(), [anotherJob(3), done], []).job?.uid).to.equal('job-3');
    const notYet = anotherJob(2, { end: 'Complete', metadata: late });
    expect(observe(aSchema(), [anotherJob(3), notYet], []).job?.uid).to.equal('job-2');
  });

  it('names older Jobs that have ended and have no TTL', () => {
    const jobs = [
      anotherJob(3),
      anotherJob(2, { end: 'Failed' }),
      anotherJob(1, { end: 'Complete', ttl: 60 }),
    ];
    expect(observe(aSchema(), jobs, []).olderJobsWithoutTtl.map(({ uid }) => uid)).to.deep.equal(['job-2']);
  });

  it('leaves out Jobs and pods of another namespace', () => {
    const away = { namespace: 'elsewhere' };
    const pod = aPod('Running', { running: {} });
    const seen = observe(
      aSchema(),
      [aJob({ metadata: away })],
      [{ ...pod, metadata: { ...pod.metadata, ...away } }],
    );
    expect(seen.job).to.equal(undefined);
    expect(seen.livePods).to.deep.equal([]);
  });

  it('leaves out a Job that has our label and does not say what it is for', () => {
    const metadata = { name: 'a-copy', annotations: {}, ownerReferences: [] };
    expect(observe(aSchema(), [aJob({ metadata })], []).job).to.equal(undefined);
  });

  it('reads the report of a Job that has ended', () => {
    const { job } = observe(aSchema(), [aJob({ end: 'Complete' })], [aPodThatReported(aReport())]);
    expect(job?.state).to.deep.include({ kind: 'finished', succeeded: true });
    expect(job?.state.kind === 'finished' && job.state.report?.to).to.deep.equal(aReport().to);
  });

  it('a Job has its TTL only once it has an owner too, but for a schema that is being deleted', () => {
    const job = aJob({ end: 'Complete', ttl: 60, metadata: { ownerReferences: [] } });
    expect(observe(aSchema(), [job], []).job?.hasTtl).to.equal(false);
    const deleted = aSchema({ metadata: { deletionTimestamp: '2026-11-23T07:00:00Z' } });
    expect(observe(deleted, [job], []).job?.hasTtl).to.equal(true);
  });

  it('does not believe a status that is of an object with another UID', () => {
    const status = recordedAt('ocata01');
    const job = { name: 'glance-1-00000000', uid: 'of-another', sequence: 1 };
    const copied = aSchema({ status: JSON.parse(JSON.stringify({ ...status, job })) });
    expect(observe(copied, [], []).schema.status.recordedRevision).to.equal(undefined);
    expect(observe(aSchema({ status }), [], []).schema.status.recordedRevision).to.equal('ocata01');
  });

  for (const [text, sequence] of [
    ['7', 7],
    ['-1', 0],
    ['1e3', 0],
    ['12345678901', 0],
  ] as const) {
    it(`reads the annotation reserved-sequence '${text}' as ${sequence}`, () => {
      const schema = aSchema({ metadata: { annotations: { [RESERVED_SEQUENCE_ANNOTATION]: text } } });
      expect(observe(schema, [], []).schema.reservedSequence).to.equal(sequence);
    });
  }

  it('cuts an annotation that is longer than the status can hold', () => {
    const annotations = { [OBSERVE_ANNOTATION]: 'x'.repeat(1000) };
    expect(observe(aSchema({ metadata: { annotations } }), [], []).schema.observe?.length).to.be.at.most(256);
  });

  it('a deleted pod that no node has is waited for, and is on no node that could be lost', () => {
    const pod = aPod('Pending', {});
    const metadata = { ...pod.metadata, deletionTimestamp: '2026-11-24T00:00:00Z' };
    const [seen] = observe(aSchema(), [aJob()], [{ ...pod, metadata, spec: {} }]).livePods;
    expect(seen?.state).to.deep.include({ kind: 'starting' }).and.not.to.have.any.keys('endsBy', 'node');
    const bound = { ...pod, metadata, spec: { nodeName: 'node-1' } };
    const [there] = observe(aSchema(), [aJob()], [bound]).livePods;
    expect(there?.state).to.deep.include({ endsBy: metadata.deletionTimestamp, node: 'node-1' });
  });

  it('leaves out a field of the spec that only a newer CRD has', () => {
    const spec = Object.assign({}, aSchema().spec, { ofALaterVersion: true });
    expect(observe({ ...aSchema(), spec }, [], []).schema.spec).not.to.have.property('ofALaterVersion');
  });
});
