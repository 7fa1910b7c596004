import { exitCodeOf, type FailureReason, failureMeaning } from '../../../contract/failures.ts';
import type { GlanceSchemaStatus, HistoryEntry, StatusJob } from '../../../contract/glance-schema.ts';
import { readyCondition } from '../../../contract/glance-schema.ts';
import { BACKUP_CONTAINER_NAME } from '../../../contract/names.ts';
import { printable } from '../../../contract/printable.ts';
import type { ProgressReport } from '../../../contract/progress.ts';
import type { Reason } from '../../../contract/reasons.ts';
import type { MigrationReport } from '../../../contract/report.ts';
import { isPast, isReached } from '../../../glance/goal.ts';
import { formatPosition, type Position } from '../../../glance/position.ts';
import { REVISIONS } from '../../../glance/revisions.ts';
import { withoutUndefined } from '../../../glance/without-undefined.ts';
import type { ObservedJob, ObservedSchema } from '../facts/observe.ts';
import { backupBefore, outcomeOfBackup, withBackups } from './backups.ts';
import { isFollowed, ofDriftCheck, recordDrift } from './drift.ts';
import { type Reading, readingOf } from './reading.ts';
import type { ReadyCondition } from './status.ts';

const MOST_HISTORY = 10;
const MOST_SCRIPTS = 64;
const LONGEST_MESSAGE = 2048;

/**
 * The status with the Job, how far it has come and, once it has ended, its result in it. The
 * recorded revision is what the Job read from the database; where it read nothing, the record
 * stays. A result that is in the status already is not taken again.
 */
export function recordJob(
  schema: ObservedSchema,
  newest: ObservedJob | undefined,
  reported?: ProgressReport,
): GlanceSchemaStatus {
  const { status } = schema;
  const job = newest !== undefined && isOlder(status, newest) ? undefined : newest;
  if (job === undefined ? status.job?.finishedAt !== undefined : isRecorded(status, job)) {
    return status;
  }
  const { progress: live, ...withoutProgress } = status;
  if (job === undefined) {
    // Nothing is at work, or what was is lost.
    return withoutProgress;
  }
  const backups = withBackups(status.backups, job);
  const before = { ...withoutProgress, ...(backups.length === 0 ? {} : { backups: [...backups] }) };
  const known = status.job?.uid === job.uid ? status.job : undefined;
  const statusJob: StatusJob = {
    name: job.name,
    uid: job.uid,
    purpose: job.purpose?.kind ?? 'Migrate',
    sequence: job.purpose?.sequence ?? known?.sequence ?? (status.job?.sequence ?? 0) + 1,
    attempt: job.purpose?.attempt ?? known?.attempt ?? (status.job?.attempt ?? 0) + 1,
    generation: job.purpose?.generation ?? schema.generation,
    startedAt: job.createdAt,
    ...withoutUndefined({ image: job.purpose?.image, backup: outcomeOfBackup(job) }),
  };
  // Of a Job that does not say what it was for, it is unknown what it has answered: each annotation
  // counts once.
  const { retry, observe } = job.purpose ?? schema;
  const retried = answersRetry(job) ? withoutUndefined({ handledRetry: retry }) : {};
  const entry = historyEntry(job, status);
  if (job.state.kind === 'active') {
    // What cannot be read at the moment leaves what was read before, but not of another Job.
    const progress = reported ?? (known && live);
    // The Job may be gone before its end is seen: what a pod has done that did not succeed is
    // reported at once. Of one that did, the end of its Job reports it in a moment.
    const early = job.state.lastReport?.error != null;
    return {
      ...(early ? recordPosition(before, job, job.state.lastReport) : before),
      ...retried,
      job: statusJob,
      ...(progress === undefined || progress === 'none' ? {} : { progress }),
      ...(early && entry !== undefined && entry.applied.length > 0
        ? { history: withEntry(status, entry) }
        : {}),
    };
  }
  const { report, finishedAt } = job.state;
  const failure = failureOf(job, status);
  const worthTelling =
    entry !== undefined && (entry.applied.length > 0 || failureMeaning(failure?.reason)?.inHistory === true);
  return {
    ...recordDrift(before, recordPlan(recordPosition(before, job, report), job, failure), job),
    ...withoutUndefined({ progress: report?.progress }),
    ...retried,
    ...(observe === undefined || readingOf(report) === undefined ? {} : { handledObserve: observe }),
    job: { ...statusJob, finishedAt, ...withoutUndefined({ failure }) },
    // A schema that others have changed does not undo the migration.
    ...(worthTelling && (failure === undefined || failure.reason === 'SchemaDiffers')
      ? { lastMigration: entry }
      : {}),
    ...(worthTelling ? { history: withEntry(status, entry) } : {}),
  };
}

