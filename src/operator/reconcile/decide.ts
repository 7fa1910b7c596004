import { failureMeaning } from '../../contract/failures.ts';
import type { GlanceSchemaStatus } from '../../contract/glance-schema.ts';
import { knownReason, type Reason } from '../../contract/reasons.ts';
import { agrees } from '../../glance/detect.ts';
import { isPast, isReached } from '../../glance/goal.ts';
import { unknownHeads } from '../../glance/heads.ts';
import { formatPosition, type Position, wantedPosition } from '../../glance/position.ts';
import { explainUnresolved, resolveRevision } from '../../glance/resolve.ts';
import { LATEST, LATEST_SUPPORTED, REVISIONS } from '../../glance/revisions.ts';
import type { JobReference } from '../kube/cluster.ts';
import { exponentialBackoff, fractionOf } from '../loop/backoff.ts';
import { databaseOf, migrationJobName, type Purpose, podTemplateHash } from './job.ts';
import type { JobState, Observed, ObservedJob, ObservedSchema, PodState } from './observe.ts';
import { isRecorded, NO_RESULT, recordJob } from './result.ts';
import { type Verdict, withVerdict } from './status.ts';

/** The one thing that a pass may do to the cluster besides writing the status. */
export type Effect =
  | {
      readonly kind: 'startJob';
      readonly name: string;
      readonly purpose: Purpose;
    }
  /** A Job that cannot start a container is taken away, because the spec that shaped it has changed or is deleted. */
  | { readonly kind: 'deleteBlockedJob'; readonly name: string }
  /** A Job whose migration has ended does not end itself, as another container keeps its pod. */
  | { readonly kind: 'deleteHeldJob'; readonly name: string }
  /** In seconds. */
  | { readonly kind: 'setTtl'; readonly job: JobReference; readonly ttl: number }
  | { readonly kind: 'disown'; readonly job: JobReference }
  | { readonly kind: 'releaseFinalizer' };

export interface Decision {
  readonly effect: Effect | undefined;
  /** The whole status as it should be. */
  readonly status: GlanceSchemaStatus;
  /** When to look again, in milliseconds, if nothing happens before; undefined for "when something happens". */
  readonly requeueAfter: number | undefined;
}

/** What the checks look at: what was observed, with the newest result already in the status. */
interface Facts extends Observed {
  readonly status: GlanceSchemaStatus;
  /** Milliseconds since the epoch. */
  readonly now: number;
}

interface Answer extends Verdict {
  readonly effect?: Effect;
  readonly requeueAfter?: number | undefined;
  /** When what has failed is tried again, RFC 3339. */
  readonly nextAttemptAt?: string;
}

/**
 * The specification: checks named after the fact that they find, in order; the first that answers wins, and where none
 * does, a migration is due. Each is a function of what was observed and of the time, nothing else.
 */
const CHECKS: readonly ((facts: Facts) => Answer | undefined)[] = [
  blockedJobUnwanted,
  jobAtWork,
  podsOutliveTheirJob,
  observeAsked,
  databaseMoved,
  recordContradicted,
  suspended,
  revisionAbsent,
  revisionNotSupported,
  databaseNewerThanCarried,
  targetBeforeRecorded,
  targetReached,
  failedForGood,
  nextAttemptNotDue,
];

/** Chooses what to do about one GlanceSchema, and what its status is to say. */
export function decide(seen: Observed, now: Date): Decision {
  const observed = { ...seen, job: seen.job && endOfHeld(seen.job, now.getTime()) };
  const { schema } = observed;
  const recorded = recordJob(schema, observed.job, observed.progress?.told);
  if (schema.deleting && !mayRun(observed)) {
    // Nobody reads the status of what is gone in a moment; the result need not be stored either.
    return { effect: housekeeping(observed), status: schema.status, requeueAfter: undefined };
  }
  const facts: Facts = {
    ...observed,
    status: withTarget(recorded, schema.spec.revision),
    now: now.getTime(),
  };
  const answer = firstAnswer(facts);
  const { nextAttemptAt: _before, sharesSecretWith: _with, ...rest } = facts.status;
  const { nextAttemptAt } = answer;
  const told = {
    ...rest,
    ...(nextAttemptAt === undefined ? {} : { nextAttemptAt }),
    ...(facts.sharer === undefined ? {} : { sharesSecretWith: facts.sharer }),
  };
  const status = withVerdict(told, answer, schema.generation, now);
  // A result goes into the status before anything else happens: from then on it can no longer be lost.
  const resultIsNew = observed.job?.state.kind === 'finished' && !isRecorded(schema.status, observed.job);
  return {
    effect: resultIsNew ? undefined : (housekeeping(observed, answer.effect) ?? answer.effect),
    status,
    requeueAfter: answer.requeueAfter,
  };
}

