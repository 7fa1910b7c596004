import { isDeepStrictEqual } from 'node:util';
import type { GlanceSchemaStatus } from '../../contract/glance-schema.ts';
import { FINALIZER, SCHEMA_UID_LABEL } from '../../contract/names.ts';
import type {
  Cluster,
  JobCreation,
  JobObject,
  PodObject,
  Refused,
  SchemaEvent,
  SchemaObject,
} from '../kube/cluster.ts';
import { exponentialBackoff, fractionOf } from '../loop/backoff.ts';
import { DEFAULT_TTL, type Decision, decide, type Effect } from './decide.ts';
import { eventDeduplicator, eventsFor } from './events.ts';
import { migrationJob, migrationJobName } from './job.ts';
import {
  type DefaultImage,
  hasEnded,
  isFinished,
  isOurs,
  isOwnedBy,
  isRunning,
  type Observed,
  type ObservedJob,
  observe,
} from './observe.ts';
import { podAbsence } from './pod-absence.ts';
import { progressReader } from './progress-reader.ts';
import { putOffs } from './put-offs.ts';
import { isRecorded } from './result.ts';
import { type Verdict, withVerdict } from './status.ts';

export interface ReconcilerOptions {
  readonly cluster: Cluster;
  /** What the migration's pod runs where the spec names nothing. */
  readonly defaultImage: DefaultImage;
  readonly now?: () => Date;
  /** Told of each status that was written. */
  readonly onStored?: (stored: StoredStatus) => void;
  /** Told of what the API server has refused, where the pass goes on without it. */
  readonly onPutOff?: (key: string, what: string) => void;
}

/** A status that the API server took. */
export interface StoredStatus {
  readonly key: string;
  readonly before: GlanceSchemaStatus;
  readonly after: GlanceSchemaStatus;
  /** What has changed, for a person; none where only the message or the progress did. */
  readonly notices: readonly SchemaEvent[];
  /** Whether the API server said so; otherwise it was found stored, and another leader may have written the very same. */
  readonly answered: boolean;
}

/** How a pass ended, and when the key is to be looked at again though nothing happens. */
export type Outcome =
  | { readonly kind: 'done'; readonly requeueAfter: number | undefined }
  /** The cache was behind, or the API server could not: again, with backoff, and not before the time that it asks for, in milliseconds. */
  | { readonly kind: 'requeue'; readonly why: string; readonly notBefore?: number | undefined };

