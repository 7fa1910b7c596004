import type { GlanceSchemaStatus } from '../../../contract/glance-schema.ts';
import type { JobReference } from '../../kube/cluster.ts';
import type { Observed } from '../facts/observe.ts';
import type { Purpose } from '../job/job.ts';
import type { ReadyCondition } from '../status/status.ts';

/** The one thing that a reconcile may do to the cluster apart from writing the status. */
export type Effect =
  | {
      readonly kind: 'startJob';
      readonly name: string;
      readonly purpose: Purpose;
    }
  /**
   * A Job that cannot start a container is deleted, because the spec that shaped it has changed or
   * is deleted.
   */
  | { readonly kind: 'deleteBlockedJob'; readonly name: string }
  /** A Job whose migration has ended does not end itself, as another container keeps its pod. */
  | { readonly kind: 'deleteHeldJob'; readonly job: JobReference }
  /** In seconds. */
  | { readonly kind: 'setTtl'; readonly job: JobReference; readonly ttl: number }
  | { readonly kind: 'disown'; readonly job: JobReference }
  | { readonly kind: 'releaseFinalizer' };

/** What the policies decide from: what was observed, with the newest result already in the status. */
export interface Facts extends Observed {
  readonly status: GlanceSchemaStatus;
  /** Milliseconds since the epoch. */
  readonly now: number;
}

/** What a policy finds: what `Ready` says, what is done about it, and when to reconcile again. */
export interface Verdict extends ReadyCondition {
  readonly effect?: Effect;
  /** In milliseconds; undefined for "when something happens". */
  readonly requeueAfter?: number | undefined;
  /** When what has failed is tried again, or the window opens, RFC 3339. */
  readonly nextAttemptAt?: string;
}

/**
 * A function of the facts and of nothing else; undefined where it does not find what it is named
 * after.
 */
export type Policy = (facts: Facts) => Verdict | undefined;

/**
 * A verdict with an effect, unless the API server has refused that effect and is not asked again
 * yet.
 */
export function unlessRefused({ refusal }: Facts, verdict: Verdict & { readonly effect: Effect }): Verdict {
  return refusal === undefined || refusal.effect !== verdict.effect.kind
    ? verdict
    : {
        reason: refusal.transient ? 'MigrationPending' : 'JobBlocked',
        message: refusal.message,
        requeueAfter: refusal.requeueAfter,
      };
}

/** The text as a sentence, where it is not one yet. */
export function sentence(text: string): string {
  return /[.!?]$/.test(text) ? text : `${text}.`;
}
