/** The names under which Kubernetes knows our resource, and the keys that we put on objects. */
export const GROUP = 'db.glance.openstack.org';

/** The version of the API that is served and stored. */
export const VERSION = 'v1alpha1';

/** The kind of the resource, as in `kind:` of a manifest. */
export const KIND = 'GlanceSchema';

/** The plural by which the API server's paths and RBAC rules name the resource. */
export const PLURAL = 'glanceschemas';

/** Group and version, as in `apiVersion:` of a manifest. */
export const API_VERSION = `${GROUP}/${VERSION}`;

/** Kept on a GlanceSchema while a Job of it may run, so that a deletion waits for the migration. */
export const FINALIZER = `${GROUP}/migration-running`;

/** A new value makes the operator read the database again; the record follows it, down too. */
export const OBSERVE_ANNOTATION = `${GROUP}/observe`;

/** A new value makes the operator try again after a failure that it holds for final. */
export const RETRY_ANNOTATION = `${GROUP}/retry`;

/**
 * Written by the operator together with the finalizer: the sequence number of the Job that is about
 * to be made. A Job that was made and lost before the status reported it is known by this.
 */
export const RESERVED_SEQUENCE_ANNOTATION = `${GROUP}/reserved-sequence`;

/** The same number where it was reserved for a drift check, which changes nothing whatever becomes of it. */
export const DRIFT_CHECK_SEQUENCE_ANNOTATION = `${GROUP}/drift-check-sequence`;

/** On Events: the revision that was last read from the database when the Event was made. */
export const RECORDED_REVISION_ANNOTATION = `${GROUP}/recorded-revision`;

/** On Events: the revision that was wanted then, as `status.targetRevision`. */
export const TARGET_REVISION_ANNOTATION = `${GROUP}/target-revision`;

/** On Jobs and their pods: the UID of the GlanceSchema that they work for. */
export const SCHEMA_UID_LABEL = `${GROUP}/schema-uid`;

/** On Jobs and their pods: the name of the GlanceSchema, for people; the UID decides. */
export const SCHEMA_NAME_LABEL = `${GROUP}/schema`;

/** On Jobs: what the Job is for, as JSON; see migration-job.ts. */
export const PURPOSE_ANNOTATION = `${GROUP}/purpose`;

/**
 * The common label that says which tool made an object.
 *
 * Source: https://kubernetes.io/docs/concepts/overview/working-with-objects/common-labels/
 */
export const MANAGED_BY_LABEL = 'app.kubernetes.io/managed-by';

/** What the label `managed-by` says on each Job of the operator. */
export const MANAGED_BY = 'glance-schema';

/** The one container of a migration pod. */
export const CONTAINER_NAME = 'migrate';

/** The init container of a migration pod that takes a backup first. */
export const BACKUP_CONTAINER_NAME = 'backup';

/** Where that container, and the pod of a restore, have the claim with the backups. */
export const BACKUP_FOLDER = '/backups';

/**
 * The environment variable of that container which says where the connection is from, as messages
 * are to call it: the key and the Secret.
 */
export const CONNECTION_SOURCE_VARIABLE = 'GLANCE_SCHEMA_CONNECTION_SOURCE';

/** The environment variable of that container which holds the database's connection URL. */
export const CONNECTION_VARIABLE = 'DATABASE_CONNECTION';

/**
 * The environment variables of that container which hold the parts of a connection, where a
 * GlanceSchema names each by itself.
 */
export const PART_VARIABLES = {
  engine: 'GLANCE_SCHEMA_DATABASE_ENGINE',
  host: 'GLANCE_SCHEMA_DATABASE_HOST',
  port: 'GLANCE_SCHEMA_DATABASE_PORT',
  name: 'GLANCE_SCHEMA_DATABASE_NAME',
  user: 'GLANCE_SCHEMA_DATABASE_USER',
  password: 'GLANCE_SCHEMA_DATABASE_PASSWORD',
} as const;
