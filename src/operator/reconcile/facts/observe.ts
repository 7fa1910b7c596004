import {
  type GlanceSchemaSpec,
  type GlanceSchemaStatus,
  storedSpecSchema,
} from '../../../contract/glance-schema.ts';
import {
  BACKUP_CONTAINER_NAME,
  CONTAINER_NAME,
  DRIFT_CHECK_SEQUENCE_ANNOTATION,
  FINALIZER,
  OBSERVE_ANNOTATION,
  PURPOSE_ANNOTATION,
  RESERVED_SEQUENCE_ANNOTATION,
  RETRY_ANNOTATION,
  SCHEMA_UID_LABEL,
} from '../../../contract/names.ts';
import { printable } from '../../../contract/printable.ts';
import type { ProgressReport } from '../../../contract/progress.ts';
import type { MigrationReport, ReportedBackup } from '../../../contract/report.ts';
import { parseMigrationReport } from '../../../contract/report-schema.ts';
import { withoutUndefined } from '../../../glance/without-undefined.ts';
import type { JobObject, JobReference, PodObject, SchemaObject } from '../../kube/cluster.ts';
import { migrationJobName, type Purpose, parsePurpose } from '../job/job.ts';
import type { Refusal } from './refusals.ts';
import type { RollOut } from './roll-out.ts';

/** All that a decision rests on: API objects, reduced. */
export interface Observed {
  readonly schema: ObservedSchema;
  /** The newest Job of this schema. */
  readonly job: ObservedJob | undefined;
  /** The highest sequence number of the Jobs that are there. */
  readonly lastSequence: number;
  /**
   * Finished Jobs before the newest one that have no TTL or no owner yet: their turn passed before
   * these were set.
   */
  readonly olderJobsWithoutTtl: readonly JobReference[];
  /**
   * Jobs before the newest one that are not finished only because another container keeps a pod of
   * theirs.
   */
  readonly olderHeldJobs: readonly JobReference[];
  /**
   * Jobs that are not finished and have the schema as their owner, as an older operator made them,
   * or a person.
   */
  readonly ownedActiveJobs: readonly JobReference[];
  /**
   * UIDs of objects of which the API server has refused something that safety does not need, and is
   * not asked again yet.
   */
  readonly putOff?: readonly string[];
  /**
   * What the API server has refused though the migration depends on it, and is not asked for yet.
   */
  readonly refusal?: Refusal | undefined;
  /**
   * The oldest of the other schemas that name the same database, where it is older than this one.
   */
  readonly sharer?: string | undefined;
  /** Pods of this schema that may still run, whether their Job is there or not. */
  readonly livePods: readonly LivePod[];
  /** How the workloads are that a contract waits for; absent while none does. */
  readonly rollOuts?: readonly RollOut[];
  /** How far the pod at work has come, as far as that is known; absent while none is. */
  readonly progress?: ObservedProgress;
}

/** How far a long data migration is, as its pod's log says. */
export interface ObservedProgress {
  /** What its log reported last; undefined while nothing could be read in it. */
  readonly reported: ProgressReport | undefined;
  /** When there may be more to know, in milliseconds since the epoch. */
  readonly requeueAt: number;
}

/** A pod that may still run, and how it is. */
interface LivePod {
  readonly name: string;
  readonly state: PodState;
}

/** The GlanceSchema, reduced to what is decided by. */
export interface ObservedSchema {
  readonly name: string;
  readonly namespace: string;
  readonly uid: string;
  readonly generation: number;
  readonly deleting: boolean;
  readonly hasFinalizer: boolean;
  readonly spec: GlanceSchemaSpec;
  /** What its next Job runs. */
  readonly image: string;
  readonly pullSecrets: DefaultImage['pullSecrets'];
  /**
   * If the status was written for another object (it came with a restore or a copy), only what
   * decides nothing.
   */
  readonly status: GlanceSchemaStatus;
  /** The annotations `observe` and `retry`, as the status can hold them. */
  readonly observe: string | undefined;
  readonly retry: string | undefined;
  /** The sequence number that was reserved for the next Job. */
  readonly reservedSequence: number;
  /** Whether that is for a drift check. */
  readonly reservedForDriftCheck: boolean;
}

