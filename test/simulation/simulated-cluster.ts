import { SCHEMA_UID_LABEL, STARTING_ANNOTATION } from '../../src/api/names.ts';
import type {
  Cluster,
  JobCreation,
  JobObject,
  Mark,
  Notice,
  PodObject,
  SchemaObject,
  Stale,
} from '../../src/controller/cluster.ts';
import type { World } from './world.ts';

/** The process dies here; nothing of it goes on. */
export class Crash extends Error {}

/** A controller's view of the world: a cache that lags behind, and requests that can fail in every way. */
export class SimulatedCluster implements Cluster {
  readonly #world: World;
  readonly #meanwhile: () => Promise<void>;
  readonly #schemas = new Map<string, SchemaObject>();
  readonly #jobs = new Map<string, JobObject>();
  readonly #pods = new Map<string, PodObject>();
  #read: number;
  /** How many changes there were when it last looked for pods. */
  #looked = 0;
  /** Set when a key should be looked at. */
  dirty = true;

  /** @param meanwhile what happens in the world while a request is on its way */
  constructor(world: World, meanwhile: () => Promise<void>) {
    this.#world = world;
    this.#meanwhile = meanwhile;
    for (const schema of world.schemas.values()) {
      this.#schemas.set(schema.metadata.uid, schema);
    }
    for (const job of world.jobs.values()) {
      this.#jobs.set(job.metadata.uid, job);
    }
    for (const pod of world.pods.values()) {
      this.#pods.set(pod.object.metadata.uid, pod.object);
    }
    this.#read = world.changes.length;
  }

  /** Takes in up to so many changes; a watch loses none, but each may come late. */
  catchUp(most: number): void {
    for (const change of this.#world.changes.slice(this.#read, this.#read + most)) {
      this.#read += 1;
      this.dirty = true;
      const { uid } = change;
      switch (change.kind) {
        case 'schema':
          refresh(this.#schemas, uid, this.#world.schemas.get(uid));
          break;
        case 'job':
          refresh(this.#jobs, uid, this.#world.jobs.get(uid));
          break;
        case 'pod':
          refresh(this.#pods, uid, this.#world.pods.get(uid)?.object);
          break;
      }
    }
  }

  schema(): SchemaObject | undefined {
    return [...this.#schemas.values()][0];
  }

  jobsOf(schemaUid: string): readonly JobObject[] {
    return [...this.#jobs.values()].filter((job) =>
      job.metadata.ownerReferences?.some((owner) => owner.uid === schemaUid),
    );
  }

  podsOf(schemaUid: string): readonly PodObject[] {
    return [...this.#pods.values()].filter((pod) => pod.metadata.labels?.[SCHEMA_UID_LABEL] === schemaUid);
  }

  async readJob(_namespace: string, name: string): Promise<JobObject | undefined> {
    return this.#request(() => {
      const job = this.#world.jobNamed(name);
      if (job !== undefined) {
        this.#jobs.set(job.metadata.uid, job);
      }
      return job;
    });
  }

  async readPods(_namespace: string, schemaUid: string): Promise<readonly PodObject[]> {
    return this.#request(() => {
      this.#looked = this.#world.changes.length;
      return [...this.#world.pods.values()]
        .map((pod) => pod.object)
        .filter((pod) => pod.metadata.labels?.[SCHEMA_UID_LABEL] === schemaUid);
    });
  }

  /** What a node says, if anything: it need not be true, nor ours. */
  async readLog(): Promise<string> {
    const { tape } = this.#world;
    switch (tape.next(5)) {
      case 1:
        throw new Error('the node is away');
      case 2:
        return `ocata_migrate01: ${tape.next(1000)} of 1000 rows\n`;
      case 3:
        return 'ocata_migrate01: 1000 rows moved after 1.00 s\n';
      case 4:
        return 'ocata_migrate01: 2000 of 1000 rows\nno_migration: 1 of 2 rows\n';
      default:
        return '';
    }
  }

  async mark(schema: SchemaObject, { finalizers, starting }: Mark): Promise<SchemaObject | Stale> {
    return this.#write(schema, (current) => {
      const { [STARTING_ANNOTATION]: before, ...others } = current.metadata.annotations ?? {};
      const after = starting === undefined ? before : starting === null ? undefined : String(starting);
      const annotations = after === undefined ? others : { ...others, [STARTING_ANNOTATION]: after };
      return { ...current, metadata: { ...current.metadata, finalizers, annotations } };
    });
  }

