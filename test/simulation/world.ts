import { createHash } from 'node:crypto';
import { exitCodeOf, type FailureReason, FINAL_EXIT_CODES } from '../../src/contract/failures.ts';
import type {
  GlanceSchemaStatus,
  StatusJob,
  StatusPlan,
  Workload,
} from '../../src/contract/glance-schema.ts';
import {
  OBSERVE_ANNOTATION,
  PURPOSE_ANNOTATION,
  RESERVED_SEQUENCE_ANNOTATION,
  RETRY_ANNOTATION,
  SCHEMA_UID_LABEL,
} from '../../src/contract/names.ts';
import type { MigrationReport, ReportedBackup } from '../../src/contract/report.ts';
import { formatPosition, type Position } from '../../src/glance/position.ts';
import { REVISIONS as CHAIN } from '../../src/glance/revisions.ts';
import { withoutUndefined } from '../../src/glance/without-undefined.ts';
import type {
  ContainerStatus,
  JobObject,
  PodObject,
  SchemaObject,
  WorkloadObject,
  WorkloadReading,
} from '../../src/operator/kube/cluster.ts';
import { hasEnded, isFinished } from '../../src/operator/reconcile/facts/observe.ts';
import { migrationJobName, type Purpose, parsePurpose } from '../../src/operator/reconcile/job/job.ts';
import { NO_RESULT } from '../../src/operator/reconcile/status/result.ts';
import type { Change } from './simulated-watch.ts';
import type { Trace } from './trace.ts';

export const NAMESPACE = 'openstack';
export const NAME = 'glance';
export const KEY = `${NAMESPACE}/${NAME}`;

/** Enough of the chain for every kind of move. */
export const REVISIONS: readonly string[] = CHAIN.slice(0, 4).map((revision) => revision.name);

/** Where a database can be, in order: only the last revision has phases. */
const POSITIONS: readonly Position[] = REVISIONS.flatMap((revision): readonly Position[] =>
  revision === 'ocata01'
    ? [
        { revision, phase: 'Migrate' },
        { revision, phase: 'Contract' },
      ]
    : [{ revision, phase: 'Contract' }],
);

/** Where a database is that is expanded, and not contracted yet. */
export const EXPANDED = 'ocata01 (Migrate)';
const GRACE = 30_000;

/** Finalizers of the garbage collector. */
const CASCADES = ['foregroundDeletion', 'orphan'] as const;

/** A revision that the CRD has, which is upgraded first, and this operator does not support. */
export const NEWER = '2027_1_01';

/** What somebody does, and how often. */
const PLAIN_EDITS = {
  wants: 2,
  reverts: 1,
  suspends: 1,
  'asks to observe': 1,
  'asks to retry': 1,
  'deletes a Job': 1,
  'takes it all back': 1,
  'deletes a pod': 1,
  'deletes the resource': 1,
  'suspends or resumes a Job': 1,
  'makes or lifts a policy': 1,
  'wipes the status': 1,
  'had a newer operator': 0.2,
  'changes the record': 1,
  'restores the status of another': 1,
  restores: 1,
  'names an image': 1,
  'cuts the database off': 1,
  'takes memory': 1,
  'moves the database': 1,
  'breaks or mends a webhook': 1,
  'breaks or mends the database': 1,
} as const;

/** What somebody does who uses all that a spec can ask for. */
const EDITS = {
  ...PLAIN_EDITS,
  'sets or lifts a window': 2,
  'asks for approval or not': 2,
  approves: 5,
  'writes rows': 1,
  'waits for a roll-out or not': 2,
  'rolls out, or back': 4,
  'asks for drift checks or not': 2,
  'has a drift check come due': 5,
  'drifts or is fixed': 1,
  'migrates by hand': 0.5,
  'restores quietly': 0.5,
  'asks for backups or not': 2,
} as const;

/** Each leads to a database of its own. */
const SECRETS = ['glance-db', 'glance-new-db'] as const;

interface Window {
  readonly schedule: string;
  readonly duration: string;
  readonly timeZone: string;
}

/** Each with the share of ten minutes, in milliseconds, for which it is open at their beginning. */
const WINDOWS: readonly (Window & { readonly open: number })[] = [
  { schedule: '*/10 * * * *', duration: '3m', timeZone: 'Asia/Kolkata', open: 180_000 },
  { schedule: '*/5,*/10 * * * *', duration: '6m', timeZone: 'UTC', open: 600_000 },
  { schedule: '0 12 24 6 *', duration: '1h', timeZone: 'America/New_York', open: 0 },
  { schedule: '0 2 30 2 *', duration: '1h', timeZone: 'UTC', open: 0 },
];

/** The image of a release that can live with a contracted schema. */
const NEW_NODES = 'glance-api:new';

/** What users let a contract wait for. */
const GATES: readonly (readonly Workload[])[] = [
  [{ kind: 'Deployment', name: 'glance-api', image: NEW_NODES }],
  [
    { kind: 'Deployment', name: 'glance-api' },
    { kind: 'DaemonSet', name: 'glance-cache', image: NEW_NODES },
  ],
];

/** How a workload is; `old` is rolled out with the earlier image. */
type SimulatedWorkload = 'old' | 'new' | 'under way' | 'missing' | 'forbidden' | 'unreadable';

/** How many rows a migration may find; a plan allows ten times as many, and some. */
const ROWS = [0, 100, 50_000] as const;

/** What may be asked for about drift. */
const DRIFTS = [
  { interval: '10m' },
  { interval: '1h' },
  { interval: '10m', beforeMigration: 'Block' },
  { beforeMigration: 'Report' },
  { beforeMigration: 'Block' },
] as const;

/** Never opens within a history. */
const [, , FAR_WINDOW, NO_WINDOW] = WINDOWS;

/** An image that no registry has: its pods never start. */
export const NO_IMAGE = 'missing';

/** Where backups are kept. */
const CLAIMS = ['glance-backups', 'other-backups'] as const;

/** The backup in a status that somebody has restored, of which nobody here knows. */
const FOREIGN_BACKUP = 'backup-of-another';

/** What users write in `spec.backup`. */
export interface BackupSpec {
  readonly policy: 'None' | 'BeforeUpgrade';
  readonly volumeClaimName: string;
  readonly retain: number;
  readonly image?: string;
}

/** The backup before a migration, as its Job has it. */
interface BackupStep {
  readonly claim: string;
  readonly image: string;
}

/**
 * A Job, with the image of its pods, the Secret that they are handed, the backup that they take,
 * and whether one was asked for.
 */
type SimulatedJob = JobObject & {
  readonly image?: string;
  readonly secret?: string;
  readonly args?: readonly string[];
  readonly backup?: BackupStep;
  readonly asksForBackup?: boolean;
};

/** A backup on a claim. */
interface StoredBackup {
  readonly file: string;
  readonly schema: string;
  readonly database: SimulatedDatabase;
  readonly at: number;
  readonly takenAt: string;
}

/** A database, as its users and the migrators know it. */
interface SimulatedDatabase {
  /** The position that it is at, as an index; -1 is an empty one. */
  at: number;
  /** How often each script was applied since the last restore. */
  readonly applied: Map<string, number>;
  /** How many rows any migration writes. */
  rows: number;
  /** Whether its schema is not that of its revision. */
  drifted: boolean;
}

/** A plan that a migration did not take, though it was approved. */
interface Refused {
  readonly hash: string;
  readonly retry: string | undefined;
}

/** What a plan stands for. */
interface Planned {
  readonly schema: string;
  readonly secret: string | undefined;
  readonly from?: string | undefined;
  readonly to: string;
  readonly mostRows: number;
}

/** A pod with the process in it. */
interface SimulatedPod {
  object: PodObject;
  /** What its command line names; null for a Job that only reads. */
  readonly target: Position | null;
  readonly purpose: Purpose | undefined;
  readonly image: string | undefined;
  readonly secret: string | undefined;
  readonly args: readonly string[];
  readonly database: SimulatedDatabase;
  /** Undefined until the process has started, and after its end. */
  process:
    | {
        readonly target: Position | null;
        readonly from: number;
        readonly applied: string[];
        /** Whether it has seen that what would run is what was approved. */
        isApproved: boolean;
        /** Until when it moves rows, in milliseconds, unless it is asked to end. */
        readonly busyUntil: number;
        /** How many changes there were before it. */
        readonly startedAfter: number;
      }
    | undefined;
  /** When a deletion kills it, in milliseconds; undefined while nobody deletes it. */
  killAt: number | undefined;
  /** How many changes there were before it, and before its end; undefined until that. */
  readonly madeAfter: number;
  endedAfter: number | undefined;
  /** Whether another container keeps it once its process has ended. */
  readonly sidecar: boolean;
  /** The backup before its process; undefined where its Job has none. */
  readonly backup:
    | (BackupStep & {
        state: 'due' | 'at work' | 'ended';
        /** How many changes there were before it began, and before its end. */
        startedAfter: number;
        endedAfter: number;
        /** Where it found the database. */
        foundAt?: number;
        /** What came of it, once it has succeeded. */
        result: StoredBackup | 'not needed' | 'unproven' | undefined;
        /** What its container says. */
        container: ContainerStatus['state'];
      })
    | undefined;
  readonly asksForBackup: boolean;
  /**
   * Whether what it left makes no sense, or it stopped short of its target and said that all was
   * well.
   */
  broken?: boolean;
}

