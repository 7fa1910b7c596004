import type { Reason } from '../../../contract/reasons.ts';
import { withoutUndefined } from '../../../glance/without-undefined.ts';
import { exponentialBackoff, fractionOf } from '../../time/backoff.ts';
import { parseDuration } from '../../time/duration.ts';
import { inSeconds } from '../../time/in-seconds.ts';
import type { ObservedSchema } from '../facts/observe.ts';
import { ATTEMPT_BACKOFF } from './attempts.ts';
import { mayRun } from './housekeeping.ts';
import { startJob } from './next-job.ts';
import type { Facts, Verdict } from './policy.ts';
import { recordedPosition } from './positions.ts';
import { recordMayBeOld } from './record.ts';

/**
 * What is said while nothing is due, and never with an effect: a drift check holds up nothing then.
 */
const AT_REST: readonly Reason[] = ['UpToDate', 'DowngradeNotSupported', 'AwaitingApproval', 'OutsideWindow'];

/** The same, and what is said where no drift check would begin; one that is at work goes on. */
const QUIET: readonly Reason[] = [...AT_REST, 'Suspended', 'RevisionNotFound', 'WindowInvalid'];

/** No reconcile waits for longer, in milliseconds: a clock may be put right meanwhile. */
const LONGEST_REQUEUE = 300_000;

/** A drift check that is later than this was missed, in milliseconds. */
const LATE = 300_000;

/** Drift checks that were missed, as no operator was there, are spread over so long, in milliseconds. */
const CATCH_UP = 3_600_000;

/** A verdict with the drift check that is due as well, and when the next one is. */
export interface WithDriftCheck {
  readonly verdict: Verdict;
  /** RFC 3339; undefined where the spec asks for no drift checks. */
  readonly nextCheckAt: string | undefined;
}

/** A drift check is at work, whether its Job is seen, or only a pod of it. */
export function driftCheckIsAtWork(facts: Facts): boolean {
  const { job, schema, status } = facts;
  const isNewest = status.job?.purpose === 'DriftCheck' || schema.reservedForDriftCheck;
  const isDriftCheck =
    job?.state.kind === 'active' ? job.purpose?.kind === 'DriftCheck' : isNewest && !recordMayBeOld(facts);
  return mayRun(facts) && isDriftCheck && !schema.deleting;
}

/**
 * The verdict while a drift check runs: the one that would apply without it, unless that has work to
 * do; then it waits, and the verdict is that of the drift check.
 *
 * @param atWork what is said of a Job at work
 * @param otherwise what is said where none is
 */
export function besideDriftCheck(atWork: Verdict, otherwise: Verdict): Verdict {
  if (!QUIET.includes(otherwise.reason)) {
    return atWork;
  }
  const isHeldUp = atWork.reason === 'JobBlocked' || atWork.reason === 'SecretNotReady';
  return {
    ...otherwise,
    // One that cannot start is replaced without a word.
    ...withoutUndefined({ effect: atWork.effect }),
    message: isHeldUp
      ? `${otherwise.message} The drift check is held up. ${atWork.message}`
      : otherwise.message,
    requeueAfter: earlier(otherwise.requeueAfter, atWork.requeueAfter),
  };
}

/** Has the database checked for drift once in each interval, while the verdict has nothing to do. */
export function withDriftCheck(facts: Facts, verdict: Verdict): WithDriftCheck {
  const { schema, status, refusal, now } = facts;
  const interval = parseDuration(schema.spec.drift?.interval);
  if (interval === undefined) {
    return { verdict, nextCheckAt: undefined };
  }
  const scheduled = Date.parse(status.drift?.nextCheckAt ?? '');
  // It is further away than it can be where the interval was a longer one, or the clock ahead.
  const due = scheduled <= now + interval ? scheduled : nextTurn(schema, interval, now);
  const nextCheckAt = inSeconds(due);
  if (!AT_REST.includes(verdict.reason) || !mayCheckDrift(facts, verdict)) {
    return { verdict, nextCheckAt };
  }
  const after = (time: number, at: string) => ({
    verdict: {
      ...verdict,
      requeueAfter: earlier(verdict.requeueAfter, Math.min(time - now, LONGEST_REQUEUE)),
    },
    nextCheckAt: at,
  });
  const from = Math.max(due, retryOfFailedCheck(facts));
  if (from > now) {
    return after(from, nextCheckAt);
  }
  if (now - from > LATE) {
    const spread = now + 1000 + fractionOf(schema.uid) * Math.min(interval, CATCH_UP);
    return after(spread, inSeconds(spread));
  }
  if (refusal?.effect === 'startJob') {
    return {
      verdict: { ...verdict, requeueAfter: earlier(verdict.requeueAfter, refusal.requeueAfter) },
      nextCheckAt,
    };
  }
  return {
    verdict: { ...verdict, effect: startJob(facts, { kind: 'DriftCheck', target: null }) },
    nextCheckAt,
  };
}

/** Whether nothing is under way, and nothing of the newest Job would be forgotten for a drift check. */
function mayCheckDrift(facts: Facts, { reason }: Verdict): boolean {
  const { job } = facts.status;
  const isLast = reason === 'UpToDate' || reason === 'DowngradeNotSupported';
  const isDone = job?.failure === undefined || job.purpose === 'DriftCheck';
  return (
    (isLast || isDone) &&
    !mayRun(facts) &&
    !recordMayBeOld(facts) &&
    recordedPosition(facts.status) !== undefined
  );
}

/** The drift checks of one resource are one interval apart; those of many are spread over the interval. */
function nextTurn({ uid }: ObservedSchema, interval: number, now: number): number {
  const first = Math.floor(fractionOf(uid) * interval);
  return first + Math.ceil((now + 1000 - first) / interval) * interval;
}

/** When a drift check is repeated that read nothing, or was lost, in milliseconds since the epoch. */
function retryOfFailedCheck({ status: { job } }: Facts): number {
  if (
    job?.purpose !== 'DriftCheck' ||
    (job.finishedAt !== undefined && job.failure?.databaseRead !== false)
  ) {
    return Number.NEGATIVE_INFINITY;
  }
  const delay = exponentialBackoff(job.attempt, ATTEMPT_BACKOFF, () => fractionOf(job.uid));
  return Date.parse(job.finishedAt ?? job.startedAt) + delay;
}

function earlier(one: number | undefined, other: number | undefined): number | undefined {
  return one === undefined ? other : Math.min(one, other ?? one);
}
