import type { Observed, ObservedSchema } from '../facts/observe.ts';
import { isFinal } from './attempts.ts';
import type { Effect, Facts } from './policy.ts';

/**
 * What is owed to Jobs that are there, before anything new begins, as far as the API server takes
 * it. The result of the newest Job is in the status, or nobody reads that any more.
 */
export function housekeeping(facts: Facts, next?: Effect): Effect | undefined {
  const { schema, job, olderHeldJobs, olderJobsWithoutTtl, ownedActiveJobs, putOff, refusal } = facts;
  const isTaken = ({ uid }: { readonly uid: string }) => putOff?.includes(uid) !== true;
  const newestHeld = job?.held === true ? [{ name: job.name, uid: job.uid }] : [];
  const held = [...newestHeld, ...olderHeldJobs].find(isTaken);
  if (held !== undefined) {
    return { kind: 'deleteHeldJob', job: held };
  }
  const owned = ownedActiveJobs.find(isTaken);
  if (owned !== undefined) {
    return { kind: 'disown', job: owned };
  }
  const older = olderJobsWithoutTtl.find(isTaken);
  if (older !== undefined) {
    return { kind: 'setTtl', job: older, ttl: ttlOf(schema) };
  }
  if (job?.state.kind === 'finished' && !job.hasTtl && isTaken(job)) {
    const { failure, purpose } = schema.status.job ?? {};
    // The log of a plan is read until somebody has approved it.
    const least = purpose === 'Plan' && failure === undefined ? PLAN_TTL : 0;
    const ttl =
      purpose === 'Look'
        ? LOOK_TTL
        : failure !== undefined && !isFinal(failure.reason)
          ? REPEATED_TTL
          : Number.POSITIVE_INFINITY;
    return {
      kind: 'setTtl',
      job: { name: job.name, uid: job.uid },
      ttl: Math.max(least, Math.min(ttlOf(schema), ttl)),
    };
  }
  // Who is about to make a Job, and could not the last time, keeps what it has put on: to take it
  // off and put it on again would be two writes for each try, and each of them a cause to try at
  // once.
  if (
    schema.hasFinalizer &&
    !mayRun(facts) &&
    next?.kind !== 'startJob' &&
    (schema.deleting ? refusal?.effect !== 'releaseFinalizer' : isTaken(schema))
  ) {
    return { kind: 'releaseFinalizer' };
  }
  return undefined;
}

/**
 * How long a Job stays that is followed by another attempt, in seconds: a database that is away for
 * a day leaves some, not hundreds.
 */
const REPEATED_TTL = 3600;

/** How long a Job stays that has looked at the database, in seconds. */
const LOOK_TTL = 600;

/** How long a Job that has made a plan stays at least, in seconds: a week. */
const PLAN_TTL = 604_800;

/** How long a finished Job stays where the spec says nothing, in seconds. */
export const DEFAULT_TTL = 86_400;

function ttlOf({ spec }: ObservedSchema): number {
  return spec.job?.ttlSecondsAfterFinished ?? DEFAULT_TTL;
}

/** Whether a migrator may be at work on the database now. */
export function mayRun({ job, livePods }: Observed): boolean {
  return job?.state.kind === 'active' || livePods.length > 0;
}