/**
 * A model of the API server, the Job controller, the garbage collector, a node, a database and its
 * users, under a virtual clock. It is a stand-in for all of them, so that thousands of histories
 * can be run; the integration tests run the real ones. It checks by itself what must hold at every
 * moment.
 */
export class World {
  readonly trace: Trace;
  /** Whether nobody asks for anything but revisions: what goes wrong with those alone is rarer else. */
  readonly #isPlain: boolean;
  /** Milliseconds since the epoch. */
  clock = Date.parse('2026-11-23T07:00:00Z');
  readonly schemas = new Map<string, SchemaObject>();
  readonly jobs = new Map<string, SimulatedJob>();
  readonly pods = new Map<string, SimulatedPod>();
  /** What the watches of each collection tell, in order. */
  readonly schemaChanges: Change<SchemaObject>[] = [];
  readonly jobChanges: Change<JobObject>[] = [];
  readonly podChanges: Change<PodObject>[] = [];
  /** By the Secret that leads to it. */
  readonly #databases = new Map(
    SECRETS.map((secret): [string, SimulatedDatabase] => [
      secret,
      { at: -1, applied: new Map(), rows: 100, drifted: false },
    ]),
  );
  /** Until when nobody reaches the database, in milliseconds. */
  #awayUntil = 0;
  /** Until when every process is killed for want of memory, in milliseconds. */
  #tightUntil = 0;
  /** Whether no Job can be made, as a webhook that must be asked does not answer. */
  webhookAway = false;
  /** Whether a policy refuses what safety does not need. */
  refusesCourtesies = false;
  /** Whether one ever did, so that it may not be asked again yet. */
  hadPolicy = false;
  readonly #workloads = new Map<string, SimulatedWorkload>([
    ['glance-api', 'old'],
    ['glance-cache', 'old'],
  ]);
  /** Whether somebody rolls out new nodes, also when nothing unusual happens any more. */
  #rollsOut = false;
  /** Whether somebody has rolled back, and leaves it so. */
  #isRolledBack = false;
  /** Whether somebody approves each plan, also when nothing unusual happens any more. */
  #approvesAll = false;
  /** What every migration fails with, though it could connect. */
  #fails: FailureReason | undefined;
  /** When a user last restored a backup. */
  restoredAt = Number.NEGATIVE_INFINITY;
  /** When the last pod ended of the Job whose result was stored last. */
  readAt = 0;
  writes = 0;
  /** Pods of Jobs deleted by hand beside which another Job may be: see `knowRace`. */
  readonly #inKnownRace = new Set<string>();
  /** UIDs of Jobs that were made too late, and of their schemas: see `knowJobRace`. */
  readonly #late = new Map<string, string>();
  /** UIDs of Jobs that had an owner from the start, and how many changes there were then. */
  readonly #owned = new Map<string, number>();
  /** UIDs of the Jobs whose result was in the status once. */
  readonly stored = new Set<string>();
  /** Where the last pod of each Job left the database, as an index. */
  readonly #left = new Map<string, number>();
  /** How many changes there were when a pod of a Job last left a database. */
  readonly #leftAfter = new Map<string, number>();
  /** When it did, in milliseconds, and whether the database had drifted then. */
  readonly #leftAt = new Map<
    string,
    { readonly at: number; readonly drifted: boolean; readonly secret: string | undefined }
  >();
  /** Whether somebody has moved the database, and told nobody. */
  movedQuietly = false;
  /** Whether somebody ever has. */
  wasMovedQuietly = false;
  /** UIDs of the failed pods of each Job, as the Job controller counts them. */
  readonly #failed = new Map<string, Set<string>>();
  /** UIDs of the Jobs of which a pod that succeeded is gone already. */
  readonly #succeeded = new Set<string>();
  /** What each Job found changed that was approved, and the retry that it was made for. */
  readonly #changed = new Map<string, Refused>();
  /** The same of the Job whose result was stored last; undefined once anything else has come. */
  refused: Refused | undefined;
  /** UIDs of the Jobs whose result has been counted, each time again. */
  readonly #counted: string[] = [];
  /**
   * How often a user has wiped the status, whereupon a result is rightly taken and counted again.
   */
  #wiped = 0;
  #versions = 0;
  /** What is on each claim, oldest first. */
  readonly #folders = new Map<string, readonly StoredBackup[]>();
  /** How many of them the Job of this UID has told its claim to keep. */
  readonly #retained = new Map<string, number | undefined>();
  /** The files of the backups that a pod has reported. */
  readonly #reportedBackups = new Set<string>([FOREIGN_BACKUP]);

  constructor(trace: Trace) {
    this.trace = trace;
    this.#isPlain = trace.next(3) === 1;
  }

  get schema(): SchemaObject | undefined {
    return [...this.schemas.values()][0];
  }

  /** The pods as the API server has them. */
  podObjects(): ReadonlyMap<string, PodObject> {
    return new Map([...this.pods].map(([uid, { object }]) => [uid, object]));
  }

  /** Whether a migrator is. */
  get isAtWork(): boolean {
    return [...this.pods.values()].some(hasProcess);
  }

  /** How many changes there have been. */
  get moment(): number {
    return this.schemaChanges.length + this.jobChanges.length + this.podChanges.length;
  }

  version(): string {
    this.#versions += 1;
    return String(this.#versions);
  }

  now(): string {
    return `${new Date(this.clock).toISOString().slice(0, 19)}Z`;
  }

  uid(): string {
    return `uid-${this.version()}`;
  }

  /**
   * An operator has counted the result of a Job, which it or another one must not have done before.
   */
  count(job: StatusJob): void {
    this.#counted.push(job.uid);
    if (this.#counted.filter((uid) => uid === job.uid).length > 1 + this.#wiped) {
      throw new Error(`The result of ${job.name} is counted twice`);
    }
  }

  /** Where the database is that the schema names, or named last; undefined for an empty one. */
  get position(): string | undefined {
    return nameAt(this.#database.at);
  }

  /** Whether that database is past this revision now. */
  isPast(revision: string): boolean {
    return this.#database.at > wholeAt(revision);
  }

  get #database(): SimulatedDatabase {
    return this.databaseOf(
      this.schema === undefined ? undefined : specOf(this.schema).database.secretRef.name,
    );
  }

  /** Begins with a database and a schema that are new, or that have a past. */
  begin(): void {
    const { trace } = this;
    const database = this.databaseOf(undefined);
    database.at = trace.pick([-1, 0, 1, 2, 2, 3, 3, 4]);
    this.#approvesAll = trace.next(2) === 1;
    this.#rollsOut = trace.next(2) === 1;
    const recorded = POSITIONS[database.at];
    const wanted = trace.pick(['ocata01', 'ocata01', 'mitaka01', 'mitaka02']);
    if (recorded === undefined || trace.next(3) === 0) {
      this.createSchema(wanted);
      return;
    }
    // Nothing is due but a drift check.
    const checksDrift = !this.#isPlain && trace.next(4) === 0 && recorded.phase === 'Contract';
    this.createSchema(checksDrift ? recorded.revision : wanted, {
      ...(checksDrift ? { drift: { nextCheckAt: this.now() } } : {}),
      recordedRevision: recorded.revision,
      recordedPhase: recorded.phase,
      recordedFrom: `${SECRETS[0]}/connection`,
      databaseHeads: [...headsAt(database.at)],
    });
  }

  /** Where the next migration of a schema is to lead. */
  nextOf(schema: SchemaObject): string {
    const { contractAfter, revision = '' } = specOf(schema);
    const { at } = this.#database;
    const isHeld = contractAfter !== undefined && revision === 'ocata01' && at >= 0;
    return isHeld && at < wholeAt('ocata01') - 1 ? EXPANDED : revision;
  }

  /** Whether all that a schema waits for is rolled out. */
  isRolledOut(schema: SchemaObject): boolean {
    return specOf(schema).contractAfter?.every((workload) => this.hasNewNodes(workload)) ?? true;
  }

  /** Whether a workload is as a schema wants it. */
  hasNewNodes({ name, image }: Workload): boolean {
    const state = this.#workloads.get(name);
    return state === 'new' || (state === 'old' && image === undefined);
  }

  /** How the API server answers who reads a workload. */
  readWorkload({ name }: Workload): WorkloadReading {
    const state = this.#workloads.get(name) ?? 'missing';
    switch (state) {
      case 'missing':
      case 'forbidden':
        return { kind: state };
      case 'unreadable':
        return { kind: state, message: 'too many requests', retryAfter: undefined };
      default:
        return { kind: 'read', object: aWorkload(name, state) };
    }
  }

  /** The database that a Secret leads to. */
  databaseOf(secret: string | undefined): SimulatedDatabase {
    const database = this.#databases.get(secret ?? SECRETS[0]);
    if (database === undefined) {
      throw new RangeError(`There is no Secret ${secret}`);
    }
    return database;
  }

  // Writes of the API server.

  putSchema(schema: SchemaObject): SchemaObject {
    const stored = { ...schema, metadata: { ...schema.metadata, resourceVersion: this.version() } };
    const finalizers = stored.metadata.finalizers ?? [];
    if (stored.metadata.deletionTimestamp !== undefined && finalizers.length === 0) {
      this.schemas.delete(stored.metadata.uid);
      for (const job of this.jobs.values()) {
        if (isOwnedBy(job, stored)) {
          this.deleteJob(job.metadata.uid);
        }
      }
    } else {
      this.schemas.set(stored.metadata.uid, stored);
    }
    const { uid } = stored.metadata;
    this.schemaChanges.push({ uid, object: this.schemas.get(uid) });
    return stored;
  }

  putJob(job: SimulatedJob): JobObject {
    const stored = { ...job, metadata: { ...job.metadata, resourceVersion: this.version() } };
    this.jobs.set(stored.metadata.uid, stored);
    const purpose = parsePurpose(stored.metadata.annotations?.[PURPOSE_ANNOTATION]);
    this.#retained.set(stored.metadata.uid, purpose?.backup?.retain);
    this.jobChanges.push({ uid: stored.metadata.uid, object: stored });
    return stored;
  }

  /**
   * With its pods, which have their grace. It is gone at once, or in the foreground when its pods
   * are, as Kubernetes does it for a TTL.
   */
  deleteJob(uid: string, propagation: 'Background' | 'Foreground' = 'Background'): void {
    const job = this.jobs.get(uid);
    if (propagation === 'Background') {
      this.jobs.delete(uid);
      this.jobChanges.push({ uid, object: undefined });
    } else if (job !== undefined && job.metadata.deletionTimestamp === undefined) {
      this.putJob({ ...job, metadata: { ...job.metadata, deletionTimestamp: this.now() } });
    }
    for (const pod of this.#podsOf(uid)) {
      pod.killAt ??= this.#killTime(pod);
    }
  }

  /** When a pod that is deleted now is killed, in milliseconds. */
  #killTime(pod: SimulatedPod): number {
    return this.clock + (hasProcess(pod) ? this.trace.next(GRACE) : 0);
  }

  #podsOf(jobUid: string): readonly SimulatedPod[] {
    return [...this.pods.values()].filter((pod) =>
      pod.object.metadata.ownerReferences?.some((owner) => owner.uid === jobUid),
    );
  }

  /**
   * A Job is about to be made by a controller that last looked for pods so many changes ago. If
   * another one has made a Job of the same name since, and somebody has deleted that by hand though
   * its pod is alive, no request can tell: Kubernetes has no creation that depends on another
   * object. There the lock of the database is the guard.
   */
  knowRace(readAfter: number): void {
    for (const { object, madeAfter } of this.pods.values()) {
      const gone = !this.jobs.has(ownerOf(object));
      if (gone && madeAfter >= readAfter) {
        this.#inKnownRace.add(object.metadata.uid);
      }
    }
  }

  /** The same for a Job that is made too late. */
  knowJobRace(job: JobObject): void {
    this.#late.set(job.metadata.uid, schemaOf(job));
  }

  hadLateJob(schemaUid: string): boolean {
    return [...this.#late.values()].includes(schemaUid);
  }

  /** The newest place that was noted for a Job of its schema. */
  startingOf(job: JobObject): number {
    const schema = this.schemas.get(schemaOf(job));
    return Number(schema?.metadata.annotations?.[RESERVED_SEQUENCE_ANNOTATION] ?? 0);
  }

  jobNamed(name: string): JobObject | undefined {
    return [...this.jobs.values()].find((job) => job.metadata.name === name);
  }

  // What goes on by itself.

  /** One small thing happens: a pod starts, a script is applied, a Job is marked, time passes. */
  step(): void {
    this.clock += 100 + this.trace.next(2000);
    for (const pod of [...this.pods.values()]) {
      this.#stepPod(pod);
    }
    for (const job of [...this.jobs.values()]) {
      this.#stepJob(job);
    }
    for (const schema of [...this.schemas.values()]) {
      this.#collect(schema);
    }
    this.#approve();
    this.#rollOut();
    this.#check();
  }

  #stepPod(pod: SimulatedPod): void {
    const { phase } = pod.object.status ?? {};
    if (pod.killAt !== undefined && pod.killAt <= this.clock) {
      if (pod.process !== undefined) {
        this.#leave(pod);
      }
      this.#countEnd(pod);
      this.pods.delete(pod.object.metadata.uid);
      this.podChanges.push({ uid: pod.object.metadata.uid, object: undefined });
      return;
    }
    if (phase === 'Pending' && pod.backup !== undefined && pod.backup.state !== 'ended') {
      this.#stepBackup(pod, pod.backup);
      return;
    }
    if (phase === 'Pending') {
      if (pod.image === NO_IMAGE) {
        if (pod.object.status?.containerStatuses?.[0]?.state?.waiting?.message === undefined) {
          this.#putPod(pod, 'Pending', { waiting: { reason: 'ImagePullBackOff', message: 'no such image' } });
        }
        return;
      }
      if (!this.trace.happens('start takes its time', 3)) {
        const busyUntil = this.clock + (this.trace.happens('many rows', 4) ? this.trace.next(60_000) : 0);
        pod.process = {
          target: pod.target,
          from: pod.database.at,
          applied: [],
          isApproved: false,
          busyUntil,
          startedAfter: this.moment,
        };
        this.#putPod(pod, 'Running', { running: { startedAt: this.now() } });
      }
      return;
    }
    if (phase === 'Running' && pod.process !== undefined) {
      this.#stepProcess(pod, pod.process);
    } else if (phase === 'Running') {
      const { state } = pod.object.status?.containerStatuses?.[0] ?? {};
      // Where the Job would try again, somebody takes the pod away, as the message asks for.
      const isAskedFor = ![0, ...FINAL_EXIT_CODES].includes(state?.terminated?.exitCode ?? 0);
      if (!isAskedFor && !this.trace.happens('the sidecar ends', 40)) {
        return;
      }
      this.#putPod(pod, state?.terminated?.exitCode === 0 ? 'Succeeded' : 'Failed', state);
    }
  }

  /**
   * Job tracking with finalizers: a pod that ended, or was deleted, is counted before it is gone.
   */
  #countEnd({ object }: SimulatedPod): void {
    const uid = ownerOf(object);
    const job = this.jobs.get(uid);
    const { phase, conditions } = object.status ?? {};
    if (phase === 'Succeeded') {
      this.#succeeded.add(uid);
    }
    const disrupted = conditions?.some(({ type }) => type === 'DisruptionTarget') ?? false;
    const failed = this.#failed.get(uid) ?? new Set();
    // What the Job controller itself takes away, as a Job is suspended, is no failure.
    if (
      job === undefined ||
      job.spec.suspend ||
      phase === 'Succeeded' ||
      disrupted ||
      failed.has(object.metadata.uid)
    ) {
      return;
    }
    this.#failed.set(uid, failed.add(object.metadata.uid));
    this.putJob({ ...job, status: { ...job.status, failed: failed.size } });
  }

  /** The kubelet's share in a backup, and that of `db backup`. */
  #stepBackup(pod: SimulatedPod, backup: NonNullable<SimulatedPod['backup']>): void {
    if (backup.state === 'due') {
      if (backup.image === NO_IMAGE) {
        if (backup.container === undefined) {
          backup.container = { waiting: { reason: 'ImagePullBackOff', message: 'no such image' } };
          this.#putPod(pod, 'Pending', INITIALIZING);
        }
      } else if (!this.trace.happens('start takes its time', 3)) {
        backup.state = 'at work';
        backup.startedAfter = this.moment;
        backup.container = { running: { startedAt: this.now() } };
        this.#putPod(pod, 'Pending', INITIALIZING);
      }
      return;
    }
    if (this.clock < this.#awayUntil) {
      this.#endBackup(pod, backup, 'DatabaseUnreachable');
      return;
    }
    if (this.clock < this.#tightUntil && this.trace.next(2) === 1) {
      this.#endBackup(pod, backup, 137);
      return;
    }
    if (pod.killAt === undefined && this.trace.happens('backup takes its time', 3)) {
      return;
    }
    switch (
      this.trace.choose({
        'goes on': 12,
        killed: 1,
        evicted: 1,
        fails: 1,
        'is not known': 1,
        'says nothing': 1,
      })
    ) {
      case 'goes on':
        this.#endBackup(pod, backup, this.#backUp(pod, backup));
        return;
      case 'killed':
        this.#endBackup(pod, backup, 137);
        return;
      case 'evicted':
        this.#endBackup(pod, backup, 143);
        return;
      case 'fails':
        this.#endBackup(pod, backup, 'BackupFailed');
        return;
      case 'is not known':
        this.#endBackup(pod, backup, exitCodeOf('Usage'));
        return;
      case 'says nothing':
        this.#endBackup(pod, backup, 'unproven');
    }
  }

  /** What `db backup` finds or makes on the claim. */
  #backUp(
    { object, database, target, purpose }: SimulatedPod,
    { claim }: BackupStep,
  ): StoredBackup | 'not needed' {
    const schema = object.metadata.labels?.[SCHEMA_UID_LABEL] ?? '';
    if (database.at < 0 || target == null || database.at >= indexOf(target)) {
      return 'not needed';
    }
    const there = this.#folders.get(claim) ?? [];
    const known = there.findLast((each) => each.schema === schema);
    if (known?.database === database && known.at === database.at) {
      return known;
    }
    const made = { file: `backup-${this.version()}`, schema, database, at: database.at, takenAt: this.now() };
    const own = [...there.filter((each) => each.schema === schema), made];
    const others = there.filter((each) => each.schema !== schema);
    this.#folders.set(claim, [...others, ...own.slice(-(purpose?.backup?.retain ?? 1))]);
    return made;
  }

  /** @param end what came of it, why it failed, or the exit code of one that said nothing */
  #endBackup(
    pod: SimulatedPod,
    backup: NonNullable<SimulatedPod['backup']>,
    end: StoredBackup | 'not needed' | 'unproven' | 'BackupFailed' | 'DatabaseUnreachable' | number,
  ): void {
    const failed = end === 'BackupFailed' || end === 'DatabaseUnreachable' ? end : undefined;
    const exitCode = typeof end === 'number' ? end : failed === undefined ? 0 : exitCodeOf(failed);
    const read = failed !== 'DatabaseUnreachable';
    const at = pod.database.at;
    const report: MigrationReport = {
      version: 1,
      command: 'backup',
      target: pod.target,
      from: read ? positionAt(at) : null,
      to: read ? positionAt(at) : null,
      heads: read ? headsAt(at) : null,
      adopted: false,
      applied: [],
      ...(typeof end === 'object' ? { backup: reportedAs(end) } : {}),
      startedAt: this.now(),
      finishedAt: this.now(),
      error:
        failed === undefined
          ? null
          : { reason: failed, message: `Cannot go on: found ${failed}`, migration: null },
    };
    const message =
      typeof end === 'number'
        ? undefined
        : end === 'unproven'
          ? this.trace.pick([undefined, 'done', '{}'])
          : JSON.stringify(report);
    backup.state = 'ended';
    backup.container = {
      terminated: { exitCode, reason: 'ended', finishedAt: this.now(), ...withoutUndefined({ message }) },
    };
    if (exitCode === 0) {
      backup.result = typeof end === 'object' || end === 'not needed' ? end : 'unproven';
      if (typeof end === 'object') {
        this.#reportedBackups.add(end.file);
      }
      backup.endedAfter = this.moment;
      backup.foundAt = at;
      this.#putPod(pod, 'Pending', INITIALIZING);
      return;
    }
    pod.endedAfter = this.moment;
    this.#left.set(ownerOf(pod.object), at);
    this.#leftAfter.set(ownerOf(pod.object), this.moment);
    if (pod.killAt !== undefined) {
      pod.killAt = Math.min(pod.killAt, this.clock + this.trace.next(2000));
    }
    this.#putPod(pod, 'Failed', INITIALIZING, exitCode === 143);
  }

  #stepProcess(pod: SimulatedPod, process: NonNullable<SimulatedPod['process']>): void {
    const { target } = process;
    // The lock of the database: whoever runs for longest has it.
    const holder = [...this.pods.values()].find(
      (other) => other.process !== undefined && other.database === pod.database,
    );
    if (holder !== pod) {
      return;
    }
    if (this.clock < this.#awayUntil) {
      this.#endWith(pod, process, 'DatabaseUnreachable', false);
      return;
    }
    if (this.clock < this.#tightUntil && this.trace.next(2) === 1) {
      this.#end(pod, 137, undefined, false);
      return;
    }
    if (
      pod.killAt === undefined &&
      this.clock < process.busyUntil &&
      !this.trace.happens('end in the middle', 20)
    ) {
      return;
    }
    switch (
      this.trace.choose({ 'goes on': 12, killed: 1, evicted: 1, 'cut off': 1, fails: 1, 'stops short': 1 })
    ) {
      case 'goes on':
        break;
      case 'killed':
        this.#end(pod, 137, undefined, false);
        return;
      case 'evicted':
        this.#end(pod, 143, undefined, true);
        return;
      case 'cut off':
        this.#endWith(pod, process, 'DatabaseUnreachable', false);
        return;
      case 'fails':
        this.#endWith(pod, process, 'MigrationFailed', true);
        return;
      case 'stops short':
        if (pod.purpose?.plans === undefined) {
          this.#endWith(pod, process, undefined, true);
          return;
        }
    }
    const { plans, approved } = pod.purpose ?? {};
    if (plans !== undefined) {
      const isLower = indexOf(plans) < pod.database.at;
      this.#endWith(pod, process, isLower ? 'DowngradeNotSupported' : undefined, true);
      return;
    }
    if (target === null) {
      this.#endWith(pod, process, undefined, true);
      return;
    }
    const wanted = indexOf(target);
    if (wanted < pod.database.at) {
      this.#endWith(pod, process, 'DowngradeNotSupported', true);
      return;
    }
    if (wanted === pod.database.at) {
      this.#endWith(pod, process, undefined, true);
      return;
    }
    if (pod.args.includes('block') && pod.database.drifted && process.applied.length === 0) {
      this.#endWith(pod, process, 'SchemaDrift', true);
      return;
    }
    if (approved !== undefined && !process.isApproved) {
      const now = planHash({ ...plannedBy(pod, target), mostRows: approved.mostRows });
      // What would run can be another for a moment only: then the next plan has the same hash.
      const isOther = this.trace.happens('looks different for a moment', 4);
      if (now !== approved.hash || pod.database.rows > approved.mostRows || isOther) {
        this.#changed.set(ownerOf(pod.object), { hash: approved.hash, retry: pod.purpose?.retry });
        this.#endWith(pod, process, 'PlanChanged', true);
        return;
      }
      process.isApproved = true;
    }
    if (this.#fails !== undefined) {
      this.#endWith(pod, process, this.#fails, true);
      return;
    }
    checkBackedUp(pod);
    pod.database.at += 1;
    const script = nameAt(pod.database.at) ?? '';
    process.applied.push(script);
    pod.database.applied.set(script, (pod.database.applied.get(script) ?? 0) + 1);
    this.#takeBack(pod, script);
  }

  /** Somebody sees a contract at work, deletes its Job, and rolls the nodes back; too late. */
  #takeBack(pod: SimulatedPod, script: string): void {
    const isContract = script === 'ocata01' && this.schema && specOf(this.schema).contractAfter !== undefined;
    if (isContract && this.trace.happens('a contract is taken back', 8)) {
      this.deleteJob(ownerOf(pod.object));
      this.#workloads.set('glance-api', 'under way');
      this.#isRolledBack = true;
    }
  }

  #endWith(
    pod: SimulatedPod,
    process: NonNullable<SimulatedPod['process']>,
    reason: FailureReason | undefined,
    read: boolean,
  ): void {
    const report: MigrationReport = {
      version: 1,
      command: 'sync',
      target: null,
      from: read ? positionAt(process.from) : null,
      to: read ? positionAt(pod.database.at) : null,
      heads: read ? headsAt(pod.database.at) : null,
      adopted: false,
      applied: process.applied.map((name) => ({ name, milliseconds: 1 })),
      ...withoutUndefined({ plan: reason === undefined ? planIn(pod) : undefined }),
      ...(read && pod.args.includes('--drift')
        ? { drift: { differences: pod.database.drifted ? ['index a is missing'] : [], also: ['table b'] } }
        : {}),
      startedAt: this.now(),
      finishedAt: this.now(),
      error:
        reason === undefined ? null : { reason, message: `Cannot go on: found ${reason}`, migration: null },
    };
    const reported =
      reason === undefined && this.trace.happens('broken report', 10) ? this.#broken(report) : report;
    const goal = process.target === null ? -1 : indexOf(process.target);
    pod.broken = reported !== report || (reason === undefined && pod.database.at < goal);
    this.#end(pod, reason === undefined ? 0 : exitCodeOf(reason), JSON.stringify(reported), false);
  }

  /** What a broken or hostile image tells, as far as anybody can see that it is not true. */
  #broken(report: MigrationReport): MigrationReport {
    const { plan } = report;
    if (plan !== undefined && plan.steps.length > 0 && this.trace.next(2) === 1) {
      return this.trace.pick<MigrationReport>([
        { ...report, plan: undefined },
        { ...report, plan: { ...plan, steps: [] } },
      ]);
    }
    return this.trace.pick<MigrationReport>([
      { ...report, heads: null },
      { ...report, to: positionAt(3), heads: ['mitaka01'] },
      { ...report, error: { reason: 'MigrationFailed', message: 'It failed', migration: null } },
    ]);
  }

  #leave(pod: SimulatedPod): void {
    const job = ownerOf(pod.object);
    this.#left.set(job, pod.database.at);
    this.#leftAfter.set(job, this.moment);
    this.#leftAt.set(job, { at: this.clock, drifted: pod.database.drifted, secret: pod.secret });
  }

  #end(pod: SimulatedPod, exitCode: number, message: string | undefined, disrupted: boolean): void {
    pod.process = undefined;
    pod.endedAfter = this.moment;
    this.#leave(pod);
    if (pod.killAt !== undefined) {
      // The grace is for what runs.
      pod.killAt = Math.min(pod.killAt, this.clock + this.trace.next(2000));
    }
    this.#putPod(
      pod,
      pod.sidecar && !disrupted ? 'Running' : exitCode === 0 ? 'Succeeded' : 'Failed',
      {
        terminated: {
          exitCode,
          reason: exitCode === 0 ? 'Completed' : 'Error',
          finishedAt: this.now(),
          ...withoutUndefined({ message }),
        },
      },
      disrupted,
    );
  }

  #putPod(
    pod: SimulatedPod,
    phase: string,
    state: NonNullable<NonNullable<PodObject['status']>['containerStatuses']>[number]['state'],
    disrupted = false,
  ): void {
    pod.object = {
      metadata: { ...pod.object.metadata, resourceVersion: this.version() },
      status: {
        phase,
        ...(pod.backup === undefined
          ? {}
          : {
              initContainerStatuses: [
                { name: 'backup', ...withoutUndefined({ state: pod.backup.container }) },
              ],
            }),
        containerStatuses: [{ name: 'migrate', ...withoutUndefined({ state }) }],
        conditions: disrupted ? [{ type: 'DisruptionTarget', status: 'True' }] : [],
      },
    };
    this.pods.set(pod.object.metadata.uid, pod);
    this.podChanges.push({ uid: pod.object.metadata.uid, object: pod.object });
  }

  /**
   * The Job controller, with `podReplacementPolicy: Failed`, our `podFailurePolicy` and a
   * `backoffLimit` of 2.
   */
  #stepJob(job: SimulatedJob): void {
    const [owner] = job.metadata.ownerReferences ?? [];
    if (owner !== undefined && !this.schemas.has(owner.uid)) {
      // The garbage collector's share: a Job whose owner is gone.
      this.deleteJob(job.metadata.uid);
      return;
    }
    const own = this.#podsOf(job.metadata.uid);
    const deleting = job.metadata.deletionTimestamp !== undefined;
    if (deleting && own.length === 0) {
      this.deleteJob(job.metadata.uid);
      return;
    }
    // The real one waits for at least ten seconds after a failure; what counts is that no two are
    // of one second.
    const justMade = own.some((pod) => Date.parse(pod.object.metadata.creationTimestamp) + 1000 > this.clock);
    const waits =
      justMade ||
      own.some(({ object }) => ['Pending', 'Running'].includes(object.status?.phase ?? '')) ||
      this.trace.happens('Job controller is slow', 4);
    const hasSucceeded =
      this.#succeeded.has(job.metadata.uid) || own.some(({ object }) => object.status?.phase === 'Succeeded');
    if (hasSucceeded && !waits && !isFinished(job)) {
      this.#finish(job, 'Complete', 'CompletionsReached');
      return;
    }
    if (job.spec.suspend && !isFinished(job)) {
      for (const pod of own) {
        if (!hasEnded(pod.object)) {
          pod.killAt ??= this.#killTime(pod);
        }
      }
      return;
    }
    if (isFinished(job)) {
      const ttl = job.spec.ttlSecondsAfterFinished;
      const end = Date.parse(job.status?.completionTime ?? '');
      if (ttl !== undefined && end + ttl * 1000 <= this.clock) {
        this.deleteJob(job.metadata.uid, 'Foreground');
      }
      return;
    }
    if (waits) {
      return;
    }
    for (const pod of own) {
      this.#countEnd(pod);
    }
    const codes = own.map((pod) => {
      const disrupted = pod.object.status?.conditions?.some(({ type }) => type === 'DisruptionTarget');
      const { initContainerStatuses = [], containerStatuses = [] } = pod.object.status ?? {};
      const ends = [...initContainerStatuses, ...containerStatuses].map(
        ({ state }) => state?.terminated?.exitCode,
      );
      return disrupted ? undefined : (ends.find((code) => code !== undefined && code !== 0) ?? ends.at(-1));
    });
    const failures = codes.filter((code) => code !== undefined && code !== 0);
    if (failures.some((code) => FINAL_EXIT_CODES.includes(code ?? 0))) {
      this.#finish(job, 'Failed', 'PodFailurePolicy');
    } else if ((this.#failed.get(job.metadata.uid)?.size ?? 0) > 2) {
      this.#finish(job, 'Failed', 'BackoffLimitExceeded');
    } else if (!deleting) {
      const uid = this.uid();
      const purpose = parsePurpose(job.metadata.annotations?.[PURPOSE_ANNOTATION]);
      this.#putPod(
        {
          object: {
            metadata: {
              name: `pod-${uid}`,
              namespace: NAMESPACE,
              uid,
              resourceVersion: '0',
              creationTimestamp: this.now(),
              labels: { [SCHEMA_UID_LABEL]: schemaOf(job) },
              ownerReferences: [{ uid: job.metadata.uid, name: job.metadata.name, controller: true }],
            },
          },
          target: purpose?.target ?? null,
          purpose,
          image: job.image,
          secret: job.secret,
          args: job.args ?? [],
          database: this.databaseOf(job.secret),
          process: undefined,
          killAt: undefined,
          madeAfter: this.moment,
          endedAfter: undefined,
          sidecar: this.trace.happens('sidecar', 10),
          backup:
            job.backup === undefined
              ? undefined
              : {
                  ...job.backup,
                  state: 'due',
                  startedAfter: Number.POSITIVE_INFINITY,
                  endedAfter: Number.POSITIVE_INFINITY,
                  result: undefined,
                  container: undefined,
                },
          asksForBackup: job.asksForBackup === true,
        },
        'Pending',
        undefined,
      );
    }
  }

  #finish(job: SimulatedJob, type: 'Complete' | 'Failed', reason: string): void {
    this.putJob({
      ...job,
      status: {
        failed: this.#failed.get(job.metadata.uid)?.size ?? 0,
        completionTime: this.now(),
        conditions: [{ type, status: 'True', reason, lastTransitionTime: this.now() }],
      },
    });
  }

  // Users.

  createSchema(revision: string, recorded?: GlanceSchemaStatus): void {
    const uid = this.uid();
    // A plan may be there, and be approved, that is of another time.
    const isPlanned = !this.#isPlain && recorded !== undefined && this.trace.next(3) === 1;
    const from = recorded && recordOf(recorded);
    const planned = {
      schema: uid,
      secret: SECRETS[0],
      ...withoutUndefined({ from }),
      to: revision,
      mostRows: this.trace.pick([10_000, 11_000]),
    };
    const plan: StatusPlan = {
      hash: planHash(planned),
      ...withoutUndefined({ from }),
      to: revision,
      revisions: [revision],
      rows: 0,
      mostRows: planned.mostRows,
      locks: [],
      warnings: [],
      database: `${SECRETS[0]}/connection`,
      image: 'glance-schema',
      job: 'before',
    };
    const status = isPlanned ? { ...recorded, plan } : recorded;
    this.putSchema({
      ...withoutUndefined({ status }),
      metadata: {
        name: NAME,
        namespace: NAMESPACE,
        uid,
        resourceVersion: '0',
        creationTimestamp: this.now(),
        generation: 1,
      },
      spec: {
        revision,
        through: 'Contract',
        suspend: false,
        database: { secretRef: { name: SECRETS[0], key: 'connection' } },
        job: {},
        ...(this.#isPlain ? {} : this.#anyOptions(recorded, isPlanned ? plan.hash : undefined)),
      },
    });
  }

  /** What a spec can ask for beyond a revision. */
  #anyOptions(recorded: GlanceSchemaStatus | undefined, approvedPlan: string | undefined): Partial<Spec> {
    const { trace } = this;
    return {
      ...withoutUndefined({ backup: this.#anyBackup(), approvedPlan }),
      approval: approvedPlan === undefined ? trace.pick(['Automatic', 'Automatic', 'Manual']) : 'Manual',
      contractAfter: trace.pick([undefined, ...GATES, ...GATES]),
      drift: recorded?.drift === undefined ? trace.pick([undefined, undefined, ...DRIFTS]) : DRIFTS[0],
    };
  }

  /** Somebody does something that the API server lets through. */
  edit(): void {
    const { schema, trace } = this;
    if (schema === undefined) {
      this.createSchema(trace.pick(['ocata01', 'mitaka01', 'mitaka02', 'liberty']));
      return;
    }
    const annotate = (name: string) =>
      this.putSchema({
        ...schema,
        metadata: {
          ...schema.metadata,
          annotations: { ...schema.metadata.annotations, [name]: this.version() },
        },
      });
    switch (this.#isPlain ? trace.choose(PLAIN_EDITS) : trace.choose(EDITS)) {
      case 'wants': {
        // An older CRD lets the line be dropped.
        const wanted = trace.pick(['ocata01', 'mitaka02', 'mitaka01', 'liberty', NEWER, 'nothing']);
        this.#editSpec(schema, { revision: wanted === 'nothing' ? undefined : wanted, suspend: false });
        return;
      }
      case 'reverts':
        this.#editSpec(schema, { revision: schema.status?.recordedRevision ?? 'mitaka02', suspend: false });
        return;
      case 'suspends':
        this.#editSpec(schema, { suspend: trace.next(2) === 1 });
        return;
      case 'asks to observe':
        annotate(OBSERVE_ANNOTATION);
        return;
      case 'asks to retry':
        annotate(RETRY_ANNOTATION);
        return;
      case 'deletes a Job': {
        const jobs = [...this.jobs.values()].reverse();
        const job = jobs[trace.next(Math.max(1, jobs.length))];
        if (job !== undefined) {
          this.deleteJob(job.metadata.uid, trace.next(2) === 1 ? 'Foreground' : 'Background');
        }
        return;
      }
      case 'takes it all back': {
        const job = [...this.jobs.values()].at(-1);
        if (job !== undefined) {
          this.deleteJob(job.metadata.uid);
        }
        const isManual = specOf(schema).approval === 'Manual';
        this.#editSpec(
          schema,
          isManual
            ? { approvedPlan: undefined }
            : { revision: schema.status?.recordedRevision ?? 'mitaka02', suspend: false },
        );
        return;
      }
      case 'deletes a pod': {
        const pods = [...this.pods.values()].reverse();
        const pod = pods[trace.next(Math.max(1, pods.length))];
        if (pod !== undefined) {
          pod.killAt ??= this.#killTime(pod);
        }
        return;
      }
      case 'deletes the resource':
        if (schema.metadata.deletionTimestamp === undefined) {
          const cascade = trace.pick([[], ['foregroundDeletion'], ['orphan']]);
          const finalizers = [...(schema.metadata.finalizers ?? []), ...cascade];
          this.putSchema({
            ...schema,
            metadata: { ...schema.metadata, deletionTimestamp: this.now(), finalizers },
          });
        }
        return;
      case 'suspends or resumes a Job': {
        const job = [...this.jobs.values()].at(-1);
        if (job !== undefined && !isFinished(job)) {
          this.putJob({ ...job, spec: { ...job.spec, suspend: !job.spec.suspend } });
        }
        return;
      }
      case 'makes or lifts a policy':
        this.refusesCourtesies = trace.next(2) === 1;
        this.hadPolicy ||= this.refusesCourtesies;
        return;
      case 'wipes the status': {
        const { status: _status, ...rest } = schema;
        this.putSchema(rest);
        this.refused = undefined;
        this.#wiped += 1;
        return;
      }
      case 'had a newer operator':
        this.putSchema({
          ...schema,
          status: { ...schema.status, recordedRevision: NEWER, databaseHeads: [NEWER] },
        });
        return;
      case 'changes the record':
        if (schema.status?.recordedRevision !== undefined) {
          const recordedRevision = trace.pick(['ocata01', 'mitaka02', 'mitaka01', 'liberty']);
          this.putSchema({ ...schema, status: { ...schema.status, recordedRevision } });
        }
        return;
      case 'restores the status of another':
        this.putSchema({ ...schema, status: this.#statusOfAnother() });
        this.refused = undefined;
        this.#wiped += 1;
        return;
      case 'restores':
        this.#restore();
        return;
      case 'names an image':
        this.#editSpec(schema, { job: trace.next(2) === 1 ? { image: NO_IMAGE } : {} });
        return;
      case 'moves the database':
        this.#editSpec(schema, { database: { secretRef: { name: trace.pick(SECRETS), key: 'connection' } } });
        return;
      case 'breaks or mends a webhook':
        this.webhookAway = trace.next(2) === 1;
        return;
      case 'sets or lifts a window': {
        const window = trace.pick([undefined, ...WINDOWS]);
        const { schedule = '', duration = '', timeZone = '' } = window ?? {};
        this.#editSpec(schema, {
          window: window === undefined ? undefined : { schedule, duration, timeZone },
        });
        return;
      }
      case 'asks for approval or not':
        this.#editSpec(schema, { approval: trace.pick(['Manual', 'Automatic']) });
        return;
      case 'approves': {
        const { hash, mostRows = 0, to = '' } = schema.status?.plan ?? {};
        // The plan of another resource, of another database, of another goal: each for the very same start.
        const planned = {
          schema: schema.metadata.uid,
          secret: SECRETS[0],
          from: this.position,
          to,
          mostRows,
        };
        const others = [
          { ...planned, schema: 'another' },
          { ...planned, secret: SECRETS[1] },
          { ...planned, to: 'mitaka01' },
        ].map(planHash);
        this.#editSpec(schema, {
          approval: 'Manual',
          approvedPlan: trace.pick([hash, hash, hash, ...others, undefined]),
        });
        return;
      }
      case 'waits for a roll-out or not':
        this.#editSpec(schema, { contractAfter: trace.pick([undefined, ...GATES]) });
        return;
      case 'rolls out, or back':
        this.#isRolledBack &&= trace.next(8) > 0;
        if (this.#isRolledBack) {
          return;
        }
        this.#workloads.set(
          trace.pick(['glance-api', 'glance-cache']),
          trace.pick(['new', 'old', 'under way', 'missing', 'forbidden', 'unreadable']),
        );
        return;
      case 'asks for drift checks or not':
        this.#editSpec(schema, { drift: trace.pick([undefined, ...DRIFTS]) });
        return;
      case 'has a drift check come due':
        // Else it would be hours away.
        if (schema.status?.drift?.nextCheckAt !== undefined) {
          const drift = { ...schema.status.drift, nextCheckAt: this.now() };
          this.putSchema({ ...schema, status: { ...schema.status, drift } });
        }
        return;
      case 'drifts or is fixed':
        this.#database.drifted = trace.next(2) === 1;
        return;
      case 'migrates by hand':
        if (!this.#isInUse && this.#database.at >= 0 && this.#database.at < POSITIONS.length - 1) {
          this.#database.at += 1;
          this.#moveQuietly();
        }
        return;
      case 'restores quietly':
        if (!this.#isInUse && this.#database.at >= 0) {
          this.#database.at -= 1;
          this.#database.applied.clear();
          this.#moveQuietly();
        }
        return;
      case 'asks for backups or not':
        this.#editSpec(schema, { backup: this.#anyBackup() });
        return;
      case 'writes rows':
        this.#database.rows = trace.pick(ROWS);
        return;
      case 'cuts the database off':
        this.#awayUntil = this.clock + trace.next(120_000);
        return;
      case 'takes memory':
        this.#tightUntil = this.clock + trace.next(120_000);
        return;
      case 'breaks or mends the database':
        this.#fails = trace.pick([undefined, 'MigrationFailed', 'PartiallyApplied']);
        return;
    }
  }

  /** Somebody rolls out new nodes, as soon as the operator waits for them. */
  #rollOut(): void {
    const ready = this.schema?.status?.conditions?.[0]?.reason;
    if (
      this.#isRolledBack ||
      ready !== 'WaitingForRollOut' ||
      !(this.#rollsOut || this.trace.happens('nodes are rolled out', 8))
    ) {
      return;
    }
    for (const name of this.#workloads.keys()) {
      this.#workloads.set(name, this.trace.pick(['new', 'under way']));
    }
  }

  /** What somebody writes in `spec.backup`. */
  #anyBackup(): BackupSpec | undefined {
    const { trace } = this;
    const policy = trace.pick([undefined, 'BeforeUpgrade', 'BeforeUpgrade', 'None'] as const);
    return policy === undefined
      ? undefined
      : {
          policy,
          volumeClaimName: trace.pick(CLAIMS),
          retain: trace.pick([1, 2, 3]),
          ...(trace.happens('backup by an image that nobody has', 10) ? { image: NO_IMAGE } : {}),
        };
  }

  /** Somebody waits for plans, and approves each. */
  #approve(): void {
    const { schema } = this;
    const hash = schema?.status?.plan?.hash;
    if (
      schema !== undefined &&
      hash !== undefined &&
      specOf(schema).approvedPlan !== hash &&
      (this.#approvesAll || this.trace.happens('a plan is approved', 4))
    ) {
      this.#editSpec(schema, { approvedPlan: hash });
    }
  }

  /**
   * As a backup has it, of a resource that was there before under another UID, or somebody pastes
   * it.
   */
  #statusOfAnother(): GlanceSchemaStatus {
    const at = this.trace.next(POSITIONS.length);
    const { revision = '', phase = 'Contract' } = POSITIONS[at] ?? {};
    return {
      recordedRevision: revision,
      recordedPhase: phase,
      recordedFrom: `${SECRETS[0]}/connection`,
      databaseHeads: [...headsAt(at)],
      job: {
        name: migrationJobName({ name: NAME, namespace: NAMESPACE, uid: 'another' }, 1 + at),
        uid: 'uid-of-another',
        purpose: 'Migrate',
        sequence: 1 + at,
        attempt: 1,
        generation: 1,
        startedAt: this.now(),
        finishedAt: this.now(),
      },
      backups: [
        {
          file: FOREIGN_BACKUP,
          revision: REVISIONS[at] ?? '',
          phase: 'Contract',
          takenAt: this.now(),
          bytes: 1000,
          sha256: 'b'.repeat(64),
          tables: 1,
          rows: 1,
          volumeClaimName: CLAIMS[0],
          job: 'another',
        },
      ],
    };
  }

  /** The CRD's rule lets no lower revision in than the recorded one; an older CRD has no rule. */
  #editSpec(schema: SchemaObject, edit: Partial<Spec>): void {
    const spec = { ...specOf(schema), ...edit };
    const place = (revision: string | undefined) => [...REVISIONS, NEWER].indexOf(revision ?? '');
    const changed = spec.revision !== specOf(schema).revision;
    const lower =
      spec.revision !== undefined && place(spec.revision) < place(schema.status?.recordedRevision);
    const refused = changed && lower && !this.trace.happens('the CRD is an older one', 10);
    if (schema.metadata.deletionTimestamp !== undefined || refused) {
      return;
    }
    const generation = (schema.metadata.generation ?? 1) + 1;
    this.putSchema({ ...schema, metadata: { ...schema.metadata, generation }, spec });
  }

  /**
   * A backup is restored while no migration runs, and the annotation is set, as the runbook has it.
   */
  #restore(): void {
    if (this.#isInUse || this.#database.at < 1) {
      return;
    }
    this.#database.at -= 1;
    this.#database.applied.clear();
    this.restoredAt = this.clock;
    this.tell();
  }

  get #isInUse(): boolean {
    return [...this.pods.values()].some((pod) => !hasEnded(pod.object));
  }

  #moveQuietly(): void {
    this.restoredAt = this.clock;
    this.movedQuietly = true;
    this.wasMovedQuietly = true;
  }

  /** Somebody asks for the database to be read again. */
  tell(): void {
    const { schema } = this;
    this.movedQuietly = false;
    if (schema !== undefined) {
      const annotations = { ...schema.metadata.annotations, [OBSERVE_ANNOTATION]: this.version() };
      this.putSchema({ ...schema, metadata: { ...schema.metadata, annotations } });
    }
  }

  /** Somebody mends every schema that a migration stops at. */
  mend(): void {
    if (this.schema !== undefined && specOf(this.schema).drift?.beforeMigration === 'Block') {
      for (const database of this.#databases.values()) {
        database.drifted = false;
      }
    }
  }

  /** Whether the schema of the database has drifted. */
  get hasDrifted(): boolean {
    return this.#database.drifted;
  }

  /** When the last pod of a Job ended, in milliseconds. */
  leftAt(uid: string): number {
    return this.#leftAt.get(uid)?.at ?? 0;
  }

  /**
   * The garbage collector's share in a deletion: in the foreground it deletes what the schema owns,
   * or it takes the owner off.
   */
  #collect(schema: SchemaObject): void {
    const { deletionTimestamp, finalizers = [] } = schema.metadata;
    const cascade = CASCADES.find((each) => finalizers.includes(each));
    if (
      deletionTimestamp === undefined ||
      cascade === undefined ||
      this.trace.happens('collector is slow', 2)
    ) {
      return;
    }
    for (const job of [...this.jobs.values()].filter((each) => isOwnedBy(each, schema))) {
      if (cascade === 'orphan') {
        this.putJob({ ...job, metadata: { ...job.metadata, ownerReferences: [] } });
        continue;
      }
      if (!isFinished(job) && !this.#owned.has(job.metadata.uid)) {
        throw new Error(`A deletion in the foreground ends ${job.metadata.name}`);
      }
      this.deleteJob(job.metadata.uid, 'Foreground');
    }
    const others = finalizers.filter((each) => each !== cascade);
    this.putSchema({ ...schema, metadata: { ...schema.metadata, finalizers: others } });
  }

  /** The owner that an older operator gave a Job as it made it. */
  ownersOf(uid: string, job: JobObject): Pick<JobObject['metadata'], 'ownerReferences'> {
    if (!this.trace.happens('an older operator made it', 20)) {
      return {};
    }
    this.#owned.set(uid, this.moment);
    return { ownerReferences: [{ uid: schemaOf(job), name: NAME, controller: true }] };
  }

  // What must hold.

  /**
   * An operator that tells of a Job at work, in a pass that began so many changes ago, has taken
   * its owner off, if it may.
   */
  checkDisowned(uid: string, began: number): void {
    const job = this.jobs.get(uid);
    const owned = job?.metadata.ownerReferences?.length && (this.#owned.get(uid) ?? 0) < began;
    const pods = this.#podsOf(uid);
    // What a sidecar keeps has ended.
    const isHeld = pods.length > 0 && pods.every(({ object }) => hasEnded(object));
    if (job !== undefined && owned && !isFinished(job) && !isHeld && !this.hadPolicy) {
      throw new Error(`${job.metadata.name} is at work, and a deletion would end it`);
    }
  }

  /**
   * The schema goes, and takes its Jobs with it: a controller that does this has seen everything
   * that was at work when its pass began, so many changes ago.
   */
  checkGone(schema: string, began: number): void {
    const pod = [...this.pods.values()].find(
      ({ object, process, killAt, madeAfter }) =>
        object.metadata.labels?.[SCHEMA_UID_LABEL] === schema &&
        process !== undefined &&
        killAt === undefined &&
        madeAfter < began,
    );
    if (pod !== undefined) {
      throw new Error(`The schema is released though ${pod.object.metadata.name} is at work`);
    }
  }

  /**
   * The result of a Job is stored, by a pass that began so many changes ago: it is what the last of
   * its pods left, if that is there.
   */
  checkResult(status: GlanceSchemaStatus, before: GlanceSchemaStatus, began: number): void {
    const { job } = status;
    const recorded = recordOf(status);
    const { uid = '', failure } = job ?? {};
    const pod = this.#podsOf(uid).find(
      ({ object, killAt, endedAfter = began, broken }) =>
        broken !== true && object.status?.phase === 'Succeeded' && killAt === undefined && endedAfter < began,
    );
    if (pod !== undefined && failure?.reason === NO_RESULT) {
      throw new Error(`What ${pod.object.metadata.name} left is not taken`);
    }
    if ((this.#leftAfter.get(uid) ?? 0) >= began) {
      // Another pod of it has ended since the pass read the pods.
      return;
    }
    const at = this.#left.get(uid) ?? -1;
    const left = nameAt(at);
    const isRead = failure === undefined || failure.databaseRead;
    if (job?.purpose === 'DriftCheck') {
      this.#checkDriftCheck(status, before, isRead ? at : undefined);
      return;
    }
    if (isRead && recorded !== left) {
      throw new Error(`${job?.name} is said to have left the database at ${recorded}, and it was ${left}`);
    }
  }

  /**
   * The result of a drift check is stored: the record follows it forwards and never back, and the
   * condition is what it has found; of one that has read nothing, all is as it was.
   */
  #checkDriftCheck(status: GlanceSchemaStatus, before: GlanceSchemaStatus, at: number | undefined): void {
    const { job, drift, conditions } = status;
    const known = POSITIONS.findIndex((each) => formatPosition(each) === recordOf(before));
    const isBehind = at !== undefined && at < known;
    // What was read of one database is not the record of another, nor is another resource's status.
    const left = this.#leftAt.get(job?.uid ?? '');
    const isMoved =
      before.job?.uid === 'uid-of-another' ||
      (before.recordedFrom !== undefined &&
        before.recordedFrom !== `${left?.secret ?? SECRETS[0]}/connection`);
    const expected = at === undefined || isBehind ? recordOf(before) : nameAt(at);
    if (known >= 0 && !isMoved && recordOf(status) !== expected) {
      throw new Error(`After ${job?.name} the record is ${recordOf(status)} instead of ${expected}`);
    }
    const isTold = conditions?.some(({ type }) => type === 'SchemaDrift') === true;
    const isFound = left?.drifted === true || drift?.behindMessage !== undefined;
    if (at !== undefined && drift !== undefined && isTold !== isFound) {
      throw new Error(
        `${job?.name} has ${isFound ? '' : 'not '}found drift, and the condition says otherwise`,
      );
    }
  }

  /**
   * A Job is made, in a pass that began so many changes ago: it has seen every pod that was there
   * then, and waits for its end.
   */
  checkAlone(schema: string | undefined, began: number): void {
    const pod = [...this.pods.values()].find(
      ({ object, madeAfter }) =>
        object.metadata.labels?.[SCHEMA_UID_LABEL] === schema && madeAfter < began && !hasEnded(object),
    );
    if (pod !== undefined) {
      throw new Error(`A Job is made though ${pod.object.metadata.name} may be at work`);
    }
  }

  /** A status is stored: what it says of plans is what has happened. */
  checkPlan({ job, plan, conditions }: GlanceSchemaStatus): void {
    const reason = conditions?.find(({ type }) => type === 'Ready')?.reason;
    const isChanged = job?.failure?.reason === 'PlanChanged';
    if (isChanged && plan !== undefined) {
      throw new Error(`The plan of ${job.name} stays, which found another`);
    }
    if (reason === 'AwaitingApproval' && (plan === undefined || plan.revisions.length === 0)) {
      throw new Error('Approval is waited for, and there is nothing to approve');
    }
    if (isChanged) {
      this.refused = this.#changed.get(job.uid);
    } else if (reason === 'UpToDate' || (job?.purpose === 'Migrate' && job.finishedAt !== undefined)) {
      this.refused = undefined;
    }
  }

  /**
   * A status takes the place of another, in a pass that began so many changes ago: it lists what was
   * reported and nothing else, and loses only what the claim does not keep.
   */
  checkBackups(
    { backups: before = [] }: GlanceSchemaStatus,
    { backups: after = [], job }: GlanceSchemaStatus,
    began: number,
  ): void {
    const files = after.map(({ file }) => file);
    if (new Set(files).size < files.length || files.some((file) => !this.#reportedBackups.has(file))) {
      throw new Error(`Backups are listed that were not reported: ${files.join(', ')}`);
    }
    const isFull = files.length === this.#retained.get(job?.uid ?? '');
    const lost = before.find(({ file }) => !files.includes(file));
    if (lost !== undefined && (!isFull || files[0] === before[0]?.file)) {
      throw new Error(`Backup ${lost.file} is not listed any more`);
    }
    if (job?.finishedAt === undefined || this.stored.has(job.uid)) {
      return;
    }
    for (const { backup } of this.#podsOf(job.uid)) {
      const { result, endedAfter = 0 } = backup ?? {};
      if (typeof result === 'object' && endedAfter < began && !files.includes(result.file) && !isFull) {
        throw new Error(`Backup ${result.file} was reported and is not listed`);
      }
    }
  }

  /**
   * A controller that takes a Job away, in a pass that began so many changes ago, has seen the
   * processes that ran then.
   */
  checkTakenAway(job: string, began: number): void {
    const pod = this.#podsOf(job).find(
      ({ process, backup }) =>
        (process !== undefined && process.startedAfter < began) ||
        (backup?.state === 'at work' && backup.startedAfter < began),
    );
    if (pod !== undefined) {
      throw new Error(`The Job of ${pod.object.metadata.name} is taken away though that is at work`);
    }
  }

  #check(): void {
    const live = [...this.pods.values()].filter(
      ({ object }) =>
        !hasEnded(object) && !this.#inKnownRace.has(object.metadata.uid) && !this.#late.has(ownerOf(object)),
    );
    const perSchema = Map.groupBy(live, (pod) => pod.object.metadata.labels?.[SCHEMA_UID_LABEL]);
    for (const pods of perSchema.values()) {
      if (pods.length > 1) {
        throw new Error(
          `Two migrators at once: ${pods.map((pod) => pod.object.metadata.name).join(' and ')}`,
        );
      }
    }
    for (const { applied } of this.#databases.values()) {
      for (const [script, times] of applied) {
        if (times > 1) {
          throw new Error(`${script} was applied ${times} times`);
        }
      }
    }
  }
}

