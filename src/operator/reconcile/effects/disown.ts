import type { Effect } from '../policies/policy.ts';
import { type Acted, putOff, type Target } from './effect.ts';

/** Takes the owner off a Job at work, so that no deletion of its GlanceSchema ends it. */
export async function disown(
  { cluster, schema }: Target,
  { job }: Extract<Effect, { kind: 'disown' }>,
): Promise<Acted> {
  const { namespace, uid } = schema.metadata;
  const refused = await cluster.disown(namespace, job, uid);
  return refused === undefined
    ? { kind: 'done', schema }
    : putOff(job.uid, `Job ${job.name} keeps its owner while it runs`, refused);
}
