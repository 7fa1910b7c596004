import type { GlanceSchemaStatus, Workload } from '../../contract/glance-schema.ts';

/** The part of an object's metadata that the controller reads. */
export interface Metadata {
  readonly name: string;
  readonly namespace: string;
  readonly uid: string;
  readonly resourceVersion: string;
  readonly creationTimestamp: string;
  readonly generation?: number;
  readonly deletionTimestamp?: string;
  readonly finalizers?: readonly string[];
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly ownerReferences?: readonly {
    readonly uid: string;
    readonly name: string;
    readonly controller?: boolean;
  }[];
}

/** A GlanceSchema as the API server hands it out; its spec is parsed by observe. */
export interface SchemaObject {
  readonly metadata: Metadata;
  readonly spec: unknown;
  readonly status?: GlanceSchemaStatus;
}

/** A Job, as far as the controller reads it. Source: the Kubernetes API reference, batch/v1. */
export interface JobObject {
  readonly metadata: Metadata;
  readonly spec: { readonly ttlSecondsAfterFinished?: number; readonly suspend?: boolean };
  readonly status?: {
    readonly startTime?: string;
    readonly completionTime?: string;
    readonly failed?: number;
    readonly conditions?: readonly {
      readonly type: string;
      readonly status: string;
      readonly reason?: string;
      readonly message?: string;
      readonly lastTransitionTime?: string;
    }[];
  };
}

/** A Pod, as far as the controller reads it. Source: the Kubernetes API reference, core/v1. */
export interface PodObject {
  readonly metadata: Metadata;
  readonly spec?: { readonly nodeName?: string };
  readonly status?: {
    readonly phase?: string;
    readonly reason?: string;
    readonly message?: string;
    readonly conditions?: readonly {
      readonly type: string;
      readonly status: string;
      readonly reason?: string;
      readonly message?: string;
    }[];
    readonly initContainerStatuses?: readonly ContainerStatus[];
    readonly containerStatuses?: readonly ContainerStatus[];
  };
}

/** How one container of a pod is. */
export interface ContainerStatus {
  readonly name: string;
  readonly state?: {
    readonly waiting?: { readonly reason?: string; readonly message?: string };
    readonly running?: { readonly startedAt?: string };
    readonly terminated?: {
      readonly exitCode: number;
      readonly reason?: string;
      readonly message?: string;
      readonly finishedAt?: string;
    };
  };
}

/**
 * A Deployment, StatefulSet or DaemonSet, as far as the controller reads it. Source: the Kubernetes
 * API reference, apps/v1.
 */
export interface WorkloadObject {
  readonly metadata: Metadata;
  readonly spec: {
    readonly replicas?: number;
    readonly paused?: boolean;
    /** Of a DaemonSet. */
    readonly updateStrategy?: { readonly rollingUpdate?: { readonly maxSurge?: number | string } };
    readonly template: {
      readonly spec?: {
        readonly containers?: readonly { readonly image?: string }[];
        readonly terminationGracePeriodSeconds?: number;
      };
    };
  };
  readonly status?: {
    readonly observedGeneration?: number;
    readonly replicas?: number;
    readonly updatedReplicas?: number;
    readonly availableReplicas?: number;
    /** Absent where the cluster does not count them. */
    readonly terminatingReplicas?: number;
    readonly desiredNumberScheduled?: number;
    readonly updatedNumberScheduled?: number;
    readonly numberAvailable?: number;
    readonly conditions?: readonly {
      readonly type: string;
      readonly reason?: string;
      readonly lastUpdateTime?: string;
    }[];
  };
}

/** How the API server answered a read of a workload. */
export type WorkloadReading =
  | { readonly kind: 'read'; readonly object: WorkloadObject }
  | { readonly kind: 'missing' }
  /** The operator has no right to read it. */
  | { readonly kind: 'forbidden' }
  /** The same may be answered in a moment. */
  | {
      readonly kind: 'unreadable';
      readonly message: string;
      /** How long the API server asks to wait, in milliseconds. */
      readonly retryAfter: number | undefined;
    };

/** An Event on a GlanceSchema, before it is sent. */
export interface SchemaEvent {
  readonly type: 'Normal' | 'Warning';
  readonly reason: string;
  readonly message: string;
  readonly annotations?: Readonly<Record<string, string>>;
  /** The Job that it is about, if it is about one. */
  readonly job?: { readonly name: string; readonly uid: string };
}

/**
 * A conflict: a write was not done because the object has changed or is gone. It is read and
 * decided upon again.
 */
