import { EXIT_CODES, type FailureReason, FINAL_EXIT_CODES } from '../api/exit-codes.ts';
import type { GlanceSchemaStatus } from '../api/glance-schema.ts';
import type { Reason } from '../api/reasons.ts';
import { isPast, isReached } from '../revision/plan.ts';
import { formatPosition, type Position, wantedPosition } from '../revision/position.ts';
import { explainUnresolved, resolveRevision } from '../revision/resolve.ts';
import { NEWEST_CARRIED, REVISIONS } from '../revision/revisions.ts';
import { exponentialBackoff, fractionOf } from './backoff.ts';
import type { JobReference } from './cluster.ts';
import { migrationJobName, type Purpose, shapeOf } from './migration-job.ts';
import type { Observed, ObservedJob, ObservedSchema } from './observe.ts';
import { isRecorded, recordJob } from './record.ts';
import { type Verdict, withVerdict } from './status.ts';

/** The one thing that a pass may do to the cluster besides writing the status. */
export type Effect =
  | {
      readonly kind: 'startJob';
      readonly name: string;
      readonly purpose: Purpose;
    }
  /** A Job that never started a container is taken away, because the spec that shaped it has changed or is deleted. */
  | { readonly kind: 'deleteBlockedJob'; readonly name: string }
  | { readonly kind: 'armTtl'; readonly job: JobReference }
  | { readonly kind: 'releaseFinalizer' };

export interface Decision {
  readonly effect: Effect | undefined;
  /** The whole status as it should be. */
  readonly status: GlanceSchemaStatus;
  /** When to look again, in milliseconds, if nothing happens before; undefined for "when something happens". */
  readonly lookAgainAfter: number | undefined;
}

/** What the checks look at: what was observed, with the newest result already in the status. */
interface Situation extends Observed {
  readonly status: GlanceSchemaStatus;
  /** Milliseconds since the epoch. */
  readonly now: number;
}

interface Answer extends Verdict {
  readonly effect?: Effect;
  readonly lookAgainAfter?: number;
}

/**
 * The specification: checks named after the fact that they find, in order; the first that answers wins, and where none
 * does, a migration is due. Each is a function of what was observed and of the time, nothing else.
 */
const CHECKS: readonly ((situation: Situation) => Answer | undefined)[] = [
  blockedJobUnwanted,
  jobAtWork,
  podsOutliveTheirJob,
  observeAsked,
  suspended,
  revisionNotCarried,
  databaseNewerThanCarried,
  targetBeforeRecorded,
  targetReached,
  failedForGood,
  nextAttemptNotDue,
];

/** Chooses what to do about one GlanceSchema, and what its status is to say. */
export function decide(observed: Observed, now: Date): Decision {
  const { schema } = observed;
  const recorded = recordJob(schema, observed.job, observed.progress?.told);
  if (schema.deleting && !mayRun(observed)) {
    // Nobody reads the status of what is gone in a moment; the result need not be stored either.
    return { effect: housekeeping(observed), status: schema.status, lookAgainAfter: undefined };
  }
  const situation: Situation = {
    ...observed,
    status: withTarget(recorded, schema.spec.revision),
    now: now.getTime(),
  };
  const answer = firstAnswer(situation);
  const status = withVerdict(situation.status, answer, schema.generation, now);
  // A result goes into the status before anything else happens: from then on it can no longer be lost.
  const resultIsNew = observed.job?.state.kind === 'finished' && !isRecorded(schema.status, observed.job);
  return {
    effect: resultIsNew ? undefined : (housekeeping(observed) ?? answer.effect),
    status,
    lookAgainAfter: answer.lookAgainAfter,
  };
}

function firstAnswer(situation: Situation): Answer {
  for (const check of CHECKS) {
    const answer = check(situation);
    if (answer !== undefined) {
      return answer;
    }
  }
  return migrationDue(situation);
}