/** A Job of the GlanceSchema, with what its pods say. */
export interface ObservedJob {
  readonly name: string;
  readonly uid: string;
  /**
   * Undefined for a Job that does not say what it is for: it is ours by owner, but not of our
   * making.
   */
  readonly purpose: Purpose | undefined;
  /** RFC 3339. */
  readonly createdAt: string;
  /**
   * Whether Kubernetes deletes it by itself: after its TTL, and with the schema unless that is
   * being deleted already.
   */
  readonly hasTtl: boolean;
  /** Whether the Job controller has marked it as complete or failed. */
  readonly marked: boolean;
  /** Whether it was deleted, and still exists. */
  readonly deleting: boolean;
  /** What its pods that have ended reported, oldest first. */
  readonly reports: readonly MigrationReport[];
  /** What came of the backups of its pods that have succeeded, newest first. */
  readonly backups: readonly ObservedBackup[];
  readonly state: JobState;
  /**
   * Whether it has ended but for another container of its pod, so that the Job controller never
   * marks it.
   */
  readonly held?: boolean;
}

/**
 * What came of a backup whose container succeeded, so that the migration of its pod was let
 * begin: `unproven` where that left nothing that could be read.
 */
type ObservedBackup = ReportedBackup | 'not needed' | 'unproven';

/** Whether a Job is at work, and how it ended if it is not. */
export type JobState =
  /** Not finished, or a pod of it is still there: `pod` is the state of its newest pod. */
  | { readonly kind: 'active'; readonly pod: PodState; readonly lastReport: MigrationReport | undefined }
  | {
      readonly kind: 'finished';
      readonly succeeded: boolean;
      /** RFC 3339. */
      readonly finishedAt: string;
      /** What its last pod reported; undefined when nothing was left to read. */
      readonly report: MigrationReport | undefined;
      /**
       * Why it failed in the Job controller's words (`DeadlineExceeded`), and how its last
       * container ended.
       */
      readonly failure: string | undefined;
      readonly deadlineExceeded: boolean;
      /** Whether it was seen to wait for its pod, and never seen with a container that had begun. */
      readonly neverBegan?: boolean;
      /** The exit code of its last pod's backup, where that failed, so that no migration began. */
      readonly backupExitCode?: number;
    };

/** How the newest pod of a Job that is at work is. */
export type PodState =
  /**
   * No pod is there yet, or all there were have ended or are gone; since when, RFC 3339, where that
   * is known, and after how many failures.
   */
  | {
      readonly kind: 'none';
      readonly since: string | undefined;
      readonly failed: number;
    }
  /** No pod is there, and none will be before the Job is resumed. */
  | { readonly kind: 'suspended' }
  | StartedPod
  /** It was deleted; its node has to have ended it by `endsBy`, RFC 3339. */
  | (StartedPod & { readonly endsBy: string; readonly node: string })
  /** It is unknown whether it runs, as its node does not answer. */
  | { readonly kind: 'lost'; readonly pod: string; readonly node: string }
  /** Its migration ended as `end` says, at `since`, RFC 3339; other containers keep it. */
  | {
      readonly kind: 'held';
      readonly pod: string;
      readonly since: string;
      readonly by: readonly string[];
      readonly end: Extract<JobState, { kind: 'finished' }>;
    }
  /** It cannot start; the message is the kubelet's or the scheduler's own. */
  | { readonly kind: 'blocked'; readonly reason: 'SecretNotReady' | 'JobBlocked'; readonly message: string };

type StartedPod =
  /** Waiting for a node or for its container to start, since when, RFC 3339. */
  | { readonly kind: 'starting'; readonly pod: string; readonly since: string }
  /** The migration is at work, or the backup before it. */
  | { readonly kind: 'running' | 'backing up'; readonly pod: string };

/** What a Job gets of the operator's own pod. */
export interface DefaultImage {
  readonly name: string;
  /** Names of Secrets by which it is pulled. */
  readonly pullSecrets: readonly { readonly name: string }[];
}

const NO_IMAGE: DefaultImage = { name: '', pullSecrets: [] };

/**
 * Reduces API objects to what decide needs.
 *
 * @param defaultImage what a Job gets of the operator's own pod, where the spec names nothing;
 *   absent where no Job will be made.
 * @throws ZodError when the spec does not have the CRD's shape, which the API server does not let
 *   through; fields that only a newer CRD has are left out.
 */
