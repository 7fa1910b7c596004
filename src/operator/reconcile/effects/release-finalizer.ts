import { FINALIZER } from '../../../contract/names.ts';
import { hasEnded, isFinished } from '../facts/observe.ts';
import { migrationJobName } from '../job/job.ts';
import { type Acted, putOff, type Target } from './effect.ts';

/** Takes our finalizer off a GlanceSchema, which a deletion has waited for. */
export async function releaseFinalizer(target: Target): Promise<Acted> {
  const { cluster, schema, observed } = target;
  const { deleting } = observed.schema;
  if (deleting && (await isAtWork(target))) {
    return { kind: 'conflict', why: 'a migration is at work that the cache does not show yet' };
  }
  const finalizers = (schema.metadata.finalizers ?? []).filter((finalizer) => finalizer !== FINALIZER);
  const released = await cluster.patchMetadata(schema, { finalizers });
  if (released === 'conflict') {
    return { kind: 'conflict', why: 'a conflict: the schema has changed before its finalizer was released' };
  }
  if ('refused' in released) {
    const what =
      'The API server refused to remove the finalizer of this GlanceSchema. Allow the operator to patch GlanceSchemas. The answer was';
    return deleting
      ? {
          kind: 'refused',
          effect: 'releaseFinalizer',
          schema,
          message: `${what}: ${released.refused}`,
          transient: false,
        }
      : putOff(schema.metadata.uid, what, released);
  }
  return deleting ? { kind: 'gone' } : { kind: 'done', schema: released };
}

/** Asks the API server itself: the next Job may be there though the cache does not have it. */
async function isAtWork({ cluster, observed: { schema } }: Target): Promise<boolean> {
  const job = await cluster.readJob(schema.namespace, migrationJobName(schema, schema.reservedSequence));
  const pods = await cluster.readPods(schema.namespace, schema.uid);
  return (job !== undefined && !isFinished(job)) || pods.some((pod) => !hasEnded(pod));
}