/** What users write, as far as they write it here. */
interface Spec {
  readonly revision: string | undefined;
  readonly suspend: boolean;
  readonly window?: Window | undefined;
  readonly approval?: 'Automatic' | 'Manual';
  readonly approvedPlan?: string | undefined;
  readonly contractAfter?: readonly Workload[] | undefined;
  readonly drift?: { readonly interval?: string; readonly beforeMigration?: 'Report' | 'Block' } | undefined;
  readonly backup?: BackupSpec | undefined;
  readonly job: { readonly image?: string };
  readonly database: { readonly secretRef: { readonly name: string; readonly key: string } };
}

/** How the window of a spec is at a time in milliseconds, reckoned without a calendar. */
export function windowAt({ window }: Spec, time: number): 'none' | 'open' | 'closed' | 'far' | 'invalid' {
  const { open, ...known } = WINDOWS.find(({ schedule }) => schedule === window?.schedule) ?? { open: 0 };
  switch ('schedule' in known ? known.schedule : undefined) {
    case undefined:
      return 'none';
    case FAR_WINDOW?.schedule:
      return 'far';
    case NO_WINDOW?.schedule:
      return 'invalid';
    default:
      return time % 600_000 < open ? 'open' : 'closed';
  }
}

/** The hash of a plan, as any migrator reckons it. */
export function planHash(planned: Planned): string {
  const { schema, secret, from, to, mostRows } = planned;
  return createHash('sha256')
    .update(JSON.stringify([schema, secret, from ?? null, to, mostRows]))
    .digest('hex');
}

