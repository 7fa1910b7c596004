import { randomBytes } from 'node:crypto';
import { databaseName } from '../../contract/database-name.ts';
import type { GlanceSchemaSpec, Workload } from '../../contract/glance-schema.ts';
import {
  API_VERSION,
  CONTAINER_NAME,
  DRIFT_CHECK_SEQUENCE_ANNOTATION,
  GROUP,
  KIND,
  PLURAL,
  RESERVED_SEQUENCE_ANNOTATION,
  SCHEMA_UID_LABEL,
  VERSION,
} from '../../contract/names.ts';
import { withoutUndefined } from '../../glance/without-undefined.ts';
import type { KubeClient } from './client.ts';
import type {
  Cluster,
  Conflict,
  JobCreation,
  JobObject,
  JobReference,
  MetadataPatch,
  PodObject,
  Refused,
  SchemaEvent,
  SchemaObject,
  WorkloadObject,
  WorkloadReading,
} from './cluster.ts';
import { EventRecorder } from './event-recorder.ts';
import { NamespacedInformers } from './informers.ts';
import { causeOf, hasStatus, KubeError } from './kube-error.ts';

/** What the cluster that a reconcile sees is made of. */
export interface KubeClusterOptions {
  readonly client: Pick<KubeClient, 'request' | 'requestText' | 'watch'>;
  /** The only namespaces that are read and written; undefined for all. */
  readonly namespaces?: readonly string[] | undefined;
  /** Called with `namespace/name` when a GlanceSchema, or a Job or pod of it, has changed. */
  readonly onKey: (key: string) => void;
  /** Called when something failed that is tried again or let be: a list, a watch, the Events. */
  readonly onTrouble: (what: string, error: Error) => void;
  /** The name under which Events are reported. */
  readonly reporter: string;
}

/** The cluster as the controller needs it: three caches kept by watches, and the writes. */
export class KubeCluster implements Cluster {
  readonly #options: KubeClusterOptions;
  readonly #schemas: NamespacedInformers<SchemaObject>;
  readonly #jobs: NamespacedInformers<JobObject>;
  readonly #pods: NamespacedInformers<PodObject>;
  readonly #events: EventRecorder;

