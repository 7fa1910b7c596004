import { SCHEMA_UID_LABEL } from '../../contract/names.ts';
import type { Cluster, JobObject, Refused } from '../kube/cluster.ts';
import { hasEnded, heldSince, isFinished, isRunning } from './facts/observe.ts';
import { DEFAULT_TTL } from './policies/housekeeping.ts';
import { HELD_GRACE } from './policies/job-at-work.ts';

/** The clock, and who hears what the API server has refused. */
export interface LeftoverOptions {
  readonly now: () => Date;
  /** Called with what the API server has refused. */
  readonly onPutOff: ((key: string, what: string) => void) | undefined;
}

/**
 * Jobs without their schema, of which the result is not needed. One that has begun ends by
 * itself, and then stays as long as others do. One that has not, as it was made in the moment of
 * the deletion, is deleted; so is one that another container keeps.
 *
 * @param key has the UID of the GlanceSchema instead of its name
 * @returns after how many milliseconds to requeue; undefined for "when something happens"
 */
export async function finishLeftovers(
  cluster: Cluster,
  key: string,
  options: LeftoverOptions,
): Promise<number | undefined> {
  let requeueAfter: number | undefined;
  for (const job of cluster.leftoversOf(key)) {
    const { namespace, labels } = job.metadata;
    const isArranged = isFinished(job) && job.spec.ttlSecondsAfterFinished !== undefined;
    // The cache of Jobs can be ahead of that of GlanceSchemas.
    if (!isArranged && (await cluster.isGone(namespace, labels?.[SCHEMA_UID_LABEL] ?? ''))) {
      const left = await finishLeftoverJob(cluster, job, options.now());
      if (typeof left === 'number') {
        requeueAfter = Math.min(left, requeueAfter ?? left);
      } else if (left !== undefined) {
        const what = `Job ${job.metadata.name} stays, though its GlanceSchema is gone`;
        options.onPutOff?.(key, `${what}: ${left.refused}`);
      }
    }
  }
  return requeueAfter;
}

/** Returns what was refused, or after how many milliseconds to requeue. */
async function finishLeftoverJob(
  cluster: Cluster,
  job: JobObject,
  now: Date,
): Promise<Refused | number | undefined> {
  const { namespace, name, uid, labels } = job.metadata;
  if (isFinished(job)) {
    return cluster.setTtl(namespace, { name, uid }, DEFAULT_TTL);
  }
  const pods = await cluster.readPods(namespace, labels?.[SCHEMA_UID_LABEL] ?? '');
  if (pods.some(isRunning)) {
    return undefined;
  }
  const [held] = pods.flatMap((pod) => heldSince(pod) ?? []).sort();
  if (held !== undefined) {
    const wait = Math.min(HELD_GRACE, Date.parse(held) + HELD_GRACE - now.getTime());
    return wait > 0 ? wait : cluster.deleteJob(job);
  }
  return job.spec.suspend !== true && pods.some(hasEnded) ? undefined : cluster.deleteJob(job);
}
