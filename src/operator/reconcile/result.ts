import { type FailureReason, failureMeaning } from '../../contract/failures.ts';
import type { GlanceSchemaStatus, HistoryEntry, StatusJob } from '../../contract/glance-schema.ts';
import { printable } from '../../contract/printable.ts';
import type { ToldProgress } from '../../contract/progress.ts';
import type { MigrationReport } from '../../contract/report.ts';
import { formatPosition } from '../../glance/position.ts';
import { REVISIONS } from '../../glance/revisions.ts';
import type { ObservedJob, ObservedSchema } from './observe.ts';

const MOST_HISTORY = 10;
const MOST_SCRIPTS = 64;
const LONGEST_MESSAGE = 2048;

/**
 * The status with the Job, how far it has come and, once it has ended, its result in it. The recorded revision is what the Job read from the
 * database; where it read nothing, the record stays. A result that is in the status already is not taken again.
 */
export function recordJob(
  schema: ObservedSchema,
  newest: ObservedJob | undefined,
  told?: ToldProgress,
): GlanceSchemaStatus {
  const { status } = schema;
  const job = newest !== undefined && isOlder(status, newest) ? undefined : newest;
  if (job === undefined ? status.job?.finishedAt !== undefined : isRecorded(status, job)) {
    return status;
  }
  const { progress: live, ...before } = status;
  if (job === undefined) {
    // Nothing is at work, or what was is lost.
    return before;
  }
  const known = status.job?.uid === job.uid ? status.job : undefined;
  const statusJob: StatusJob = {
    name: job.name,
    uid: job.uid,
    purpose: job.purpose?.kind ?? 'Migrate',
    sequence: job.purpose?.sequence ?? known?.sequence ?? (status.job?.sequence ?? 0) + 1,
    attempt: job.purpose?.attempt ?? 1,
    generation: job.purpose?.generation ?? schema.generation,
    startedAt: job.createdAt,
    ...(job.purpose?.image === undefined ? {} : { image: job.purpose.image }),
  };
  const retried = job.purpose?.retry === undefined ? {} : { handledRetry: job.purpose.retry };
  const entry = historyEntry(job);
  if (job.state.kind === 'active') {
    // What cannot be read at the moment leaves what was read before, but not of another Job.
    const progress = told ?? (known && live);
    // The Job may be gone before its end is seen: what a pod has done that did not end well is told at once. Of one that did, the
    // end of its Job tells in a moment.
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
  const failure = failureOf(job.state);
  const worthTelling =
    entry !== undefined && (entry.applied.length > 0 || failureMeaning(failure?.reason)?.inHistory === true);
  return {
    ...recordPosition(before, job, report),
    ...(report?.progress === undefined ? {} : { progress: report.progress }),
    ...retried,
    ...(job.purpose?.observe === undefined || report?.heads == null
      ? {}
      : { handledObserve: job.purpose.observe }),
    job: { ...statusJob, finishedAt, ...(failure === undefined ? {} : { failure }) },
    // A schema that somebody else has changed does not undo the migration.
    ...(worthTelling && (failure === undefined || failure.reason === 'SchemaDiffers')
      ? { lastMigration: entry }
      : {}),
    ...(worthTelling ? { history: withEntry(status, entry) } : {}),
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
 * Whether the status tells of a later Job: a cache that lacks that one, or a user who deleted it, must not bring the result of this
 * one back.
 */
function isOlder({ job: known }: GlanceSchemaStatus, { purpose, createdAt }: ObservedJob): boolean {
  if (known === undefined || purpose === undefined) {
    return false;
  }
  if (purpose.sequence !== known.sequence) {
    return purpose.sequence < known.sequence;
  }
  // A place is taken twice when a Job was deleted by hand. Of the same second, one that has ended is the later: it was there for
  // longer, and there are no two of one name.
  return known.finishedAt === undefined ? createdAt < known.startedAt : createdAt <= known.startedAt;
}

/** The status with what a report has read from the database, if it has. */
function recordPosition(
  status: GlanceSchemaStatus,
  { purpose }: ObservedJob,
  report: MigrationReport | undefined,
): GlanceSchemaStatus {
  if (report === undefined || report.heads === null) {
    return status;
  }
  const {
    recordedRevision: _revision,
    recordedPhase: _phase,
    recordedFrom: _from,
    schemaDiffers: _differs,
    ...rest
  } = status;
  const { to, heads } = report;
  const differs = whatDiffers(status, purpose, report);
  const known = to !== null && REVISIONS.some((revision) => revision.name === to.revision);
  return {
    ...rest,
    ...(known ? { recordedRevision: to.revision, recordedPhase: to.phase } : {}),
    ...(purpose?.database === undefined ? {} : { recordedFrom: purpose.database }),
    databaseHeads: [...heads],
    ...(differs === undefined ? {} : { schemaDiffers: differs }),
  };
}

/**
 * What of the schema is not that of the revision, as far as is known. A Job that only reads, and a migration that failed, have not
 * looked: what was found before holds while the database is where it was.
 */
function whatDiffers(
  { schemaDiffers, databaseHeads, recordedFrom }: GlanceSchemaStatus,
  purpose: ObservedJob['purpose'],
  { command, heads, error }: MigrationReport,
): string | undefined {
  if (error?.reason === 'SchemaDiffers') {
    return printable(error.message, LONGEST_MESSAGE);
  }
  const hasLooked = error === null && command !== 'version';
  const isSame =
    heads?.join() === databaseHeads?.join() &&
    (purpose?.database === undefined || recordedFrom === undefined || purpose.database === recordedFrom);
  return hasLooked || !isSame ? undefined : schemaDiffers;
}

function failureOf(state: Extract<ObservedJob['state'], { kind: 'finished' }>): StatusJob['failure'] {
  const { report, succeeded } = state;
  const databaseRead = report !== undefined && report.heads !== null;
  const fail = (reason: string, message: string) => ({
    reason,
    message: printable(message, LONGEST_MESSAGE),
    databaseRead,
  });
  if (state.deadlineExceeded) {
    return fail(
      'MigrationFailed' satisfies FailureReason,
      'Cannot finish the migration: it takes longer than job.activeDeadlineSeconds. Raise or remove that.',
    );
  }
  if (report !== undefined && report.error !== null && !succeeded) {
    return fail(report.error.reason, report.error.message);
  }
  if (succeeded && report !== undefined) {
    return undefined;
  }
  return fail(
    NO_RESULT,
    succeeded
      ? 'The Job ended well but left no result that could be read; the database will be read again'
      : `The Job ended without a result: ${state.failure ?? 'no reason given'}`,
  );
}

/** The reason in `status.job.failure` when a Job has left no report: another attempt reads the database again. */
export const NO_RESULT = 'NoResult';

/** What all pods of a Job did, each going on where the one before it stopped; undefined while none has told. */
function historyEntry({ name, reports, state }: ObservedJob): HistoryEntry | undefined {
  const [first] = reports;
  const last = reports.at(-1);
  if (first === undefined || last === undefined) {
    return undefined;
  }
  const rows = rowsMoved(reports);
  // One that left no word ended otherwise than the last that did.
  const silent = state.kind === 'finished' && state.report === undefined;
  const error = silent ? failureOf(state)?.message : last.error?.message;
  return {
    ...(first.from === null ? {} : { from: formatPosition(first.from) }),
    ...(last.to === null ? {} : { to: formatPosition(last.to) }),
    startedAt: first.startedAt,
    finishedAt: last.finishedAt,
    applied: reports.flatMap(({ applied }) => applied.map((script) => script.name)).slice(0, MOST_SCRIPTS),
    ...(rows === undefined ? {} : { rows }),
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