function firstAnswer(facts: Facts): Answer {
  for (const check of CHECKS) {
    const answer = check(facts);
    if (answer !== undefined) {
      return answer;
    }
  }
  return migrationDue(facts);
}

/** How long the other containers of a pod may take to end after the migration has, in milliseconds. */
const HELD_PATIENCE = 30_000;

/**
 * What the container of the migration left counts, though the Job controller waits for the others. A failure after which the Job
 * would try again is left to the Job: once the others end, another pod may follow.
 */
function endOfHeld(job: ObservedJob, now: number): ObservedJob {
  const pod = job.state.kind === 'active' ? job.state.pod : undefined;
  return pod?.kind === 'held' && isLastEnd(pod.end) && now - Date.parse(pod.since) >= HELD_PATIENCE
    ? { ...job, state: pod.end, held: true }
    : job;
}

function isLastEnd({ succeeded, report }: Extract<JobState, { kind: 'finished' }>): boolean {
  return succeeded || (report?.error != null && endsTheJob(report.error.reason));
}

/** What is owed to Jobs that are there, before anything new begins, as far as the API server takes it. */
function housekeeping(observed: Observed, next?: Effect): Effect | undefined {
  const { schema, job, olderJobsWithoutTtl, ownedActiveJobs, putOff = [] } = observed;
  const isTaken = ({ uid }: { readonly uid: string }) => !putOff.includes(uid);
  if (job?.held === true && (schema.deleting || isRecorded(schema.status, job))) {
    return { kind: 'deleteHeldJob', name: job.name };
  }
  const owned = ownedActiveJobs.find(isTaken);
  if (owned !== undefined) {
    return { kind: 'disown', job: owned };
  }
  const older = olderJobsWithoutTtl.find(isTaken);
  if (older !== undefined) {
    return { kind: 'setTtl', job: older, ttl: ttlOf(schema) };
  }
  const isStored = job !== undefined && (schema.deleting || isRecorded(schema.status, job));
  if (job?.state.kind === 'finished' && !job.ttlArmed && isStored && isTaken(job)) {
    const { failure } = schema.status.job ?? {};
    const ttl = failure !== undefined && !isFinal(failure.reason) ? REPEATED_TTL : Number.POSITIVE_INFINITY;
    return { kind: 'setTtl', job: { name: job.name, uid: job.uid }, ttl: Math.min(ttlOf(schema), ttl) };
  }
  // Who is about to make a Job, and could not the last time, keeps what it has put on: to take it off and put it on again would
  // be two writes for each try, and each of them a cause to try at once.
  if (
    schema.hasFinalizer &&
    !mayRun(observed) &&
    next?.kind !== 'startJob' &&
    (schema.deleting || isTaken(schema))
  ) {
    return { kind: 'releaseFinalizer' };
  }
  return undefined;
}

/** How long a Job stays that is followed by another attempt, in seconds: a database that is away for a day leaves some, not hundreds. */
const REPEATED_TTL = 3600;

/** How long a finished Job stays where the spec says nothing, in seconds. */
export const DEFAULT_TTL = 86_400;

function ttlOf({ spec }: ObservedSchema): number {
  return spec.job?.ttlSecondsAfterFinished ?? DEFAULT_TTL;
}

/** Whether a migrator may be at work on the database now. */
function mayRun({ job, livePods }: Observed): boolean {
  return job?.state.kind === 'active' || livePods.length > 0;
}

function blockedJobUnwanted({ job, schema, now }: Facts): Answer | undefined {
  if (job?.state.kind !== 'active' || whyBlocked(job.name, job.state.pod, now) === undefined) {
    return undefined;
  }
  const effect: Effect = { kind: 'deleteBlockedJob', name: job.name };
  if (schema.deleting) {
    return {
      reason: 'MigrationPending',
      message: `Job ${job.name} cannot start; it is taken away with its GlanceSchema.`,
      effect,
    };
  }
  if (job.purpose === undefined || job.purpose.shape === podTemplateHash(schema)) {
    return undefined;
  }
  return {
    reason: 'MigrationPending',
    message: `Job ${job.name} cannot start and was made for an older spec or another image; it is replaced.`,
    effect,
  };
}