function plannedBy(pod: SimulatedPod, target: Position): Omit<Planned, 'mostRows'> {
  return {
    schema: pod.object.metadata.labels?.[SCHEMA_UID_LABEL] ?? '',
    secret: pod.secret,
    from: nameAt(pod.database.at),
    to: formatPosition(target),
  };
}

/** What a pod reports that plans. */
function planIn(pod: SimulatedPod): MigrationReport['plan'] {
  const { plans } = pod.purpose ?? {};
  if (plans === undefined) {
    return undefined;
  }
  const { rows, at } = pod.database;
  const mostRows = 10 * rows + 10_000;
  return {
    hash: planHash({ ...plannedBy(pod, plans), mostRows }),
    steps: POSITIONS.slice(at + 1, indexOf(plans) + 1).map(formatPosition),
    rows,
    mostRows,
    locks: [],
    warnings: [],
  };
}

/** The kubelet's word of a container that waits for those before it. */
const INITIALIZING = { waiting: { reason: 'PodInitializing' } } as const;

/** Whether something of ours runs in a pod. */
function hasProcess({ process, backup }: SimulatedPod): boolean {
  return process !== undefined || backup?.state === 'at work';
}

/** Where a backup was asked for, nothing is written before it is there. */
function checkBackedUp({ object, asksForBackup, backup, process }: SimulatedPod): void {
  const { result } = backup ?? {};
  // An image that says nothing of what it did is not ours to check.
  const isThere =
    typeof result === 'object' ||
    result === 'unproven' ||
    // Somebody else may have moved an empty or finished database before the migration began.
    (result === 'not needed' && (process?.from === -1 || process?.from !== backup?.foundAt));
  if (asksForBackup && !isThere) {
    throw new Error(`${object.metadata.name} writes, and has taken no backup`);
  }
}