export function observe(
  schema: SchemaObject,
  jobs: readonly JobObject[],
  pods: readonly PodObject[],
  defaultImage: DefaultImage = NO_IMAGE,
): Observed {
  const spec = specOf(schema);
  const { namespace, annotations = {} } = schema.metadata;
  // Labels and owners can be written by anybody: what is in another namespace is not of this
  // schema.
  const isNear = ({ metadata }: JobObject | PodObject) => metadata.namespace === namespace;
  const near = jobs
    .filter((job) => isNear(job) && isOurs(job, schema))
    .map(withPurpose)
    .sort(newestJobFirst);
  const newest = near.find((job) => isHiddenBy(job, near[0])) ?? near[0];
  const older = near.filter((job) => job !== newest);
  const reservedSequence = annotations[RESERVED_SEQUENCE_ANNOTATION] ?? '';
  const nearPods = pods.filter(isNear);
  const { status = {} } = schema;
  return {
    schema: {
      name: schema.metadata.name,
      namespace: schema.metadata.namespace,
      uid: schema.metadata.uid,
      generation: schema.metadata.generation ?? 0,
      deleting: schema.metadata.deletionTimestamp !== undefined,
      hasFinalizer: schema.metadata.finalizers?.includes(FINALIZER) ?? false,
      spec,
      image: spec.job?.image ?? defaultImage.name,
      pullSecrets: pullSecretsOf(spec, defaultImage),
      status: isOfAnother(schema, near) ? onlyHistory(status) : status,
      observe: asHandled(annotations[OBSERVE_ANNOTATION]),
      retry: asHandled(annotations[RETRY_ANNOTATION]),
      reservedForDriftCheck: annotations[DRIFT_CHECK_SEQUENCE_ANNOTATION] === reservedSequence,
      reservedSequence: /^\d{1,9}$/.test(reservedSequence) ? Number(reservedSequence) : 0,
    },
    job: newest === undefined ? undefined : observeJob(schema, newest, nearPods),
    lastSequence: Math.max(0, ...near.map(({ purpose }) => sequenceOf(purpose))),
    olderJobsWithoutTtl: older
      .filter(({ job }) => isFinished(job) && !hasTtlAndOwner(job, schema))
      .map(({ job }) => referenceTo(job)),
    olderHeldJobs: older
      .filter(({ job }) => !isFinished(job) && isHeld(podsOf(job, nearPods)))
      .map(({ job }) => referenceTo(job)),
    ownedActiveJobs: near
      .filter(({ job }) => !isFinished(job) && isOwnedBy(job, schema))
      .map(({ job }) => referenceTo(job)),
    livePods: nearPods
      .filter((pod) => !hasEnded(pod))
      .map((pod) => ({ name: pod.metadata.name, state: podState(pod) })),
  };
}

/**
 * The operator's pull secrets are for the operator's image. A ServiceAccount of the Job's own
 * brings its own, which Kubernetes leaves out where a pod names any.
 */
function pullSecretsOf(
  { job }: GlanceSchemaSpec,
  { pullSecrets }: DefaultImage,
): DefaultImage['pullSecrets'] {
  const isDefault = job?.image === undefined && job?.serviceAccountName === undefined;
  return job?.imagePullSecrets ?? (isDefault ? pullSecrets : []);
}

/** The name of a Job has the UID of its schema in it. One that is there is known by its own. */
function isOfAnother({ metadata, status }: SchemaObject, near: readonly JobWithPurpose[]): boolean {
  const { job } = status ?? {};
  return (
    job !== undefined &&
    job.name !== migrationJobName(metadata, job.sequence) &&
    !near.some(({ job: there }) => there.metadata.uid === job.uid)
  );
}

function onlyHistory({
  observedGeneration,
  history,
  lastMigration,
  backups,
  conditions,
}: GlanceSchemaStatus) {
  return {
    ...withoutUndefined({ observedGeneration, lastMigration, history, backups, conditions }),
  };
}

/**
 * What was made of the spec of each version of a GlanceSchema that the cache has: each reconcile asks,
 * and some ask twice.
 */
