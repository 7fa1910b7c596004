import type { GlanceSchemaStatus, Workload } from '../../src/contract/glance-schema.ts';
import {
  BACKUP_CONTAINER_NAME,
  CONNECTION_VARIABLE,
  DRIFT_CHECK_SEQUENCE_ANNOTATION,
  FINALIZER,
  OBSERVE_ANNOTATION,
  PURPOSE_ANNOTATION,
  RESERVED_SEQUENCE_ANNOTATION,
  RETRY_ANNOTATION,
  SCHEMA_UID_LABEL,
} from '../../src/contract/names.ts';
import { agrees } from '../../src/glance/detect.ts';
import { formatPosition, ordinal } from '../../src/glance/position.ts';
import { withoutUndefined } from '../../src/glance/without-undefined.ts';
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
  WorkloadReading,
} from '../../src/operator/kube/cluster.ts';
import { hasEnded, isFinished } from '../../src/operator/reconcile/facts/observe.ts';
import { migrationJobName, type Purpose, parsePurpose } from '../../src/operator/reconcile/job/job.ts';
import { SimulatedWatch } from './simulated-watch.ts';
import {
  EXPANDED,
  KEY,
  NEWER,
  REVISIONS,
  recordOf,
  schemaOf,
  specOf,
  type World,
  windowAt,
} from './world.ts';

/** No attempt follows a failed one sooner, in milliseconds. */
const SHORTEST_PAUSE = 5_000;

/** The same after a refusal: five seconds less a fifth. */
const SHORTEST_PAUSE_AFTER_REFUSAL = 4_000;

/** Failures in this world that no further attempt betters. */
const FINAL: readonly string[] = ['MigrationFailed', 'PartiallyApplied', 'DowngradeNotSupported'];

interface EnvironmentVariable {
  readonly name: string;
  readonly valueFrom?: { readonly secretKeyRef?: { readonly name: string } };
}

interface JobSpec {
  readonly template: {
    readonly spec: {
      readonly initContainers?: readonly {
        readonly name: string;
        readonly image: string;
        readonly args: readonly string[];
      }[];
      readonly volumes?: readonly {
        readonly persistentVolumeClaim?: { readonly claimName: string };
      }[];
      readonly containers: readonly [
        {
          readonly image: string;
          readonly args: readonly string[];
          readonly env: readonly EnvironmentVariable[];
        },
      ];
    };
  };
}

/** The Secret that leads to the database. */
function secretOf({ template }: JobSpec): { readonly secret?: string } {
  const variable = template.spec.containers[0].env.find(({ name }) => name === CONNECTION_VARIABLE);
  const secret = variable?.valueFrom?.secretKeyRef?.name;
  return withoutUndefined({ secret });
}

/** The backup that a Job has taken before its migration. */
function backupOf({ template }: JobSpec): { readonly backup?: { claim: string; image: string } } {
  const { initContainers = [], volumes = [] } = template.spec;
  const claim = volumes.flatMap((volume) => volume.persistentVolumeClaim?.claimName ?? [])[0];
  const step = initContainers.find(({ name }) => name === BACKUP_CONTAINER_NAME);
  return step === undefined || claim === undefined ? {} : { backup: { claim, image: step.image } };
}

function sequenceOf({ metadata }: JobObject): number {
  return parsePurpose(metadata.annotations?.[PURPOSE_ANNOTATION])?.sequence ?? 0;
}

/** Names one spec of one schema. */
function wantedBy({ metadata }: SchemaObject): string {
  return `${metadata.uid} ${metadata.generation}`;
}

/** The process dies here; nothing of it goes on. */
export class Crash extends Error {}

/**
 * A controller's view of the world: a cache that lags behind, and requests that can fail in every
 * way.
 */
export class SimulatedCluster implements Cluster {
  readonly #world: World;
  readonly #clock: () => number;
  readonly #meanwhile: () => Promise<void>;
  readonly #schemas: SimulatedWatch<SchemaObject>;
  readonly #jobs: SimulatedWatch<JobObject>;
  readonly #pods: SimulatedWatch<PodObject>;
  /** The pods that it saw alive when it last read them. */
  #alive: readonly PodObject[] = [];
  /** How many changes there were when it last looked for pods. */
  #podsReadAfter = 0;
  /** How many changes there were when this pass began. */
  #began = 0;
  /** The workloads that were read in this pass, and whether they were rolled out then. */
  readonly #rolledOut = new Map<string, boolean>();
  /**
   * What was wanted, and when it was, in milliseconds, that a Job was last refused; undefined once
   * its clock has jumped.
   */
  #refused: { readonly wanted: string; readonly at: number } | undefined;
  /** Whether a Job was refused in this pass whose finalizer is on. */
  #holds = false;
  /** What was wanted when a Job was last refused. */
  #refusedFor: string | undefined;
  /** The schema as it was when the place for the next Job was noted. */
  #fenced: SchemaObject | undefined;
  /** The plan that a migration had refused last, at that time. */
  #refusedPlan: World['refused'];
  /** Set when a key should be reconciled. */
  dirty = true;