/** What a report says of a backup. */
function reportedAs({ file, at, takenAt }: Pick<StoredBackup, 'file' | 'at' | 'takenAt'>): ReportedBackup {
  const position = positionAt(at) ?? { revision: '', phase: 'Contract' };
  return { file, bytes: 1000, sha256: 'b'.repeat(64), position, tables: 1, rows: 1, takenAt };
}

/** The UID of the Job that controls a pod; empty where none does. */
function ownerOf({ metadata }: PodObject): string {
  return metadata.ownerReferences?.[0]?.uid ?? '';
}

/** The UID of the schema that a Job works for. */
export function schemaOf({ metadata }: JobObject): string {
  return metadata.labels?.[SCHEMA_UID_LABEL] ?? '';
}

function isOwnedBy({ metadata }: JobObject, schema: SchemaObject): boolean {
  return metadata.ownerReferences?.some(({ uid }) => uid === schema.metadata.uid) ?? false;
}

export function specOf(schema: SchemaObject): Spec {
  return schema.spec as Spec;
}

/** Where a status says that the database is; undefined where it does not. */
export function recordOf({
  recordedRevision,
  recordedPhase = 'Contract',
}: GlanceSchemaStatus): string | undefined {
  return recordedRevision && formatPosition({ revision: recordedRevision, phase: recordedPhase });
}

