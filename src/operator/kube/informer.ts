import { withoutUndefined } from '../../glance/without-undefined.ts';
import { exponentialBackoff } from '../time/backoff.ts';
import { pause } from '../time/pause.ts';
import type { KubeClient } from './client.ts';
import { KubeError } from './kube-error.ts';
import { type Indexers, Store } from './store.ts';

/** What a reflector needs to know of an object. */
export interface CachedObject {
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly uid: string;
    readonly resourceVersion: string;
    readonly managedFields?: unknown;
  };
}

/** Which collection an informer keeps a copy of, and who hears of changes. */
export interface InformerOptions<T extends CachedObject> {
  readonly client: Pick<KubeClient, 'request' | 'watch'>;
  /** The path of the collection: `/apis/batch/v1/jobs`. */
  readonly path: string;
  readonly labelSelector?: string;
  /** What objects are looked up by, apart from namespace and name. */
  readonly indexers?: Indexers<T>;
  /** Gives what is kept of an object; default: all but managedFields. */
  readonly keep?: (object: T) => T;
  /**
   * Called after the cache has changed, with the object as it is now, or as it was last when it is
   * gone.
   */
  readonly onChange: (object: T) => void;
  /** Called when a list or a watch has failed and is tried again. */
  readonly onTrouble: (error: Error) => void;
  /** How long a watch may be silent, in milliseconds; default: WATCH_SILENCE. */
  readonly silence?: number;
}

const PAGE = 500;

/**
 * The API server ends a watch after so long, in seconds; a little under the usual five minutes of
 * load balancers.
 */
const WATCH_SECONDS = 290;

/**
 * How long a watch may be silent, in milliseconds. The API server sends a bookmark about every
 * minute, so that a connection that was cut without a word is noticed.
 */
const WATCH_SILENCE = 120_000;

const RETRY = { first: 500, most: 15_000 };

/** A watch that lived for less, in milliseconds, was no good. */
const SHORT_LIFE = 1_000;

/**
 * How many UIDs of deleted objects are remembered, so that a late answer to a write does not bring
 * one back.
 */
const TOMBSTONES = 1000;

/**
 * Keeps a cache of a collection: lists it in pages, then watches from there, again and again. It
 * does what the library's informer does not: it goes on after every error, distinguishes a deleted and
 * recreated object apart by its UID, notices a silent watch, and is never stopped by a handler that
 * throws.
 *
 * Source: k8s.io/client-go, tools/cache; kubernetes.io/docs/reference/using-api/api-concepts,
 * "Efficient detection of changes".
 */
export class Informer<T extends CachedObject> {
  readonly #options: InformerOptions<T>;
  /** Of one name there is one, and a later version of another means that the one before is gone. */
  readonly #store: Store<T>;
  readonly #deleted = new Set<string>();
  readonly #stop = new AbortController();
  #resourceVersion: string | undefined;
  /** Since when the watch has been open; undefined until it is. */
  #openSince: number | undefined;
  #synced = false;

  constructor(options: InformerOptions<T>) {
    this.#options = options;
    this.#store = new Store(options.indexers);
  }

  /** Whether the collection has been read whole at least once. */
  get synced(): boolean {
    return this.#synced;
  }

  objects(): Iterable<T> {
    return this.#store.values();
  }

  get(namespace: string, name: string): T | undefined {
    return this.#store.get(namespace, name);
  }

  /** The objects that one of the indexers finds under a value. */
  by(index: string, value: string): readonly T[] {
    return this.#store.by(index, value);
  }

  /**
   * Takes in the answer to a write of our own, so that the next reconcile sees it though the watch is
   * slower.
   */
  remember(object: T): void {
    const known = this.#known(object);
    if (!this.#deleted.has(object.metadata.uid) && (known === undefined || isNewer(object, known))) {
      this.#store.put(this.#kept(object));
    }
  }

