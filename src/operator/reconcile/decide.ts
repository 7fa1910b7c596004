import type { GlanceSchemaStatus } from '../../contract/glance-schema.ts';
import { withoutUndefined } from '../../glance/without-undefined.ts';
import type { Observed, ObservedSchema } from './facts/observe.ts';
import { notApproved } from './policies/approval.ts';
import { failedForGood, nextAttemptNotDue } from './policies/attempts.ts';
import { besideDriftCheck, driftCheckIsAtWork, withDriftCheck } from './policies/drift-check.ts';
import { housekeeping, mayRun } from './policies/housekeeping.ts';
import { blockedJobUnwanted, endOfHeld, jobAtWork, podsOutliveTheirJob } from './policies/job-at-work.ts';
import type { Effect, Facts, Policy, Verdict } from './policies/policy.ts';
import { withTarget } from './policies/positions.ts';
import { databaseMoved, observeAsked, recordContradicted } from './policies/record.ts';
import { notReadBeforeContract, notRolledOut } from './policies/roll-out.ts';
import {
  databaseNewerThanSupported,
  migrationDue,
  revisionAbsent,
  revisionNotSupported,
  suspended,
  targetBeforeRecorded,
  targetReached,
} from './policies/target.ts';
import { outsideWindow, windowInvalid } from './policies/window.ts';
import { isRecorded, recordJob } from './status/result.ts';
import { withVerdict } from './status/status.ts';

/** What a reconcile has to do; nothing edits it afterwards. */
export interface Decision {
  readonly effect: Effect | undefined;
  /** The whole status as it should be. */
  readonly status: GlanceSchemaStatus;
  /**
   * When to requeue, in milliseconds, if nothing happens before; undefined for "when something
   * happens".
   */
  readonly requeueAfter: number | undefined;
}

/**
 * The specification: policies named after the fact that they find, in order. The first that finds
 * it wins, and where none does, a migration is due.
 */
export const POLICIES: readonly Policy[] = [
  blockedJobUnwanted,
  jobAtWork,
  podsOutliveTheirJob,
  observeAsked,
  databaseMoved,
  recordContradicted,
  suspended,
  revisionAbsent,
  revisionNotSupported,
  windowInvalid,
  databaseNewerThanSupported,
  targetBeforeRecorded,
  targetReached,
  failedForGood,
  notReadBeforeContract,
  notRolledOut,
  notApproved,
  outsideWindow,
  nextAttemptNotDue,
];

/** Chooses what to do about one GlanceSchema, and what its status is to say. */
export function decide(observed: Observed, now: Date): Decision {
  const { schema } = observed;
  const facts = factsOf(observed, now);
  const { job } = facts;
  if (schema.deleting && !mayRun(facts)) {
    return whenNothingHoldsTheDeletion(facts, now);
  }
  const { verdict, nextCheckAt } = withDriftCheck(facts, verdictOn(facts));
  const {
    nextAttemptAt: _before,
    sharesDatabaseWith: _with,
    plan,
    refusedPlan,
    drift,
    ...rest
  } = facts.status;
  const { nextAttemptAt } = verdict;
  const status = {
    ...rest,
    // Where nothing is due, nothing is planned.
    ...(verdict.reason === 'UpToDate' ? {} : withoutUndefined({ plan, refusedPlan })),
    ...driftStatus(schema, drift, nextCheckAt),
    ...withoutUndefined({ nextAttemptAt, sharesDatabaseWith: facts.sharer }),
  };
  // A result goes into the status before anything else happens: from then on it can no longer be
  // lost.
  const resultIsNew = job?.state.kind === 'finished' && !isRecorded(schema.status, job);
  return {
    effect: resultIsNew ? undefined : (housekeeping(facts, verdict.effect) ?? verdict.effect),
    status: withVerdict(status, verdict, schema.generation, now),
    requeueAfter: verdict.requeueAfter,
  };
}

/**
 * The name of the policy that answers; undefined where nothing holds up a deletion, and none is
 * asked.
 */
export function answeringPolicy(observed: Observed, now: Date): string | undefined {
  return answering(observed, now)?.name;
}

/**
 * Whether a contract is due and nothing but its workloads is in the way, as far as is known without
 * them: only then they are read.
 */
export function asksForRollOuts(observed: Observed, now: Date): boolean {
  const { rollOuts: _read, ...unread } = observed;
  return observed.schema.spec.contractAfter !== undefined && answering(unread, now) === notRolledOut;
}

function answering(observed: Observed, now: Date): Policy | undefined {
  const facts = factsOf(observed, now);
  return !facts.schema.deleting || mayRun(facts)
    ? (POLICIES.find((policy) => policy(facts) !== undefined) ?? migrationDue)
    : undefined;
}

function factsOf(observed: Observed, now: Date): Facts {
  const { schema } = observed;
  const job = observed.job && endOfHeld(observed.job, now.getTime());
  const status = withTarget(recordJob(schema, job, observed.progress?.reported), schema.spec.revision);
  return { ...observed, job, status, now: now.getTime() };
}

/**
 * Nobody reads the status of what is gone in a moment, and the result need not be stored either.
 */
function whenNothingHoldsTheDeletion(facts: Facts, now: Date): Decision {
  const { schema, refusal } = facts;
  const effect = housekeeping(facts);
  return refusal === undefined || effect !== undefined
    ? { effect, status: schema.status, requeueAfter: undefined }
    : {
        effect,
        status: withVerdict(
          schema.status,
          { reason: 'JobBlocked', message: refusal.message },
          schema.generation,
          now,
        ),
        requeueAfter: refusal.requeueAfter,
      };
}

/** What was found of the schema, and when it is checked next, where the spec asks for that. */
function driftStatus(
  { spec }: ObservedSchema,
  drift: GlanceSchemaStatus['drift'],
  nextCheckAt: string | undefined,
): Pick<GlanceSchemaStatus, 'drift'> {
  const { nextCheckAt: _before, ...found } = drift ?? {};
  const known = { ...found, ...withoutUndefined({ nextCheckAt }) };
  return spec.drift === undefined || Object.keys(known).length === 0 ? {} : { drift: known };
}

/** A drift check changes nothing of what is said, unless something waits for its end. */
function verdictOn(facts: Facts): Verdict {
  const verdict = firstVerdict(facts);
  const leavesTheRest = verdict.effect === undefined || verdict.effect.kind === 'deleteBlockedJob';
  return driftCheckIsAtWork(facts) && leavesTheRest
    ? besideDriftCheck(verdict, firstVerdict({ ...facts, job: undefined, livePods: [] }))
    : verdict;
}

function firstVerdict(facts: Facts): Verdict {
  for (const policy of POLICIES) {
    const verdict = policy(facts);
    if (verdict !== undefined) {
      return verdict;
    }
  }
  return migrationDue(facts);
}
