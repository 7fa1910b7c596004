import { FINALIZER } from '../../../contract/names.ts';
import type { JobCreation, JobObject, PodObject, SchemaObject } from '../../kube/cluster.ts';
import { hasEnded, isOurJob } from '../facts/observe.ts';
import { migrationJob, migrationJobName } from '../job/job.ts';
import type { Effect } from '../policies/policy.ts';
import type { Acted, Target } from './effect.ts';

/** Reserves the sequence number, checks once more that no migrator is at work, and makes the Job. */
export async function startJob(
  target: Target,
  effect: Extract<Effect, { kind: 'startJob' }>,
): Promise<Acted> {
  const { cluster, schema, observed } = target;
  // The write that sets the finalizer also proves that what was decided upon is still so: a
  // controller with an old cache, or one that has been replaced while it was paused, gets a
  // conflict here and starts nothing.
  const others = (schema.metadata.finalizers ?? []).filter((finalizer) => finalizer !== FINALIZER);
  const fenced = await cluster.patchMetadata(schema, {
    finalizers: [...others, FINALIZER],
    reservedSequence: effect.purpose.sequence,
    forDriftCheck: effect.purpose.kind === 'DriftCheck',
  });
  if (fenced === 'conflict') {
    return { kind: 'conflict', why: 'a conflict: the schema has changed before its Job was started' };
  }
  if ('refused' in fenced) {
    const { refused, transient, retryAfter } = fenced;
    const message = `Cannot start Job ${effect.name}: the API server refused to set the finalizer on this GlanceSchema: ${refused}. Allow the operator to patch GlanceSchemas`;
    return transient
      ? notNow(schema, `${message}. It is asked again.`, retryAfter)
      : refusal(schema, message);
  }
  // A pod can outlive its Job, and the cache can miss both: only a read shows that none is at
  // work.
  const pods = await cluster.readPods(schema.metadata.namespace, schema.metadata.uid);
  const alive = pods.find((pod) => !hasEnded(pod));
  if (alive !== undefined) {
    return { kind: 'conflict', why: `pod ${alive.metadata.name} has not ended yet` };
  }
  const unseen = (await unseenJobOf(target, pods)) ?? (await recreated(target, effect.purpose.sequence));
  if (unseen !== undefined) {
    return { kind: 'conflict', why: `Job ${unseen.metadata.name} was not in the cache yet` };
  }
  const creation = await cluster.createJob(
    schema.metadata.namespace,
    migrationJob({
      schema: observed.schema,
      spec: observed.schema.spec,
      purpose: effect.purpose,
      image: observed.schema.image,
      pullSecrets: observed.schema.pullSecrets,
    }),
  );
  if (creation.kind === 'created' || (creation.kind === 'exists' && isOurJob(creation.job, schema))) {
    return { kind: 'done', schema: fenced };
  }
  if (creation.kind === 'unknown') {
    const message = `The API server cannot take Job ${effect.name} for now: ${creation.message}. It is asked again.`;
    return notNow(fenced, message, creation.retryAfter);
  }
  // The sequence number is released, unless it was reserved before: another may have made that Job,
  // which is gone since.
  const ours = observed.schema.reservedSequence < effect.purpose.sequence;
  const released = await cluster.patchMetadata(fenced, {
    finalizers: others,
    ...(ours ? { reservedSequence: null } : {}),
  });
  return released === 'conflict'
    ? { kind: 'conflict', why: 'a conflict: the schema has changed while its Job was refused' }
    : refusal('refused' in released ? fenced : released, whyRefused(effect.name, creation));
}

/** The API server takes no Job, until what it refuses it for is changed. */
function refusal(schema: SchemaObject, message: string): Acted {
  return { kind: 'refused', effect: 'startJob', schema, message, transient: false };
}

/** The same for a moment. */
function notNow(schema: SchemaObject, message: string, retryAfter: number | undefined): Acted {
  return { kind: 'refused', effect: 'startJob', schema, message, transient: true, retryAfter };
}

/**
 * The Job of an ended pod, where it is there still and the cache does not have it: its result is to
 * be taken first.
 */
async function unseenJobOf(target: Target, pods: readonly PodObject[]): Promise<JobObject | undefined> {
  const { cluster, schema } = target;
  const seen = cluster.jobsOf(schema.metadata.uid).map((job) => job.metadata.uid);
  for (const owner of pods.flatMap((pod) => pod.metadata.ownerReferences ?? [])) {
    if (owner.controller === true && !seen.includes(owner.uid)) {
      const job = await unseenJob(target, owner.name);
      if (job?.metadata.uid === owner.uid) {
        return job;
      }
    }
  }
  return undefined;
}

/**
 * The Job of the sequence number that was reserved last, where a person has deleted it and another
 * operator has recreated it.
 */
async function recreated(target: Target, sequence: number): Promise<JobObject | undefined> {
  const { schema } = target.observed;
  const { reservedSequence } = schema;
  return reservedSequence === 0 || reservedSequence >= sequence
    ? undefined
    : unseenJob(target, migrationJobName(schema, reservedSequence));
}

/**
 * The Job of this name, where it is of this schema and the cache does not have it; a read brings it
 * into the cache.
 */
async function unseenJob({ cluster, schema }: Target, name: string): Promise<JobObject | undefined> {
  const { uid, namespace } = schema.metadata;
  const seen = cluster.jobsOf(uid).map(({ metadata }) => metadata.uid);
  const job = await cluster.readJob(namespace, name);
  return job === undefined || !isOurJob(job, schema) || seen.includes(job.metadata.uid) ? undefined : job;
}

function whyRefused(name: string, creation: Exclude<JobCreation, { kind: 'unknown' }>): string {
  return creation.kind === 'refused'
    ? `The API server refused to create Job ${name}: ${creation.message}. Correct the spec, or the quota or policy that this names; it is tried again by itself`
    : `Cannot start Job ${name}: there is a Job of that name that does not belong to this GlanceSchema. Delete it.`;
}