  /** Lists and watches until `stop`; resolves then, and never rejects. */
  async run(): Promise<void> {
    let failures = 0;
    let wasExpired = false;
    while (!this.#stop.signal.aborted) {
      this.#openSince = undefined;
      try {
        if (this.#resourceVersion === undefined) {
          await this.#list();
        }
        await this.#watch();
        failures = 0;
        wasExpired = false;
      } catch (error) {
        if (this.#stop.signal.aborted) {
          return;
        }
        if (error instanceof KubeError && error.status === 410) {
          // The API server no longer knows where we were: read everything again. That is no failure,
          // unless it says the same of what was read a moment ago.
          this.#resourceVersion = undefined;
          const isAgain = wasExpired && isShort(this.#openSince);
          wasExpired = true;
          if (!isAgain) {
            continue;
          }
        }
        // A network that cuts each watch after a while is no reason to be blind for longer each
        // time.
        failures = isShort(this.#openSince) ? failures + 1 : 1;
        this.#options.onTrouble(error instanceof Error ? error : new Error(String(error)));
        const asked = error instanceof KubeError ? (error.retryAfter ?? 0) : 0;
        await pause(Math.max(asked, exponentialBackoff(failures, RETRY)), this.#stop.signal);
      }
    }
  }

  stop(): void {
    this.#stop.abort();
  }

  async #list(): Promise<void> {
    const { client, path } = this.#options;
    const found = new Map<string, T>();
    let next: string | undefined;
    let resourceVersion = '';
    do {
      const page = await client.request<ListAnswer<T>>(
        {
          method: 'GET',
          path,
          query: {
            ...this.#selector(),
            limit: String(PAGE),
            ...withoutUndefined({ continue: next }),
          },
        },
        this.#stop.signal,
      );
      for (const object of page.items) {
        found.set(object.metadata.uid, this.#kept(object));
      }
      next = page.metadata.continue || undefined;
      resourceVersion = page.metadata.resourceVersion;
    } while (next !== undefined);
    for (const object of [...this.#store.values()]) {
      if (!found.has(object.metadata.uid)) {
        this.#remove(object);
      }
    }
    for (const object of found.values()) {
      this.#put(object);
    }
    this.#resourceVersion = resourceVersion;
    this.#synced = true;
  }

  /** One watch, until the API server ends it in good order; throws when it ends otherwise. */
  async #watch(): Promise<void> {
    const { client, path, silence = WATCH_SILENCE } = this.#options;
    const started = Date.now();
    await client.watch<T>({
      path,
      query: {
        ...this.#selector(),
        allowWatchBookmarks: 'true',
        timeoutSeconds: String(WATCH_SECONDS),
        resourceVersion: this.#resourceVersion ?? '',
      },
      silence,
      signal: this.#stop.signal,
      onOpen: () => {
        this.#openSince = Date.now();
      },
      onEvent: (type, object) => this.#take(type, object),
    });
    if (isShort(started)) {
      // One that ends at once, again and again, as from a server that is going down, must not be
      // begun at once.
      throw new KubeError('The watch ended as soon as it began', {});
    }
  }

  /** Takes in one event of the watch; throws the error that it carries, if it carries one. */
  #take(type: string, object: T): void {
    if (type === 'ERROR') {
      const status = object as unknown as { readonly code?: number; readonly message?: string };
      throw new KubeError(status.message ?? 'The watch ended with an error', { status: status.code });
    }
    this.#resourceVersion = object.metadata.resourceVersion;
    if (type === 'DELETED') {
      this.#remove(object);
    } else if (type !== 'BOOKMARK') {
      this.#put(this.#kept(object));
    }
  }

  #put(object: T): void {
    const known = this.#known(object);
    if (known !== undefined && !isNewer(object, known)) {
      // Our own write, which was remembered already; whoever made it has acted on it.
      if (known.metadata.resourceVersion === object.metadata.resourceVersion) {
        this.#notify(known);
      }
      return;
    }
    this.#store.put(object);
    this.#notify(object);
  }

  #remove(object: T): void {
    if (this.#known(object)?.metadata.uid === object.metadata.uid) {
      this.#store.delete(object.metadata.namespace ?? '', object.metadata.name);
    }
    this.#deleted.add(object.metadata.uid);
    for (const uid of this.#deleted) {
      if (this.#deleted.size <= TOMBSTONES) {
        break;
      }
      this.#deleted.delete(uid);
    }
    this.#notify(object);
  }

  /** What is known under the name of this object. */
  #known({ metadata }: T): T | undefined {
    return this.#store.get(metadata.namespace ?? '', metadata.name);
  }

  #kept(object: T): T {
    const kept = withoutManagedFields(object);
    return this.#options.keep?.(kept) ?? kept;
  }

  #notify(object: T): void {
    try {
      this.#options.onChange(object);
    } catch (error) {
      this.#options.onTrouble(error instanceof Error ? error : new Error(String(error)));
    }
  }

  #selector(): Record<string, string> {
    const { labelSelector } = this.#options;
    return withoutUndefined({ labelSelector });
  }
}

interface ListAnswer<T> {
  readonly items: readonly T[];
  readonly metadata: { readonly resourceVersion: string; readonly continue?: string };
}

/**
 * Whether `a` is the later version of the same object, or the later object of the same name.
 * Resource versions are compared as numbers, which the API allows within one resource since
 * Kubernetes 1.35 and which has always been so with etcd; others are taken as newer.
 */
function isNewer(a: CachedObject, b: CachedObject): boolean {
  const [x, y] = [a.metadata.resourceVersion, b.metadata.resourceVersion];
  return !/^\d+$/.test(x) || !/^\d+$/.test(y) || BigInt(x) > BigInt(y);
}

/** Half the size of an object, and nothing that we read. */
function withoutManagedFields<T extends CachedObject>(object: T): T {
  const { managedFields: _managedFields, ...metadata } = object.metadata;
  return { ...object, metadata };
}

function isShort(since: number | undefined): boolean {
  return since === undefined || Date.now() - since < SHORT_LIFE;
}