/** One pass over one GlanceSchema: observe, decide, at most one effect, at most one write of the status. */
export function reconciler(options: ReconcilerOptions): (key: string) => Promise<Outcome> {
  const { cluster, defaultImage } = options;
  const now = options.now ?? (() => new Date());
  const refusals = new Map<string, Refusal>();
  const progress = progressReader(cluster, now);
  const board = eventDeduplicator(now);
  const later = putOffs(now);
  const absence = podAbsence(now);
  const unanswered = new Map<string, readonly Unanswered[]>();

  async function reconcile(key: string): Promise<Outcome> {
    const schema = cluster.schema(key);
    if (schema === undefined) {
      progress.forget(key);
      board.forget(key);
      refusals.delete(key);
      later.forget(key);
      absence.forget(key);
      unanswered.delete(key);
      return takeLeaveOf(key);
    }
    tellUnanswered(key, schema);
    const outcome = await pass(key, schema);
    const due = later.dueAfter(key);
    return outcome.kind === 'requeue' || due === undefined
      ? outcome
      : { ...outcome, requeueAfter: Math.min(due, outcome.requeueAfter ?? due) };
  }

  async function pass(key: string, schema: SchemaObject): Promise<Outcome> {
    const observed = await look(key, schema);
    const decision = withRefusal(key, observed, decide(observed, now()));
    if (decision.effect === undefined) {
      return store(schema, decision);
    }
    const acted = await act(schema, observed, decision.effect);
    switch (acted.kind) {
      case 'stale':
        return { kind: 'requeue', why: acted.why };
      case 'put off':
        later.add(key, acted.uid);
        options.onPutOff?.(key, acted.message);
        // Nothing that holds up anybody: what else there is to do is done at once.
        return pass(key, schema);
      case 'refused': {
        const failures = (refusals.get(key)?.failures ?? 0) + 1;
        refusals.set(key, {
          uid: schema.metadata.uid,
          effect: decision.effect.kind,
          generation: observed.schema.generation,
          failures,
          until:
            now().getTime() +
            exponentialBackoff(failures, REFUSAL_BACKOFF, () => fractionOf(schema.metadata.uid)),
          message: acted.message,
        });
        return store(acted.schema, withRefusal(key, observed, decision));
      }
      case 'unsettled': {
        const { message, retryAfter } = acted;
        const verdict: Verdict = { reason: 'MigrationPending', message };
        const { generation } = observed.schema;
        await store(acted.schema, {
          ...decision,
          status: withVerdict(decision.status, verdict, generation, now()),
        });
        return { kind: 'requeue', why: message, notBefore: retryAfter };
      }
      case 'gone':
        return { kind: 'done', requeueAfter: undefined };
      case 'done':
        // What the effect changed is told by the same write; a further effect waits for the next pass.
        return store(acted.schema, decide(await look(key, acted.schema), now()));
    }
  }

  /**
   * Jobs without their schema, of which nobody waits for the result. One that has begun ends by itself, and then stays as long as
   * others do; one that has not, as it was made in the moment of the deletion, is taken away.
   */
  async function takeLeaveOf(key: string): Promise<Outcome> {
    for (const job of cluster.leftoversOf(key)) {
      const { namespace, labels } = job.metadata;
      const isArranged = isFinished(job) && job.spec.ttlSecondsAfterFinished !== undefined;
      // The cache of Jobs can be ahead of that of GlanceSchemas.
      if (!isArranged && (await cluster.isGone(namespace, labels?.[SCHEMA_UID_LABEL] ?? ''))) {
        const refused = await takeLeaveOfJob(job);
        if (refused !== undefined) {
          const what = `Job ${job.metadata.name} stays, though its GlanceSchema is gone`;
          options.onPutOff?.(key, `${what}: ${refused.refused}`);
        }
      }
    }
    return { kind: 'done', requeueAfter: undefined };
  }

  async function takeLeaveOfJob(job: JobObject): Promise<Refused | undefined> {
    const { namespace, name, uid, labels } = job.metadata;
    if (isFinished(job)) {
      return cluster.setTtl(namespace, { name, uid }, DEFAULT_TTL);
    }
    const pods = await cluster.readPods(namespace, labels?.[SCHEMA_UID_LABEL] ?? '');
    const goesOn = job.spec.suspend !== true && pods.some(hasEnded);
    return goesOn || pods.some(isRunning) ? undefined : cluster.deleteJob(job);
  }

  /** What the API server did not take is not asked for again until its time has come or the spec has changed. */
  function withRefusal(key: string, observed: Observed, decision: Decision): Decision {
    const { uid, generation } = observed.schema;
    const refusal = refusals.get(key);
    if (refusal?.uid !== uid || decision.effect?.kind !== refusal.effect) {
      return decision;
    }
    const wait = refusal.until - now().getTime();
    // A clock that was put back meanwhile must not make it wait for longer.
    if (refusal.generation !== generation || wait <= 0 || wait > REFUSAL_BACKOFF.most) {
      return decision;
    }
    const verdict: Verdict = { reason: 'JobBlocked', message: refusal.message };
    return {
      effect: undefined,
      status: withVerdict(decision.status, verdict, generation, now()),
      requeueAfter: wait,
    };
  }

  async function look(key: string, schema: SchemaObject): Promise<Observed> {
    const { uid, namespace } = schema.metadata;
    const jobs = await jobsOf(schema);
    const more = { putOff: later.of(key), sharer: olderSharerOf(schema) };
    const observed = {
      ...absence.of(key, observe(schema, jobs, cluster.podsOf(uid), defaultImage)),
      ...more,
    };
    const { job } = observed;
    const howFar = progress.of(key, observed);
    if (job?.marked !== true || isRecorded(observed.schema.status, job) || hasLastWord(job)) {
      return howFar === undefined ? observed : { ...observed, progress: howFar };
    }
    // Jobs and pods come by watches of their own: the end of a Job can be seen before that of its pod, whose word it is
    // that goes into the status.
    return { ...observe(schema, jobs, await cluster.readPods(namespace, uid), defaultImage), ...more };
  }

  /** The name of the oldest other schema with the same Secret, where this one is not the oldest itself. */
  function olderSharerOf(schema: SchemaObject): string | undefined {
    const oldest = cluster.sharersOf(schema).reduce(older, schema);
    return oldest === schema ? undefined : oldest.metadata.name;
  }

  /** The cached Jobs, and the one that the status names: if the cache does not have it, only a read can tell why. */
  async function jobsOf(schema: SchemaObject): Promise<readonly JobObject[]> {
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

  async function act(schema: SchemaObject, observed: Observed, effect: Effect): Promise<Acted> {
    const { namespace } = schema.metadata;
    switch (effect.kind) {
      case 'startJob':
        return start(schema, observed, effect);
      case 'setTtl': {
        const owner = observed.schema.deleting ? undefined : schema;
        const refused = await cluster.setTtl(namespace, effect.job, effect.ttl, owner);
        return refused === undefined
          ? { kind: 'done', schema }
          : putOff(effect.job.uid, `Job ${effect.job.name} keeps no TTL`, refused);
      }
      case 'disown': {
        const refused = await cluster.disown(namespace, effect.job, schema.metadata.uid);
        return refused === undefined
          ? { kind: 'done', schema }
          : putOff(effect.job.uid, `Job ${effect.job.name} keeps its owner while it runs`, refused);
      }
      case 'releaseFinalizer': {
        if (observed.schema.deleting && (await isAtWork(observed))) {
          return { kind: 'stale', why: 'a migration is at work that the cache does not show yet' };
        }
        const others = (schema.metadata.finalizers ?? []).filter((finalizer) => finalizer !== FINALIZER);
        const released = await cluster.mark(schema, { finalizers: others });
        if (released === 'stale') {
          return {
            kind: 'stale',
            why: 'a conflict: the schema has changed before its finalizer was released',
          };
        }
        if ('refused' in released) {
          const message = `The API server does not let go of the finalizer of this GlanceSchema: ${released.refused}`;
          return observed.schema.deleting
            ? { kind: 'refused', schema, message }
            : { kind: 'put off', uid: schema.metadata.uid, message };
        }
        return observed.schema.deleting ? { kind: 'gone' } : { kind: 'done', schema: released };
      }
      case 'deleteBlockedJob':
      case 'deleteHeldJob': {
        const job = cluster
          .jobsOf(schema.metadata.uid)
          .find(({ metadata }) => metadata.namespace === namespace && metadata.name === effect.name);
        if (job !== undefined) {
          const pods = await cluster.readPods(namespace, schema.metadata.uid);
          if (pods.some(isRunning)) {
            return { kind: 'stale', why: `a pod of Job ${effect.name} has started` };
          }
          const refused = await cluster.deleteJob(job);
          if (refused !== undefined) {
            const message = `Job ${effect.name} cannot start, and the API server does not let it be deleted: ${refused.refused}`;
            return { kind: 'refused', schema, message };
          }
        }
        return { kind: 'done', schema };
      }
    }
  }

  /** Asks the API server itself: what is deleted takes its Job with it, at work or not. */
  async function isAtWork({ schema }: Observed): Promise<boolean> {
    const job = await cluster.readJob(schema.namespace, migrationJobName(schema, schema.reservedSequence));
    const pods = await cluster.readPods(schema.namespace, schema.uid);
    return (job !== undefined && !isFinished(job)) || pods.some((pod) => !hasEnded(pod));
  }

  async function start(
    schema: SchemaObject,
    observed: Observed,
    effect: Extract<Effect, { kind: 'startJob' }>,
  ): Promise<Acted> {
    // The write that sets the finalizer also proves that what was decided upon is still so: a controller with an old
    // cache, or one that has been replaced while it was paused, gets a conflict here and starts nothing.
    const others = (schema.metadata.finalizers ?? []).filter((finalizer) => finalizer !== FINALIZER);
    const fenced = await cluster.mark(schema, {
      finalizers: [...others, FINALIZER],
      reservedSequence: effect.purpose.sequence,
    });
    if (fenced === 'stale') {
      return { kind: 'stale', why: 'a conflict: the schema has changed before its Job was started' };
    }
    if ('refused' in fenced) {
      const { refused, passing, retryAfter } = fenced;
      const message = `Job ${effect.name} cannot start, as the API server lets no finalizer be put on this GlanceSchema: ${refused}`;
      return passing
        ? { kind: 'unsettled', schema, message: `${message}. It is asked again.`, retryAfter }
        : { kind: 'refused', schema, message };
    }
    // A pod can outlive its Job, and the cache can miss both: only a read shows that nobody is at work.
    const pods = await cluster.readPods(schema.metadata.namespace, schema.metadata.uid);
    const alive = pods.find((pod) => !hasEnded(pod));
    if (alive !== undefined) {
      return { kind: 'stale', why: `pod ${alive.metadata.name} has not ended yet` };
    }
    const unseen =
      (await unseenJobOf(pods, schema)) ?? (await madeAnew(schema, observed, effect.purpose.sequence));
    if (unseen !== undefined) {
      return { kind: 'stale', why: `Job ${unseen.metadata.name} was not in the cache yet` };
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
      refusals.delete(`${schema.metadata.namespace}/${schema.metadata.name}`);
      return { kind: 'done', schema: fenced };
    }
    if (creation.kind === 'unsettled') {
      const message = `The API server cannot take Job ${effect.name} for now: ${creation.message}. It is asked again.`;
      return { kind: 'unsettled', schema: fenced, message, retryAfter: creation.retryAfter };
    }
    // The place is given back, unless it was noted before: another may have made that Job, which is gone since.
    const ours = observed.schema.reservedSequence < effect.purpose.sequence;
    const released = await cluster.mark(fenced, {
      finalizers: others,
      ...(ours ? { reservedSequence: null } : {}),
    });
    return released === 'stale'
      ? { kind: 'stale', why: 'a conflict: the schema has changed while its Job was refused' }
      : {
          kind: 'refused',
          schema: 'refused' in released ? fenced : released,
          message: whyRefused(effect.name, creation),
        };
  }

  /** The Job of an ended pod, where it is there still and the cache does not have it: its result is to be taken first. */
  async function unseenJobOf(
    pods: readonly PodObject[],
    schema: SchemaObject,
  ): Promise<JobObject | undefined> {
    const seen = cluster.jobsOf(schema.metadata.uid).map((job) => job.metadata.uid);
    for (const owner of pods.flatMap((pod) => pod.metadata.ownerReferences ?? [])) {
      if (owner.controller === true && !seen.includes(owner.uid)) {
        const job = await unseenJob(schema, owner.name);
        if (job?.metadata.uid === owner.uid) {
          return job;
        }
      }
    }
    return undefined;
  }

  /** The Job of the place that was noted last, where a person has deleted it and another operator has made it anew. */
  async function madeAnew(
    schema: SchemaObject,
    observed: Observed,
    sequence: number,
  ): Promise<JobObject | undefined> {
    const { reservedSequence } = observed.schema;
    return reservedSequence === 0 || reservedSequence >= sequence
      ? undefined
      : unseenJob(schema, migrationJobName(observed.schema, reservedSequence));
  }

  /** The Job of this name, where it is of this schema and the cache does not have it; a read brings it into the cache. */
  async function unseenJob(schema: SchemaObject, name: string): Promise<JobObject | undefined> {
    const { uid, namespace } = schema.metadata;
    const seen = cluster.jobsOf(uid).map(({ metadata }) => metadata.uid);
    const job = await cluster.readJob(namespace, name);
    return job === undefined || !isOurJob(job, schema) || seen.includes(job.metadata.uid) ? undefined : job;
  }

  async function store(schema: SchemaObject, decision: Decision): Promise<Outcome> {
    const before = schema.status ?? {};
    if (!isDeepStrictEqual(plain(before), plain(decision.status))) {
      const { namespace, name } = schema.metadata;
      const key = `${namespace}/${name}`;
      const after = decision.status;
      const written = await cluster.writeStatus(schema, after).catch((error: unknown) => {
        // It may have been stored all the same; the next pass sees.
        const { resourceVersion } = schema.metadata;
        const sent = unanswered.get(key) ?? [];
        const others = sent.filter(({ before }) => before.metadata.resourceVersion === resourceVersion);
        unanswered.set(key, [...others.slice(1 - MOST_UNANSWERED), { before: schema, after }]);
        throw error;
      });
      if (written === 'stale') {
        return { kind: 'requeue', why: 'a conflict: the schema has changed before its status was written' };
      }
      unanswered.delete(key);
      tell(written, { key, before, after, answered: true });
      if (!isDeepStrictEqual(plain(written.status ?? {}), plain(after))) {
        throw new Error(
          `Cannot keep the status of ${namespace}/${name}: the CRD is older than this operator. Apply the CRD of its version.`,
        );
      }
    }
    return { kind: 'done', requeueAfter: decision.requeueAfter };
  }

  /** A status that was sent and not answered is told of as soon as it is seen to be stored. */
  function tellUnanswered(key: string, schema: SchemaObject): void {
    const { uid, resourceVersion } = schema.metadata;
    const sent = unanswered.get(key) ?? [];
    if (sent.every(({ before }) => before.metadata.resourceVersion === resourceVersion)) {
      return;
    }
    // Whatever has changed since, none that was sent can be taken any more.
    unanswered.delete(key);
    const stored = sent.find(
      ({ before, after }) =>
        before.metadata.uid === uid && isDeepStrictEqual(plain(after), plain(schema.status ?? {})),
    );
    if (stored !== undefined) {
      const before = stored.before.status ?? {};
      tell(schema, { key, before, after: stored.after, answered: false });
    }
  }

  function tell(schema: SchemaObject, stored: Omit<StoredStatus, 'notices'>): void {
    const notices = eventsFor(stored.before, stored.after);
    for (const notice of notices.filter((notice) => board.isNew(schema, stored.after, notice))) {
      cluster.notify(schema, notice);
    }
    options.onStored?.({ ...stored, notices });
  }

  return reconcile;
}

type Acted =
  | { readonly kind: 'done'; readonly schema: SchemaObject }
  | { readonly kind: 'gone' }
  | { readonly kind: 'stale'; readonly why: string }
  | { readonly kind: 'refused'; readonly schema: SchemaObject; readonly message: string }
  /** Something that safety does not need was refused of the object with this UID. */
  | { readonly kind: 'put off'; readonly uid: string; readonly message: string }
  | {
      readonly kind: 'unsettled';
      readonly schema: SchemaObject;
      readonly message: string;
      readonly retryAfter: number | undefined;
    };

/** What the API server did not let be done, and until when it is not tried again (milliseconds since the epoch). */
interface Refusal {
  /** Of the GlanceSchema. */
  readonly uid: string;
  readonly effect: Effect['kind'];
  readonly generation: number;
  readonly failures: number;
  readonly until: number;
  readonly message: string;
}

/** A status that was sent and of which nobody has said whether it is stored. */
interface Unanswered {
  readonly before: SchemaObject;
  readonly after: GlanceSchemaStatus;
}

/** How many of these are kept of one GlanceSchema. */
const MOST_UNANSWERED = 5;

const REFUSAL_BACKOFF = { first: 5_000, most: 300_000 };

function whyRefused(name: string, creation: Exclude<JobCreation, { kind: 'unsettled' }>): string {
  return creation.kind === 'refused'
    ? `The API server does not take Job ${name}: ${creation.message}`
    : `Cannot start Job ${name}: there is a Job of that name that does not belong to this GlanceSchema. Delete it.`;
}

/** A Job that has taken the name has neither our label nor our owner; one of ours may have lost the label. */
function isOurJob(job: JobObject, schema: SchemaObject): boolean {
  const isLabelled = job.metadata.labels?.[SCHEMA_UID_LABEL] === schema.metadata.uid;
  return (
    (isLabelled && isOurs(job, schema)) ||
    isOwnedBy(job, schema) ||
    schema.status?.job?.uid === job.metadata.uid
  );
}

function putOff(uid: string, what: string, { refused }: Refused): Acted {
  return { kind: 'put off', uid, message: `${what}: ${refused}` };
}

/** Of one second, that whose name is first. */
function older(one: SchemaObject, other: SchemaObject): SchemaObject {
  const [a, b] = [one.metadata, other.metadata];
  const isOlder =
    a.creationTimestamp === b.creationTimestamp ? a.name < b.name : a.creationTimestamp < b.creationTimestamp;
  return isOlder ? one : other;
}

/** Whether the cache has what the pod left that made its Job succeed: no read could tell more. */
function hasLastWord({ state }: ObservedJob): boolean {
  return state.kind === 'finished' && state.succeeded && state.report !== undefined;
}

/** Without keys whose value is undefined, as JSON has it. */
function plain(status: GlanceSchemaStatus): unknown {
  return JSON.parse(JSON.stringify(status));
}