/** What is owed to Jobs that have ended, before anything new begins. */
function housekeeping(observed: Observed): Effect | undefined {
  const { schema, job, olderUnarmedJobs } = observed;
  const [older] = olderUnarmedJobs;
  if (older !== undefined) {
    return { kind: 'armTtl', job: older };
  }
  if (job?.state.kind === 'finished' && !job.ttlArmed && isRecorded(schema.status, job)) {
    return { kind: 'armTtl', job: { name: job.name, uid: job.uid } };
  }
  if (schema.hasFinalizer && !mayRun(observed)) {
    return { kind: 'releaseFinalizer' };
  }
  return undefined;
}

/** Whether a migrator may be at work on the database now. */
function mayRun({ job, livePods }: Observed): boolean {
  return job?.state.kind === 'active' || livePods.length > 0;
}

function blockedJobUnwanted({ job, schema }: Situation): Answer | undefined {
  if (job?.state.kind !== 'active' || job.state.pod.kind !== 'blocked') {
    return undefined;
  }
  const effect: Effect = { kind: 'deleteBlockedJob', name: job.name };
  if (schema.deleting) {
    return {
      reason: 'MigrationPending',
      message: `Job ${job.name} never started; it is taken away with its GlanceSchema.`,
      effect,
    };
  }
  if (job.purpose === undefined || job.purpose.shape === shapeOf(schema)) {
    return undefined;
  }
  return {
    reason: 'MigrationPending',
    message: `Job ${job.name} never started and was made for an older spec or another image; it is replaced.`,
    effect,
  };
}

/** How long the Job controller may take to make a pod, or to notice the end of one, before a person should look, in milliseconds. */
const POD_PATIENCE = 30_000;

function jobAtWork({ job, schema, status, progress, now }: Situation): Answer | undefined {
  if (job?.state.kind !== 'active') {
    return undefined;
  }
  const { pod, lastReport } = job.state;
  const waitsForIt = schema.deleting ? ' The deletion waits for it.' : '';
  if (pod.kind === 'blocked') {
    return {
      reason: pod.reason,
      message: `The pod of Job ${job.name} cannot start: ${pod.message}.`,
    };
  }
  if (lastReport?.error != null && pod.kind !== 'running' && !endsTheJob(lastReport.error.reason)) {
    return {
      reason: lastReport.error.reason === 'DatabaseUnreachable' ? 'DatabaseUnreachable' : 'MigrationPending',
      message: `${sentence(lastReport.error.message)} Job ${job.name} tries again, unless that was its last attempt.${waitsForIt}`,
    };
  }
  if (pod.kind === 'none' && pod.since !== undefined) {
    const age = now - Date.parse(pod.since);
    if (age >= POD_PATIENCE) {
      return {
        reason: 'JobBlocked',
        message: `Job ${job.name} has no pod yet: see \`kubectl describe job ${job.name}\` for a quota or a policy that refuses it.${waitsForIt}`,
      };
    }
    return { ...workOf(job, status, waitsForIt), lookAgainAfter: POD_PATIENCE - age };
  }
  return {
    ...workOf(job, status, waitsForIt),
    ...(progress === undefined ? {} : { lookAgainAfter: Math.max(0, progress.lookAgainAt - now) }),
  };
}

/** Whether the Job has no further try after this failure, and only has not been marked as failed yet. */
function endsTheJob(reason: FailureReason): boolean {
  return FINAL_EXIT_CODES.includes(EXIT_CODES[reason]);
}

function workOf(job: ObservedJob, status: GlanceSchemaStatus, waitsForIt: string): Answer {
  const target = job.purpose?.target;
  if (target == null) {
    return { reason: 'Observing', message: `Job ${job.name} reads the database.${waitsForIt}` };
  }
  const recorded = recordedPosition(status);
  const from = recorded === undefined ? '' : ` from ${formatPosition(recorded)}`;
  const { progress } = status;
  const howFar =
    progress === undefined
      ? ''
      : `; ${progress.migration}: ${count(progress.done)} of ${count(progress.total)} rows`;
  return {
    reason: 'MigrationRunning',
    message: `Job ${job.name} brings the database${from} to ${formatPosition(target)}${howFar}.${waitsForIt}`,
  };
}

function count(rows: number): string {
  return rows.toLocaleString('en-US');
}

