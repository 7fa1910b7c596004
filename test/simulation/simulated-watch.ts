import type { CachedObject } from '../../src/operator/kube/informer.ts';
import type { Trace } from './trace.ts';

/** What a watch tells of one object; undefined when it is gone. */
export interface Change<T> {
  readonly uid: string;
  readonly object: T | undefined;
}

/**
 * One collection as a controller knows it, a stand-in for src/operator/kube/informer.ts on a bad
 * network: changes come late, some come twice, a watch falls silent, some are lost with the watch,
 * after which all is read again. Like that, it never goes back to an older version.
 */
export class SimulatedWatch<T extends CachedObject> {
  readonly #kind: string;
  readonly #trace: Trace;
  readonly #current: () => ReadonlyMap<string, T>;
  readonly #changes: readonly Change<T>[];
  /** By name, as there is one namespace. */
  readonly #objects: Map<string, T>;
  readonly #deleted = new Set<string>();
  #read: number;
  /** How often it will still say nothing though there is something to say. */
  #silent = 0;

  /** Begins with what there is. */
  constructor(
    kind: string,
    trace: Trace,
    current: () => ReadonlyMap<string, T>,
    changes: readonly Change<T>[],
  ) {
    this.#kind = kind;
    this.#trace = trace;
    this.#current = current;
    this.#changes = changes;
    this.#objects = new Map([...current().values()].map((object) => [object.metadata.name, object]));
    this.#read = changes.length;
  }

  objects(): readonly T[] {
    return [...this.#objects.values()];
  }

  /** The answer to a request of our own. */
  remember(object: T): void {
    const known = this.#objects.get(object.metadata.name);
    const isNewer = Number(object.metadata.resourceVersion) > Number(known?.metadata.resourceVersion ?? 0);
    if (isNewer && !this.#deleted.has(object.metadata.uid)) {
      this.#objects.set(object.metadata.name, object);
    }
  }

  /** Takes in up to so many changes; tells whether there were any. */
  catchUp(most: number): boolean {
    if (this.#silent > 0 && !this.#trace.ended) {
      this.#silent -= 1;
      return false;
    }
    if (this.#trace.happens(`watch of ${this.#kind} lost`, 40)) {
      this.#readAnew();
      return true;
    }
    if (this.#trace.happens(`watch of ${this.#kind} silent`, 15)) {
      this.#silent = this.#trace.next(60);
    }
    const from = Math.max(
      0,
      this.#read - (this.#trace.happens(`${this.#kind} told twice`, 10) ? this.#trace.next(4) : 0),
    );
    const until = Math.min(this.#changes.length, this.#read + most - this.#trace.next(most));
    for (const change of this.#changes.slice(from, until)) {
      this.#take(change);
    }
    this.#read = until;
    return until > from;
  }

  #readAnew(): void {
    const current = this.#current();
    for (const { metadata } of this.#objects.values()) {
      const { uid } = metadata;
      if (!current.has(uid)) {
        this.#take({ uid, object: undefined });
      }
    }
    for (const [uid, object] of current) {
      this.#take({ uid, object });
    }
    this.#read = this.#changes.length;
  }

  #take({ uid, object }: Change<T>): void {
    if (object === undefined) {
      const known = [...this.#objects.values()].find(({ metadata }) => metadata.uid === uid);
      this.#objects.delete(known?.metadata.name ?? '');
      this.#deleted.add(uid);
    } else {
      this.remember(object);
    }
  }
}
