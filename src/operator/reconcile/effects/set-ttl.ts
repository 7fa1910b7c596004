import type { Effect } from '../policies/policy.ts';
import { type Acted, putOff, type Target } from './effect.ts';

/**
 * Lets Kubernetes delete a finished Job after its TTL, and with its GlanceSchema, which becomes its
 * owner.
 */
export async function setTtl(
  { cluster, schema, observed }: Target,
  { job, ttl }: Extract<Effect, { kind: 'setTtl' }>,
): Promise<Acted> {
  const owner = observed.schema.deleting ? undefined : schema;
  const refused = await cluster.setTtl(schema.metadata.namespace, job, ttl, owner);
  return refused === undefined
    ? { kind: 'done', schema }
    : putOff(job.uid, `Job ${job.name} keeps no TTL`, refused);
}