  /**
   * @param clock what the controller's clock said when it last reconciled, in milliseconds
   * @param meanwhile what happens in the world while a request is on its way
   */
  constructor(world: World, clock: () => number, meanwhile: () => Promise<void>) {
    this.#world = world;
    this.#clock = clock;
    this.#meanwhile = meanwhile;
    this.#schemas = new SimulatedWatch('schemas', world.trace, () => world.schemas, world.schemaChanges);
    this.#jobs = new SimulatedWatch('Jobs', world.trace, () => world.jobs, world.jobChanges);
    this.#pods = new SimulatedWatch('pods', world.trace, () => world.podObjects(), world.podChanges);
  }

  /** Takes in up to so many changes of each collection; the watches know nothing of one another. */
  catchUp(most: number): void {
    for (const watch of [this.#schemas, this.#jobs, this.#pods]) {
      this.dirty = watch.catchUp(most) || this.dirty;
    }
  }

  clockSet(): void {
    this.#refused = undefined;
  }

  schema(key: string): SchemaObject | undefined {
    this.#began = this.#world.moment;
    this.#holds = false;
    this.#rolledOut.clear();
    return key === KEY ? this.#schemas.objects()[0] : undefined;
  }

  sharersOf(): readonly SchemaObject[] {
    return [];
  }

  jobsOf(schemaUid: string): readonly JobObject[] {
    return this.#jobs.objects().filter((job) => schemaOf(job) === schemaUid);
  }

  leftoversOf(key: string): readonly JobObject[] {
    const [, uid = ''] = key.split('/');
    this.#began = this.#world.moment;
    return this.#schemas.objects().some(({ metadata }) => metadata.uid === uid) ? [] : this.jobsOf(uid);
  }

  async isGone(_namespace: string, schemaUid: string): Promise<boolean> {
    return this.#request(() => !this.#world.schemas.has(schemaUid));
  }

  /** UIDs of schemas that are not there, and have Jobs that are. */
  leftovers(): readonly string[] {
    const known = this.#schemas.objects().map(({ metadata }) => metadata.uid);
    return [...new Set(this.#jobs.objects().map(schemaOf))].filter((uid) => !known.includes(uid));
  }

  podsOf(schemaUid: string): readonly PodObject[] {
    const pods = this.#pods.objects().filter((pod) => pod.metadata.labels?.[SCHEMA_UID_LABEL] === schemaUid);
    this.#alive = pods.filter((pod) => !hasEnded(pod));
    return pods;
  }

  async readJob(_namespace: string, name: string): Promise<JobObject | undefined> {
    return this.#request(() => {
      const job = this.#world.jobNamed(name);
      if (job !== undefined) {
        this.#jobs.remember(job);
      }
      return job;
    });
  }

  async readPods(_namespace: string, schemaUid: string): Promise<readonly PodObject[]> {
    return this.#request(() => {
      this.#podsReadAfter = this.#world.moment;
      const pods = [...this.#world.pods.values()]
        .map((pod) => pod.object)
        .filter((pod) => pod.metadata.labels?.[SCHEMA_UID_LABEL] === schemaUid);
      this.#alive = pods.filter((pod) => !hasEnded(pod));
      return pods;
    });
  }

