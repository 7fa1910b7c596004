import { Counter, Gauge, Histogram, type Registry } from '@prometheus-io/client';
import { EXIT_REASONS, failureMeaning, failureReasons } from '../../contract/failures.ts';
import type { GlanceSchemaStatus, StatusJob } from '../../contract/glance-schema.ts';
import { readyReason } from '../../contract/glance-schema.ts';
import { LATEST_SUPPORTED } from '../../glance/revisions.ts';
import type { SchemaObject } from '../kube/cluster.ts';
import { newBackups } from './events.ts';
import { NO_RESULT } from './status/result.ts';

/** Of which GlanceSchemas there are metrics, and where they are registered. */
export interface SchemaMetricsOptions {
  readonly registry: Registry;
  /** The version of the operator. */
  readonly version: string;
  /**
   * Every GlanceSchema that there is now; none on a replica that does not lead, so that each is
   * counted once.
   */
  readonly schemas: () => Iterable<SchemaObject>;
}

/** What is counted when a status has been written: what it was before, and what it is. */
export type StatusCounter = (before: GlanceSchemaStatus, after: GlanceSchemaStatus) => void;

/** In seconds: from an empty database to one with many millions of images. */
const MIGRATION_BUCKETS = [1, 5, 15, 60, 300, 900, 3600, 14_400, 43_200];

/**
 * The metrics of GlanceSchemas. What the status says is read from the cache whenever Prometheus
 * asks, and kept nowhere, so that a resource that is gone is gone here too. What happens is counted
 * by the returned function once per write of a status that the API server took: a result that was
 * stored before a restart is never counted again, while one that is stored at the moment in which
 * the operator dies is not counted at all.
 */
export function schemaMetrics({ registry, version, schemas }: SchemaMetricsOptions): StatusCounter {
  new Gauge({
    name: 'glanceschema_operator_info',
    help: 'Always 1; the version of the operator, and the latest revision that it supports.',
    labelNames: ['version', 'newest_revision'],
    registers: [registry],
  }).set({ version, newest_revision: LATEST_SUPPORTED }, 1);

  statusGauges(registry, schemas);
  return statusCounter(registry);
}

/** What the status of each GlanceSchema says, read whenever Prometheus asks. */
function statusGauges(registry: Registry, schemas: SchemaMetricsOptions['schemas']): void {
  const registers = [registry];

  /** A gauge with a series for each of these that a GlanceSchema has. */
  function perSchema<Label extends string>(
    name: string,
    help: string,
    labels: readonly Label[],
    samples: (schema: SchemaObject, status: GlanceSchemaStatus) => readonly Sample<Label>[],
  ): void {
    new Gauge<string>({
      name,
      help,
      labelNames: ['namespace', 'name', ...labels],
      registers,
      collect() {
        this.reset();
        for (const schema of schemas()) {
          const { namespace, name } = schema.metadata;
          for (const [value, more] of samples(schema, schema.status ?? {})) {
            this.set({ namespace, name, ...more }, value);
          }
        }
      },
    });
  }

  perSchema(
    'glanceschema_info',
    'Always 1; where the database was last read, and which revision is wanted.',
    ['recorded_revision', 'recorded_phase', 'target_revision'],
    (_schema, { recordedRevision = '', recordedPhase = '', targetRevision = '' }) => [
      [
        1,
        {
          recorded_revision: recordedRevision,
          recorded_phase: recordedPhase,
          target_revision: targetRevision,
        },
      ],
    ],
  );
  perSchema(
    'glanceschema_status_condition',
    'Always 1; a condition that the status has, with its status and reason. Reconciling and Stalled are present only while they are true.',
    ['condition', 'status', 'reason'],
    (_schema, { conditions = [] }) =>
      conditions.map(({ type, status, reason }) => [1, { condition: type, status, reason }]),
  );
  perSchema(
    'glanceschema_drift',
    'Whether the schema was not what its revision has when it was last checked for drift: 1 or 0; absent where the spec asks for no check, or before the first.',
    [],
    (_schema, { conditions = [], drift }) =>
      drift?.differences === undefined && drift?.checkedAt === undefined
        ? []
        : [[conditions.some(({ type }) => type === 'SchemaDrift') ? 1 : 0, {}]],
  );
  perSchema(
    'glanceschema_last_drift_check_timestamp_seconds',
    'When a drift check last read the database, in seconds since the epoch; absent while none has.',
    [],
    (_schema, { drift }) =>
      drift?.checkedAt === undefined ? [] : [[Date.parse(drift.checkedAt) / 1000, {}]],
  );
  perSchema(
    'glanceschema_attempts',
    'How many Jobs the newest spec has had.',
    [],
    ({ metadata }, { job }) => [[job?.generation === metadata.generation ? (job?.attempt ?? 0) : 0, {}]],
  );
  perSchema(
    'glanceschema_last_success_timestamp_seconds',
    'When a migration that changed the database last succeeded, in seconds since the epoch; absent while none has.',
    [],
    (_schema, { lastMigration }) =>
      lastMigration === undefined ? [] : [[Date.parse(lastMigration.finishedAt) / 1000, {}]],
  );
  perSchema(
    'glanceschema_last_backup_timestamp_seconds',
    'When the newest backup was taken that is known to be proven, in seconds since the epoch; absent while none is.',
    [],
    (_schema, { backups: [newest] = [] }) =>
      newest === undefined ? [] : [[Date.parse(newest.takenAt) / 1000, {}]],
  );
  perSchema(
    'glanceschema_last_backup_bytes',
    'The length of its file.',
    [],
    (_schema, { backups: [newest] = [] }) => (newest === undefined ? [] : [[newest.bytes, {}]]),
  );
  perSchema(
    'glanceschema_progress_rows',
    'Rows that the data migration which is running, or was broken off, has moved.',
    [],
    (_schema, { progress }) => (progress === undefined ? [] : [[progress.done, {}]]),
  );
  perSchema(
    'glanceschema_progress_expected_rows',
    'Rows that this data migration has to move in all.',
    [],
    (_schema, { progress }) => (progress === undefined ? [] : [[progress.total, {}]]),
  );
}