/** How long the Job controller may take to make a pod, or to notice the end of one, before a person should look, in milliseconds. */
const POD_PATIENCE = 30_000;

/** How long a node may take to start the container, its image pulled, in milliseconds. Of a volume that it cannot mount it says nothing in the pod. */
const START_PATIENCE = 120_000;

/** Why no container of a Job can start, where that is known or it has had time enough. */
function whyBlocked(job: string, pod: PodState, now: number): Verdict | undefined {
  switch (pod.kind) {
    case 'blocked':
      return { reason: pod.reason, message: `The pod of Job ${job} cannot start: ${pod.message}.` };
    case 'starting':
      return now - Date.parse(pod.since) < START_PATIENCE
        ? undefined
        : {
            reason: 'JobBlocked',
            message: `Pod ${pod.pod} of Job ${job} has not started for ${START_PATIENCE / 60_000} minutes: see \`kubectl describe pod ${pod.pod}\` for a volume that cannot be mounted, as of a CA's Secret that is missing, or an image that takes long.`,
          };
    case 'suspended':
      return {
        reason: 'JobBlocked',
        message: `Job ${job} is suspended, by a queue such as Kueue or by a person, and has no pod. It goes on when its own spec.suspend is false again.`,
      };
    case 'none':
      return pod.since === undefined || now - Date.parse(pod.since) < patienceFor(pod)
        ? undefined
        : {
            reason: 'JobBlocked',
            message: `Job ${job} has no pod yet: see \`kubectl describe job ${job}\` for a quota or a policy that refuses it.`,
          };
  }
  return undefined;
}

/**
 * The Job controller makes the next pod ten seconds after the first failure, and each time after twice as long.
 *
 * Source: kubernetes.io/docs/concepts/workloads/controllers/job, Pod backoff failure policy.
 */
function patienceFor({ failed }: Extract<PodState, { kind: 'none' }>): number {
  return POD_PATIENCE + (failed === 0 ? 0 : Math.min(600_000, 10_000 * 2 ** (failed - 1)));
}

/** That nobody can tell whether a pod runs, where that is so. */
function whyLost(pod: PodState | undefined, now: number): Verdict | undefined {
  if (pod === undefined || !('node' in pod)) {
    return undefined;
  }
  const overdue = pod.kind !== 'lost' && pod.endsBy !== undefined && now >= overdueAt(pod.endsBy);
  if (pod.kind !== 'lost' && !overdue) {
    return undefined;
  }
  const node = pod.node ?? 'unknown';
  return {
    reason: 'JobBlocked',
    message: `Node ${node} does not answer: whether the migration in pod ${pod.pod} still runs there is not known, and nothing else is started. Bring the node back; or make sure that it is off, and then delete it by \`kubectl delete node ${node}\`.`,
  };
}

function overdueAt(endsBy: string): number {
  return Date.parse(endsBy) + POD_PATIENCE;
}

/** When `whyBlocked` may have another answer though nothing happens, in milliseconds; undefined for never. */
function blockedAfter(pod: PodState, now: number): number | undefined {
  if ('endsBy' in pod && pod.endsBy !== undefined) {
    return Math.max(1_000, overdueAt(pod.endsBy) - now);
  }
  const patience = pod.kind === 'none' ? patienceFor(pod) : START_PATIENCE;
  const since = 'since' in pod ? pod.since : undefined;
  // A clock that is behind, and put right meanwhile, must not make it wait for longer.
  return since === undefined
    ? undefined
    : Math.min(patience, Math.max(0, Date.parse(since) + patience - now));
}