const parsedSpecs = new WeakMap<object, GlanceSchemaSpec>();

function specOf({ spec }: SchemaObject): GlanceSchemaSpec {
  if (typeof spec !== 'object' || spec === null) {
    return parseSpec(spec);
  }
  const known = parsedSpecs.get(spec) ?? parseSpec(spec);
  parsedSpecs.set(spec, known);
  return known;
}

/**
 * An operator that was put back to an older version, as the runbook has it before the CRD is, meets
 * fields that it does not know.
 */
function parseSpec(spec: unknown): GlanceSchemaSpec {
  const parsed = storedSpecSchema.safeParse(spec);
  if (parsed.success) {
    return parsed.data;
  }
  const known = structuredClone(spec);
  for (const issue of parsed.error.issues) {
    if (issue.code === 'unrecognized_keys') {
      const parent = issue.path.reduce<unknown>((at, step) => Object(at)[step], known);
      for (const key of issue.keys) {
        Reflect.deleteProperty(Object(parent), key);
      }
    }
  }
  return storedSpecSchema.parse(known);
}

/** An annotation as `status.handledObserve` and `handledRetry` can hold it. */
function asHandled(annotation: string | undefined): string | undefined {
  return annotation === undefined ? undefined : printable(annotation, 256);
}

interface JobWithPurpose {
  readonly job: JobObject;
  readonly purpose: Purpose | undefined;
}

/** What the annotation of each Job that the cache has was read as, as for specs. */
const purposes = new WeakMap<JobObject, JobWithPurpose>();

function withPurpose(job: JobObject): JobWithPurpose {
  const known = purposes.get(job) ?? {
    job,
    purpose: parsePurpose(job.metadata.annotations?.[PURPOSE_ANNOTATION]),
  };
  purposes.set(job, known);
  return known;
}

/**
 * Whether a Job is at work though the one that was made last is done with, and has an earlier
 * sequence number: that was made too late, by an operator that was stopped meanwhile.
 */
function isHiddenBy({ job, purpose }: JobWithPurpose, last: JobWithPurpose | undefined): boolean {
  const isDoneWith = last?.job.spec.ttlSecondsAfterFinished !== undefined && isFinished(last.job);
  return isDoneWith && !isFinished(job) && sequenceOf(purpose) > sequenceOf(last.purpose);
}

function sequenceOf(purpose: Purpose | undefined): number {
  return purpose?.sequence ?? 0;
}

/**
 * A schema that is being deleted gets no new dependents: the cascade that somebody chose is for
 * those that there were.
 */
function hasTtlAndOwner(job: JobObject, schema: SchemaObject): boolean {
  const goesAlong = schema.metadata.deletionTimestamp !== undefined || isOwnedBy(job, schema);
  return goesAlong && job.spec.ttlSecondsAfterFinished !== undefined;
}

/**
 * Whether a Job is one of this GlanceSchema's: it says what it is for or has the name of one, and
 * not only our labels, as the copy of a pod has them. It has an owner only once its result is
 * stored.
 */
function isOurs(job: JobObject, schema: SchemaObject): boolean {
  const { name, uid, annotations } = job.metadata;
  const [, sequence] = /-(\d{1,9})-[0-9a-f]{8}$/.exec(name) ?? [];
  return (
    annotations?.[PURPOSE_ANNOTATION] !== undefined ||
    isOwnedBy(job, schema) ||
    schema.status?.job?.uid === uid ||
    (sequence !== undefined && name === migrationJobName(schema.metadata, Number(sequence)))
  );
}

function isOwnedBy({ metadata }: JobObject, schema: SchemaObject): boolean {
  return metadata.ownerReferences?.some(({ uid }) => uid === schema.metadata.uid) ?? false;
}

/**
 * A Job that has taken the name has neither our label nor our owner; one of ours may have lost the
 * label.
 */
export function isOurJob(job: JobObject, schema: SchemaObject): boolean {
  const isLabelled = job.metadata.labels?.[SCHEMA_UID_LABEL] === schema.metadata.uid;
  return (
    (isLabelled && isOurs(job, schema)) ||
    isOwnedBy(job, schema) ||
    schema.status?.job?.uid === job.metadata.uid
  );
}