export type Conflict = 'conflict';

/**
 * A write that the API server has answered and not done, in its own words: a policy, a right that
 * is missing, a webhook that is away.
 */
export interface Refused {
  readonly refused: string;
  /** Whether the same may be taken in a moment; not so where a policy or a right is in the way. */
  readonly transient: boolean;
  /** How long the API server asks to wait, in milliseconds. */
  readonly retryAfter?: number | undefined;
}

/**
 * What the controller asks of Kubernetes; the package `kube` implements it. Reads of `schema`,
 * `jobsOf` and `podsOf` come from caches that watches keep, own writes included; everything else is
 * a request. What can be expected is a value; a request that fails for another cause throws.
 */
export interface Cluster {
  schema(key: string): SchemaObject | undefined;
  /**
   * The other schemas of its namespace that name the same database: the same key of the same
   * Secret, or the same place.
   */
  sharersOf(schema: SchemaObject): readonly SchemaObject[];
  /** The Jobs that carry the label of the schema with this UID, whoever owns them. */
  jobsOf(schemaUid: string): readonly JobObject[];
  /**
   * The Jobs of a GlanceSchema that the cache does not have: `key` then has its UID instead of its
   * name.
   */
  leftoversOf(key: string): readonly JobObject[];
  /** Whether the API server has no GlanceSchema with this UID now. */
  isGone(namespace: string, schemaUid: string): Promise<boolean>;
  /** The pods that carry the label of the schema with this UID. */
  podsOf(schemaUid: string): readonly PodObject[];
  /** A Job as the API server has it now; undefined when there is none. */
  readJob(namespace: string, name: string): Promise<JobObject | undefined>;
  /** The pods that carry the label of the schema with this UID, as the API server has them now. */
  readPods(namespace: string, schemaUid: string): Promise<readonly PodObject[]>;
  /**
   * The newest lines of what the container of a migration's pod has printed.
   *
   * @throws when they cannot be had within two seconds: no right to read them, no pod, a node that
   *   is away.
   */
  readLog(namespace: string, pod: string): Promise<string>;
  /** A workload as the API server has it now. Never throws. */
  readWorkload(namespace: string, workload: Workload): Promise<WorkloadReading>;
  /**
   * Changes the metadata, provided that the schema is still at the resource version that is given.
   */
  patchMetadata(schema: SchemaObject, patch: MetadataPatch): Promise<SchemaObject | Conflict | Refused>;
  createJob(namespace: string, job: object): Promise<JobCreation>;
  /** Deletes a Job and its pods, provided that it is still the one that is given. */
  deleteJob(job: JobObject): Promise<Refused | undefined>;
  /**
   * Has a finished Job deleted by Kubernetes after so many seconds, and together with `owner`,
   * where one is given; another one of the same name is left as it is.
   */
  setTtl(
    namespace: string,
    job: JobReference,
    seconds: number,
    owner?: SchemaObject,
  ): Promise<Refused | undefined>;
  /**
   * Takes the schema with this UID off the owners of a Job, so that no deletion of it ends that
   * Job.
   */
  disown(namespace: string, job: JobReference, schemaUid: string): Promise<Refused | undefined>;
  /** Writes the status, provided that the schema is still at the resource version that is given. */
  writeStatus(schema: SchemaObject, status: GlanceSchemaStatus): Promise<SchemaObject | Conflict>;
  /**
   * Records an Event, as soon as the API server can take it. Never fails, as an Event must not hold
   * up a migration.
   */
  notify(schema: SchemaObject, event: SchemaEvent): void;
}

/** One Job, and no later one of the same name. */
export interface JobReference {
  readonly name: string;
  readonly uid: string;
}

/** What a patch of a GlanceSchema's metadata sets. */
export interface MetadataPatch {
  readonly finalizers: readonly string[];
  /** What the annotation `reserved-sequence` is to be; null takes it away, absent leaves it. */
  readonly reservedSequence?: number | null;
  /** Whether that is for a drift check. */
  readonly forDriftCheck?: boolean;
}

/** How the API server answered the creation of a Job. */
export type JobCreation =
  | { readonly kind: 'created' | 'exists'; readonly job: JobObject }
  /**
   * The API server does not take it, in its own words: a quota, a policy, a field that is not
   * valid.
   */
  | { readonly kind: 'refused'; readonly message: string }
  /**
   * The API server cannot say, in its own words: it has too much to do, or a webhook does not
   * answer. It may have taken it.
   */
  | { readonly kind: 'unknown'; readonly message: string; readonly retryAfter: number | undefined };