  constructor(options: KubeClusterOptions) {
    this.#options = options;
    const { client, namespaces, onKey, onTrouble } = options;
    const queueOwner = (object: JobObject | PodObject) => {
      const schema = this.#schemaWithUid(object.metadata.labels?.[SCHEMA_UID_LABEL]);
      if (schema === undefined) {
        onKey(leftoverKey(object.metadata.namespace, object.metadata.labels?.[SCHEMA_UID_LABEL] ?? ''));
      } else if (schema.metadata.namespace === object.metadata.namespace) {
        onKey(keyOf(schema));
      }
    };
    this.#schemas = new NamespacedInformers<SchemaObject>({
      client,
      api: `/apis/${GROUP}/${VERSION}`,
      plural: PLURAL,
      namespaces,
      indexers: { [BY_UID]: ({ metadata }) => [metadata.uid], [BY_DATABASE]: databasesOf },
      onChange: (schema) => {
        onKey(keyOf(schema));
        if (this.schema(keyOf(schema))?.metadata.uid !== schema.metadata.uid) {
          onKey(leftoverKey(schema.metadata.namespace, schema.metadata.uid));
          // Those whose status names it are reconciled now; of very many, the others in time.
          this.sharersOf(schema).slice(0, MOST_SHARERS).map(keyOf).forEach(onKey);
        }
      },
      onTrouble: (error) => onTrouble('watch of GlanceSchemas', error),
    });
    this.#jobs = new NamespacedInformers<JobObject>({
      client,
      api: '/apis/batch/v1',
      plural: 'jobs',
      namespaces,
      labelSelector: SCHEMA_UID_LABEL,
      indexers: { [BY_SCHEMA]: schemaOfJob },
      keep: keptOfJob,
      onChange: queueOwner,
      onTrouble: (error) => onTrouble('watch of Jobs', error),
    });
    this.#pods = new NamespacedInformers<PodObject>({
      client,
      api: '/api/v1',
      plural: 'pods',
      namespaces,
      labelSelector: SCHEMA_UID_LABEL,
      indexers: { [BY_SCHEMA]: ({ metadata }) => [metadata.labels?.[SCHEMA_UID_LABEL] ?? ''] },
      keep: keptOfPod,
      onChange: queueOwner,
      onTrouble: (error) => onTrouble('watch of Pods', error),
    });
    this.#events = new EventRecorder({ client, onTrouble: (error) => onTrouble('Events', error) });
  }

  /** Whether all caches have been read whole. */
  get synced(): boolean {
    return this.#schemas.synced() && this.#jobs.synced() && this.#pods.synced();
  }

  /** Whether there is a namespace of which all has been read. */
  get begun(): boolean {
    return (this.#options.namespaces ?? ['']).some((namespace) => this.isRead(`${namespace}/`));
  }

  /**
   * Whether all that concerns this key has been read whole; before that nothing may be decided
   * about it.
   */
  isRead(key: string): boolean {
    const [namespace = ''] = key.split('/');
    return [this.#schemas, this.#jobs, this.#pods].every((caches) => caches.synced(namespace));
  }

  /** Keeps the caches until `stop`. */
  async run(): Promise<void> {
    await Promise.all([this.#schemas.run(), this.#jobs.run(), this.#pods.run()]);
  }

  stop(): void {
    for (const reflector of [this.#schemas, this.#jobs, this.#pods]) {
      reflector.stop();
    }
  }

  /** Every GlanceSchema there is. */
  schemas(): Iterable<SchemaObject> {
    return this.#schemas.objects();
  }

  /** Every key there is, for the slow resync, those of leftovers included. */
  keys(): readonly string[] {
    const schemas = [...this.#schemas.objects()];
    const known = new Set(schemas.map(({ metadata }) => metadata.uid));
    const leftovers = [...this.#jobs.objects()].flatMap(({ metadata: { namespace, labels } }) => {
      const uid = labels?.[SCHEMA_UID_LABEL];
      return uid === undefined || known.has(uid) ? [] : leftoverKey(namespace, uid);
    });
    return [...schemas.map(keyOf), ...new Set(leftovers)];
  }

  schema(key: string): SchemaObject | undefined {
    const [namespace = '', name = ''] = key.split('/');
    return this.#schemas.get(namespace, name);
  }

  sharersOf(schema: SchemaObject): readonly SchemaObject[] {
    const [secret] = databasesOf(schema);
    return secret === undefined
      ? []
      : this.#schemas.by(BY_DATABASE, secret).filter(({ metadata }) => metadata.uid !== schema.metadata.uid);
  }

  jobsOf(schemaUid: string): readonly JobObject[] {
    return this.#jobs.by(BY_SCHEMA, schemaUid);
  }

  leftoversOf(key: string): readonly JobObject[] {
    const [namespace = '', uid = ''] = key.split('/');
    return this.#schemaWithUid(uid) !== undefined
      ? []
      : this.jobsOf(uid).filter((job) => job.metadata.namespace === namespace);
  }

  async isGone(namespace: string, schemaUid: string): Promise<boolean> {
    const { items } = await this.#options.client.request<{ readonly items: readonly SchemaObject[] }>({
      method: 'GET',
      path: `/apis/${GROUP}/${VERSION}/namespaces/${namespace}/${PLURAL}`,
    });
    return items.every(({ metadata }) => metadata.uid !== schemaUid);
  }

  podsOf(schemaUid: string): readonly PodObject[] {
    return this.#pods.by(BY_SCHEMA, schemaUid);
  }

  async readJob(namespace: string, name: string): Promise<JobObject | undefined> {
    try {
      const job = await this.#options.client.request<JobObject>({
        method: 'GET',
        path: jobPath(namespace, name),
      });
      this.#jobs.remember(job);
      return job;
    } catch (error) {
      if (hasStatus(error, 404)) {
        return undefined;
      }
      throw error;
    }
  }

  async readPods(namespace: string, schemaUid: string): Promise<readonly PodObject[]> {
    const { items } = await this.#options.client.request<{ readonly items: readonly PodObject[] }>({
      method: 'GET',
      path: `/api/v1/namespaces/${namespace}/pods`,
      query: { labelSelector: `${SCHEMA_UID_LABEL}=${schemaUid}` },
    });
    return items;
  }

  async readLog(namespace: string, pod: string): Promise<string> {
    return this.#options.client.requestText(
      {
        method: 'GET',
        path: `/api/v1/namespaces/${namespace}/pods/${pod}/log`,
        query: { container: CONTAINER_NAME, tailLines: '50', limitBytes: '32768' },
      },
      AbortSignal.timeout(2_000),
    );
  }

  async readWorkload(namespace: string, { kind, name }: Workload): Promise<WorkloadReading> {
    try {
      const object = await this.#options.client.request<WorkloadObject>({
        method: 'GET',
        path: `/apis/apps/v1/namespaces/${namespace}/${WORKLOAD_PLURALS[kind]}/${encodeURIComponent(name)}`,
      });
      return { kind: 'read', object };
    } catch (error) {
      if (hasStatus(error, 404)) {
        return { kind: 'missing' };
      }
      if (hasStatus(error, 403)) {
        return { kind: 'forbidden' };
      }
      const message =
        error instanceof KubeError && error.status !== undefined ? error.message : causeOf(error);
      const retryAfter = error instanceof KubeError ? error.retryAfter : undefined;
      return { kind: 'unreadable', message, retryAfter };
    }
  }

  async patchMetadata(
    schema: SchemaObject,
    { finalizers, reservedSequence, forDriftCheck = false }: MetadataPatch,
  ): Promise<SchemaObject | Conflict | Refused> {
    const annotations =
      reservedSequence === undefined
        ? {}
        : {
            annotations: {
              [RESERVED_SEQUENCE_ANNOTATION]: reservedSequence === null ? null : String(reservedSequence),
              [DRIFT_CHECK_SEQUENCE_ANNOTATION]: forDriftCheck ? String(reservedSequence) : null,
            },
          };
    try {
      return await this.#writeSchema(schema, {
        method: 'PATCH',
        path: schemaPath(schema),
        body: { metadata: { resourceVersion: schema.metadata.resourceVersion, finalizers, ...annotations } },
      });
    } catch (error) {
      return asRefused(error);
    }
  }

  async writeStatus(schema: SchemaObject, status: SchemaObject['status']): Promise<SchemaObject | Conflict> {
    return this.#writeSchema(schema, {
      method: 'PUT',
      path: `${schemaPath(schema)}/status`,
      body: { ...schema, apiVersion: API_VERSION, kind: KIND, status },
    });
  }

  async createJob(namespace: string, job: object): Promise<JobCreation> {
    try {
      const created = await this.#options.client.request<JobObject>({
        method: 'POST',
        path: `/apis/batch/v1/namespaces/${namespace}/jobs`,
        body: job,
      });
      this.#jobs.remember(created);
      return { kind: 'created', job: created };
    } catch (error) {
      if (!(error instanceof KubeError) || error.status === undefined) {
        throw error;
      }
      if (error.status === 409 && error.reason === 'AlreadyExists') {
        const { metadata } = job as { readonly metadata: { readonly name: string } };
        const existing = await this.readJob(namespace, metadata.name);
        if (existing !== undefined) {
          return { kind: 'exists', job: existing };
        }
      }
      if (REFUSALS.includes(error.status)) {
        return { kind: 'refused', message: error.message };
      }
      if (error.status === 429 || error.status >= 500) {
        return { kind: 'unknown', message: error.message, retryAfter: error.retryAfter };
      }
      throw error;
    }
  }

  async deleteJob(job: JobObject): Promise<Refused | undefined> {
    const { uid, resourceVersion, namespace, name } = job.metadata;
    try {
      await this.#options.client.request({
        method: 'DELETE',
        path: jobPath(namespace, name),
        body: { propagationPolicy: 'Background', preconditions: { uid, resourceVersion } },
      });
      return undefined;
    } catch (error) {
      // Gone or changed meanwhile: the next reconcile sees which.
      return hasStatus(error, 404) || hasStatus(error, 409) ? undefined : asRefused(error);
    }
  }

  async setTtl(
    namespace: string,
    job: JobReference,
    seconds: number,
    owner?: SchemaObject,
  ): Promise<Refused | undefined> {
    const owners = owner === undefined ? {} : { ownerReferences: [ownerReferenceTo(owner.metadata)] };
    const wanted = { ttlSecondsAfterFinished: seconds };
    return this.#patchJob(namespace, job, { metadata: owners, spec: wanted }, ({ metadata, spec }) =>
      spec.ttlSecondsAfterFinished === undefined || (owner !== undefined && !isOwnedBy(metadata, owner))
        ? 'something has taken out of the patch what it sets'
        : undefined,
    );
  }

  async disown(namespace: string, job: JobReference, schemaUid: string): Promise<Refused | undefined> {
    const owners = [{ $patch: 'delete', uid: schemaUid }];
    return this.#patchJob(namespace, job, { metadata: { ownerReferences: owners } }, ({ metadata }) =>
      metadata.ownerReferences?.some(({ uid }) => uid === schemaUid) === true
        ? 'something has put back the owner'
        : undefined,
    );
  }

  /**
   * A strategic merge patch, which knows each owner by its UID and leaves the others as they are.
   */
  async #patchJob(
    namespace: string,
    { name, uid }: JobReference,
    patch: { readonly metadata: object; readonly spec?: object },
    unlike: (job: JobObject) => string | undefined,
  ): Promise<Refused | undefined> {
    try {
      const job = await this.#options.client.request<JobObject>({
        method: 'PATCH',
        path: jobPath(namespace, name),
        contentType: 'application/strategic-merge-patch+json',
        body: { ...patch, metadata: { ...patch.metadata, uid } },
      });
      this.#jobs.remember(job);
      const refused = unlike(job);
      return refused === undefined ? undefined : { refused, transient: false };
    } catch (error) {
      // Gone, or another Job has its name.
      return hasStatus(error, 404) || hasStatus(error, 409) ? undefined : asRefused(error);
    }
  }

  notify(schema: SchemaObject, event: SchemaEvent): void {
    const { namespace, name, uid, resourceVersion } = schema.metadata;
    this.#events.record({
      apiVersion: 'events.k8s.io/v1',
      kind: 'Event',
      metadata: {
        name: `${name.slice(0, 200).replace(/[.-]+$/, '')}.${randomBytes(8).toString('hex')}`,
        namespace,
        ...withoutUndefined({ annotations: event.annotations }),
      },
      eventTime: new Date().toISOString().replace('Z', '000Z'),
      type: event.type,
      reason: event.reason,
      note: cutToBytes(event.message, LONGEST_NOTE),
      action: 'Reconcile',
      regarding: { apiVersion: API_VERSION, kind: KIND, namespace, name, uid, resourceVersion },
      ...(event.job === undefined
        ? {}
        : { related: { apiVersion: 'batch/v1', kind: 'Job', namespace, ...event.job } }),
      reportingController: GROUP,
      reportingInstance: this.#options.reporter.slice(0, 128),
    });
  }

  /** Delivers the Events that are left, for so many milliseconds at most. */
  async flushEvents(milliseconds: number): Promise<void> {
    await this.#events.close(milliseconds);
  }

  async #writeSchema(
    schema: SchemaObject,
    request: { readonly method: 'PATCH' | 'PUT'; readonly path: string; readonly body: object },
  ): Promise<SchemaObject | Conflict> {
    try {
      const written = await this.#options.client.request<SchemaObject>(request);
      // The last finalizer of a deleted object is off: it is gone, and its event may have been here
      // before this answer.
      if (schema.metadata.deletionTimestamp === undefined) {
        this.#schemas.remember(written);
      }
      return written;
    } catch (error) {
      if (hasStatus(error, 409) || hasStatus(error, 404)) {
        return 'conflict';
      }
      throw error;
    }
  }

  #schemaWithUid(uid: string | undefined): SchemaObject | undefined {
    return uid === undefined ? undefined : this.#schemas.by(BY_UID, uid)[0];
  }
}

