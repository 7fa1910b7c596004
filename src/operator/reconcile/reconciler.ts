import type { Cluster, SchemaObject } from '../kube/cluster.ts';
import { type Decision, decide } from './decide.ts';
import { deleteBlockedJob, deleteHeldJob } from './effects/delete-job.ts';
import { disown } from './effects/disown.ts';
import type { Acted, Target } from './effects/effect.ts';
import { releaseFinalizer } from './effects/release-finalizer.ts';
import { setTtl } from './effects/set-ttl.ts';
import { startJob } from './effects/start-job.ts';
import type { DefaultImage } from './facts/observe.ts';
import { gatherer } from './gather.ts';
import { finishLeftovers } from './leftovers.ts';
import type { Effect } from './policies/policy.ts';
import { type StoredStatus, statusWriter } from './status-writer.ts';

/** What a reconcile works with, and who hears of what it wrote. */
export interface ReconcilerOptions {
  readonly cluster: Cluster;
  /** What the migration's pod runs where the spec names nothing. */
  readonly defaultImage: DefaultImage;
  readonly now?: () => Date;
  /** Called with each status that was written. */
  readonly onStored?: (stored: StoredStatus) => void;
  /** Called with what the API server has refused, where the reconcile goes on without it. */
  readonly onPutOff?: (key: string, what: string) => void;
}

/** How a reconcile ended, and when the key is to be requeued though nothing happens. */
export type Outcome =
  | { readonly kind: 'done'; readonly requeueAfter: number | undefined }
  /**
   * The cache was behind, or the API server could not: again, with backoff, and not before the time
   * that it asks for, in milliseconds.
   */
  | { readonly kind: 'requeue'; readonly why: string; readonly notBefore?: number | undefined };

/**
 * One reconcile of one GlanceSchema: gather the facts, decide, at most one effect, at most one
 * write of the status.
 */
export function reconciler(options: ReconcilerOptions): (key: string) => Promise<Outcome> {
  const { cluster, defaultImage, onPutOff } = options;
  const now = options.now ?? (() => new Date());
  const facts = gatherer(cluster, defaultImage, now);
  const statuses = statusWriter(cluster, now, options.onStored);

  async function reconcile(key: string): Promise<Outcome> {
    const schema = cluster.schema(key);
    if (schema === undefined) {
      facts.forget(key);
      statuses.forget(key);
      return { kind: 'done', requeueAfter: await finishLeftovers(cluster, key, { now, onPutOff }) };
    }
    statuses.publishUnanswered(key, schema);
    // What comes due while this reconcile is under way was not asked for in it.
    const dueBefore = facts.putOffs.dueAfter(key);
    const outcome = await pass(key, schema);
    if (outcome.kind === 'requeue') {
      return outcome;
    }
    const dues = [dueBefore, facts.putOffs.dueAfter(key), outcome.requeueAfter];
    return { kind: 'done', requeueAfter: earliest(dues) };
  }

  async function pass(key: string, schema: SchemaObject): Promise<Outcome> {
    const { observed, time } = await facts.gather(key, schema);
    const decision = decide(observed, time);
    if (decision.effect === undefined) {
      return store(schema, decision);
    }
    const acted = await act({ cluster, schema, observed }, decision.effect);
    switch (acted.kind) {
      case 'done':
        if (decision.effect.kind === 'startJob') {
          facts.refusals.forget(key);
        }
        // What the effect changed is reported by the same write; a further effect waits for the
        // next reconcile.
        return store(acted.schema, await decideAnew(key, acted.schema));
      case 'gone':
        return { kind: 'done', requeueAfter: undefined };
      case 'conflict':
        return { kind: 'requeue', why: acted.why };
      case 'put off':
        facts.putOffs.add(key, acted.uid);
        onPutOff?.(key, acted.message);
        // Nothing that holds up anybody: what else there is to do is done at once.
        return pass(key, schema);
      case 'refused': {
        const { effect, message, transient, retryAfter } = acted;
        const refusal = transient
          ? { effect, message, transient, requeueAfter: undefined }
          : facts.refusals.add(key, observed.schema, effect, message);
        const outcome = await store(acted.schema, decide({ ...observed, refusal }, time));
        return transient ? { kind: 'requeue', why: message, notBefore: retryAfter } : outcome;
      }
    }
  }

  async function decideAnew(key: string, schema: SchemaObject): Promise<Decision> {
    const { observed, time } = await facts.gather(key, schema);
    return decide(observed, time);
  }

  async function store(schema: SchemaObject, decision: Decision): Promise<Outcome> {
    return (await statuses.write(schema, decision.status)) === 'conflict'
      ? { kind: 'requeue', why: 'a conflict: the schema has changed before its status was written' }
      : { kind: 'done', requeueAfter: decision.requeueAfter };
  }

  return reconcile;
}

function earliest(times: readonly (number | undefined)[]): number | undefined {
  const known = times.filter((time) => time !== undefined);
  return known.length === 0 ? undefined : Math.min(...known);
}

/** Does one effect; the file named after it says how. */
function act(target: Target, effect: Effect): Promise<Acted> {
  switch (effect.kind) {
    case 'startJob':
      return startJob(target, effect);
    case 'deleteBlockedJob':
      return deleteBlockedJob(target, effect);
    case 'deleteHeldJob':
      return deleteHeldJob(target, effect);
    case 'setTtl':
      return setTtl(target, effect);
    case 'disown':
      return disown(target, effect);
    case 'releaseFinalizer':
      return releaseFinalizer(target);
  }
}
