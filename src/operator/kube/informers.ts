import { type CachedObject, Informer, type InformerOptions } from './informer.ts';

interface Namespaced extends CachedObject {
  readonly metadata: CachedObject['metadata'] & { readonly namespace: string };
}

/** The same for the informers of one kind, of which there is one for each namespace. */
export interface NamespacedInformersOptions<T extends Namespaced> extends Omit<InformerOptions<T>, 'path'> {
  /** The API that has the collection: `/apis/batch/v1`. */
  readonly api: string;
  readonly plural: string;
  /** The only namespaces that are read; undefined for all of them, by one reflector. */
  readonly namespaces: readonly string[] | undefined;
}

/**
 * A cache of one collection, over the whole cluster or over some of its namespaces, each by a
 * reflector of its own.
 */
export class NamespacedInformers<T extends Namespaced> {
  readonly #byNamespace = new Map<string | undefined, Informer<T>>();

  constructor(options: NamespacedInformersOptions<T>) {
    const { api, plural, namespaces } = options;
    for (const namespace of namespaces ?? [undefined]) {
      const where = namespace === undefined ? '' : `/namespaces/${namespace}`;
      this.#byNamespace.set(namespace, new Informer({ ...options, path: `${api}${where}/${plural}` }));
    }
  }

  /** Whether everything has been read whole at least once; of one namespace, where one is given. */
  synced(namespace?: string): boolean {
    return namespace === undefined
      ? [...this.#byNamespace.values()].every((reflector) => reflector.synced)
      : (this.#of(namespace)?.synced ?? false);
  }

  *objects(): Iterable<T> {
    for (const reflector of this.#byNamespace.values()) {
      yield* reflector.objects();
    }
  }

  get(namespace: string, name: string): T | undefined {
    return this.#of(namespace)?.get(namespace, name);
  }

  /** The objects that one of the indexers finds under a value. */
  by(index: string, value: string): readonly T[] {
    return [...this.#byNamespace.values()].flatMap((reflector) => reflector.by(index, value));
  }

  /** Takes in the answer to a write of our own; see Informer. */
  remember(object: T): void {
    this.#of(object.metadata.namespace)?.remember(object);
  }

  /** Keeps the caches until `stop`. */
  async run(): Promise<void> {
    await Promise.all([...this.#byNamespace.values()].map((reflector) => reflector.run()));
  }

  stop(): void {
    for (const reflector of this.#byNamespace.values()) {
      reflector.stop();
    }
  }

  #of(namespace: string): Informer<T> | undefined {
    return this.#byNamespace.get(namespace) ?? this.#byNamespace.get(undefined);
  }
}