function podsOutliveTheirJob({ livePods }: Situation): Answer | undefined {
  const [pod] = livePods;
  return pod === undefined
    ? undefined
    : {
        reason: 'MigrationRunning',
        message: `Pod ${pod} is still there though its Job is gone; waiting for its end.`,
      };
}

function suspended({ schema, status }: Situation): Answer | undefined {
  if (!schema.spec.suspend) {
    return undefined;
  }
  const recorded = recordedPosition(status);
  const where = recorded === undefined ? 'has not been read' : `was last read at ${formatPosition(recorded)}`;
  return {
    reason: 'Suspended',
    message: `spec.suspend is true: no migration is started. The database ${where}.`,
  };
}

function observeAsked(situation: Situation): Answer | undefined {
  const { schema, status } = situation;
  if (schema.observe === undefined || schema.observe === status.handledObserve) {
    return undefined;
  }
  if (status.job?.purpose === 'Observe') {
    const waiting = nextAttemptNotDue(situation);
    if (waiting !== undefined) {
      return waiting;
    }
  }
  return {
    reason: 'Observing',
    message: 'The annotation observe asks for the database to be read again.',
    effect: startJob(situation, 'Observe', null),
  };
}

function revisionNotCarried({ schema }: Situation): Answer | undefined {
  const { revision } = schema.spec;
  const resolved = resolveRevision(revision?.toString());
  return resolved.kind === 'revision'
    ? undefined
    : {
        reason: 'RevisionNotFound',
        message: `Cannot use spec.revision: ${explainUnresolved(String(revision), resolved)}.`,
      };
}

/** A newer operator has written this status, and this one was put back in its place. */
function databaseNewerThanCarried({ status }: Situation): Answer | undefined {
  const { recordedRevision } = status;
  if (recordedRevision === undefined || REVISIONS.some(({ name }) => name === recordedRevision)) {
    return undefined;
  }
  return {
    reason: 'DatabaseNewer',
    message: `Cannot work on this database: found it at '${recordedRevision}', past '${NEWEST_CARRIED}', the newest that this operator carries, do upgrade the operator. Nothing was changed.`,
  };
}

function targetBeforeRecorded({ schema, status }: Situation): Answer | undefined {
  const recorded = recordedPosition(status);
  const target = targetPosition(schema, status);
  if (recorded === undefined || !isPast(recorded, target)) {
    return undefined;
  }
  return {
    reason: 'DowngradeNotSupported',
    message: `Cannot go to '${formatPosition(target)}': found the database at '${formatPosition(recorded)}', which comes after it, do name that or a later one, or restore a backup and then set the annotation observe. Nothing was changed.`,
  };
}

function targetReached(situation: Situation): Answer | undefined {
  const { schema, status } = situation;
  if (recordMayBeOld(situation)) {
    return undefined;
  }
  const recorded = recordedPosition(status);
  const target = targetPosition(schema, status);
  return recorded === undefined || !isReached(recorded, target)
    ? undefined
    : { reason: 'UpToDate', message: `The database is at ${formatPosition(recorded)}.` };
}

/**
 * Whether the newest Job may have changed the database after what is recorded was read: it was lost, perhaps before the
 * status told of it, or it ended without having read the database again. Then only another Job can tell.
 */
function recordMayBeOld({ schema, status }: Situation): boolean {
  const { job } = status;
  if (schema.starting > (job?.sequence ?? 0)) {
    return true;
  }
  return job?.purpose === 'Migrate' && (job.finishedAt === undefined || job.failure?.databaseRead === false);
}

/** Failures that no further attempt betters; the condition calls each as the Job does. */
const FINAL: readonly Reason[] = [
  'MigrationFailed',
  'PartiallyApplied',
  'DatabaseNewer',
  'DatabaseNotGlance',
  'DowngradeNotSupported',
  'RevisionNotFound',
];

function failedForGood(situation: Situation): Answer | undefined {
  const failure = failedJob(situation)?.failure;
  const reason = FINAL.find((final) => final === failure?.reason);
  return failure && reason && { reason, message: `${sentence(failure.message)} ${whatWouldHelp(reason)}` };
}

