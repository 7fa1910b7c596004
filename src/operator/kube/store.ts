/** What a store needs to know of an object. */
export interface Stored {
  readonly metadata: { readonly name: string; readonly namespace?: string };
}

/** By the name of an index: the values under which it finds an object. */
export type Indexers<T> = Readonly<Record<string, (object: T) => readonly string[]>>;

/**
 * Objects by namespace and name, and by further values of theirs, so that no lookup looks at any
 * other object.
 *
 * Source: k8s.io/client-go, tools/cache, Indexer.
 */
export class Store<T extends Stored> {
  readonly #indexers: Indexers<T>;
  readonly #objects = new Map<string, T>();
  /** By index and value, the objects by namespace and name. */
  readonly #indexes: ReadonlyMap<string, Map<string, Map<string, T>>>;

  constructor(indexers: Indexers<T> = {}) {
    this.#indexers = indexers;
    this.#indexes = new Map(Object.keys(indexers).map((index) => [index, new Map()]));
  }

  /** In the order in which they came. */
  values(): IterableIterator<T> {
    return this.#objects.values();
  }

  /** The object of this namespace (empty where there is none) and name. */
  get(namespace: string, name: string): T | undefined {
    return this.#objects.get(`${namespace}/${name}`);
  }

  /**
   * The objects that an index finds under a value, in the order in which they came.
   *
   * @throws Error when there is no such index.
   */
  by(index: string, value: string): readonly T[] {
    const values = this.#indexes.get(index);
    if (values === undefined) {
      throw new Error(
        `Cannot look up by '${index}': the store has no such index. Name it when the store is made.`,
      );
    }
    return [...(values.get(value)?.values() ?? [])];
  }

  /** Replaces the object of the same namespace and name. */
  put(object: T): void {
    const key = keyOf(object);
    this.#unindex(key);
    this.#objects.set(key, object);
    for (const [index, values] of this.#indexes) {
      for (const value of this.#indexers[index]?.(object) ?? []) {
        const found = values.get(value);
        if (found === undefined) {
          values.set(value, new Map([[key, object]]));
        } else {
          found.set(key, object);
        }
      }
    }
  }

  /** Takes away what there is of this namespace and name. */
  delete(namespace: string, name: string): void {
    const key = `${namespace}/${name}`;
    this.#unindex(key);
    this.#objects.delete(key);
  }

  #unindex(key: string): void {
    const object = this.#objects.get(key);
    if (object === undefined) {
      return;
    }
    for (const [index, values] of this.#indexes) {
      for (const value of this.#indexers[index]?.(object) ?? []) {
        const found = values.get(value);
        found?.delete(key);
        if (found?.size === 0) {
          values.delete(value);
        }
      }
    }
  }
}

function keyOf({ metadata }: Stored): string {
  return `${metadata.namespace ?? ''}/${metadata.name}`;
}