/** Counts what happens. */
function statusCounter(registry: Registry): StatusCounter {
  const registers = [registry];
  const results = new Counter({
    name: 'glanceschema_job_results_total',
    help: 'Jobs whose result was stored, by what they were for and how they ended: Done, NoResult, or why they failed.',
    labelNames: ['purpose', 'reason'],
    registers,
  });
  const refusals = new Counter({
    name: 'glanceschema_refusals_total',
    help: 'Specs that were refused without a change of the database.',
    labelNames: ['reason'],
    registers,
  });
  const durations = new Histogram({
    name: 'glanceschema_migration_duration_seconds',
    help: 'How long migrations took that changed a database, or failed to, by their own clock.',
    labelNames: ['result'],
    buckets: MIGRATION_BUCKETS,
    registers,
  });
  const rows = new Counter({
    name: 'glanceschema_migrated_rows_total',
    help: 'Rows that online data migrations moved.',
    registers,
  });
  const backups = new Counter({
    name: 'glanceschema_backups_total',
    help: 'Backups before migrations, by what came of them: proven, failed, or unproven where a migration ran and the report of its backup is missing.',
    labelNames: ['result'],
    registers,
  });
  // Without these, a rate misses the first of each.
  for (const result of ['proven', 'failed', 'unproven']) {
    backups.inc({ result }, 0);
  }
  for (const reason of failureReasons(({ refusal }) => refusal)) {
    refusals.inc({ reason }, 0);
  }
  for (const reason of [NO_RESULT, ...EXIT_REASONS]) {
    results.inc({ purpose: 'Migrate', reason }, 0);
  }

  return (before, after) => {
    const ended = newResult(before, after);
    if (ended !== undefined) {
      results.inc({ purpose: ended.purpose, reason: ended.failure?.reason ?? 'Done' });
      backups.inc({ result: 'failed' }, ended.failure?.reason === 'BackupFailed' ? 1 : 0);
      backups.inc({ result: 'unproven' }, ended.backup === 'Unproven' ? 1 : 0);
    }
    backups.inc({ result: 'proven' }, newBackups(before, after).length);
    const [entry] = after.history ?? [];
    // The entry is there before the Job has ended when its first pod has not done all; it counts
    // when it is whole.
    if (entry !== undefined && entry.job === ended?.name) {
      const seconds = (Date.parse(entry.finishedAt) - Date.parse(entry.startedAt)) / 1000;
      durations.observe({ result: entry.error === undefined ? 'success' : 'failure' }, Math.max(0, seconds));
      rows.inc(entry.rows ?? 0);
    }
    const reason = readyReason(after);
    if (
      reason !== undefined &&
      failureMeaning(reason)?.refusal === true &&
      (reason !== readyReason(before) || before.observedGeneration !== after.observedGeneration)
    ) {
      refusals.inc({ reason });
    }
  };
}

/** The Job whose result has come into the status by this write, if one has. */
export function newResult(before: GlanceSchemaStatus, after: GlanceSchemaStatus): StatusJob | undefined {
  const { job } = after;
  const known = before.job?.uid === job?.uid && before.job?.finishedAt !== undefined;
  return job?.finishedAt === undefined || known ? undefined : job;
}

type Sample<Label extends string> = readonly [number, Readonly<Record<Label, string>>];