/**
 * Whether nothing of what a retry asks for is left to do once this Job has ended: a plan that has
 * something to run leaves it to the migration.
 */
function answersRetry({ purpose, state }: ObservedJob): boolean {
  return (
    purpose?.kind !== 'Plan' ||
    (state.kind === 'finished' && (!state.succeeded || state.report?.plan?.steps.length === 0))
  );
}

/** The status with the plan that a Job has made, or without the one that it has found another. */
function recordPlan(
  status: GlanceSchemaStatus,
  { name, purpose, state }: ObservedJob,
  failure: StatusJob['failure'],
): GlanceSchemaStatus {
  const { plan: _plan, refusedPlan: _refused, ...rest } = status;
  if (purpose?.kind === 'Migrate') {
    return failure?.reason === ('PlanChanged' satisfies FailureReason)
      ? { ...rest, ...withoutUndefined({ refusedPlan: purpose.approved?.hash }) }
      : { ...rest, ...withoutUndefined({ plan: status.plan }) };
  }
  const report = state.kind === 'finished' && failure === undefined ? state.report : undefined;
  const reading = readingOf(report);
  const { plans } = purpose ?? {};
  if (report?.plan === undefined || reading === undefined || plans === undefined) {
    return status;
  }
  const { hash, steps, rows, mostRows, locks, warnings } = report.plan;
  return {
    ...rest,
    ...withoutUndefined({ refusedPlan: status.refusedPlan }),
    plan: {
      hash,
      ...withoutUndefined({ from: reading.position && formatPosition(reading.position) }),
      to: formatPosition(plans),
      revisions: [...steps],
      rows,
      mostRows,
      locks: [...locks],
      warnings: [...warnings],
      ...withoutUndefined({ database: purpose?.database, image: purpose?.image }),
      job: name,
    },
  };
}

/** The history with an entry, which takes the place of an earlier one of the same Job. */
function withEntry({ history = [] }: GlanceSchemaStatus, entry: HistoryEntry): HistoryEntry[] {
  return [entry, ...history.filter(({ job }) => job !== entry.job)].slice(0, MOST_HISTORY);
}

/** Whether the result of this Job is in the status, or was before a later one came. */
export function isRecorded(status: GlanceSchemaStatus, job: ObservedJob): boolean {
  return isOlder(status, job) || (status.job?.uid === job.uid && status.job.finishedAt !== undefined);
}

/**
 * Whether the status is of a later Job: a cache that lacks that one, or a user who deleted it, must
 * not bring the result of this one back.
 */
function isOlder({ job: known }: GlanceSchemaStatus, { purpose, createdAt }: ObservedJob): boolean {
  if (known === undefined || purpose === undefined) {
    return false;
  }
  if (purpose.sequence !== known.sequence) {
    return purpose.sequence < known.sequence;
  }
  // A sequence number is used twice when a Job was deleted by hand. Of the same second, one that
  // has ended is the later: it was there for longer, and there are no two of one name.
  return known.finishedAt === undefined ? createdAt < known.startedAt : createdAt <= known.startedAt;
}

/** The status with what a report has read from the database, if it has. */
function recordPosition(
  status: GlanceSchemaStatus,
  { purpose }: ObservedJob,
  report: MigrationReport | undefined,
): GlanceSchemaStatus {
  const read = readingOf(report);
  if (report === undefined || read === undefined) {
    return status;
  }
  const reading = ofDriftCheck(status, purpose, read);
  if (!isFollowed(status, purpose, reading)) {
    return status;
  }
  const {
    recordedRevision: _revision,
    recordedPhase: _phase,
    recordedFrom: _from,
    schemaDifferences: _before,
    ...rest
  } = status;
  const { position, heads } = reading;
  const differences = whatDiffers(status, purpose, report);
  return {
    ...rest,
    ...withoutUndefined({
      recordedRevision: position?.revision,
      recordedPhase: position?.phase,
      recordedFrom: purpose?.database,
    }),
    databaseHeads: [...heads],
    ...withoutUndefined({ schemaDifferences: differences }),
  };
}

