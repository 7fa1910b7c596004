import { exponentialBackoff, fractionOf } from '../../time/backoff.ts';

/**
 * Remembers what the API server has refused though nothing depends on it: the TTL of a Job, its
 * owner, the release of a finalizer. It is asked again, and less and less often.
 */
export interface PutOffs {
  /** UIDs of the objects that are not asked about yet. */
  of(key: string): readonly string[];
  /** When the first of them is, in milliseconds from now; undefined for none. */
  dueAfter(key: string): number | undefined;
  add(key: string, uid: string): void;
  /** The GlanceSchema with this key is gone. */
  forget(key: string): void;
}

/** In milliseconds. A policy is changed by people. */
const BACKOFF = { first: 5_000, most: 3_600_000 };

interface PutOff {
  readonly failures: number;
  /** Milliseconds since the epoch. */
  readonly since: number;
}

/**
 * Remembers in this process what the API server refused of a Job's patch or the release of a
 * finalizer, and since when.
 */
export function putOffMemory(now: () => Date): PutOffs {
  const known = new Map<string, Map<string, PutOff>>();

  /** How long each is not asked about yet, in milliseconds. */
  function waits(key: string): readonly (readonly [uid: string, wait: number])[] {
    const time = now().getTime();
    return [...(known.get(key) ?? [])].flatMap(([uid, { failures, since }]) => {
      const delay = exponentialBackoff(failures, BACKOFF, () => fractionOf(uid));
      const wait = since + delay - time;
      // A clock that was put back must not make it wait for longer.
      return wait > 0 && wait <= delay ? [[uid, wait] as const] : [];
    });
  }

  return {
    of: (key) => waits(key).map(([uid]) => uid),
    dueAfter(key) {
      const all = waits(key).map(([, wait]) => wait);
      return all.length === 0 ? undefined : Math.min(...all);
    },
    add(key, uid) {
      const ofKey = known.get(key) ?? new Map<string, PutOff>();
      known.set(
        key,
        ofKey.set(uid, { failures: (ofKey.get(uid)?.failures ?? 0) + 1, since: now().getTime() }),
      );
    },
    forget: (key) => void known.delete(key),
  };
}