function referenceTo({ metadata }: JobObject): JobReference {
  return { name: metadata.name, uid: metadata.uid };
}

/**
 * Kubernetes' times have whole seconds: of two Jobs of the same second the count says which is
 * newer.
 */
function newestJobFirst(a: JobWithPurpose, b: JobWithPurpose): number {
  return (
    byCreation(b.job, a.job) ||
    sequenceOf(b.purpose) - sequenceOf(a.purpose) ||
    b.job.metadata.name.localeCompare(a.job.metadata.name)
  );
}

function observeJob(
  schema: SchemaObject,
  { job, purpose }: JobWithPurpose,
  pods: readonly PodObject[],
): ObservedJob {
  const own = podsOf(job, pods).sort(succeededThenNewestFirst);
  return {
    name: job.metadata.name,
    uid: job.metadata.uid,
    purpose,
    createdAt: job.metadata.creationTimestamp,
    hasTtl: hasTtlAndOwner(job, schema),
    marked: isFinished(job),
    deleting: job.metadata.deletionTimestamp !== undefined,
    reports: own
      .filter(hasEnded)
      .flatMap((pod) => reportOf(pod) ?? [])
      .reverse(),
    backups: own.toSorted(newestPodFirst).flatMap((pod) => backupOf(pod) ?? []),
    state: observeState(job, own),
  };
}

function podsOf({ metadata }: JobObject, pods: readonly PodObject[]): PodObject[] {
  return pods.filter((pod) => pod.metadata.ownerReferences?.some(({ uid }) => uid === metadata.uid));
}

function isHeld(pods: readonly PodObject[]): boolean {
  return pods.every(hasEnded) && pods.some((pod) => heldSince(pod) !== undefined);
}

/**
 * Whether a failed pod is gone, which may have been the last. The Job controller counts each before
 * it lets it go; one whose failure is ignored, as after an eviction, it does not.
 *
 * Source: kubernetes.io/docs/concepts/workloads/controllers/job, Job tracking with finalizers.
 */
function isMissingOne(job: JobObject, ended: readonly PodObject[]): boolean {
  const counted = ended.filter((pod) => pod.status?.phase === 'Failed' && !isDisrupted(pod));
  return (job.status?.failed ?? 0) > counted.length;
}

/** Evicted, preempted, or its node gone: our `podFailurePolicy` ignores that. */
function isDisrupted({ status }: PodObject): boolean {
  return (
    status?.conditions?.some(({ type, status }) => type === 'DisruptionTarget' && status === 'True') ?? false
  );
}

/** What each pod that the cache has has reported, as for specs; null where it is no report. */
const reports = new WeakMap<PodObject, MigrationReport | null>();

/**
 * What the migration of a pod left as its last word, or the backup that failed before it could
 * begin; undefined where that is no report.
 */
function reportOf(pod: PodObject): MigrationReport | undefined {
  const known = reports.get(pod);
  if (known !== undefined) {
    return known ?? undefined;
  }
  const failed = failedBackup(pod);
  const report =
    failed === undefined
      ? parseMigrationReport(container(pod)?.state?.terminated?.message)
      : backupReport(failed.message, (error) => error !== null);
  reports.set(pod, report ?? null);
  return report;
}

/** The end of a pod's backup, where that failed: its migration has never begun then. */
function failedBackup(pod: PodObject) {
  const terminated = backupContainer(pod)?.state?.terminated;
  return terminated === undefined || terminated.exitCode === 0 ? undefined : terminated;
}

/** What a backup left as its last word, where that says what its exit code does. */
function backupReport(
  message: string | undefined,
  isMeant: (error: MigrationReport['error']) => boolean,
): MigrationReport | undefined {
  const report = parseMigrationReport(message);
  return report?.command === 'backup' && isMeant(report.error) ? report : undefined;
}

/** As for reports; null where no backup has succeeded. */
const backups = new WeakMap<PodObject, ObservedBackup | null>();

/** What came of a pod's backup that has succeeded; undefined where none has. */
function backupOf(pod: PodObject): ObservedBackup | undefined {
  const known = backups.get(pod);
  if (known !== undefined) {
    return known ?? undefined;
  }
  const terminated = backupContainer(pod)?.state?.terminated;
  const report = backupReport(terminated?.message, (error) => error === null);
  const backup =
    terminated?.exitCode !== 0
      ? undefined
      : report === undefined
        ? 'unproven'
        : (report.backup ?? 'not needed');
  backups.set(pod, backup ?? null);
  return backup;
}

