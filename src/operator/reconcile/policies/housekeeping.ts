import type { Observed, ObservedSchema } from '../facts/observe.ts';
import { isFinal } from './attempts.ts';
import type { Effect, Facts } from './policy.ts';

/**
 * Clean-up of existing Jobs, one effect at a time, before anything new starts; effects that the API
 * server has refused are skipped for now. Called only once the newest Job's result is in the status,
 * or the GlanceSchema is being deleted.
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
    // The log of a plan is read until a person has approved it.
    const least = purpose === 'Plan' && failure === undefined ? PLAN_TTL : 0;
    const ttl =
      purpose === 'DriftCheck'
        ? DRIFT_CHECK_TTL
        : failure !== undefined && !isFinal(failure.reason)
          ? REPEATED_TTL
          : Number.POSITIVE_INFINITY;
    return {
      kind: 'setTtl',
      job: { name: job.name, uid: job.uid },
      ttl: Math.max(least, Math.min(ttlOf(schema), ttl)),
    };
  }
  // If the next effect is to create a Job (the last attempt was refused), keep the finalizer.
  // Removing and setting it again would cost two writes per attempt, and each write would trigger
  // another reconcile at once.
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

/** How long the Job of a drift check stays, in seconds. */
const DRIFT_CHECK_TTL = 600;

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
