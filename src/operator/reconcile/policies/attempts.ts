import { failureMeaning } from '../../../contract/failures.ts';
import { knownReason, type Reason } from '../../../contract/reasons.ts';
import { exponentialBackoff, fractionOf } from '../../time/backoff.ts';
import { NO_RESULT } from '../status/result.ts';
import { type Facts, sentence, type Verdict } from './policy.ts';

/** Whether no further attempt of this image makes it better. */
export function isFinal(reason: string): boolean {
  return (failureMeaning(reason)?.nextJob ?? 'with backoff') !== 'with backoff';
}

/** The newest Job failed, and no further attempt of this image helps. */
export function failedForGood(facts: Facts): Verdict | undefined {
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

/** The newest Job failed or was lost, and its next attempt is not due yet. */
export function nextAttemptNotDue(facts: Facts): Verdict | undefined {
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