function whatWouldHelp(reason: Reason): string {
  return reason === 'DatabaseNewer'
    ? 'Upgrade the operator.'
    : 'It is tried again when the spec or the annotation db.glance.openstack.org/retry changes.';
}

const ATTEMPT_BACKOFF = { first: 10_000, most: 300_000 };

function nextAttemptNotDue(situation: Situation): Answer | undefined {
  const job = failedJob(situation);
  if (job?.finishedAt === undefined) {
    return undefined;
  }
  const { failure } = job;
  // The jitter comes from the Job's own name, so that each pass says the same time and nothing is written at rest.
  const delay = exponentialBackoff(job.attempt, ATTEMPT_BACKOFF, () => fractionOf(job.uid));
  const due = Date.parse(job.finishedAt) + delay;
  if (due <= situation.now) {
    return undefined;
  }
  return {
    reason: TRANSIENT_UNREACHABLE.includes(failure.reason) ? 'DatabaseUnreachable' : 'MigrationPending',
    message: `${sentence(failure.message)} The next attempt is at ${new Date(due).toISOString().slice(0, 19)}Z.`,
    // A clock that is behind, and put right meanwhile, must not make it sleep for longer.
    lookAgainAfter: Math.min(due - situation.now, delay),
  };
}

/** A URL that cannot be read is mended in the Secret, which we do not watch: it is tried again like a lost connection. */
const TRANSIENT_UNREACHABLE: readonly string[] = ['DatabaseUnreachable', 'Usage'];

function migrationDue(situation: Situation): Answer {
  const target = targetPosition(situation.schema, situation.status);
  return {
    reason: 'MigrationPending',
    message: `A Job that brings the database to ${formatPosition(target)} is about to start.`,
    effect: startJob(situation, 'Migrate', target),
  };
}

/** The newest Job if it failed, unless the spec has changed or a retry was asked for since. */
function failedJob({ schema, status }: Situation) {
  const { job } = status;
  if (job?.failure === undefined || job.generation !== schema.generation) {
    return undefined;
  }
  return schema.retry !== undefined && schema.retry !== status.handledRetry
    ? undefined
    : { ...job, failure: job.failure };
}

function startJob(situation: Situation, kind: Purpose['kind'], target: Position | null): Effect {
  const { schema, status } = situation;
  const last = status.job;
  const again = last?.generation === schema.generation && last.purpose === kind && last.failure !== undefined;
  const purpose: Purpose = {
    kind,
    target,
    // Whoever noted a place may still be about to make that Job: only under the same name can there be no second one.
    sequence: Math.max((last?.sequence ?? 0) + 1, schema.starting),
    attempt: again ? last.attempt + 1 : 1,
    generation: schema.generation,
    ...(kind === 'Observe' && schema.observe !== undefined ? { observe: schema.observe } : {}),
    ...(schema.retry === undefined ? {} : { retry: schema.retry }),
    shape: shapeOf(schema),
  };
  return {
    kind: 'startJob',
    name: migrationJobName(schema, purpose.sequence),
    purpose,
  };
}

/** Where the spec wants the database, of a status that has its target; of none, the newest is as good as any. */
function targetPosition({ spec }: ObservedSchema, { targetRevision }: GlanceSchemaStatus): Position {
  return wantedPosition(targetRevision ?? NEWEST_CARRIED, spec.through);
}

function recordedPosition(status: GlanceSchemaStatus): Position | undefined {
  const known = REVISIONS.find(({ name }) => name === status.recordedRevision);
  return known && { revision: known.name, phase: status.recordedPhase ?? 'Contract' };
}

function withTarget(status: GlanceSchemaStatus, wanted: string | number | undefined): GlanceSchemaStatus {
  const { targetRevision: _before, ...rest } = status;
  const resolved = resolveRevision(wanted?.toString());
  return resolved.kind === 'revision' ? { ...rest, targetRevision: resolved.revision } : rest;
}

function sentence(text: string): string {
  return /[.!?]$/.test(text) ? text : `${text}.`;
}