function observeState(job: JobObject, pods: readonly PodObject[]): JobState {
  const ended = pods.filter(hasEnded);
  const end = job.status?.conditions?.find(isEnd);
  // Only the last one knows where the database was left, and in a Job that succeeded that is the
  // one which did: where it ended without a report, an older report may be out of date.
  const last =
    end?.type === 'Complete'
      ? ended.find((pod) => pod.status?.phase === 'Succeeded')
      : isMissingOne(job, ended)
        ? undefined
        : ended[0];
  const report = last && reportOf(last);
  const alive = pods.find((pod) => !hasEnded(pod));
  if (alive !== undefined) {
    // Before Kubernetes 1.31 a Job that has taken too long is marked before its pod has ended,
    // whose word is still to come.
    return { kind: 'active', pod: podState(alive), lastReport: report };
  }
  const [held] = ended.flatMap((pod) => {
    const since = heldSince(pod);
    return since === undefined ? [] : [heldPod(pod, since)];
  });
  if (end === undefined && held !== undefined) {
    return { kind: 'active', pod: held, lastReport: report };
  }
  if (end === undefined) {
    const none = { kind: 'none', since: noneSince(job, ended), failed: job.status?.failed ?? 0 } as const;
    return {
      kind: 'active',
      pod: job.spec.suspend === true ? { kind: 'suspended' } : none,
      lastReport: report,
    };
  }
  const succeeded = end.type === 'Complete';
  return {
    kind: 'finished',
    succeeded,
    finishedAt: job.status?.completionTime ?? end.lastTransitionTime ?? job.metadata.creationTimestamp,
    report,
    failure: succeeded ? undefined : [end.message ?? end.reason, howItEnded(last)].filter(Boolean).join('; '),
    deadlineExceeded: end.reason === 'DeadlineExceeded',
    ...withoutUndefined({ backupExitCode: last && failedBackup(last)?.exitCode }),
  };
}

/**
 * Since when, RFC 3339, other containers keep a pod whose migration has ended; undefined where none
 * does.
 */
export function heldSince(pod: PodObject): string | undefined {
  const terminated = container(pod)?.state?.terminated;
  return isOver(pod) || terminated === undefined
    ? undefined
    : (terminated.finishedAt ?? pod.metadata.creationTimestamp);
}

function heldPod(pod: PodObject, since: string): PodState {
  const terminated = container(pod)?.state?.terminated;
  const others = pod.status?.containerStatuses?.filter(({ state }) => state?.running !== undefined) ?? [];
  return {
    kind: 'held',
    pod: pod.metadata.name,
    since,
    by: others.map(({ name }) => name),
    end: {
      kind: 'finished',
      succeeded: terminated?.exitCode === 0,
      finishedAt: since,
      report: reportOf(pod),
      failure: howItEnded(pod),
      deadlineExceeded: false,
    },
  };
}

function noneSince(job: JobObject, ended: readonly PodObject[]): string | undefined {
  const [last] = ended;
  return last === undefined ? job.metadata.creationTimestamp : lastEnd(last)?.finishedAt;
}

/** The end of the container of a pod that ended last, the one for the backup included. */
function lastEnd(pod: PodObject) {
  return failedBackup(pod) ?? container(pod)?.state?.terminated;
}

/** `container exited with 137 (OOMKilled)`, or why the pod itself failed, as on an eviction. */
function howItEnded(pod: PodObject | undefined): string | undefined {
  const terminated = pod === undefined ? undefined : lastEnd(pod);
  if (terminated !== undefined) {
    return `the container ended with exit code ${terminated.exitCode} (${terminated.reason ?? 'no reason given'})`;
  }
  return pod?.status?.message ?? pod?.status?.reason;
}

/**
 * Waiting reasons of the kubelet that mean "not yet" and not "cannot". Source:
 * pkg/kubelet/kubelet_pods.go.
 */
const ON_THE_WAY = ['ContainerCreating', 'PodInitializing'];

