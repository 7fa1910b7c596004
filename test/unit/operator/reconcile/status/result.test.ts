import { expect } from 'chai';
import type { GlanceSchemaStatus } from '../../../../../src/contract/glance-schema.ts';
import type { MigrationReport } from '../../../../../src/contract/report.ts';
import { withoutUndefined } from '../../../../../src/glance/without-undefined.ts';
import { observe } from '../../../../../src/operator/reconcile/facts/observe.ts';
import type { Purpose } from '../../../../../src/operator/reconcile/job/job.ts';
import { recordJob } from '../../../../../src/operator/reconcile/status/result.ts';
import {
  aJob,
  aPlan,
  aPlanReport,
  aPod,
  aPodThatReported,
  aRefusal,
  aReport,
  aSchema,
  at,
  FINISHED,
  PLANNED,
  recordedAt,
} from '../../../../support/builders.ts';

/** The status after a Job has ended with this report. */
function statusAfter(report: MigrationReport | undefined, status?: GlanceSchemaStatus): GlanceSchemaStatus {
  const end = report?.error == null ? 'Complete' : 'Failed';
  const pods = report === undefined ? [] : [aPodThatReported(report)];
  const { schema, job } = observe(aSchema(withoutUndefined({ status })), [aJob({ end })], pods);
  return recordJob(schema, job);
}

