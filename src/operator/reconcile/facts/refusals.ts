import { exponentialBackoff, fractionOf } from '../../time/backoff.ts';

/** What the API server has refused of a GlanceSchema though its migration depends on it. */
export interface Refusal {
  readonly effect: RefusableEffect;
  /** A whole sentence: what was refused, and why. */
  readonly message: string;
  /** Whether the same may be taken in a moment; the work queue then says when it is asked again. */
  readonly transient: boolean;
  /** In milliseconds. */
  readonly requeueAfter: number | undefined;
}

/** An effect whose refusal by the API server is shown in the status. */
export type RefusableEffect = 'startJob' | 'deleteBlockedJob' | 'releaseFinalizer';

/** Which GlanceSchema, and which version of its spec. */
interface SpecVersion {
  readonly uid: string;
  readonly generation: number;
}

/**
 * Remembers refusals. The API server is asked again less and less often, and at once where the spec
 * has changed.
 */
export interface Refusals {
  /** What is not asked for yet; undefined where nothing was refused, or its time has come. */
  of(key: string, schema: SpecVersion): Refusal | undefined;
  /** Returns what `of` returns from now on. */
  add(key: string, schema: SpecVersion, effect: RefusableEffect, message: string): Refusal;
  forget(key: string): void;
}

/** In milliseconds. */
const BACKOFF = { first: 5_000, most: 300_000 };

interface Remembered extends SpecVersion {
  readonly effect: RefusableEffect;
  readonly message: string;
  readonly failures: number;
  /** Milliseconds since the epoch. */
  readonly until: number;
}

/**
 * Remembers in this process which effect the API server refused last, for each spec of a
 * GlanceSchema.
 */
export function refusalMemory(now: () => Date): Refusals {
  const known = new Map<string, Remembered>();
  return {
    of(key, { uid, generation }) {
      const refusal = known.get(key);
      if (refusal?.uid !== uid || refusal.generation !== generation) {
        return undefined;
      }
      const wait = refusal.until - now().getTime();
      // A clock that was put back meanwhile must not make it wait for longer.
      return wait <= 0 || wait > BACKOFF.most
        ? undefined
        : { effect: refusal.effect, message: refusal.message, transient: false, requeueAfter: wait };
    },
    add(key, { uid, generation }, effect, message) {
      const failures = (known.get(key)?.failures ?? 0) + 1;
      const wait = exponentialBackoff(failures, BACKOFF, () => fractionOf(uid));
      known.set(key, { uid, generation, effect, message, failures, until: now().getTime() + wait });
      return { effect, message, transient: false, requeueAfter: wait };
    },
    forget: (key) => void known.delete(key),
  };
}
