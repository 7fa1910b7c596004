import { FAILURES, type FailureReason } from '../../../contract/failures.ts';
import type { GlanceSchemaStatus } from '../../../contract/glance-schema.ts';
import { formatPosition } from '../../../glance/position.ts';
import { exponentialBackoff } from '../../time/backoff.ts';
import type { JobState, ObservedJob, PodState } from '../facts/observe.ts';
import { podTemplateHash } from '../job/job.ts';
import { whyNotBegun } from '../status/result.ts';
import type { ReadyCondition } from '../status/status.ts';
import { type Effect, type Facts, sentence, unlessRefused, type Verdict } from './policy.ts';
import { recordedPosition } from './positions.ts';

/**
 * How long the other containers of a pod may take to end after the migration has, in milliseconds.
 */
export const HELD_GRACE = 30_000;

/**
 * What the container of the migration left counts, though the Job controller waits for the others.
 * A failure after which the Job would try again is left to the Job: once the others end, another
 * pod may follow.
 */
export function endOfHeld(job: ObservedJob, now: number): ObservedJob {
  const { state } = job;
  return state.kind === 'active' &&
    state.pod.kind === 'held' &&
    isLastEnd(state.pod.end) &&
    now - Date.parse(state.pod.since) >= HELD_GRACE
    ? { ...job, state: state.pod.end, held: true }
    : job;
}

function isLastEnd({ succeeded, report }: Extract<JobState, { kind: 'finished' }>): boolean {
  return succeeded || (report?.error != null && endsTheJob(report.error.reason));
}

/** A Job that cannot start is in the way of what is wanted now. */
export function blockedJobUnwanted(facts: Facts): Verdict | undefined {
  const { job, schema } = facts;
  if (job?.state.kind !== 'active' || whyBlocked(job, job.state.pod, facts) === undefined) {
    return undefined;
  }
  const effect: Effect = { kind: 'deleteBlockedJob', name: job.name };
  if (schema.deleting) {
    return unlessRefused(facts, {
      reason: 'MigrationPending',
      message: `Job ${job.name} cannot start; it is deleted with its GlanceSchema.`,
      effect,
    });
  }
  if (schema.status.job?.uid === job.uid && schema.status.job.finishedAt !== undefined) {
    // It has ended, and the cache is older than the status that says so; or a sidecar kept its pod.
    return job.state.pod.kind === 'suspended'
      ? unlessRefused(facts, {
          reason: 'MigrationPending',
          message: `The result of Job ${job.name} is recorded, and the Job was suspended after that. Deleting it.`,
          effect,
        })
      : undefined;
  }
  if (job.purpose === undefined || job.purpose.podTemplateHash === podTemplateHash(schema)) {
    return undefined;
  }
  return unlessRefused(facts, {
    reason: 'MigrationPending',
    message: `Job ${job.name} cannot start and was made for an older spec or another image; it is replaced.`,
    effect,
  });
}

/**
 * How long the Job controller may take to make a pod, or to see the end of one, before a person
 * should look, in milliseconds.
 */
const POD_GRACE = 30_000;

/** How long the Job controller waits before the next pod of a Job, in milliseconds. */
const POD_BACKOFF = { first: 10_000, most: 600_000 };

/**
 * How long a node may take to start the container, its image pulled, in milliseconds. Of a volume
 * that it cannot mount it says nothing in the pod.
 */
const START_GRACE = 120_000;

/** Why no container of a Job can start, where that is known or it has had time enough. */
function whyBlocked(
  { name: job, purpose }: Pick<ObservedJob, 'name' | 'purpose'>,
  pod: PodState,
  { schema: { namespace }, now }: Pick<Facts, 'schema' | 'now'>,
): ReadyCondition | undefined {
  const claim = purpose?.backup?.claim;
  switch (pod.kind) {
    case 'blocked':
      return {
        reason: pod.reason,
        message: `The pod of Job ${job} cannot start: ${sentence(pod.message)}${whichClaim(claim, namespace, pod.message)}`,
      };
    case 'starting':
      return now - Date.parse(pod.since) < START_GRACE
        ? undefined
        : {
            reason: 'JobBlocked',
            message: `Pod ${pod.pod} of Job ${job} has not started for ${START_GRACE / 60_000} minutes: run \`kubectl describe pod ${pod.pod} -n ${namespace}\` and look for a volume that cannot be mounted (${claim === undefined ? '' : `the claim ${claim}, `}the Secret of a CA) or an image that takes long to pull.`,
          };
    case 'suspended':
      return {
        reason: 'JobBlocked',
        message: `Job ${job} is suspended, by a queue such as Kueue or by a person, and has no pod. It goes on when its own spec.suspend is false again.`,
      };
    case 'none':
      return pod.since === undefined || now - Date.parse(pod.since) < podGrace(pod)
        ? undefined
        : {
            reason: 'JobBlocked',
            message: `Job ${job} has no pod yet. Run \`kubectl describe job ${job} -n ${namespace}\` and look for a quota or a policy that refuses it.`,
          };
  }
  return undefined;
}

/** Of a claim that is not bound, or whose volume no node can have, the scheduler does not say the name. */
function whichClaim(claim: string | undefined, namespace: string, said: string): string {
  return claim === undefined || !/volume/i.test(said)
    ? ''
    : ` The claim for its backup is ${claim}: run \`kubectl describe pvc ${claim} -n ${namespace}\`, or name another in spec.backup.volumeClaimName.`;
}

/**
 * The Job controller makes the next pod ten seconds after the first failure, and each time after
 * twice as long.
 *
 * Source: kubernetes.io/docs/concepts/workloads/controllers/job, Pod backoff failure policy.
 */
