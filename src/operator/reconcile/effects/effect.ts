import type { Cluster, Refused, SchemaObject } from '../../kube/cluster.ts';
import type { Observed } from '../facts/observe.ts';
import type { RefusableEffect } from '../facts/refusals.ts';

/** What an effect works on. */
export interface Target {
  readonly cluster: Cluster;
  readonly schema: SchemaObject;
  readonly observed: Observed;
}

/** How an effect ended. */
export type Acted =
  | { readonly kind: 'done'; readonly schema: SchemaObject }
  /** The GlanceSchema is gone. */
  | { readonly kind: 'gone' }
  /** The cache was behind, or another writer was first: nothing was done. */
  | { readonly kind: 'conflict'; readonly why: string }
  /**
   * The migration depends on it, and the API server does not take it; `transient` where the same may
   * be taken in a moment.
   */
  | {
      readonly kind: 'refused';
      readonly effect: RefusableEffect;
      readonly schema: SchemaObject;
      readonly message: string;
      readonly transient: boolean;
      /** How long the API server asks to wait, in milliseconds. */
      readonly retryAfter?: number | undefined;
    }
  /** Something that safety does not need was refused of the object with this UID. */
  | { readonly kind: 'put off'; readonly uid: string; readonly message: string };

/**
 * The outcome of an effect that the API server refused, and that is tried again later without
 * holding up the rest.
 *
 * @param uid of the object that was to be changed
 * @param what what was to be done, as the start of a sentence
 */
export function putOff(uid: string, what: string, { refused }: Refused): Acted {
  return { kind: 'put off', uid, message: `${what}: ${refused}` };
}