function jobAtWork({ job, schema, status, progress, now }: Facts): Answer | undefined {
  if (job?.state.kind !== 'active') {
    return undefined;
  }
  const { pod, lastReport } = job.state;
  const waitsForIt = schema.deleting ? ' The deletion waits for it.' : '';
  if (pod.kind === 'held') {
    const by = pod.by.length === 0 ? 'something else' : pod.by.join(', ');
    if (!isLastEnd(pod.end)) {
      return {
        reason: 'JobBlocked',
        message: `The migration in pod ${pod.pod} has failed, and ${by} keeps the pod, so that Job ${job.name} cannot try again. Delete the pod, and keep sidecars out of the pods of the operator's Jobs.${waitsForIt}`,
      };
    }
    return {
      reason: job.purpose?.target === null ? 'Observing' : 'MigrationRunning',
      message: `The migration in pod ${pod.pod} has ended, and ${by} keeps the pod. Its result is taken in a moment, and Job ${job.name} is then deleted; keep sidecars out of the pods of the operator's Jobs.${waitsForIt}`,
      requeueAfter: Math.min(HELD_PATIENCE, Math.max(0, Date.parse(pod.since) + HELD_PATIENCE - now)),
    };
  }
  const blocked = whyLost(pod, now) ?? whyBlocked(job.name, pod, now);
  if (blocked !== undefined && pod.kind !== 'none') {
    return { ...blocked, message: blocked.message + waitsForIt };
  }
  if (lastReport?.error != null && pod.kind !== 'running' && !endsTheJob(lastReport.error.reason)) {
    return {
      reason: lastReport.error.reason === 'DatabaseUnreachable' ? 'DatabaseUnreachable' : 'MigrationPending',
      message: `${sentence(lastReport.error.message)} Job ${job.name} tries again, unless that was its last attempt.${waitsForIt}`,
    };
  }
  if (blocked !== undefined) {
    return { ...blocked, message: blocked.message + waitsForIt };
  }
  const later = progress === undefined ? blockedAfter(pod, now) : Math.max(0, progress.requeueAt - now);
  return { ...workOf(job, status, waitsForIt), requeueAfter: later };
}

/** Whether the Job has no further try after this failure, and only has not been marked as failed yet. */
function endsTheJob(reason: string): boolean {
  return failureMeaning(reason)?.retriedInJob === false;
}

