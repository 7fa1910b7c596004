import type { Refused } from '../../kube/cluster.ts';
import { isRunning } from '../facts/observe.ts';
import type { Effect } from '../policies/policy.ts';
import { type Acted, putOff, type Target } from './effect.ts';

/** Deletes a Job that cannot start a container. */
export async function deleteBlockedJob(
  target: Target,
  { name }: Extract<Effect, { kind: 'deleteBlockedJob' }>,
): Promise<Acted> {
  const { schema } = target;
  const deleted = await deleteUnlessRunning(target, name);
  if (deleted === 'running') {
    return { kind: 'conflict', why: `a pod of Job ${name} has started` };
  }
  return deleted === 'done'
    ? { kind: 'done', schema }
    : {
        kind: 'refused',
        effect: 'deleteBlockedJob',
        schema,
        message: `Job ${name} cannot start, and the API server refused to delete it: ${deleted.refused}. Delete it yourself, or allow the operator to`,
        transient: false,
      };
}

/** Deletes a Job whose migration has ended, and whose pod another container keeps. */
export async function deleteHeldJob(
  target: Target,
  { job }: Extract<Effect, { kind: 'deleteHeldJob' }>,
): Promise<Acted> {
  const { schema } = target;
  const deleted = await deleteUnlessRunning(target, job.name);
  if (deleted === 'running') {
    return { kind: 'conflict', why: `a pod of Job ${job.name} has started` };
  }
  return deleted === 'done'
    ? { kind: 'done', schema }
    : putOff(job.uid, `Job ${job.name} stays, though its migration has ended`, deleted);
}

async function deleteUnlessRunning(
  { cluster, schema }: Target,
  name: string,
): Promise<'done' | 'running' | Refused> {
  const { namespace, uid } = schema.metadata;
  const job = cluster
    .jobsOf(uid)
    .find(({ metadata }) => metadata.namespace === namespace && metadata.name === name);
  if (job === undefined) {
    return 'done';
  }
  const pods = await cluster.readPods(namespace, uid);
  return pods.some(isRunning) ? 'running' : ((await cluster.deleteJob(job)) ?? 'done');
}