  async writeStatus(
    schema: SchemaObject,
    status: NonNullable<SchemaObject['status']>,
  ): Promise<SchemaObject | Stale> {
    return this.#write(schema, (current) => {
      this.#checkReady(current, status);
      if (status.progress !== undefined && status.job?.finishedAt !== undefined) {
        throw new Error(`Progress is told of a Job that has ended (${schema.metadata.uid})`);
      }
      return { ...current, status };
    });
  }

  async createJob(_namespace: string, job: object): Promise<JobCreation> {
    const { metadata } = job as JobObject;
    return this.#request((): JobCreation => {
      const existing = this.#world.jobNamed(metadata.name);
      if (existing !== undefined) {
        this.#jobs.set(existing.metadata.uid, existing);
        return { kind: 'exists', job: existing };
      }
      if (this.#world.tape.once(20)) {
        return { kind: 'refused', message: 'exceeded quota' };
      }
      this.#world.writes += 1;
      this.#world.excuse(this.#looked);
      const created = this.#world.putJob({
        metadata: {
          ...metadata,
          uid: this.#world.uid(),
          resourceVersion: '0',
          creationTimestamp: this.#world.now(),
        },
        spec: {},
      });
      this.#jobs.set(created.metadata.uid, created);
      return { kind: 'created', job: created };
    });
  }

  async deleteJob(job: JobObject): Promise<void> {
    await this.#request(() => {
      this.#world.writes += 1;
      this.#world.deleteJob(job.metadata.uid);
    });
  }

  async armTtl(_namespace: string, name: string, seconds: number): Promise<void> {
    await this.#request(() => {
      const job = this.#world.jobNamed(name);
      if (job !== undefined) {
        this.#world.writes += 1;
        const armed = this.#world.putJob({ ...job, spec: { ttlSecondsAfterFinished: seconds } });
        this.#jobs.set(armed.metadata.uid, armed);
      }
    });
  }

  notify(_schema: SchemaObject, _notice: Notice): void {}

  #write(
    schema: SchemaObject,
    change: (current: SchemaObject) => SchemaObject,
  ): Promise<SchemaObject | Stale> {
    return this.#request((): SchemaObject | Stale => {
      const current = this.#world.schemas.get(schema.metadata.uid);
      if (current === undefined || current.metadata.resourceVersion !== schema.metadata.resourceVersion) {
        return 'stale';
      }
      const changed = change(current);
      // A write that changes nothing is none.
      if (JSON.stringify(changed) === JSON.stringify(current)) {
        return current;
      }
      this.#world.writes += 1;
      const stored = this.#world.putSchema(changed);
      if (schema.metadata.deletionTimestamp === undefined) {
        this.#schemas.set(stored.metadata.uid, stored);
      }
      return stored;
    });
  }

  /** Ready=True must be the truth when it is written, unless a user restored a backup that nobody has read. */
  #checkReady(schema: SchemaObject, status: NonNullable<SchemaObject['status']>): void {
    const ready = status.conditions?.find((condition) => condition.type === 'Ready');
    const readAt = Date.parse(status.job?.finishedAt ?? '');
    const readBeforeRestore = !(readAt > this.#world.restoredAt);
    if (ready?.status === 'True' && !readBeforeRestore && !this.#world.isAt(status.recordedRevision)) {
      throw new Error(
        `Ready, though the database is not at ${status.recordedRevision} (${schema.metadata.uid})`,
      );
    }
  }

  /** A request takes a while, and can fail before or after it took effect; so can the process that makes it. */
  async #request<T>(effect: () => T): Promise<T> {
    const { tape } = this.#world;
    await this.#meanwhile();
    const fate = tape.next(24);
    if (fate === 23) {
      throw new Crash('before the request');
    }
    if (fate === 22) {
      throw new Error('the request never arrived');
    }
    const result = effect();
    await this.#meanwhile();
    if (fate === 21) {
      throw new Crash('after the request');
    }
    if (fate === 20) {
      throw new Error('the answer never arrived');
    }
    return result;
  }
}

function refresh<T>(cache: Map<string, T>, uid: string, object: T | undefined): void {
  if (object === undefined) {
    cache.delete(uid);
  } else {
    cache.set(uid, object);
  }
}
