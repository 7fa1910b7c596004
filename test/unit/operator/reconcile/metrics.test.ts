import { Registry } from '@prometheus-io/client';
import { expect } from 'chai';
import type { GlanceSchemaStatus } from '../../../../src/contract/glance-schema.ts';
import { withoutUndefined } from '../../../../src/glance/without-undefined.ts';
import type { SchemaObject } from '../../../../src/operator/kube/cluster.ts';
import { observe } from '../../../../src/operator/reconcile/facts/observe.ts';
import { type StatusCounter, schemaMetrics } from '../../../../src/operator/reconcile/metrics.ts';
import { recordJob } from '../../../../src/operator/reconcile/status/result.ts';
import { withVerdict } from '../../../../src/operator/reconcile/status/status.ts';
import {
  aJob,
  aPodThatReported,
  aRefusal,
  aReport,
  aSchema,
  failedWith,
  recordedAt,
} from '../../../support/builders.ts';

const NOW = new Date('2026-11-23T07:01:05Z');

describe('schemaMetrics', () => {
  let registry: Registry;
  let schemas: SchemaObject[];
  let count: StatusCounter;

  beforeEach(() => {
    registry = new Registry();
    schemas = [];
    count = schemaMetrics({ registry, version: '1.2.3', schemas: () => schemas });
  });

  /** The lines of one metric that are not zero. */
  async function lines(name: string): Promise<readonly string[]> {
    const text = await registry.getSingleMetricAsString(name);
    return text.split('\n').filter((line) => !line.startsWith('#') && line !== '' && !line.endsWith(' 0'));
  }

  const OF_GLANCE = 'namespace="openstack",name="glance"';

  it('says where each database is, and which revision is wanted', async () => {
    schemas = [aSchema({ status: { ...recordedAt('mitaka02'), targetRevision: 'ocata01' } })];
    expect(await lines('glanceschema_info')).to.deep.equal([
      `glanceschema_info{${OF_GLANCE},recorded_revision="mitaka02",recorded_phase="Contract",target_revision="ocata01"} 1`,
    ]);
  });

  it('a schema without a status has empty labels, no condition and no success', async () => {
    schemas = [aSchema()];
    expect(await lines('glanceschema_info')).to.deep.equal([
      `glanceschema_info{${OF_GLANCE},recorded_revision="",recorded_phase="",target_revision=""} 1`,
    ]);
    expect(await lines('glanceschema_status_condition')).to.deep.equal([]);
    expect(await lines('glanceschema_last_success_timestamp_seconds')).to.deep.equal([]);
  });

  it('drift is 1 or 0 where the schema was checked for it, and absent elsewhere', async () => {
    const drift = { differences: ['table images is missing'], also: [], checkedAt: '2026-11-23T07:01:00Z' };
    const verdict = { reason: 'UpToDate', message: 'Here.' } as const;
    const seriesOf = async (status: GlanceSchemaStatus): Promise<string | undefined> => {
      schemas = [aSchema({ status: withVerdict(status, verdict, 1, NOW) })];
      const text = await registry.getSingleMetricAsString('glanceschema_drift');
      return text.split('\n').find((line) => line.startsWith('glanceschema_drift{'));
    };
    expect(await seriesOf({ drift })).to.equal(`glanceschema_drift{${OF_GLANCE}} 1`);
    expect(await lines('glanceschema_last_drift_check_timestamp_seconds')).to.deep.equal([
      `glanceschema_last_drift_check_timestamp_seconds{${OF_GLANCE}} ${Date.parse(drift.checkedAt) / 1000}`,
    ]);
    expect(await seriesOf({ drift: { ...drift, differences: [] } })).to.equal(
      `glanceschema_drift{${OF_GLANCE}} 0`,
    );
    expect(await seriesOf({ drift: { nextCheckAt: drift.checkedAt } })).to.equal(undefined);
    expect(await seriesOf({})).to.equal(undefined);
  });

  it('has a series for each condition that is there', async () => {
    const verdict = { reason: 'DowngradeNotSupported', message: 'Cannot.' } as const;
    schemas = [aSchema({ status: withVerdict({}, verdict, 1, NOW) })];
    const name = 'glanceschema_status_condition';
    expect(await lines(name)).to.deep.equal([
      `${name}{${OF_GLANCE},condition="Ready",status="False",reason="DowngradeNotSupported"} 1`,
      `${name}{${OF_GLANCE},condition="Stalled",status="True",reason="DowngradeNotSupported"} 1`,
    ]);
  });

  it('says how far a data migration has come, and how many attempts the newest spec has had', async () => {
    const status = { ...failedWith('Interrupted'), progress: { migration: 'm', done: 500, total: 2000 } };
    schemas = [aSchema({ status })];
    expect(await lines('glanceschema_progress_rows')).to.deep.equal([
      `glanceschema_progress_rows{${OF_GLANCE}} 500`,
    ]);
    expect(await lines('glanceschema_progress_expected_rows')).to.deep.equal([
      `glanceschema_progress_expected_rows{${OF_GLANCE}} 2000`,
    ]);
    expect(await lines('glanceschema_attempts')).to.deep.equal([`glanceschema_attempts{${OF_GLANCE}} 1`]);
    schemas = [aSchema({ status, metadata: { generation: 2 } })];
    expect(await lines('glanceschema_attempts'), 'an older spec').to.deep.equal([]);
  });

  it('a failure does not hide the success before it', async () => {
    const well = recordJob(...ended(aReport()));
    const seconds = Date.parse('2026-11-23T07:01:00Z') / 1000;
    for (const status of [well, { ...well, ...failedWith('DatabaseUnreachable') }]) {
      schemas = [aSchema({ status })];
      expect(await lines('glanceschema_last_success_timestamp_seconds')).to.deep.equal([
        `glanceschema_last_success_timestamp_seconds{${OF_GLANCE}} ${seconds}`,
      ]);
    }
  });

  it('the last success stays through Jobs that find nothing to do, run, or fail', async () => {
    const well = recordJob(...ended(aReport()));
    const job = { ...(well.job ?? expect.fail()), finishedAt: '2026-11-23T08:00:00Z' };
    const { finishedAt: _finishedAt, ...running } = job;
    const seconds = Date.parse('2026-11-23T07:01:00Z') / 1000;
    for (const status of [
      { ...well, job: { ...job, uid: 'nothing to do' } },
      { ...well, job: { ...running, uid: 'next' } },
      { ...well, ...failedWith('DatabaseUnreachable') },
    ]) {
      schemas = [aSchema({ status })];
      expect(await lines('glanceschema_last_success_timestamp_seconds')).to.deep.equal([
        `glanceschema_last_success_timestamp_seconds{${OF_GLANCE}} ${seconds}`,
      ]);
    }
    schemas = [aSchema({ status: { ...recordedAt('ocata01'), job } })];
    expect(await lines('glanceschema_last_success_timestamp_seconds'), 'no migration').to.deep.equal([]);
  });

  it('what is gone has no series, and on a replica that does not lead nothing has', async () => {
    schemas = [
      aSchema({ status: recordedAt('ocata01') }),
      aSchema({ metadata: { name: 'other' }, status: recordedAt('ocata01') }),
    ];
    expect(await lines('glanceschema_info')).to.have.length(2);
    schemas = schemas.slice(1);
    expect((await lines('glanceschema_info')).join()).to.contain('name="other"');
    schemas = [];
    expect(await lines('glanceschema_info')).to.deep.equal([]);
  });

  it('a result is counted by the write that stored it, and by no later one', async () => {
    const before = recordedAt('mitaka02');
    const applied = [
      { name: 'ocata_expand01', milliseconds: 900 },
      { name: 'ocata_migrate01', milliseconds: 59_000, rows: 1500 },
    ];
    const after = recordJob(...ended(aReport({ applied }), before));
    count(before, after);
    count(after, withVerdict(after, { reason: 'UpToDate', message: 'There.' }, 1, NOW));
    expect(await lines('glanceschema_job_results_total')).to.deep.equal([
      'glanceschema_job_results_total{purpose="Migrate",reason="Done"} 1',
    ]);
    expect(await lines('glanceschema_migrated_rows_total')).to.deep.equal([
      'glanceschema_migrated_rows_total 1500',
    ]);
    const durations = await lines('glanceschema_migration_duration_seconds');
    expect(durations).to.include('glanceschema_migration_duration_seconds_sum{result="success"} 60');
    expect(durations).to.include('glanceschema_migration_duration_seconds_count{result="success"} 1');
  });

  it('a migration counts once it is whole, though the history reports its first pod before', async () => {
    const first = aPodThatReported(
      aRefusal('DatabaseUnreachable', { applied: [{ name: 'ocata_migrate01', milliseconds: 1, rows: 500 }] }),
    );
    const atWork = observe(aSchema(), [aJob()], [first]);
    const running = recordJob(atWork.schema, atWork.job);
    expect(running.history).to.have.length(1);
    count({}, running);
    expect(await lines('glanceschema_migrated_rows_total')).to.deep.equal([]);
    const last = aPodThatReported(aReport({ applied: [{ name: 'm', milliseconds: 1, rows: 1000 }] }));
    const pods = [first, { ...last, metadata: { ...last.metadata, name: 'last', uid: 'last' } }];
    const { schema, job } = observe(aSchema({ status: running }), [aJob({ end: 'Complete' })], pods);
    count(running, recordJob(schema, job));
    expect(await lines('glanceschema_migrated_rows_total')).to.deep.equal([
      'glanceschema_migrated_rows_total 1500',
    ]);
    expect(await lines('glanceschema_migration_duration_seconds')).to.include(
      'glanceschema_migration_duration_seconds_count{result="success"} 1',
    );
  });

  it('a Job that runs is no result, and the next one is another', async () => {
    const { schema, job } = observe(aSchema(), [aJob()], []);
    const running = recordJob(schema, job);
    count({}, running);
    expect(await lines('glanceschema_job_results_total')).to.deep.equal([]);
    const first = recordJob(...ended(aRefusal('DatabaseUnreachable', { heads: null }), running));
    const second: GlanceSchemaStatus = { job: { ...(first.job ?? expect.fail()), uid: 'next' } };
    count(running, first);
    count(first, second);
    expect(await lines('glanceschema_job_results_total')).to.deep.equal([
      'glanceschema_job_results_total{purpose="Migrate",reason="DatabaseUnreachable"} 2',
    ]);
    expect(await lines('glanceschema_migration_duration_seconds'), 'no migration').to.deep.equal([]);
  });

  it('a refusal is counted once for each spec', async () => {
    const refused = (generation: number) =>
      withVerdict({}, { reason: 'RevisionNotFound', message: 'Cannot.' }, generation, NOW);
    count({}, refused(1));
    count(refused(1), { ...refused(1), handledRetry: 'now' });
    count(refused(1), refused(2));
    expect(await lines('glanceschema_refusals_total')).to.deep.equal([
      'glanceschema_refusals_total{reason="RevisionNotFound"} 2',
    ]);
  });
});

/** What recordJob takes when a Job has ended with a report. */
function ended(
  report: Parameters<typeof aPodThatReported>[0],
  status?: GlanceSchemaStatus,
): Parameters<typeof recordJob> {
  const job = aJob({ end: report.error === null ? 'Complete' : 'Failed' });
  const seen = observe(aSchema(withoutUndefined({ status })), [job], [aPodThatReported(report)]);
  return [seen.schema, seen.job];
}