/**
 * What of the schema is not that of the revision, as far as is known. A Job that only reads, and a
 * migration that failed, have not compared it: what was found before holds while the database is where
 * it was.
 */
function whatDiffers(
  { schemaDifferences, databaseHeads, recordedFrom }: GlanceSchemaStatus,
  purpose: ObservedJob['purpose'],
  { command, heads, error, drift }: MigrationReport,
): string | undefined {
  if (error?.reason === 'SchemaDiffers') {
    return printable(error.message, LONGEST_MESSAGE);
  }
  const hasCompared =
    error === null &&
    (drift === undefined ? !['version', 'plan', 'backup'].includes(command) : drift.differences.length === 0);
  const isSame =
    heads?.join() === databaseHeads?.join() &&
    (purpose?.database === undefined || recordedFrom === undefined || purpose.database === recordedFrom);
  return hasCompared || !isSame ? undefined : schemaDifferences;
}

/** Why a Job that has ended has not done what it was for; undefined where it has. */
function failureOf(job: ObservedJob, before: GlanceSchemaStatus): StatusJob['failure'] {
  const { state } = job;
  if (state.kind !== 'finished') {
    return undefined;
  }
  const { report, succeeded } = state;
  const databaseRead = readingOf(report) !== undefined;
  const fail = (reason: string, message: string) => ({
    reason,
    message: printable(message, LONGEST_MESSAGE),
    databaseRead,
  });
  if (state.deadlineExceeded) {
    return deadlineFailure(job, report, before, fail);
  }
  if (report !== undefined && report.error !== null && !succeeded) {
    return fail(report.error.reason, report.error.message);
  }
  if (state.backupExitCode !== undefined && !succeeded) {
    return fail(
      'BackupFailed' satisfies FailureReason,
      silentBackup(job.name, state.backupExitCode, state.failure),
    );
  }
  if (succeeded) {
    const wrong = whatIsWrong(job, report);
    return wrong === undefined ? undefined : fail(NO_RESULT, wrong);
  }
  return fail(
    NO_RESULT,
    `Job ${job.name} ended without a report: ${state.failure ?? 'no reason given'}. If this repeats, look into the log of the Job`,
  );
}

/** The first sentence of what is said of a backup that failed and left no report, and what to do. */
function silentBackup(job: string, exitCode: number, failure: string | undefined): string {
  const what = `The backup before the migration left no result, and nothing was migrated: ${failure ?? 'no reason given'}.`;
  return exitCode === exitCodeOf('Usage')
    ? `${what} Its image may be of a version that has no 'db backup': name one of this operator's version in spec.backup.image.`
    : `${what} Run 'kubectl logs job/${job} -c ${BACKUP_CONTAINER_NAME}' in its namespace to see why.`;
}

/**
 * Reasons that are reported for a Job whose container cannot start, or whose pods could not begin.
 */
const NOT_BEGUN: readonly Reason[] = [
  'SecretNotReady',
  'JobBlocked',
  'DatabaseUnreachable',
  'ConnectionInvalid',
];

/**
 * What is reported of this Job, where that is why its migration has not begun. Once its result is
 * stored, what is reported is of what comes after it, though an old cache may still show it at work.
 */
export function whyNotBegun({ job, ...status }: GlanceSchemaStatus, uid: string): ReadyCondition | undefined {
  const reported = job?.uid === uid && job.finishedAt === undefined ? readyCondition(status) : undefined;
  const reason = NOT_BEGUN.find((each) => each === reported?.reason);
  return reported && reason && { reason, message: reported.message };
}

/**
 * A Job that had no chance to begin may succeed later; a migration that was ended in the middle
 * takes too long again.
 */
function deadlineFailure(
  { name, uid, state }: ObservedJob,
  report: MigrationReport | undefined,
  before: GlanceSchemaStatus,
  fail: (reason: string, message: string) => NonNullable<StatusJob['failure']>,
): StatusJob['failure'] {
  const error = report?.error;
  if (error?.reason === 'Interrupted' && report?.command === 'backup') {
    return fail(
      'BackupFailed' satisfies FailureReason,
      'The backup before the migration had not finished when the Job reached its deadline (job.activeDeadlineSeconds plus spec.backup.timeout). Nothing was migrated. Raise one of the two.',
    );
  }
  if (error != null && error.reason !== 'Interrupted' && error.reason !== 'MigrationFailed') {
    return fail(error.reason, error.message);
  }
  const why =
    whyNotBegun(before, uid)?.message ??
    (state.kind === 'finished' && state.neverBegan === true
      ? 'Its pod had not started by then, as where an image takes long to be pulled. Raise it if pods need more time to start.'
      : undefined);
  if (report === undefined && why !== undefined) {
    return fail(
      NO_RESULT,
      `Job ${name} reached job.activeDeadlineSeconds before its migration began. ${why}`,
    );
  }
  return fail(
    'MigrationFailed' satisfies FailureReason,
    'Cannot finish the migration: it takes longer than job.activeDeadlineSeconds. Raise or remove that.',
  );
}