  async readWorkload(_namespace: string, workload: Workload): Promise<WorkloadReading> {
    try {
      return await this.#request(() => {
        this.#rolledOut.set(workload.name, this.#world.hasNewNodes(workload));
        return this.#world.readWorkload(workload);
      });
    } catch (error) {
      if (error instanceof Crash) {
        throw error;
      }
      this.#rolledOut.set(workload.name, false);
      return { kind: 'unreadable', message: 'no answer', retryAfter: undefined };
    }
  }

  /** What a node says, if anything: it need not be true, nor ours. */
  async readLog(): Promise<string> {
    const { trace } = this.#world;
    switch (trace.next(5)) {
      case 1:
        throw new Error('the node is away');
      case 2:
        return `ocata_migrate01: ${trace.next(1000)} of 1000 rows\n`;
      case 3:
        return 'ocata_migrate01: 1000 rows moved after 1.00 s\n';
      case 4:
        return 'ocata_migrate01: 2000 of 1000 rows\nno_migration: 1 of 2 rows\n';
      default:
        return '';
    }
  }

  async patchMetadata(
    schema: SchemaObject,
    { finalizers, reservedSequence, forDriftCheck }: MetadataPatch,
  ): Promise<SchemaObject | Conflict | Refused> {
    const isRelease = reservedSequence === undefined && schema.metadata.deletionTimestamp === undefined;
    if (isRelease && this.#world.refusesCourtesies) {
      const refused = await this.#request((): Refused => ({ refused: 'a policy', transient: false }));
      this.#refuseFor(schema);
      return refused;
    }
    this.#checkPods(schema, finalizers, reservedSequence);
    const marked = await this.#write(schema, (current) => {
      this.#fenced = current;
      this.#refusedPlan = this.#world.refused;
      const { [RESERVED_SEQUENCE_ANNOTATION]: before, ...others } = current.metadata.annotations ?? {};
      const after =
        reservedSequence === undefined
          ? before
          : reservedSequence === null
            ? undefined
            : String(reservedSequence);
      const { [DRIFT_CHECK_SEQUENCE_ANNOTATION]: driftCheck, ...rest } = others;
      const annotations = {
        ...rest,
        ...(reservedSequence === undefined
          ? withoutUndefined({ [DRIFT_CHECK_SEQUENCE_ANNOTATION]: driftCheck })
          : {}),
        ...withoutUndefined({ [RESERVED_SEQUENCE_ANNOTATION]: after }),
        ...(forDriftCheck === true ? { [DRIFT_CHECK_SEQUENCE_ANNOTATION]: String(reservedSequence) } : {}),
      };
      return { ...current, metadata: { ...current.metadata, finalizers, annotations } };
    });
    if (marked !== 'conflict' && !finalizers.includes(FINALIZER)) {
      this.#refuseFor(schema);
    }
    return marked;
  }

  /** The place of a Job is given back once it was refused, and known to be. */
  #refuseFor(schema: SchemaObject): void {
    if (this.#holds) {
      this.#holds = false;
      this.#refusedFor = wantedBy(schema);
      this.#refused = { wanted: this.#refusedFor, at: this.#world.clock };
    }
  }

  async writeStatus(
    schema: SchemaObject,
    status: NonNullable<SchemaObject['status']>,
  ): Promise<SchemaObject | Conflict> {
    return this.#write(schema, (current) => {
      this.#checkReady(current, status);
      this.#checkRefusal(current, status);
      this.#world.checkPlan(status);
      this.#checkWaiting(current, status);
      this.#checkQuiet(current, status);
      this.#checkAccounted(current, status);
      this.#world.checkBackups(current.status ?? {}, status, this.#began);
      if (status.progress !== undefined && status.job?.finishedAt !== undefined) {
        throw new Error(`Progress is told of a Job that has ended (${schema.metadata.uid})`);
      }
      if (status.job !== undefined && current.status?.job?.uid === status.job.uid) {
        this.#world.checkDisowned(status.job.uid, this.#began);
      }
      if (status.job?.finishedAt !== undefined) {
        if (!this.#world.stored.has(status.job.uid)) {
          this.#world.checkResult(status, current.status ?? {}, this.#began);
        }
        this.#world.stored.add(status.job.uid);
        if (status.job.purpose !== 'DriftCheck' || status.job.failure?.databaseRead !== false) {
          // A pod may follow one whose word was taken, where a sidecar kept that.
          const { uid, finishedAt } = status.job;
          this.#world.readAt = Math.min(this.#world.leftAt(uid), Date.parse(finishedAt));
        }
      }
      return { ...current, status };
    });
  }

  async createJob(_namespace: string, job: object): Promise<JobCreation> {
    const { metadata, spec } = job as JobObject & { readonly spec: JobSpec };
    return this.#request((): JobCreation => {
      const existing = this.#world.jobNamed(metadata.name);
      if (existing !== undefined) {
        this.#jobs.remember(existing);
        return { kind: 'exists', job: existing };
      }
      this.#checkBackoff();
      if (this.#world.webhookAway) {
        this.#world.writes += 1;
        return { kind: 'unknown', message: 'failed calling webhook', retryAfter: undefined };
      }
      if (this.#world.trace.happens('quota', 20)) {
        this.#holds = true;
        return { kind: 'refused', message: 'exceeded quota' };
      }
      this.#checkStart(metadata.annotations?.[PURPOSE_ANNOTATION]);
      this.#checkArguments(metadata.annotations?.[PURPOSE_ANNOTATION], spec.template.spec.containers[0].args);
      this.#world.checkAlone(metadata.labels?.[SCHEMA_UID_LABEL], this.#began);
      this.#world.writes += 1;
      this.#world.knowRace(this.#podsReadAfter);
      const uid = this.#world.uid();
      const created = this.#world.putJob({
        metadata: {
          ...metadata,
          ...this.#world.ownersOf(uid, job as JobObject),
          uid,
          resourceVersion: '0',
          creationTimestamp: this.#world.now(),
        },
        spec: {},
        image: spec.template.spec.containers[0].image,
        args: spec.template.spec.containers[0].args,
        ...secretOf(spec),
        ...backupOf(spec),
        asksForBackup: this.#checkBackup(metadata.annotations?.[PURPOSE_ANNOTATION], spec),
      });
      // Stopped after it had noted the place of this Job; another has made it since, somebody has
      // deleted it, and there is a later one.
      if (this.#world.startingOf(created) > sequenceOf(created)) {
        this.#world.knowJobRace(created);
      }
      this.#jobs.remember(created);
      return { kind: 'created', job: created };
    });
  }

  async deleteJob(job: JobObject): Promise<Refused | undefined> {
    return this.#request(() => {
      const current = this.#world.jobs.get(job.metadata.uid);
      if (current?.metadata.resourceVersion === job.metadata.resourceVersion) {
        this.#world.writes += 1;
        this.#world.checkTakenAway(job.metadata.uid, this.#began);
        this.#world.deleteJob(job.metadata.uid);
      }
      return undefined;
    });
  }

  async setTtl(
    _namespace: string,
    job: JobReference,
    seconds: number,
    owner?: SchemaObject,
  ): Promise<Refused | undefined> {
    return this.#patchJob(job, (current) => {
      this.#checkStored(current);
      const { metadata, spec } = current;
      const ownerReferences =
        owner === undefined
          ? (metadata.ownerReferences ?? [])
          : [{ uid: owner.metadata.uid, name: owner.metadata.name, controller: true }];
      return {
        ...current,
        metadata: { ...metadata, ownerReferences },
        spec: { ...spec, ttlSecondsAfterFinished: seconds },
      };
    });
  }

  async disown(_namespace: string, job: JobReference): Promise<Refused | undefined> {
    return this.#patchJob(job, (current) => ({
      ...current,
      metadata: { ...current.metadata, ownerReferences: [] },
    }));
  }

  #patchJob(
    { name, uid }: JobReference,
    change: (job: JobObject) => JobObject,
  ): Promise<Refused | undefined> {
    return this.#request(() => {
      const job = this.#world.jobNamed(name);
      if (this.#world.refusesCourtesies) {
        return { refused: 'a policy', transient: false };
      }
      if (job?.metadata.uid === uid) {
        this.#world.writes += 1;
        this.#jobs.remember(this.#world.putJob(change(job)));
      }
      return undefined;
    });
  }

  notify(_schema: SchemaObject, _notice: SchemaEvent): void {}

  #write(
    schema: SchemaObject,
    change: (current: SchemaObject) => SchemaObject,
  ): Promise<SchemaObject | Conflict> {
    return this.#request((): SchemaObject | Conflict => {
      const current = this.#world.schemas.get(schema.metadata.uid);
      if (current === undefined || current.metadata.resourceVersion !== schema.metadata.resourceVersion) {
        return 'conflict';
      }
      const changed = change(current);
      this.#world.writes += 1;
      // The API server keeps the version of what does not change.
      if (JSON.stringify(changed) === JSON.stringify(current)) {
        return current;
      }
      if (changed.metadata.deletionTimestamp !== undefined && changed.metadata.finalizers?.length === 0) {
        this.#world.checkGone(changed.metadata.uid, this.#began);
      }
      const stored = this.#world.putSchema(changed);
      if (schema.metadata.deletionTimestamp === undefined) {
        this.#schemas.remember(stored);
      }
      return stored;
    });
  }

  /**
   * A Job that was refused is not asked for again at once, unless the spec has changed or the clock
   * has jumped.
   */
  #checkBackoff(): void {
    const refused = this.#refused;
    if (this.#fenced === undefined || refused?.wanted !== wantedBy(this.#fenced)) {
      return;
    }
    const since = this.#world.clock - refused.at;
    if (since < SHORTEST_PAUSE_AFTER_REFUSAL) {
      throw new Error(`A Job is asked for again ${since} ms after it was refused`);
    }
  }

  /**
   * What the user wants and what failed before, as they were when the place of this Job was noted,
   * must allow it.
   */
  #checkStart(annotation: string | undefined): void {
    const purpose = parsePurpose(annotation);
    const schema = this.#fenced;
    for (const job of this.#world.jobs.values()) {
      const isEarlier = sequenceOf(job) < (purpose?.sequence ?? 0);
      if (isEarlier && schemaOf(job) === schema?.metadata.uid && isFinished(job)) {
        this.#checkStored(job);
      }
    }
    if (purpose === undefined || schema === undefined) {
      return;
    }
    const believed = this.#believed(schema);
    const { recordedRevision, recordedPhase: phase = 'Contract' } = believed;
    if (purpose.target === null) {
      if (purpose.plans !== undefined) {
        checkPlanning(schema);
      }
      this.#checkPace(schema, purpose);
      return;
    }
    this.#checkApproval(schema, purpose);
    if (specOf(schema).revision === undefined) {
      throw new Error(`A migration is started though no revision is named (${schema.metadata.uid})`);
    }
    if (specOf(schema).revision === NEWER || recordedRevision === NEWER) {
      throw new Error(
        `A migration is started with a revision that is not supported (${schema.metadata.uid})`,
      );
    }
    if (specOf(schema).suspend) {
      throw new Error(`A migration is started though it is suspended (${schema.metadata.uid})`);
    }
    const window = windowAt(specOf(schema), this.#clock());
    if (window !== 'none' && window !== 'open') {
      throw new Error(`A migration is started though its window is ${window} (${schema.metadata.uid})`);
    }
    if (
      recordedRevision !== undefined &&
      ordinal(purpose.target) < ordinal({ revision: recordedRevision, phase })
    ) {
      throw new Error(`A migration is started to before what is recorded (${schema.metadata.uid})`);
    }
    this.#checkReserved(schema, purpose);
    this.#checkContract(schema, formatPosition(purpose.target));
    this.#checkPace(schema, purpose);
  }

  /** A drift check that was to be made, and was not, is no reason for a migration. */
  #checkReserved(schema: SchemaObject, { target, retry }: Purpose): void {
    const { annotations = {}, generation, uid } = schema.metadata;
    const { job, handledRetry, ...status } = this.#believed(schema);
    const reserved = annotations[RESERVED_SEQUENCE_ANNOTATION];
    const isDriftCheck = reserved !== undefined && reserved === annotations[DRIFT_CHECK_SEQUENCE_ANNOTATION];
    const isDone =
      job === undefined ||
      (job.finishedAt !== undefined && job.failure === undefined && job.generation === generation);
    const isThere = target !== null && recordOf(status) === formatPosition(target) && retry === handledRetry;
    if (isDriftCheck && isDone && isThere && Number(reserved) === (job?.sequence ?? 0) + 1) {
      throw new Error(`A migration is started for a drift check that was not made (${uid})`);
    }
  }

  /** A drift check only reads, and a migration stops at drift where the spec asks for that. */
  #checkArguments(annotation: string | undefined, args: readonly string[]): void {
    const kind = parsePurpose(annotation)?.kind;
    const schema = this.#fenced;
    if (kind === 'DriftCheck' && args.slice(0, 3).join(' ') !== 'db version --drift') {
      throw new Error(`A drift check runs ${args.join(' ')}`);
    }
    const block = schema === undefined ? undefined : specOf(schema).drift?.beforeMigration;
    if (kind === 'Migrate' && block === 'Block' && !args.join(' ').includes(' --drift block ')) {
      throw new Error(`A migration is started that does not stop at drift (${schema?.metadata.uid})`);
    }
  }

  /** Nothing is Ready while a migration may have been made that nobody knows of. */
  #checkAccounted({ metadata }: SchemaObject, { job, conditions }: GlanceSchemaStatus): void {
    const { annotations = {} } = metadata;
    const reserved = annotations[RESERVED_SEQUENCE_ANNOTATION] ?? '0';
    const ahead = Number(reserved) - (job?.sequence ?? 0);
    const isDriftCheck = reserved === annotations[DRIFT_CHECK_SEQUENCE_ANNOTATION] && ahead === 1;
    const isReady = conditions?.some(({ type, status }) => type === 'Ready' && status === 'True') === true;
    if (isReady && ahead > 0 && !isDriftCheck) {
      throw new Error(`Ready, though Job ${reserved} may have been made (${metadata.uid})`);
    }
  }

  /** A drift check takes nothing from who waits for Ready, as long as nothing else is wanted. */
  #checkQuiet({ metadata, status: before = {} }: SchemaObject, after: GlanceSchemaStatus): void {
    const { annotations = {}, generation, deletionTimestamp } = metadata;
    const isReady = ({ conditions }: GlanceSchemaStatus) =>
      conditions?.some(({ type, status }) => type === 'Ready' && status === 'True') === true;
    const nothingElse =
      after.job?.purpose === 'DriftCheck' &&
      before.observedGeneration === generation &&
      deletionTimestamp === undefined &&
      annotations[OBSERVE_ANNOTATION] === before.handledObserve &&
      recordOf(before) === recordOf(after) &&
      !contradictsItself(before);
    // An old cache may show an earlier Job at work, and lack that of the drift check, which somebody deleted.
    const [, named] = /Job (\S+?)[ .]/.exec(after.conditions?.[0]?.message ?? '') ?? [];
    const isOfAnother = named !== undefined && named !== after.job?.name;
    if (nothingElse && !isOfAnother && isReady(before) && !isReady(after)) {
      throw new Error(`A drift check takes Ready away (${metadata.uid})`);
    }
  }

  /** A drift check is made once in an interval, where nothing else is to be done. */
  #checkDriftCheck(schema: SchemaObject): void {
    const { metadata } = schema;
    const { drift: wanted, suspend, revision = '' } = specOf(schema);
    const believed = this.#believed(schema);
    const { drift, job, recordedRevision = '' } = believed;
    if (wanted?.interval === undefined || suspend) {
      throw new Error(`A drift check is made that nobody asks for (${metadata.uid})`);
    }
    if (!(Date.parse(drift?.nextCheckAt ?? '') <= this.#clock())) {
      throw new Error(`A drift check is made before its time (${metadata.uid})`);
    }
    const isPartWay = recordedRevision === revision && recordOf(believed) !== revision;
    const isDue = isPartWay || REVISIONS.indexOf(recordedRevision) < REVISIONS.indexOf(revision);
    if (
      job !== undefined &&
      job.generation === metadata.generation &&
      isDue &&
      job.purpose !== 'DriftCheck' &&
      (job.failure !== undefined || job.finishedAt === undefined)
    ) {
      throw new Error(`A drift check takes the place of what has failed (${metadata.uid})`);
    }
    const at = Date.parse(job?.finishedAt ?? job?.startedAt ?? '');
    const isAgain =
      job?.purpose === 'DriftCheck' && (job.finishedAt === undefined || job.failure?.databaseRead === false);
    if (isAgain && this.#clock() < at + SHORTEST_PAUSE) {
      throw new Error(`A drift check that failed is made again at once (${metadata.uid})`);
    }
  }

  /**
   * No contract starts while a workload that it waits for is not rolled out, and none starts in one
   * with what comes before it, which does not wait. An empty database has no nodes.
   */
  #checkContract(schema: SchemaObject, target: string): void {
    const { metadata } = schema;
    const { contractAfter } = specOf(schema);
    if (contractAfter === undefined) {
      if (target === EXPANDED) {
        throw new Error(`A migration stops before a contract that waits for nothing (${metadata.uid})`);
      }
      return;
    }
    const believed = this.#believed(schema);
    const recorded = recordOf(believed);
    if (target !== 'ocata01' || (recorded === undefined && believed.databaseHeads !== undefined)) {
      return;
    }
    if (recorded !== EXPANDED && recorded !== target) {
      throw new Error(`Contract starts of a database at ${recorded} (${metadata.uid})`);
    }
    const old = contractAfter.find(({ name }) => this.#rolledOut.get(name) !== true);
    if (old !== undefined) {
      throw new Error(`Contract starts, and ${old.name} is not rolled out (${metadata.uid})`);
    }
  }

  /** What is waited for is said in the pass that has seen it. */
  #checkWaiting(schema: SchemaObject, { conditions }: GlanceSchemaStatus): void {
    const isWaiting = conditions?.some(({ reason }) => reason === 'WaitingForRollOut') === true;
    const gates = specOf(schema).contractAfter ?? [];
    if (isWaiting && gates.every(({ name }) => this.#rolledOut.get(name) === true)) {
      throw new Error(`A roll-out is waited for that is done (${schema.metadata.uid})`);
    }
  }

  /**
   * A migration takes the backup that its spec asked for as its place was noted, and nothing else
   * takes any.
   *
   * @returns whether one was asked for
   */
  #checkBackup(annotation: string | undefined, job: JobSpec): boolean {
    const schema = this.#fenced;
    if (schema === undefined) {
      return false;
    }
    const { backup: wanted } = specOf(schema);
    const migrates = parsePurpose(annotation)?.target != null;
    const asks = migrates && wanted?.policy === 'BeforeUpgrade';
    const { backup } = backupOf(job);
    const claim = asks ? wanted.volumeClaimName : undefined;
    if (backup?.claim !== claim) {
      throw new Error(
        `A Job has a backup on ${backup?.claim}, and its spec on ${claim} (${schema.metadata.uid})`,
      );
    }
    return asks;
  }

  /**
   * What starts is what the user has approved, of this resource, from where the database was last
   * read to where it is wanted now.
   */
  #checkApproval(schema: SchemaObject, { approved, target, retry }: Purpose): void {
    const { metadata } = schema;
    const { approval, approvedPlan, database, job } = specOf(schema);
    const believed = this.#believed(schema);
    const { plan } = believed;
    if (approval !== 'Manual') {
      if (approved !== undefined) {
        throw new Error(`A plan is named though nobody asks for one (${metadata.uid})`);
      }
      return;
    }
    if (approved === undefined || approved.hash !== approvedPlan) {
      throw new Error(`A migration is started that nobody has approved (${metadata.uid})`);
    }
    if (plan?.hash !== approved.hash || plan.mostRows !== approved.mostRows) {
      throw new Error(`A migration is started by a plan that the status has not (${metadata.uid})`);
    }
    if (plan.to !== (target && formatPosition(target)) || plan.from !== recordOf(believed)) {
      throw new Error(`A migration is started by a plan of another way (${metadata.uid})`);
    }
    if (plan.database !== `${database.secretRef.name}/${database.secretRef.key}`) {
      throw new Error(`A migration is started by a plan of another database (${metadata.uid})`);
    }
    if (plan.image !== (job.image ?? 'glance-schema')) {
      throw new Error(`A migration is started by a plan of another image (${metadata.uid})`);
    }
    const refused = this.#refusedPlan;
    if (refused?.hash === approved.hash && refused.retry === retry) {
      throw new Error(`A plan that was refused is tried again (${metadata.uid})`);
    }
  }

  /**
   * What failed is tried again after a while, if at all, unless something new is wanted; a reading
   * may follow a migration at once.
   */
  #checkPace(schema: SchemaObject, { kind, attempt, target, plans }: Purpose): void {
    if (kind === 'DriftCheck') {
      this.#checkDriftCheck(schema);
      return;
    }
    const { metadata } = schema;
    const { job, handledRetry, handledObserve } = this.#believed(schema);
    const retry = metadata.annotations?.[RETRY_ANNOTATION];
    const nothingNew =
      job !== undefined &&
      job.generation === metadata.generation &&
      (retry === undefined || retry === handledRetry);
    // What follows a drift check is paced by nothing before it.
    if (job === undefined || !nothingNew || job.purpose === 'DriftCheck') {
      return;
    }
    if (job.finishedAt === undefined) {
      const reads = kind === 'Observe' && job.purpose !== kind;
      if (!reads && this.#isEarly(schema, job.startedAt)) {
        throw new Error(`A Job that is gone is made again at once (${metadata.uid})`);
      }
      return;
    }
    if (job.failure === undefined) {
      const asks = metadata.annotations?.[OBSERVE_ANNOTATION] !== handledObserve;
      // Somebody may change the record again each time that it was read.
      const isContradicted = kind === 'Observe' && contradictsItself(schema.status);
      // A Job that was reserved, and perhaps made and lost, may have been at work since.
      const reserved = Number(metadata.annotations?.[RESERVED_SEQUENCE_ANNOTATION] ?? 0);
      // A contract that waits is a migration of its own, with a plan of its own; of a database that was
      // thought empty it is known only once it was read.
      const goal = target ?? plans;
      const isContract = specOf(schema).contractAfter !== undefined && goal?.revision === 'ocata01';
      // A plan that finds the database elsewhere than it was read is of another way.
      const isElsewhere = this.#world.wasMovedQuietly;
      if (
        job.purpose === kind &&
        !asks &&
        !isElsewhere &&
        !isContradicted &&
        !isContract &&
        reserved <= job.sequence
      ) {
        throw new Error(`Another Job follows one that succeeded (${metadata.uid})`);
      }
      return;
    }
    if (job.purpose === kind && attempt !== job.attempt + 1) {
      throw new Error(`Attempt ${attempt} follows attempt ${job.attempt} (${metadata.uid})`);
    }
    if (job.purpose !== kind && kind === 'Observe') {
      return;
    }
    const { reason } = job.failure;
    // Somebody has contracted what was to be expanded only: what is left to do is tried.
    const isOvertaken = specOf(schema).contractAfter !== undefined && reason === 'DowngradeNotSupported';
    if (kind === 'Migrate' && FINAL.includes(reason) && !isOvertaken) {
      throw new Error(`${reason} is final, and it is tried again (${metadata.uid})`);
    }
    if (this.#isEarly(schema, job.finishedAt)) {
      throw new Error(`It is tried again at once after ${reason} (${metadata.uid})`);
    }
  }

  /**
   * Whether it has not waited after what happened then; to a clock that is behind that is still to
   * come, and the status has the wait.
   */
  #isEarly({ status }: SchemaObject, happened: string): boolean {
    const at = Date.parse(happened);
    const now = this.#clock();
    return now < at ? !(Date.parse(status?.nextAttemptAt ?? '') <= now) : now < at + SHORTEST_PAUSE;
  }

  /** A status of another object tells nothing of this one. */
  #believed({ metadata, status = {} }: SchemaObject): GlanceSchemaStatus {
    const { job } = status;
    return job === undefined || job.name === migrationJobName(metadata, job.sequence) ? status : {};
  }

  /** Nothing happens to a Job, nor after it, before its result is in the status. */
  #checkStored(job: JobObject): void {
    const { metadata } = job;
    const uid = schemaOf(job);
    const owner = this.#world.schemas.get(uid);
    // Beside a Job that was made too late that of the right place looks old; another reads the
    // database then.
    const goes =
      owner === undefined || owner.metadata.deletionTimestamp !== undefined || this.#world.hadLateJob(uid);
    if (!goes && !this.#world.stored.has(metadata.uid)) {
      throw new Error(`The result of ${metadata.name} is not stored yet, and it goes on (${metadata.uid})`);
    }
  }

  /** Beside a pod that it knows to be alive it makes no Job, nor lets go of the finalizer. */
  #checkPods(
    schema: SchemaObject,
    finalizers: readonly string[],
    reservedSequence: MetadataPatch['reservedSequence'],
  ): void {
    const letsGo = schema.metadata.finalizers?.includes(FINALIZER) && !finalizers.includes(FINALIZER);
    const [pod] = this.#alive;
    if (pod !== undefined && (letsGo || reservedSequence != null)) {
      throw new Error(`${pod.metadata.name} is known to be alive (${schema.metadata.uid})`);
    }
  }

  /** What is told of a refused Job is of what is wanted now, and the resource is not held by it. */
  #checkRefusal(schema: SchemaObject, { conditions }: NonNullable<SchemaObject['status']>): void {
    const reported = conditions?.some(({ message }) => message.includes('refused to create Job')) ?? false;
    if (reported && this.#holds) {
      throw new Error(`A refused Job holds up its resource (${schema.metadata.uid})`);
    }
    // An old cache may show the Job before it at work: what the status says is then left as it is.
    const seemsAtWork = this.jobsOf(schema.metadata.uid).some((job) => !isFinished(job));
    if (reported && !seemsAtWork && this.#refusedFor !== wantedBy(schema)) {
      throw new Error(`What is wanted now was never refused (${schema.metadata.uid})`);
    }
  }

  /**
   * Ready=True must be the truth when it is written, unless a user restored a backup that nobody
   * has read, or a Job was made too late beside another.
   */
  #checkReady(schema: SchemaObject, status: NonNullable<SchemaObject['status']>): void {
    const ready = status.conditions?.find((condition) => condition.type === 'Ready');
    const inKnownRace =
      this.#world.readAt <= this.#world.restoredAt || this.#world.hadLateJob(schema.metadata.uid);
    const isBehind = status.drift?.behindMessage !== undefined;
    if (ready?.status === 'True' && !inKnownRace && !isBehind && this.#world.position !== recordOf(status)) {
      throw new Error(`Ready, though the database is not at ${recordOf(status)} (${schema.metadata.uid})`);
    }
  }

  /**
   * A request takes a while, and can fail before or after it took effect; so can the process that
   * makes it.
   */
  async #request<T>(effect: () => T): Promise<T> {
    const { trace } = this.#world;
    await this.#meanwhile();
    const fate = trace.choose({
      'all is well': 20,
      'crash before the request': 1,
      'request lost': 1,
      'crash after the request': 1,
      'answer lost': 1,
    });
    if (fate === 'crash before the request') {
      throw new Crash(fate);
    }
    if (fate === 'request lost') {
      throw new Error('the request never arrived');
    }
    const result = effect();
    await this.#meanwhile();
    if (fate === 'crash after the request') {
      throw new Crash(fate);
    }
    if (fate === 'answer lost') {
      throw new Error('the answer never arrived');
    }
    return result;
  }
}

/** A plan is made only where somebody is to approve it, and a migration is due. */
function checkPlanning(schema: SchemaObject): void {
  const { approval, suspend, revision } = specOf(schema);
  if (approval !== 'Manual' || suspend || revision === undefined || revision === NEWER) {
    throw new Error(`A plan is made that nobody waits for (${schema.metadata.uid})`);
  }
}

/** Whether the record of a status is not what the rows beside it say. */
function contradictsItself({
  recordedRevision,
  recordedPhase,
  databaseHeads = [],
}: GlanceSchemaStatus = {}): boolean {
  return (
    recordedRevision !== undefined &&
    !agrees({ revision: recordedRevision, phase: recordedPhase ?? 'Contract' }, databaseHeads)
  );
}