describe('recordJob', () => {
  it('a migration is recorded with what was applied', () => {
    const status = statusAfter(aReport(), recordedAt('mitaka02'));
    expect(status).to.deep.include({
      recordedRevision: 'ocata01',
      recordedPhase: 'Contract',
      databaseHeads: ['ocata_contract01'],
    });
    expect(status.lastMigration).to.deep.include({ from: 'mitaka02', to: 'ocata01', applied: ['ocata01'] });
    expect(status.history).to.deep.equal([status.lastMigration]);
    expect(status.job?.failure).to.equal(undefined);
  });

  it('a migration after which the schema differs is the last migration all the same, and is reported as a failure', () => {
    const status = statusAfter(
      aRefusal('SchemaDiffers', {
        to: at('ocata01'),
        heads: ['ocata_contract01'],
        applied: [{ name: 'ocata01', milliseconds: 1 }],
      }),
      recordedAt('mitaka02'),
    );
    expect(status).to.deep.include({ recordedRevision: 'ocata01' });
    expect(status.lastMigration).to.deep.include({ to: 'ocata01', applied: ['ocata01'] });
    expect(status.job?.failure?.reason).to.equal('SchemaDiffers');
    expect(status.schemaDifferences).to.equal(status.job?.failure?.message);
  });

  describe('what a migration has found of the schema', () => {
    const found = recordedAt('ocata01', {
      databaseHeads: ['ocata_contract01'],
      schemaDifferences: 'No index.',
    });
    const here = { to: at('ocata01'), heads: ['ocata_contract01'] };

    for (const [fact, report, expected] of [
      [
        'a Job that only reads finds the database where it was',
        aReport({ ...here, command: 'version' }),
        'No index.',
      ],
      ['a Job that plans finds it where it was', aReport({ ...here, command: 'plan' }), 'No index.'],
      ['a migration did not come so far', aRefusal('LockTimeout', here), 'No index.'],
      ['a Job read nothing', aRefusal('DatabaseUnreachable', { heads: null }), 'No index.'],
      ['a migration compared the schema and found nothing', aReport(here), undefined],
      [
        'a Job that only reads finds the database elsewhere, as after a restore',
        aReport({ command: 'version', to: at('mitaka02'), heads: ['mitaka02'] }),
        undefined,
      ],
    ] as const) {
      it(`${fact}: ${expected === undefined ? 'is reported no more' : 'is still reported'}`, () => {
        expect(statusAfter(report, found).schemaDifferences).to.equal(expected);
      });
    }

    it('the database is that of another Secret: is reported no more', () => {
      const status = { ...found, recordedFrom: 'other/connection' };
      expect(statusAfter(aReport({ ...here, command: 'version' }), status).schemaDifferences).to.equal(
        undefined,
      );
    });
  });

  describe('drift', () => {
    const drift = {
      differences: ['index owner_image_idx on images (owner) is missing'],
      also: ['table audit'],
    };
    const known = recordedAt('mitaka02', { drift });

    for (const [fact, report, expected] of [
      ['a migration is blocked by it', aRefusal('SchemaDrift', { drift }), drift],
      ['a migration goes on and some is left', aReport({ drift }), drift],
      [
        'a migration leaves none',
        aReport({ drift: { differences: [], also: [] } }),
        { differences: [], also: [] },
      ],
      ['it was not checked', aReport(), drift],
      ['nothing was read', aRefusal('DatabaseUnreachable', { heads: null }), drift],
    ] as const) {
      it(fact, () => {
        expect(statusAfter(report, known).drift).to.deep.equal(expected);
      });
    }

    it('of a pod that reports more than a status holds the first ten are taken', () => {
      const many = Array.from({ length: 60 }, (_, index) => `table t${index}`);
      const status = statusAfter(aReport({ drift: { differences: many, also: many } }), {});
      expect(status.drift).to.deep.equal({ differences: many.slice(0, 10), also: many.slice(0, 10) });
    });
  });

  describe('a plan', () => {
    const purpose = { kind: 'Plan', target: null, plans: at('ocata01') } as const;
    const RETRIED = { annotations: { 'db.glance.openstack.org/retry': 'now' } };

    function statusOf(
      report: MigrationReport,
      status: GlanceSchemaStatus = {},
      job: Partial<Purpose> = purpose,
    ): GlanceSchemaStatus {
      const end = report.error === null ? 'Complete' : 'Failed';
      const jobs = [aJob({ end, purpose: { retry: 'now', ...job } })];
      const seen = observe(aSchema({ status, metadata: RETRIED }), jobs, [aPodThatReported(report)]);
      return recordJob(seen.schema, seen.job);
    }

    it('is recorded with where the database is, and leaves a retry to the migration', () => {
      const status = statusOf(aPlanReport(), { refusedPlan: PLANNED });
      expect(status.plan).to.deep.equal(aPlan());
      expect(status).to.include({ recordedRevision: 'mitaka02', refusedPlan: PLANNED });
      expect(status).not.to.have.any.keys('handledRetry', 'history', 'lastMigration');
      expect(status.job).to.deep.include({ purpose: 'Plan', finishedAt: FINISHED });
    });

    it('of an empty database has no start', () => {
      const status = statusOf({ ...aPlanReport(), from: null, to: null, heads: [] });
      expect(status.plan).to.deep.equal(aPlan({ from: undefined }));
    });

    it('with nothing to run answers a retry', () => {
      const there = { to: at('ocata01'), heads: ['ocata_contract01'] };
      const status = statusOf({ ...aPlanReport({ steps: [], rows: 0 }), ...there });
      expect(status).to.include({ recordedRevision: 'ocata01', handledRetry: 'now' });
      expect(status.job?.failure).to.equal(undefined);
    });

    it('that could not be made leaves the one before, and answers a retry', () => {
      const before = recordedAt('mitaka02', { plan: aPlan({ hash: 'b2'.repeat(32) }) });
      const status = statusOf(aRefusal('DatabaseUnreachable', { heads: null, to: null }), before);
      expect(status.plan).to.deep.equal(before.plan);
      expect(status).to.include({ handledRetry: 'now' });
    });

    for (const [fact, report, says] of [
      ['is missing', { ...aPlanReport(), plan: undefined }, 'has no plan'],
      ['has nothing to run, and the database is elsewhere', aPlanReport({ steps: [] }), 'nothing to run'],
      ['has a hash that is none', aPlanReport({ hash: 'a1; rm -rf /' }), 'no report that can be read'],
    ] as const) {
      it(`that ${fact} is a failure`, () => {
        const status = statusOf(report);
        expect(status.job?.failure?.reason).to.equal('NoResult');
        expect(status.job?.failure?.message).to.include(says);
        expect(status).not.to.have.property('plan');
      });
    }

    it('goes when a migration has found another, which remembers what was refused', () => {
      const approved = { hash: PLANNED, mostRows: 1 };
      const status = statusOf(aRefusal('PlanChanged'), { plan: aPlan() }, { approved });
      expect(status).not.to.have.property('plan');
      expect(status).to.include({ refusedPlan: PLANNED, recordedRevision: 'mitaka02' });
      expect(status).not.to.have.any.keys('history', 'lastMigration');
    });

    it('stays when a migration has failed otherwise, and nothing is refused any more', () => {
      const before = { plan: aPlan(), refusedPlan: PLANNED };
      const status = statusOf(aRefusal('LockTimeout'), before, { approved: { hash: PLANNED, mostRows: 1 } });
      expect(status.plan).to.deep.equal(aPlan());
      expect(status).not.to.have.property('refusedPlan');
    });
  });

  it('a phase is recorded with the revision, and how far a data migration came until it has ended', () => {
    const interrupted = statusAfter(
      aRefusal('Interrupted', {
        to: at('ocata01', 'Expand'),
        heads: ['ocata_expand01'],
        progress: { migration: 'ocata_migrate01', done: 500, total: 2000 },
      }),
    );
    expect(interrupted).to.deep.include({
      recordedPhase: 'Expand',
      progress: { migration: 'ocata_migrate01', done: 500, total: 2000 },
    });
    const ended = statusAfter(
      aReport({ target: at('ocata01', 'Migrate'), to: at('ocata01', 'Migrate'), heads: ['ocata_expand01'] }),
      {
        recordedRevision: 'ocata01',
        progress: { migration: 'ocata_migrate01', done: 500, total: 2000 },
      },
    );
    expect(ended.recordedPhase).to.equal('Migrate');
    expect(ended.progress).to.equal(undefined);
  });

  describe('how far the log of a Job at work says that it is', () => {
    const half = { migration: 'ocata_migrate01', done: 500, total: 1000 };
    const { schema, job } = observe(aSchema(), [aJob()], []);
    const atWork = recordJob(schema, job, half);
    const known = { ...schema, status: atWork };

    it('is reported', () => expect(atWork.progress).to.deep.equal(half));
    it('stays while nothing can be read', () => {
      expect(recordJob(known, job, undefined)).to.deep.equal(atWork);
    });
    it('goes when the data migration has ended', () => {
      expect(recordJob(known, job, 'none').progress).to.equal(undefined);
    });
    it('is not taken for that of the next Job', () => {
      const next = observe(aSchema(), [aJob({ metadata: { uid: 'next' } })], []).job;
      expect(recordJob(known, next, undefined).progress).to.equal(undefined);
    });
    it('goes when the Job is lost', () => {
      expect(recordJob(known, undefined, undefined).progress).to.equal(undefined);
    });
    it('goes when the Job ends, whatever it left', () => {
      expect(statusAfter(aReport(), atWork).progress).to.equal(undefined);
      expect(statusAfter(undefined, atWork).progress).to.equal(undefined);
      const unread = aRefusal('DatabaseUnreachable', { from: null, to: null, heads: null });
      expect(statusAfter(unread, atWork).progress).to.equal(undefined);
    });
  });

  it('rows that were moved are counted, those of a data migration that did not end too', () => {
    const applied = [
      { name: 'ocata_expand01', milliseconds: 900 },
      { name: 'ocata_migrate01', milliseconds: 40_000, rows: 1500 },
    ];
    const progress = { migration: 'ocata_migrate01', done: 500, total: 2000 };
    expect(statusAfter(aReport({ applied })).lastMigration?.rows).to.equal(1500);
    expect(statusAfter(aRefusal('Interrupted', { applied, progress })).history?.[0]?.rows).to.equal(2000);
    expect(statusAfter(aReport()).lastMigration, 'no data migration').to.not.have.property('rows');
  });

  it('a reading that found nothing to do is no migration', () => {
    const status = statusAfter(aReport({ from: at('ocata01'), applied: [] }));
    expect(status.recordedRevision).to.equal('ocata01');
    expect(status.lastMigration).to.equal(undefined);
    expect(status.history).to.equal(undefined);
  });

  it('a refusal records what the database says, and is no migration', () => {
    const status = statusAfter(aRefusal('DowngradeNotSupported'), recordedAt('liberty'));
    expect(status.recordedRevision).to.equal('mitaka02');
    expect(status.history).to.equal(undefined);
    expect(status.job?.failure?.reason).to.equal('DowngradeNotSupported');
  });

  it('a failure after some scripts records where the database is and goes into the history with its cause', () => {
    const report = aRefusal('MigrationFailed', {
      from: at('liberty'),
      applied: [{ name: 'mitaka01', milliseconds: 1 }],
    });
    const status = statusAfter(report, recordedAt('liberty'));
    expect(status.recordedRevision).to.equal('mitaka02');
    expect(status.lastMigration).to.equal(undefined);
    expect(status.history?.[0]).to.include({ error: report.error?.message });
  });

  it('a database that could not be read leaves the record as it was', () => {
    const status = statusAfter(
      aRefusal('DatabaseUnreachable', { from: null, to: null, heads: null }),
      recordedAt('mitaka01'),
    );
    expect(status.recordedRevision).to.equal('mitaka01');
  });

  it('an empty database takes the record away', () => {
    const status = statusAfter(
      aRefusal('Interrupted', { from: null, to: null, heads: [] }),
      recordedAt('mitaka01'),
    );
    expect(status.recordedRevision).to.equal(undefined);
    expect(status.databaseHeads).to.deep.equal([]);
  });

  it('a position that is no revision of Glance is not recorded', () => {
    const status = statusAfter(aReport({ to: at('zz_top01'), heads: ['zz_top01'] }), recordedAt('mitaka01'));
    expect(status.recordedRevision).to.equal(undefined);
    expect(status.databaseHeads).to.deep.equal(['zz_top01']);
  });

  it('a Job that does not say what it is for is counted once', () => {
    const job = aJob({ metadata: { annotations: {} } });
    const first = observe(aSchema({ status: recordedAt('mitaka02') }), [job], []);
    const status = recordJob(first.schema, first.job);
    expect(status.job?.sequence).to.equal(1);
    const again = observe(aSchema({ status }), [job], []);
    expect(recordJob(again.schema, again.job)).to.deep.equal(status);
  });

  it('a result is taken once', () => {
    const once = statusAfter(aReport());
    expect(statusAfter(aReport(), once)).to.equal(once);
  });

  it('the result of an older Job does not come back when the newest is not to be seen', () => {
    const [older, newest] = [2, 3].map((sequence) => ({
      purpose: { sequence },
      metadata: { uid: `${sequence}` },
    }));
    const end = 'Complete';
    const newer = observe(aSchema(), [aJob({ ...newest, end })], []);
    const status = recordJob(newer.schema, newer.job);
    expect(status.job?.sequence).to.equal(3);
    const stale = observe(aSchema({ status }), [aJob({ ...older, end })], []);
    expect(recordJob(stale.schema, stale.job)).to.equal(status);
  });

  it('a Job that was deleted at once does not come back from an old cache when the one made in its place has ended', () => {
    const status = statusAfter(aReport());
    const deleted = observe(aSchema({ status }), [aJob({ metadata: { uid: 'deleted' } })], []);
    expect(recordJob(deleted.schema, deleted.job)).to.equal(status);
  });

  describe('a Job whose first pod lost the connection in the middle', () => {
    const first = aPodThatReported(
      aRefusal('DatabaseUnreachable', {
        from: at('liberty'),
        to: at('mitaka02'),
        heads: ['mitaka02'],
        applied: [
          { name: 'mitaka01', milliseconds: 1 },
          { name: 'ocata_migrate01', milliseconds: 1, rows: 5 },
        ],
        startedAt: '2026-11-23T06:59:00Z',
      }),
      20,
    );
    const early = {
      ...first,
      metadata: { ...first.metadata, name: 'first', uid: 'first', creationTimestamp: '2026-11-23T06:59:00Z' },
    };
    const whole = { from: 'liberty', to: 'ocata01', startedAt: '2026-11-23T06:59:00Z', rows: 5 };

    it('is reported in the history at once, with where that left the database', () => {
      const { schema, job } = observe(aSchema({ status: recordedAt('liberty') }), [aJob()], [early]);
      const status = recordJob(schema, job);
      expect(status.recordedRevision).to.equal('mitaka02');
      expect(status.history?.map(({ applied }) => applied)).to.deep.equal([['mitaka01', 'ocata_migrate01']]);
    });

    it('is not reported once more before the end when its next pod succeeds', () => {
      const { schema, job } = observe(aSchema(), [aJob()], [aPodThatReported(aReport())]);
      expect(recordJob(schema, job)).to.have.all.keys(['job']);
    });

    it('is one entry with what its next pod did', () => {
      const atWork = observe(aSchema({ status: recordedAt('liberty') }), [aJob()], [early]);
      const status = recordJob(atWork.schema, atWork.job);
      const pods = [aPodThatReported(aReport()), early];
      const { schema, job } = observe(aSchema({ status }), [aJob({ end: 'Complete' })], pods);
      const ended = recordJob(schema, job);
      expect(ended.history).to.deep.equal([ended.lastMigration]);
      expect(ended.lastMigration).to.include(whole);
      expect(ended.lastMigration?.applied).to.deep.equal(['mitaka01', 'ocata_migrate01', 'ocata01']);
      expect(ended.lastMigration).to.not.have.property('error');
    });

    it('is reported with how the Job ended when its next pod leaves no report', () => {
      const { schema, job } = observe(
        aSchema({ status: recordedAt('liberty') }),
        [aJob({ end: 'Failed', endReason: 'BackoffLimitExceeded' })],
        [aPod('Failed', { terminated: { exitCode: 137, reason: 'OOMKilled' } }), early],
      );
      const { history, job: reported } = recordJob(schema, job);
      expect(reported?.failure?.reason).to.equal('NoResult');
      expect(history?.map(({ applied, error }) => [applied.length, error])).to.deep.equal([
        [2, reported?.failure?.message],
      ]);
    });
  });

  it('a pod that was deleted by hand may have been the last to report', () => {
    const report = aRefusal('MigrationFailed', { to: at('mitaka01'), heads: ['mitaka01'] });
    const conditions = [{ type: 'DisruptionTarget', status: 'True' }];
    const evicted = aPod('Failed', undefined, { conditions });
    // The Job controller does not count it, so that it stands for none that is missing.
    const first = {
      ...evicted,
      metadata: { ...evicted.metadata, creationTimestamp: '2026-11-23T06:59:00Z' },
    };
    const results = [1, 2].map((failed) => {
      const job = aJob({ end: 'Failed', endReason: 'BackoffLimitExceeded', failed });
      const pods = [first, aPodThatReported(report)];
      const seen = observe(aSchema({ status: recordedAt('liberty') }), [job], pods);
      const status = recordJob(seen.schema, seen.job);
      return [status.recordedRevision, status.job?.failure?.reason];
    });
    expect(results).to.deep.equal([
      ['mitaka01', 'MigrationFailed'],
      ['liberty', 'NoResult'],
    ]);
  });

  it('where it was read from, and by what, is reported', () => {
    expect(statusAfter(aReport()).recordedFrom).to.equal('glance-db/connection');
    const unread = aRefusal('DatabaseUnreachable', { from: null, to: null, heads: null });
    expect(statusAfter(unread).recordedFrom).to.equal(undefined);
  });

  it('a Job that left nothing to read says so', () => {
    expect(statusAfter(undefined, recordedAt('mitaka02'))).to.deep.include({ recordedRevision: 'mitaka02' });
    expect(statusAfter(undefined).job?.failure?.reason).to.equal('NoResult');
  });

  it('the history keeps ten', () => {
    let status: GlanceSchemaStatus = {};
    for (const run of Array.from({ length: 12 }, (_, index) => index)) {
      const job = aJob({
        end: 'Complete',
        purpose: { sequence: run + 1 },
        metadata: { name: `glance-${run + 1}`, uid: `${run}` },
      });
      const pod = aPodThatReported(aReport());
      const own = { ...pod.metadata, ownerReferences: [{ uid: `${run}`, name: job.metadata.name }] };
      const seen = observe(aSchema({ status }), [job], [{ ...pod, metadata: own }]);
      status = recordJob(seen.schema, seen.job);
    }
    expect(status.history?.map(({ job }) => job)).to.deep.equal(
      Array.from({ length: 10 }, (_, index) => `glance-${12 - index}`),
    );
  });

  it('a message of any length fits into the status', () => {
    const report = aRefusal('MigrationFailed', {
      error: { reason: 'MigrationFailed', message: 'x'.repeat(9000), migration: null },
    });
    expect(statusAfter(report).job?.failure?.message).to.have.length(2048);
  });
});