/** What the API server has answered, as a value; throws again where there was no answer. */
function asRefused(error: unknown): Refused {
  if (error instanceof KubeError && error.status !== undefined) {
    const { message, status, retryAfter } = error;
    return { refused: message, transient: !REFUSALS.includes(status), retryAfter };
  }
  throw error;
}

function isOwnedBy({ ownerReferences }: JobObject['metadata'], { metadata }: SchemaObject): boolean {
  return ownerReferences?.some(({ uid }) => uid === metadata.uid) ?? false;
}

/** The indexes of the caches. */
const BY_UID = 'uid';
const BY_SCHEMA = 'schema';
const BY_DATABASE = 'database';

const WORKLOAD_PLURALS: Readonly<Record<Workload['kind'], string>> = {
  Deployment: 'deployments',
  StatefulSet: 'statefulsets',
  DaemonSet: 'daemonsets',
};

const MOST_SHARERS = 10;

/**
 * What a GlanceSchema calls its database, in its namespace; none where it does not have the CRD's
 * shape.
 */
function databasesOf({ metadata, spec }: SchemaObject): readonly string[] {
  const { database } = (spec ?? {}) as Partial<GlanceSchemaSpec>;
  return database?.secretRef === undefined && database?.host === undefined
    ? []
    : [`${metadata.namespace}/${databaseName(database)}`];
}

