import { databaseName } from '../../../contract/database-name.ts';
import type { StatusPlan } from '../../../contract/glance-schema.ts';
import { formatPosition } from '../../../glance/position.ts';
import { nextAttemptNotDue } from './attempts.ts';
import { startJob } from './next-job.ts';
import { type Facts, unlessRefused, type Verdict } from './policy.ts';
import { nextPosition, recordedPosition } from './positions.ts';
import { recordMayBeOld } from './record.ts';

/** A migration is due, and what it would do is not approved. */
export function notApproved(facts: Facts): Verdict | undefined {
  const { schema } = facts;
  if (schema.spec.approval !== 'Manual' || approvedPlan(facts) !== undefined) {
    return undefined;
  }
  const plan = validPlan(facts);
  if (plan === undefined || recordMayBeOld(facts)) {
    return nextAttemptNotDue(facts) ?? planAgain(facts);
  }
  const { hash, from = 'nothing', to, revisions, rows, job, warnings } = plan;
  const how = isRefused(facts, plan)
    ? 'This plan was approved before, but its migration refused it because what it would have run was different at that moment. To run it now, set the annotation db.glance.openstack.org/retry.'
    : `Approve it by 'kubectl glanceschema approve ${schema.name} -n ${schema.namespace}', or by spec.approvedPlan.`;
  const other =
    schema.spec.approvedPlan === undefined || schema.spec.approvedPlan === hash
      ? ''
      : ' spec.approvedPlan names a different plan, so it does not count.';
  const warned = warnings.map((warning) => ` ${warning}.`).join('');
  return {
    reason: 'AwaitingApproval',
    message: `The migration from ${from} to ${to} waits for approval of plan ${hash}: ${revisions.length} scripts to run, ${rows} rows to write. The log of Job ${job} has the whole plan.${warned}${other} ${how}`,
  };
}

/** The plan by which a migration may start, where the spec asks for one. */
export function approvedPlan(facts: Facts): { readonly hash: string; readonly mostRows: number } | undefined {
  const { spec } = facts.schema;
  const plan = validPlan(facts);
  return spec.approval === 'Manual' &&
    plan !== undefined &&
    plan.hash === spec.approvedPlan &&
    !isRefused(facts, plan)
    ? { hash: plan.hash, mostRows: plan.mostRows }
    : undefined;
}

/** The plan of the status, where it still is of what is wanted and of where the database is. */
function validPlan({ schema, status }: Facts): StatusPlan | undefined {
  const { plan } = status;
  const recorded = recordedPosition(status);
  return plan !== undefined &&
    plan.to === formatPosition(nextPosition(schema, status)) &&
    plan.from === (recorded && formatPosition(recorded)) &&
    plan.database === databaseName(schema.spec.database) &&
    plan.image === schema.image
    ? plan
    : undefined;
}

/**
 * Whether a migration has refused the plan of this hash, and a person has not asked for it again: else an
 * approval that stays in the spec would be tried forever.
 */
function isRefused({ schema, status }: Facts, { hash }: StatusPlan): boolean {
  return status.refusedPlan === hash && (schema.retry === undefined || schema.retry === status.handledRetry);
}

/** A Job that plans the migration and only reads is due. */
function planAgain(facts: Facts): Verdict {
  const plans = nextPosition(facts.schema, facts.status);
  return unlessRefused(facts, {
    reason: 'Observing',
    message: `The migration to ${formatPosition(plans)} is planned by a Job that only reads.`,
    effect: startJob(facts, { kind: 'Plan', target: null, plans }),
  });
}
