import { FAILURES, type FailureReason, failureMeaning } from '../../../contract/failures.ts';
import type { StatusJob } from '../../../contract/glance-schema.ts';
import { knownReason, type Reason } from '../../../contract/reasons.ts';
import { exponentialBackoff, fractionOf } from '../../time/backoff.ts';
import { inSeconds } from '../../time/in-seconds.ts';
import { NO_RESULT } from '../status/result.ts';
import { type Facts, sentence, type Verdict } from './policy.ts';

/** The failures after which no further attempt of this image helps. `Ready` has a reason for each. */
type FinalFailure = {
  [R in FailureReason]: (typeof FAILURES)[R]['nextJob'] extends 'with backoff' ? never : R;
}[FailureReason];

/** Whether no further attempt of this image makes it better. */
export function isFinal(reason: string): reason is FinalFailure {
  return (failureMeaning(reason)?.nextJob ?? 'with backoff') !== 'with backoff';
}

/** The newest Job failed, and no further attempt of this image helps. */
export function failedForGood(facts: Facts): Verdict | undefined {
  const job = failedJob(facts);
  if (job === undefined) {
    return undefined;
  }
  const { reason, message } = job.failure;
  if (!isFinal(reason) || isOvertaken(facts, job.failure)) {
    return undefined;
  }
  return FAILURES[reason].nextJob === 'by another image' && job.image !== facts.schema.image
    ? undefined
    : { reason, message: `${sentence(message)} ${whatWouldHelp(reason)}` };
}

/**
 * With `spec.contractAfter` a Job may lead to before the contract, and find that somebody has
 * contracted already. What it has read is recorded, and decides where the next one leads.
 */
function isOvertaken(
  { schema }: Facts,
  { reason, databaseRead }: NonNullable<StatusJob['failure']>,
): boolean {
  return schema.spec.contractAfter !== undefined && reason === 'DowngradeNotSupported' && databaseRead;
}

function whatWouldHelp(reason: Reason): string {
  return reason === 'DatabaseNewer'
    ? 'Upgrade the operator.'
    : 'It is not retried by itself: once the cause is corrected, set the annotation db.glance.openstack.org/retry to a new value, or change the spec.';
}

/** Between the attempts of one spec. */
export const ATTEMPT_BACKOFF = { first: 10_000, most: 300_000 };

/** What is to be tried again. */
interface NextAttempt {
  readonly failure: { readonly reason: string; readonly message: string };
  /** Milliseconds since the epoch. */
  readonly due: number;
}

/** The next attempt, where the newest Job failed or was lost. */
export function nextAttempt(facts: Facts): NextAttempt | undefined {
  const job = failedJob(facts) ?? lostJob(facts);
  if (job === undefined) {
    return undefined;
  }
  // The jitter comes from the Job's own name, so that each reconcile says the same time and nothing is
  // written at rest.
  const delay = exponentialBackoff(job.attempt, ATTEMPT_BACKOFF, () => fractionOf(job.uid));
  return { failure: job.failure, due: dueAfter(job, delay, facts) };
}

/**
 * The reason while the next attempt is waited for: a failure that the condition has a name for
 * keeps it.
 */
export function reasonToWait({ failure }: NextAttempt): Reason | undefined {
  return isFinal(failure.reason) ? undefined : knownReason(failure.reason);
}

/** The newest Job failed or was lost, and its next attempt is not due yet. */
export function nextAttemptNotDue(facts: Facts): Verdict | undefined {
  const next = nextAttempt(facts);
  if (next === undefined || next.due <= facts.now) {
    return undefined;
  }
  const { failure, due } = next;
  const nextAttemptAt = inSeconds(due);
  return {
    reason: reasonToWait(next) ?? 'MigrationPending',
    message: `${sentence(failure.message)} The next attempt is at ${nextAttemptAt}.`,
    nextAttemptAt,
    requeueAfter: due - facts.now,
  };
}

/** The newest Job if it failed, unless the spec has changed or a retry was asked for since. */
function failedJob(facts: Facts) {
  const { job } = facts.status;
  return job?.failure === undefined ||
    job.finishedAt === undefined ||
    isSuperseded(job, facts) ||
    isDriftCheck(job)
    ? undefined
    : { ...job, failure: job.failure, finishedAt: job.finishedAt };
}

/**
 * The newest Job if it is gone without a result: where something deletes each at once, the next must
 * not follow at once.
 */
function lostJob(facts: Facts) {
  const { job } = facts.status;
  if (job === undefined || job.finishedAt !== undefined || isSuperseded(job, facts) || isDriftCheck(job)) {
    return undefined;
  }
  const failure = {
    reason: NO_RESULT,
    message: `Job ${job.name} was deleted before its result was recorded. Leave the operator's Jobs in place until they have ended.`,
  };
  return { ...job, failure, finishedAt: job.startedAt };
}

/** A drift check that failed is no attempt at anything: there is another one, and nothing waits for it. */
function isDriftCheck({ purpose }: StatusJob): boolean {
  return purpose === 'DriftCheck';
}

/** Whether something is wanted that was not when the newest Job was made. */
function isSuperseded(job: StatusJob, { schema, status }: Facts): boolean {
  return (
    job.generation !== schema.generation ||
    (schema.retry !== undefined && schema.retry !== status.handledRetry)
  );
}

/**
 * Never further from now than the delay, whatever the status says of the end, and the same in each
 * pass.
 */
function dueAfter(
  { uid, finishedAt }: { readonly uid: string; readonly finishedAt: string },
  delay: number,
  { schema: { status }, now }: Facts,
): number {
  const ended = Date.parse(finishedAt);
  if (ended <= now) {
    return ended + delay;
  }
  // The end is of a clock that is ahead, or it was forged: what counts is when it was
  // first seen.
  const stored = status.job?.uid === uid ? status.nextAttemptAt : undefined;
  return Math.min(now + delay, stored === undefined ? Number.POSITIVE_INFINITY : Date.parse(stored));
}
