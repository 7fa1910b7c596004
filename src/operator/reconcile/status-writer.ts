import { isDeepStrictEqual } from 'node:util';
import type { GlanceSchemaStatus } from '../../contract/glance-schema.ts';
import type { Cluster, SchemaEvent, SchemaObject } from '../kube/cluster.ts';
import { eventDeduplicator, eventsFor } from './events.ts';

/** A status that the API server took. */
export interface StoredStatus {
  readonly key: string;
  readonly before: GlanceSchemaStatus;
  readonly after: GlanceSchemaStatus;
  /** What has changed, for a person; none where only the message or the progress did. */
  readonly events: readonly SchemaEvent[];
  /**
   * Whether the API server said so; otherwise it was found stored, and another leader may have
   * written the very same.
   */
  readonly answered: boolean;
}

/** Writes statuses, and sends the Events of each that the API server took. */
export interface StatusWriter {
  /**
   * Writes nothing where nothing has changed.
   *
   * @returns whether another writer has changed the GlanceSchema, so that nothing was written
   * @throws Error when the CRD is older than this operator, or the API server does not answer
   */
  write(schema: SchemaObject, after: GlanceSchemaStatus): Promise<'stored' | 'conflict'>;
  /**
   * The Events of a status that was sent and not answered are sent as soon as it is seen to be
   * stored.
   */
  publishUnanswered(key: string, schema: SchemaObject): void;
  /** The GlanceSchema with this key is gone. */
  forget(key: string): void;
}

/** The writer of statuses; it sends the Events of each status that was stored, and none twice. */
export function statusWriter(
  cluster: Pick<Cluster, 'writeStatus' | 'notify'>,
  now: () => Date,
  onStored: ((stored: StoredStatus) => void) | undefined,
): StatusWriter {
  const deduplicator = eventDeduplicator(now);
  const unanswered = new Map<string, readonly Unanswered[]>();

  async function write(schema: SchemaObject, after: GlanceSchemaStatus): Promise<'stored' | 'conflict'> {
    const before = schema.status ?? {};
    if (!isDeepStrictEqual(plain(before), plain(after))) {
      const { namespace, name } = schema.metadata;
      const key = `${namespace}/${name}`;
      const written = await cluster.writeStatus(schema, after).catch((error: unknown) => {
        // It may have been stored all the same; the next reconcile sees.
        const { resourceVersion } = schema.metadata;
        const sent = unanswered.get(key) ?? [];
        const others = sent.filter(({ before }) => before.metadata.resourceVersion === resourceVersion);
        unanswered.set(key, [...others.slice(1 - MOST_UNANSWERED), { before: schema, after }]);
        throw error;
      });
      if (written === 'conflict') {
        return 'conflict';
      }
      unanswered.delete(key);
      publish(written, { key, before, after, answered: true });
      if (!isDeepStrictEqual(plain(written.status ?? {}), plain(after))) {
        throw new Error(
          `Cannot keep the status of ${namespace}/${name}: the CRD is older than this operator. Apply the CRD of its version.`,
        );
      }
    }
    return 'stored';
  }

  function publishUnanswered(key: string, schema: SchemaObject): void {
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
      publish(schema, { key, before, after: stored.after, answered: false });
    }
  }

  function publish(schema: SchemaObject, stored: Omit<StoredStatus, 'events'>): void {
    const events = eventsFor(stored.before, stored.after);
    for (const event of events.filter((each) => deduplicator.isNew(schema, stored.after, each))) {
      cluster.notify(schema, event);
    }
    onStored?.({ ...stored, events });
  }

  return {
    write,
    publishUnanswered,
    forget(key) {
      deduplicator.forget(key);
      unanswered.delete(key);
    },
  };
}

/** A status that was sent and of which it is unknown whether it is stored. */
interface Unanswered {
  readonly before: SchemaObject;
  readonly after: GlanceSchemaStatus;
}

/** How many of these are kept of one GlanceSchema. */
const MOST_UNANSWERED = 5;

/** Without keys whose value is undefined, as JSON has it. */
function plain(status: GlanceSchemaStatus): unknown {
  return JSON.parse(JSON.stringify(status));
}