function podGrace({ failed }: Extract<PodState, { kind: 'none' }>): number {
  return POD_GRACE + (failed === 0 ? 0 : exponentialBackoff(failed, POD_BACKOFF, () => 0));
}

/** That it is unknown whether a pod runs, where that is so. */
function whyLost(pod: PodState, now: number): ReadyCondition | undefined {
  const lost = pod.kind === 'lost' || ('endsBy' in pod && now >= overdueAt(pod.endsBy)) ? pod : undefined;
  if (lost === undefined) {
    return undefined;
  }
  const { node } = lost;
  return {
    reason: 'JobBlocked',
    message: `Node ${node} does not answer: whether the migration in pod ${lost.pod} still runs there is not known, and nothing else is started. Bring the node back; or make sure that it is off, and then delete it by \`kubectl delete node ${node}\`.`,
  };
}

function overdueAt(endsBy: string): number {
  return Date.parse(endsBy) + POD_GRACE;
}

/**
 * When `whyBlocked` may have another answer though nothing happens, in milliseconds; undefined for
 * never.
 */
function blockedAfter(pod: PodState, now: number): number | undefined {
  if ('endsBy' in pod) {
    return Math.max(1_000, overdueAt(pod.endsBy) - now);
  }
  const grace = pod.kind === 'none' ? podGrace(pod) : START_GRACE;
  const since = 'since' in pod ? pod.since : undefined;
  // A clock that is behind, and put right meanwhile, must not make it wait for longer.
  return since === undefined ? undefined : Math.min(grace, Math.max(0, Date.parse(since) + grace - now));
}

/** A Job has not ended: it is waited for, and what holds up its pod is named. */
export function jobAtWork({ job, schema, status, progress, now }: Facts): Verdict | undefined {
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
      reason: job.purpose?.target == null ? 'Observing' : 'MigrationRunning',
      message: `The migration in pod ${pod.pod} has ended, and ${by} keeps the pod. Within ${HELD_GRACE / 1000} seconds the operator records the result and deletes Job ${job.name}. Exclude the pods of the operator's Jobs from sidecar injection.${waitsForIt}`,
      requeueAfter: Math.min(HELD_GRACE, Math.max(0, Date.parse(pod.since) + HELD_GRACE - now)),
    };
  }
  const blocked = whyLost(pod, now) ?? whyBlocked(job, pod, { schema, now });
  if (blocked !== undefined && pod.kind !== 'none') {
    return { ...blocked, message: blocked.message + waitsForIt };
  }
  if (lastReport?.error != null && !isAtWork(pod) && !endsTheJob(lastReport.error.reason)) {
    return {
      reason: lastReport.error.reason === 'DatabaseUnreachable' ? 'DatabaseUnreachable' : 'MigrationPending',
      message: `${sentence(lastReport.error.message)} Job ${job.name} tries again, unless that was its last attempt.${waitsForIt}`,
    };
  }
  if (blocked !== undefined) {
    return { ...blocked, message: blocked.message + waitsForIt };
  }
  const notBegun = whyNotBegun(schema.status, job.uid);
  if (pod.kind === 'none' && notBegun !== undefined) {
    // Until there is another pod, or the Job has ended: then this says whether its migration had begun.
    return { ...notBegun, requeueAfter: blockedAfter(pod, now) };
  }
  const later = progress === undefined ? blockedAfter(pod, now) : Math.max(0, progress.requeueAt - now);
  return { ...workOf(job, pod, status, waitsForIt), requeueAfter: later };
}

/** Whether a process of ours is in the pod. */
function isAtWork({ kind }: PodState): boolean {
  return kind === 'running' || kind === 'backing up';
}

/**
 * Whether the Job has no further try after this failure, and only has not been marked as failed
 * yet.
 */
function endsTheJob(reason: FailureReason): boolean {
  return !FAILURES[reason].retriedInJob;
}

function workOf(job: ObservedJob, pod: PodState, status: GlanceSchemaStatus, waitsForIt: string): Verdict {
  if (job.deleting) {
    return {
      reason: 'MigrationRunning',
      message: `Job ${job.name} is being deleted. Once its pod has ended, the operator reads the database again.${waitsForIt}`,
    };
  }
  const { target, plans } = job.purpose ?? {};
  if (plans !== undefined) {
    return {
      reason: 'Observing',
      message: `Job ${job.name} plans the migration to ${formatPosition(plans)}, and only reads.${waitsForIt}`,
    };
  }
  if (target == null) {
    const why = job.purpose?.why === undefined ? '' : ` ${job.purpose.why}`;
    return { reason: 'Observing', message: `Job ${job.name} reads the database.${why}${waitsForIt}` };
  }
  if (pod.kind === 'backing up') {
    return {
      reason: 'MigrationRunning',
      message: `The backup before the migration to ${formatPosition(target)} is being taken by Job ${job.name}.${waitsForIt}`,
    };
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

/** A pod is alive whose Job is gone: it may still change the database, so its end is waited for. */
export function podsOutliveTheirJob({ livePods, now }: Facts): Verdict | undefined {
  const [pod] = livePods;
  if (pod === undefined) {
    return undefined;
  }
  const running: ReadyCondition = {
    reason: 'MigrationRunning',
    message: `Pod ${pod.name} still exists although its Job is gone. Waiting for it to end; nothing else is started before that.`,
  };
  return {
    ...(whyLost(pod.state, now) ?? running),
    requeueAfter: blockedAfter(pod.state, now),
  };
}