/** The UID of the GlanceSchema that a Job is for. */
function schemaOfJob({ metadata }: JobObject): readonly string[] {
  return [metadata.labels?.[SCHEMA_UID_LABEL] ?? ''];
}

/** A Job without the template of its pod, which is most of it and which nobody reads. */
function keptOfJob(job: JobObject): JobObject {
  const { template: _template, ...spec } = job.spec as JobObject['spec'] & { readonly template?: unknown };
  return { ...job, spec };
}

/** A pod without what runs in it. */
function keptOfPod({ spec, ...kept }: PodObject): PodObject {
  return spec?.nodeName === undefined ? kept : { ...kept, spec: { nodeName: spec.nodeName } };
}

/**
 * Answers to the creation of a Job that another try at once would get again: not valid, not
 * allowed, over a quota.
 */
const REFUSALS = [400, 403, 413, 422];

function keyOf(schema: SchemaObject): string {
  return `${schema.metadata.namespace}/${schema.metadata.name}`;
}

/** What makes a Job go together with its GlanceSchema. */
function ownerReferenceTo({ name, uid }: SchemaObject['metadata']): object {
  // The finalizer holds up the deletion; blocking it here too would ask for rights on `finalizers`.
  return { apiVersion: API_VERSION, kind: KIND, name, uid, controller: true, blockOwnerDeletion: false };
}

/** Under this key the Jobs are handled whose GlanceSchema is gone. */
function leftoverKey(namespace: string, uid: string): string {
  return `${namespace}/${uid}`;
}

function schemaPath({ metadata }: SchemaObject): string {
  return `/apis/${GROUP}/${VERSION}/namespaces/${metadata.namespace}/${PLURAL}/${metadata.name}`;
}

function jobPath(namespace: string, name: string): string {
  return `/apis/batch/v1/namespaces/${namespace}/jobs/${encodeURIComponent(name)}`;
}

/**
 * The API server takes no longer ones, in bytes. Source: k8s.io/kubernetes,
 * pkg/apis/core/validation/events.go.
 */
const LONGEST_NOTE = 1024;

function cutToBytes(text: string, most: number): string {
  const cut = Buffer.from(text).subarray(0, most).toString('utf8');
  return cut === text ? text : cut.replace(/\uFFFD+$/, '');
}