function podState(pod: PodObject): PodState {
  const node = pod.spec?.nodeName;
  if (node !== undefined && isOnSilentNode(pod)) {
    return { kind: 'lost', pod: pod.metadata.name, node };
  }
  const unscheduled = pod.status?.conditions?.find(
    (condition) => condition.type === 'PodScheduled' && condition.status === 'False',
  );
  if (unscheduled?.reason === 'Unschedulable') {
    return { kind: 'blocked', reason: 'JobBlocked', message: unscheduled.message ?? 'no node takes the pod' };
  }
  const backup = backupContainer(pod)?.state;
  const state = backup === undefined || backup.terminated !== undefined ? container(pod)?.state : backup;
  const waiting = state?.waiting;
  if (waiting?.reason !== undefined && !ON_THE_WAY.includes(waiting.reason)) {
    return {
      kind: 'blocked',
      // The kubelet's one reason for a Secret or key that is missing; other causes read
      // differently.
      reason:
        waiting.reason === 'CreateContainerConfigError' && /secret/i.test(waiting.message ?? '')
          ? 'SecretNotReady'
          : 'JobBlocked',
      message: waiting.message ?? waiting.reason,
    };
  }
  const { name, creationTimestamp, deletionTimestamp } = pod.metadata;
  // A pod that no node has yet is removed by the API server itself.
  const ending =
    deletionTimestamp === undefined || node === undefined ? {} : { endsBy: deletionTimestamp, node };
  if (state?.running !== undefined) {
    return { kind: backup?.running === undefined ? 'running' : 'backing up', pod: name, ...ending };
  }
  const since = backup?.terminated?.finishedAt ?? creationTimestamp;
  return { kind: 'starting', pod: name, since, ...ending };
}

/**
 * Whether the node has not answered for so long that the control plane has given it up. It then
 * takes the pod's own Ready away and leaves what the kubelet last said of the containers.
 *
 * Source: MarkPodsNotReady in pkg/controller/util/node/controller_utils.go of k8s.io/kubernetes.
 */
function isOnSilentNode({ status }: PodObject): boolean {
  const is = (type: string, wanted: string) =>
    status?.conditions?.some((condition) => condition.type === type && condition.status === wanted) ?? false;
  return status?.phase === 'Unknown' || (is('ContainersReady', 'True') && is('Ready', 'False'));
}

function container(pod: PodObject) {
  return pod.status?.containerStatuses?.find((status) => status.name === CONTAINER_NAME);
}

function backupContainer(pod: PodObject) {
  return pod.status?.initContainerStatuses?.find((status) => status.name === BACKUP_CONTAINER_NAME);
}

/** Whether nothing of ours runs in the pod any more, or ever will, whatever else keeps it. */
export function hasEnded(pod: PodObject): boolean {
  return isOver(pod) || container(pod)?.state?.terminated !== undefined;
}

/** Whether all of its containers have ended. */
function isOver({ status }: PodObject): boolean {
  return status?.phase === 'Succeeded' || status?.phase === 'Failed';
}

/** Whether a process of ours is in it. */
export function isRunning(pod: PodObject): boolean {
  return [container(pod), backupContainer(pod)].some((each) => each?.state?.running !== undefined);
}

/** Whether the Job controller has marked it as complete or failed. */
export function isFinished(job: JobObject): boolean {
  return job.status?.conditions?.some(isEnd) ?? false;
}

function isEnd(condition: { readonly type: string; readonly status: string }): boolean {
  return (condition.type === 'Complete' || condition.type === 'Failed') && condition.status === 'True';
}

function newestPodFirst(a: PodObject, b: PodObject): number {
  return byCreation(b, a) || b.metadata.name.localeCompare(a.metadata.name);
}

/** The pod that succeeded is the one that made its Job succeed, whatever the others left. */
function succeededThenNewestFirst(a: PodObject, b: PodObject): number {
  return (
    Number(b.status?.phase === 'Succeeded') - Number(a.status?.phase === 'Succeeded') || newestPodFirst(a, b)
  );
}

function byCreation(a: JobObject | PodObject, b: JobObject | PodObject): number {
  return a.metadata.creationTimestamp.localeCompare(b.metadata.creationTimestamp);
}