/**
 * What makes the result of a Job that succeeded one that nobody can go by; undefined where nothing
 * does.
 */
function whatIsWrong(
  { name, purpose }: ObservedJob,
  report: MigrationReport | undefined,
): string | undefined {
  if (report === undefined) {
    return `Job ${name} succeeded but left no report that can be read. Check that its image is that of this operator`;
  }
  if (purpose === undefined) {
    return `Job ${name} succeeded and does not say what it was for: its annotation was changed or taken off. Let nothing change the annotations of the operator's Jobs`;
  }
  if (report.error !== null) {
    return `Job ${name} succeeded, and its report names a failure: ${report.error.message} Check that its image is that of this operator`;
  }
  const reading = readingOf(report);
  if (reading === undefined) {
    const why = report.heads === null ? 'does not say where the database is' : 'contradicts itself';
    return `Job ${name} succeeded, and its report ${why}. Check that its image is that of this operator`;
  }
  const { target, plans } = purpose;
  if (plans !== undefined) {
    return whatIsWrongWithPlan(name, plans, reading, report.plan);
  }
  if (target === null || !REVISIONS.some(({ name }) => name === target.revision)) {
    return undefined;
  }
  const { position } = reading;
  if (position !== undefined && (isReached(position, target) || isPast(position, target))) {
    return undefined;
  }
  const where = position === undefined ? 'at no revision' : `at ${formatPosition(position)}`;
  return `Job ${name} succeeded and left the database ${where}, short of ${formatPosition(target)}. Check that its image is that of this operator`;
}

function whatIsWrongWithPlan(
  name: string,
  plans: Position,
  { position }: Reading,
  plan: MigrationReport['plan'],
): string | undefined {
  if (plan === undefined) {
    return `Job ${name} succeeded, and its report has no plan. Check that its image is that of this operator`;
  }
  return plan.steps.length > 0 || (position !== undefined && isReached(position, plans))
    ? undefined
    : `Job ${name} succeeded, and its plan has nothing to run though the database is not at ${formatPosition(plans)}. Check that its image is that of this operator`;
}

/**
 * The reason in `status.job.failure` when a Job has left no report: another attempt reads the
 * database again.
 */
export const NO_RESULT = 'NoResult';

/**
 * What all pods of a Job did, each going on where the one before it stopped; undefined while none
 * has reported.
 */
function historyEntry(ended: ObservedJob, before: GlanceSchemaStatus): HistoryEntry | undefined {
  const { name, state } = ended;
  // A backup that failed is no migration.
  const reports = ended.reports.filter(({ command }) => command !== 'backup');
  const [first] = reports;
  const last = reports.at(-1);
  if (first === undefined || last === undefined) {
    return undefined;
  }
  const rows = rowsMoved(reports);
  // A pod without a report ended otherwise than the last one with a report.
  const silent = state.kind === 'finished' && state.report === undefined;
  const error = silent ? failureOf(ended, before)?.message : last.error?.message;
  return {
    ...(first.from === null ? {} : { from: formatPosition(first.from) }),
    ...(last.to === null ? {} : { to: formatPosition(last.to) }),
    startedAt: first.startedAt,
    finishedAt: last.finishedAt,
    applied: reports.flatMap(({ applied }) => applied.map((script) => script.name)).slice(0, MOST_SCRIPTS),
    ...withoutUndefined({ rows, backup: backupBefore(ended) }),
    job: name,
    ...(error === undefined ? {} : { error: printable(error, LONGEST_MESSAGE) }),
  };
}

/** Rows of data migrations that ended, and of those that did not; undefined when there was none. */
function rowsMoved(reports: readonly MigrationReport[]): number | undefined {
  const moved = reports
    .flatMap(({ applied, progress }) => [...applied.map((script) => script.rows), progress?.done])
    .filter((rows) => rows !== undefined);
  return moved.length === 0 ? undefined : moved.reduce((sum, rows) => sum + rows);
}