function workOf(job: ObservedJob, status: GlanceSchemaStatus, waitsForIt: string): Answer {
  if (job.deleting) {
    return {
      reason: 'MigrationRunning',
      message: `Somebody has deleted Job ${job.name}: its pod was asked to end, and the database is then read again.${waitsForIt}`,
    };
  }
  const target = job.purpose?.target;
  if (target == null) {
    const why = job.purpose?.why === undefined ? '' : ` ${job.purpose.why}`;
    return { reason: 'Observing', message: `Job ${job.name} reads the database.${why}${waitsForIt}` };
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

function podsOutliveTheirJob({ livePods, livePod, now }: Facts): Answer | undefined {
  const [pod] = livePods;
  if (pod === undefined) {
    return undefined;
  }
  const running: Verdict = {
    reason: 'MigrationRunning',
    message: `Pod ${pod} is still there though its Job is gone; waiting for its end.`,
  };
  return {
    ...(whyLost(livePod, now) ?? running),
    requeueAfter: livePod === undefined ? undefined : blockedAfter(livePod, now),
  };
}

function suspended({ schema, status }: Facts): Answer | undefined {
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

function observeAsked(facts: Facts): Answer | undefined {
  const { schema, status } = facts;
  return schema.observe === undefined || schema.observe === status.handledObserve
    ? undefined
    : readAgain(facts, 'The annotation observe asks for the database to be read again.');
}

/** What is recorded was read from the database of another Secret. */
function databaseMoved(facts: Facts): Answer | undefined {
  const { schema, status } = facts;
  const now = databaseOf(schema.spec);
  return status.recordedFrom === undefined || status.recordedFrom === now
    ? undefined
    : readAgain(facts, `The database of Secret ${now} is read; that of ${status.recordedFrom} was before.`);
}

/** What is recorded is not what the rows beside it say: somebody has changed the status. */
function recordContradicted(facts: Facts): Answer | undefined {
  const { recordedRevision, databaseHeads } = facts.status;
  if (recordedRevision === undefined) {
    return undefined;
  }
  const recorded = recordedPosition(facts.status);
  const isTrue =
    recorded === undefined
      ? unknownHeads(databaseHeads ?? []).length > 0
      : databaseHeads !== undefined && agrees(recorded, databaseHeads);
  if (isTrue) {
    return undefined;
  }
  const rows = databaseHeads?.map((head) => `'${head}'`).join(', ') ?? '';
  return readAgain(
    facts,
    `The status says '${recordedRevision}' and that the database has ${rows === '' ? 'no rows' : rows} in alembic_version, which contradict each other: somebody has changed it, and it is not believed.`,
    true,
  );
}

/** @param tells whether the Job is to tell the message while it reads */
function readAgain(facts: Facts, message: string, tells = false): Answer {
  if (facts.status.job?.purpose === 'Observe') {
    const waiting = nextAttemptNotDue(facts);
    if (waiting !== undefined) {
      return waiting;
    }
  }
  return {
    reason: 'Observing',
    message,
    effect: startJob(facts, 'Observe', null, tells ? message : undefined),
  };
}

/** The CRD asks for it; one of before did not, and then nobody has said what is wanted. */
function revisionAbsent({ schema }: Facts): Answer | undefined {
  return schema.spec.revision === undefined
    ? {
        reason: 'RevisionNotFound',
        message: `The spec names no revision, so nothing is migrated. Set spec.revision to the one that is wanted, or to '${LATEST}' for the newest that the operator supports, which is '${LATEST_SUPPORTED}' now.`,
      }
    : undefined;
}

function revisionNotSupported({ schema }: Facts): Answer | undefined {
  const { revision = LATEST } = schema.spec;
  const resolved = resolveRevision(revision);
  return resolved.kind === 'revision'
    ? undefined
    : {
        reason: 'RevisionNotFound',
        message: `Cannot use spec.revision: ${explainUnresolved(revision, resolved)}`,
      };
}

/** A newer operator has written this status, and this one was put back in its place. */
function databaseNewerThanCarried({ status }: Facts): Answer | undefined {
  const { recordedRevision } = status;
  if (recordedRevision === undefined || REVISIONS.some(({ name }) => name === recordedRevision)) {
    return undefined;
  }
  return {
    reason: 'DatabaseNewer',
    message: `Cannot work on this database: it is at '${recordedRevision}', and the latest revision that this operator supports is '${LATEST_SUPPORTED}'. Nothing was changed. Upgrade the operator.`,
  };
}

function targetBeforeRecorded(facts: Facts): Answer | undefined {
  const { schema, status } = facts;
  const recorded = recordedPosition(status);
  const target = targetPosition(schema, status);
  if (recorded === undefined || !isPast(recorded, target)) {
    return undefined;
  }
  if (recordMayBeOld(facts)) {
    return readAgain(
      facts,
      'The newest Job ended without a report of where the database is. It is read again.',
    );
  }
  return {
    reason: 'DowngradeNotSupported',
    message: `Cannot migrate to '${formatPosition(target)}': the database is already at '${formatPosition(recorded)}', which is later. Nothing was changed. Set spec.revision to '${recorded.revision}' or later, or restore a backup and then set the observe annotation.`,
  };
}

function targetReached(facts: Facts): Answer | undefined {
  const { schema, status } = facts;
  if (recordMayBeOld(facts)) {
    return undefined;
  }
  const recorded = recordedPosition(status);
  const target = targetPosition(schema, status);
  if (recorded === undefined || !isReached(recorded, target)) {
    return undefined;
  }
  const { schemaDiffers } = status;
  if (schemaDiffers !== undefined && schema.retry !== undefined && schema.retry !== status.handledRetry) {
    return undefined;
  }
  // The revision is reached; what somebody else has made of the schema is told, and is no reason to stop those who wait.
  const differs = schemaDiffers === undefined ? '' : ` ${sentence(schemaDiffers)}`;
  return { reason: 'UpToDate', message: `The database is at ${formatPosition(recorded)}.${differs}` };
}

/**
 * Whether the newest Job may have changed the database after what is recorded was read: it was lost, perhaps before the
 * status told of it, or it ended without having read the database again. Then only another Job can tell.
 */
function recordMayBeOld({ schema, status }: Facts): boolean {
  const { job } = status;
  if (schema.reservedSequence > (job?.sequence ?? 0)) {
    return true;
  }
  // One that only reads too: a lost migration may have been before it.
  return job !== undefined && (job.finishedAt === undefined || job.failure?.databaseRead === false);
}

/** Whether no further attempt of this image makes it better. */
function isFinal(reason: string): boolean {
  return (failureMeaning(reason)?.nextJob ?? 'with backoff') !== 'with backoff';
}

function failedForGood(facts: Facts): Answer | undefined {
  const job = failedJob(facts);
  const reason = knownReason(job?.failure.reason);
  if (job === undefined || reason === undefined || !isFinal(reason)) {
    return undefined;
  }
  return failureMeaning(reason)?.nextJob === 'by another image' && job.image !== facts.schema.image
    ? undefined
    : { reason, message: `${sentence(job.failure.message)} ${whatWouldHelp(reason)}` };
}

function whatWouldHelp(reason: Reason): string {
  return reason === 'DatabaseNewer'
    ? 'Upgrade the operator.'
    : 'It is tried again when the spec or the annotation db.glance.openstack.org/retry changes.';
}

const ATTEMPT_BACKOFF = { first: 10_000, most: 300_000 };

function nextAttemptNotDue(facts: Facts): Answer | undefined {
  const job = failedJob(facts) ?? lostJob(facts);
  if (job === undefined) {
    return undefined;
  }
  const { failure } = job;
  // The jitter comes from the Job's own name, so that each pass says the same time and nothing is written at rest.
  const delay = exponentialBackoff(job.attempt, ATTEMPT_BACKOFF, () => fractionOf(job.uid));
  const due = Date.parse(job.finishedAt) + delay;
  if (due <= facts.now) {
    return undefined;
  }
  const nextAttemptAt = `${new Date(due).toISOString().slice(0, 19)}Z`;
  return {
    // A failure that the condition has a name for keeps it while the next attempt is waited for.
    reason: (isFinal(failure.reason) ? undefined : knownReason(failure.reason)) ?? 'MigrationPending',
    message: `${sentence(failure.message)} The next attempt is at ${nextAttemptAt}.`,
    nextAttemptAt,
    // A clock that is behind, and put right meanwhile, must not make it sleep for longer.
    requeueAfter: Math.min(due - facts.now, delay),
  };
}

function migrationDue(facts: Facts): Answer {
  const target = targetPosition(facts.schema, facts.status);
  return {
    reason: 'MigrationPending',
    message: `A Job that brings the database to ${formatPosition(target)} is about to start.`,
    effect: startJob(facts, 'Migrate', target),
  };
}

/** The newest Job if it failed, unless the spec has changed or a retry was asked for since. */
function failedJob(facts: Facts) {
  const { job } = facts.status;
  return job?.failure === undefined || job.finishedAt === undefined || isNewTry(facts)
    ? undefined
    : { ...job, failure: job.failure, finishedAt: job.finishedAt };
}

/** The newest Job if it is gone without a result: where somebody deletes each at once, the next must not follow at once. */
function lostJob(facts: Facts) {
  const { job } = facts.status;
  if (job === undefined || job.finishedAt !== undefined || isNewTry(facts)) {
    return undefined;
  }
  const failure = {
    reason: NO_RESULT,
    message: `Job ${job.name} is gone, and its result with it: somebody has deleted it.`,
  };
  return { ...job, failure, finishedAt: job.startedAt };
}

/** Whether something is wanted that was not when the newest Job was made. */
function isNewTry({ schema, status }: Facts): boolean {
  return (
    status.job?.generation !== schema.generation ||
    (schema.retry !== undefined && schema.retry !== status.handledRetry)
  );
}

function startJob(facts: Facts, kind: Purpose['kind'], target: Position | null, why?: string): Effect {
  const { schema, status, lastSequence } = facts;
  const last = status.job;
  const failed = last?.failure !== undefined || (last !== undefined && last.finishedAt === undefined);
  const again = failed && last.generation === schema.generation && last.purpose === kind;
  const purpose: Purpose = {
    kind,
    target,
    ...(why === undefined ? {} : { why }),
    // Whoever noted a place may still be about to make that Job: only under the same name can there be no second one.
    sequence: Math.max((last?.sequence ?? 0) + 1, lastSequence + 1, schema.reservedSequence),
    attempt: again ? last.attempt + 1 : 1,
    generation: schema.generation,
    ...(kind === 'Observe' && schema.observe !== undefined ? { observe: schema.observe } : {}),
    ...(schema.retry === undefined ? {} : { retry: schema.retry }),
    shape: podTemplateHash(schema),
    database: databaseOf(schema.spec),
    image: schema.image,
  };
  return {
    kind: 'startJob',
    name: migrationJobName(schema, purpose.sequence),
    purpose,
  };
}

/** Where the spec wants the database, of a status that has its target; of none, the newest is as good as any. */
function targetPosition({ spec }: ObservedSchema, { targetRevision }: GlanceSchemaStatus): Position {
  return wantedPosition(targetRevision ?? LATEST_SUPPORTED, spec.through);
}

function recordedPosition(status: GlanceSchemaStatus): Position | undefined {
  const known = REVISIONS.find(({ name }) => name === status.recordedRevision);
  return known && { revision: known.name, phase: status.recordedPhase ?? 'Contract' };
}

function withTarget(status: GlanceSchemaStatus, wanted: string | number | undefined): GlanceSchemaStatus {
  const { targetRevision: _before, ...rest } = status;
  const resolved = wanted === undefined ? undefined : resolveRevision(wanted);
  return resolved?.kind === 'revision' ? { ...rest, targetRevision: resolved.revision } : rest;
}

function sentence(text: string): string {
  return /[.!?]$/.test(text) ? text : `${text}.`;
}