function positionAt(index: number): Position | null {
  return POSITIONS[index] ?? null;
}

function nameAt(index: number): string | undefined {
  const position = POSITIONS[index];
  return position && formatPosition(position);
}

function indexOf({ revision, phase }: Position): number {
  return POSITIONS.findIndex((each) => each.revision === revision && each.phase === phase);
}

/** The index of a revision that is whole; -1 for one that nobody supports. */
function wholeAt(revision: string): number {
  return indexOf({ revision, phase: 'Contract' });
}

function headsAt(index: number): readonly string[] {
  const { revision, phase } = POSITIONS[index] ?? {};
  return revision === undefined ? [] : [phase === 'Contract' ? revision : 'ocata_expand01'];
}

/** A workload of three nodes, whatever its kind. */
function aWorkload(name: string, state: 'old' | 'new' | 'under way'): WorkloadObject {
  const updated = state === 'under way' ? 2 : 3;
  return {
    metadata: {
      name,
      namespace: NAMESPACE,
      uid: name,
      resourceVersion: '0',
      creationTimestamp: '2026-11-23T06:00:00Z',
      generation: 2,
    },
    spec: {
      replicas: 3,
      template: { spec: { containers: [{ image: state === 'old' ? 'glance-api:old' : NEW_NODES }] } },
    },
    status: {
      observedGeneration: 2,
      replicas: 3,
      updatedReplicas: updated,
      availableReplicas: 3,
      terminatingReplicas: 0,
      desiredNumberScheduled: 3,
      updatedNumberScheduled: updated,
      numberAvailable: 3,
    },
  };
}
