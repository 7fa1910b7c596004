import type { Cluster, JobObject, SchemaObject } from '../kube/cluster.ts';
import { asksForRollOuts } from './decide.ts';
import { lateStarts } from './facts/late-starts.ts';
import { type DefaultImage, isOurJob, type Observed, type ObservedJob, observe } from './facts/observe.ts';
import { podAbsence } from './facts/pod-absence.ts';
import { progressReader } from './facts/progress-reader.ts';
import { type PutOffs, putOffMemory } from './facts/put-offs.ts';
import { type Refusals, refusalMemory } from './facts/refusals.ts';
import { type RollOut, rollOutOf } from './facts/roll-out.ts';
import { endOfHeld } from './policies/job-at-work.ts';
import { isRecorded } from './status/result.ts';

/** What was observed, and when: the decision takes that time for now. */
export interface Gathered {
  readonly observed: Observed;
  readonly time: Date;
}

/** Gathers what a reconcile decides upon, from the caches and from what this process remembers. */
export interface Gatherer {
  gather(key: string, schema: SchemaObject): Promise<Gathered>;
  readonly putOffs: PutOffs;
  readonly refusals: Refusals;
  /** The GlanceSchema with this key is gone. */
  forget(key: string): void;
}

/** Gathers the facts of a reconcile: what the informers have, and what this process remembers. */
export function gatherer(cluster: Cluster, defaultImage: DefaultImage, now: () => Date): Gatherer {
  const progress = progressReader(cluster, now);
  const absence = podAbsence(now);
  const late = lateStarts();
  const putOffs = putOffMemory(now);
  const refusals = refusalMemory(now);

  async function gather(key: string, schema: SchemaObject): Promise<Gathered> {
    const { observed, time } = await gatherJobs(key, schema);
    return asksForRollOuts(observed, time)
      ? { observed: { ...observed, rollOuts: await readRollOuts(cluster, observed, time) }, time }
      : { observed, time };
  }

  async function gatherJobs(key: string, schema: SchemaObject): Promise<Gathered> {
    const { uid, namespace } = schema.metadata;
    const jobs = await jobsOf(cluster, schema);
    const time = now();
    const generation = schema.metadata.generation ?? 0;
    const more = {
      putOff: putOffs.of(key),
      refusal: refusals.of(key, { uid, generation }),
      sharer: olderSharerOf(cluster, schema),
    };
    const seen = observe(schema, jobs, cluster.podsOf(uid), defaultImage);
    const observed = { ...late.of(key, absence.of(key, seen)), ...more };
    const howFar = progress.of(key, observed);
    if (!isEndToCheck(observed, time)) {
      return { observed: howFar === undefined ? observed : { ...observed, progress: howFar }, time };
    }
    // Jobs and pods come by watches of their own: the end of a Job can be seen before that of its
    // pod, whose report goes into the status; and a pod that a sidecar keeps may be gone since.
    const read = observe(schema, jobs, await cluster.readPods(namespace, uid), defaultImage);
    return { observed: { ...late.of(key, read), ...more }, time };
  }

  return {
    gather,
    putOffs,
    refusals,
    forget(key) {
      for (const memory of [progress, absence, late, putOffs, refusals]) {
        memory.forget(key);
      }
    },
  };
}

/** One read for each workload of `spec.contractAfter`; there is no watch of them. */
async function readRollOuts(
  cluster: Cluster,
  { schema: { namespace, spec } }: Observed,
  time: Date,
): Promise<readonly RollOut[]> {
  const rollOuts: RollOut[] = [];
  for (const workload of spec.contractAfter ?? []) {
    const reading = await cluster.readWorkload(namespace, workload);
    rollOuts.push(rollOutOf(workload, reading, time.getTime()));
  }
  return rollOuts;
}

/**
 * The name of the oldest other schema of the same database, where this one is not the oldest
 * itself.
 */
function olderSharerOf(cluster: Cluster, schema: SchemaObject): string | undefined {
  const oldest = cluster.sharersOf(schema).reduce(older, schema);
  return oldest === schema ? undefined : oldest.metadata.name;
}

/** Of one second, that whose name is first. */
function older(one: SchemaObject, other: SchemaObject): SchemaObject {
  const [a, b] = [one.metadata, other.metadata];
  const isOlder =
    a.creationTimestamp === b.creationTimestamp ? a.name < b.name : a.creationTimestamp < b.creationTimestamp;
  return isOlder ? one : other;
}

/**
 * The cached Jobs, and the one that the status names: if the cache does not have it, only a read
 * can show why.
 */
async function jobsOf(cluster: Cluster, schema: SchemaObject): Promise<readonly JobObject[]> {
  const { uid, namespace } = schema.metadata;
  const jobs = cluster.jobsOf(uid);
  const known = schema.status?.job;
  const isThere = jobs.some(({ metadata }) => metadata.uid === known?.uid);
  if (known === undefined || known.finishedAt !== undefined || isThere) {
    return jobs;
  }
  const job = await cluster.readJob(namespace, known.name);
  const others = jobs.filter(({ metadata }) => metadata.name !== known.name);
  return job !== undefined && isOurJob(job, schema) ? [...others, job] : others;
}

/** Whether a result is about to be taken that a read of the pods could show otherwise. */
function isEndToCheck({ schema, job }: Observed, time: Date): boolean {
  if (job === undefined || isRecorded(schema.status, job)) {
    return false;
  }
  return job.marked ? !hasLastWord(job) : endOfHeld(job, time.getTime()).held === true;
}

/** Whether the cache has what the pod left that made its Job succeed: no read could show more. */
function hasLastWord({ state }: ObservedJob): boolean {
  return state.kind === 'finished' && state.succeeded && state.report !== undefined;
}
