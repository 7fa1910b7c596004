import { expect } from 'chai';
import fc from 'fast-check';
import { RETRY_ANNOTATION } from '../../src/contract/names.ts';
import type { SchemaObject } from '../../src/operator/kube/cluster.ts';
import { hasEnded, isFinished } from '../../src/operator/reconcile/facts/observe.ts';
import { newResult } from '../../src/operator/reconcile/metrics.ts';
import { isFinal } from '../../src/operator/reconcile/policies/attempts.ts';
import { reconciler } from '../../src/operator/reconcile/reconciler.ts';
import type { StoredStatus } from '../../src/operator/reconcile/status-writer.ts';
import { exponentialBackoff } from '../../src/operator/time/backoff.ts';
import { Crash, SimulatedCluster } from './simulated-cluster.ts';
import { traceOf } from './trace.ts';
import {
  EXPANDED,
  KEY,
  NAME,
  NAMESPACE,
  NEWER,
  NO_IMAGE,
  planHash,
  recordOf,
  schemaOf,
  specOf,
  World,
  windowAt,
} from './world.ts';

/** No attempt is further away, in milliseconds, and no further try of what was refused. */
const LONGEST_PAUSE = 300_000;
const LONGEST_PUT_OFF = 3_600_000;

/** Between two drift checks, in milliseconds: what is further away may be of a clock that was ahead. */
const SHORTEST_INTERVAL = 600_000;

/** One process of the operator: it works on the key when it is dirty or due. */
class Controller {
  readonly #world: World;
  readonly #meanwhile: () => Promise<void>;
  #cluster: SimulatedCluster;
  #reconcile: ReturnType<typeof reconciler>;
  #due = Number.POSITIVE_INFINITY;
  #working = false;
  /** Passes in a row that have to be made again. */
  #failures = 0;
  /** How far its clock is off, in milliseconds. */
  #skew = 0;
  #time = 0;

  constructor(world: World, meanwhile: () => Promise<void>) {
    this.#world = world;
    this.#meanwhile = meanwhile;
    this.#cluster = new SimulatedCluster(world, this.#clock, meanwhile);
    this.#reconcile = this.#start();
  }

  #start(): ReturnType<typeof reconciler> {
    const now = () => {
      this.#time = this.#world.clock + this.#skew;
      return new Date(this.#time);
    };
    const onStored = ({ before, after, answered }: StoredStatus) => {
      const ended = answered ? newResult(before, after) : undefined;
      if (ended !== undefined) {
        this.#world.count(ended);
      }
    };
    return reconciler({
      cluster: this.#cluster,
      defaultImage: { name: 'glance-schema', pullSecrets: [] },
      now,
      onStored,
    });
  }

  /** What its clock said when it last reconciled. */
  readonly #clock = (): number => this.#time;

  /** When it reconciles again though nothing happens, in milliseconds. */
  get due(): number {
    return this.#due;
  }

  /** Another process takes its place, and begins with what there is. */
  restart(): void {
    this.#cluster = new SimulatedCluster(this.#world, this.#clock, this.#meanwhile);
    this.#reconcile = this.#start();
  }

  /** The slow resync: every key is reconciled, though nothing has happened. */
  resync(): void {
    this.#cluster.dirty = true;
  }

  setClock(skew: number): void {
    this.#skew = skew;
    this.#cluster.clockSet();
  }

  catchUp(most: number): void {
    this.#cluster.catchUp(most);
  }

  /** As the work queue does it. */
  #putOff(): void {
    this.#failures += 1;
    this.#due = this.#world.clock + exponentialBackoff(this.#failures, { first: 50, most: 60_000 }, () => 0);
  }

  /** One pass, if there is a cause for one and none is under way. */
  async pass(): Promise<void> {
    if (this.#working || !(this.#cluster.dirty || this.#due <= this.#world.clock)) {
      return;
    }
    this.#working = true;
    this.#cluster.dirty = false;
    this.#due = Number.POSITIVE_INFINITY;
    try {
      const outcome = await this.#reconcile(KEY);
      for (const uid of this.#cluster.leftovers()) {
        const left = await this.#reconcile(`${NAMESPACE}/${uid}`);
        if (left.kind === 'done' && left.requeueAfter !== undefined) {
          this.#due = Math.min(this.#due, this.#world.clock + left.requeueAfter);
        }
      }
      if (outcome.kind === 'requeue') {
        this.#putOff();
      } else {
        this.#failures = 0;
        const { requeueAfter = Number.POSITIVE_INFINITY } = outcome;
        const longest = this.#world.hadPolicy ? LONGEST_PUT_OFF : LONGEST_PAUSE;
        if (requeueAfter > longest && requeueAfter !== Number.POSITIVE_INFINITY) {
          throw new Error(`It reconciles again after ${requeueAfter} ms only`);
        }
        this.#due = Math.min(this.#due, this.#world.clock + requeueAfter);
      }
    } catch (error) {
      if (error instanceof Crash) {
        this.restart();
      } else if (error instanceof Error && /^the (request|answer) never arrived$/.test(error.message)) {
        this.#putOff();
      } else {
        throw error;
      }
    } finally {
      this.#working = false;
    }
  }
}

/**
 * A history: faults and edits as the trace has them, then quiescence until nothing happens any
 * more.
 */
async function live(numbers: readonly number[]): Promise<World> {
  const trace = traceOf(numbers);
  const world = new World(trace);
  const controllers: Controller[] = [];
  let depth = 0;
  /** For how many turns no operator is there. */
  let away = 0;

  /** What may happen between any two steps of a controller, a pass of another one included. */
  async function meanwhile(): Promise<void> {
    if (depth > 2) {
      return;
    }
    depth += 1;
    // A process can be stopped for long, and go on with what it knew before.
    for (let events = trace.happens('paused', 60) ? trace.next(60) : trace.next(4); events > 0; events -= 1) {
      await anything();
    }
    depth -= 1;
  }

  async function anything(): Promise<void> {
    const controller = trace.pick([first, second]);
    switch (trace.choose({ step: 4, edit: 1, 'catch up': 2, pass: 1, 'set clock': 1 })) {
      case 'step':
        return world.step();
      case 'edit':
        return world.edit();
      case 'catch up':
        return controller.catchUp(1 + trace.next(5));
      case 'pass':
        return away > 0 ? undefined : controller.pass();
      case 'set clock':
        return controller.setClock(trace.pick([0, -3_600_000, 3_600_000]));
    }
  }

  const first = new Controller(world, meanwhile);
  const second = new Controller(world, meanwhile);
  controllers.push(first, second);
  world.begin();
  while (!trace.ended) {
    await anything();
    if (away > 0 || trace.happens('no operator is there', 60)) {
      away = away > 0 ? away - 1 : trace.next(60);
      continue;
    }
    const controller = trace.pick([first, second]);
    controller.catchUp(1 + trace.next(20));
    await controller.pass();
  }
  first.setClock(0);
  if (Date.parse(world.schema?.status?.drift?.nextCheckAt ?? '') > world.clock + SHORTEST_INTERVAL) {
    // The turn of a drift check that a clock which was ahead has put off is put right by the slow resync.
    first.resync();
  }
  if (world.webhookAway) {
    await outage(world, first);
  }
  if (world.refusesCourtesies) {
    await underPolicy(world, first);
  }
  await quiesce(world, first);
  return world;
}

/** As long as no Job can be made, one is asked for less and less often. */
async function outage(world: World, controller: Controller): Promise<void> {
  const before = world.writes;
  for (const end = world.clock + 120_000; world.clock < end; ) {
    world.step();
    controller.catchUp(100);
    await controller.pass();
  }
  // Twelve tries with doubled delays, and what there may have been to do before, up to the end of a
  // Job that was suspended.
  expect(world.writes - before, `writes in an outage: ${describeWorld(world)}`).to.be.at.most(50);
  world.webhookAway = false;
}

/** What a policy refuses holds up nothing else: all is as it will be, but for what is refused. */
async function underPolicy(world: World, controller: Controller): Promise<void> {
  world.mend();
  if (world.movedQuietly) {
    world.tell();
  }
  for (let rounds = 0, still = 0; still < 50; rounds += 1) {
    if (rounds > 3000) {
      throw new Error(`It never comes to rest under a policy: ${describeWorld(world)}`);
    }
    const before = world.moment;
    world.step();
    controller.catchUp(100);
    await controller.pass();
    still = world.moment === before && !world.isAtWork ? still + 1 : 0;
    // Tries of what is refused become rare.
    if (
      still > 10 &&
      controller.due - world.clock <= LONGEST_PAUSE &&
      !waitsForLong(world) &&
      nextCheckOf(world) === undefined
    ) {
      world.clock = Math.max(world.clock, controller.due);
      still = 0;
    }
  }
  expectRest(world);
  world.refusesCourtesies = false;
}

/** With no more faults, one controller alone brings everything to rest, and then writes nothing. */
async function quiesce(world: World, controller: Controller): Promise<void> {
  async function round(): Promise<void> {
    world.step();
    controller.catchUp(100);
    await controller.pass();
  }
  async function rest(): Promise<void> {
    let putOffs = 2;
    for (let rounds = 0, still = 0; still < 50; rounds += 1) {
      if (rounds > 3000) {
        throw new Error(`It never comes to rest: ${describeWorld(world)}`);
      }
      const before = world.moment;
      await round();
      still = world.moment === before && !world.isAtWork ? still + 1 : 0;
      const checksAt = nextCheckOf(world);
      if (still > 10 && (waitsForLong(world) || (checksAt !== undefined && world.hadPolicy)) && putOffs > 0) {
        // It reconciles every minute, and nothing comes of it; what a policy has refused is asked for
        // again.
        world.clock += LONGEST_PUT_OFF;
        putOffs -= 1;
        still = 0;
      } else if (still > 10 && checksAt !== undefined) {
        // Drift checks go on forever: one more, and the time before the next is quiet.
        if (
          !hasCheckedSince(world, began) &&
          (checksAt > world.clock || controller.due < Number.POSITIVE_INFINITY)
        ) {
          world.clock = Math.max(world.clock, checksAt > world.clock ? checksAt + 1000 : controller.due);
          still = 0;
        } else if (checksAt > world.clock && checksAt < world.clock + 120_000) {
          still = 11;
        }
      } else if (still > 10 && controller.due !== Number.POSITIVE_INFINITY && !waitsForLong(world)) {
        // Nothing happens before it reconciles again.
        world.clock = Math.max(world.clock, controller.due);
        still = 0;
      }
    }
  }
  const began = world.clock;
  world.mend();
  await rest();
  if (world.movedQuietly) {
    expectSeen(world, began);
    world.tell();
    await rest();
  }
  if (world.hadPolicy) {
    // Of Jobs whose schema is gone the slow resync asks again.
    controller.resync();
    await round();
  }
  const { writes } = world;
  for (let rounds = 0; rounds < 5; rounds += 1) {
    controller.resync();
    await round();
  }
  expect(world.writes, `writes at rest: ${describeWorld(world)}`).to.equal(writes);
  controller.restart();
  await round();
  expect(world.writes, `writes after a restart: ${describeWorld(world)}`).to.equal(writes);
}

/** When the next drift check is due, where nothing else is; in milliseconds. */
function nextCheckOf({ schema }: World): number | undefined {
  const { drift, nextAttemptAt, recordedRevision } = schema?.status ?? {};
  const reason = schema === undefined ? undefined : reasonOf(schema);
  const isQuiet = ['UpToDate', 'DowngradeNotSupported', 'AwaitingApproval'].includes(reason ?? '');
  return drift?.nextCheckAt === undefined || nextAttemptAt !== undefined || !recordedRevision || !isQuiet
    ? undefined
    : Date.parse(drift.nextCheckAt);
}

function hasCheckedSince({ schema }: World, time: number): boolean {
  return Date.parse(schema?.status?.drift?.checkedAt ?? '') >= time;
}

/** What somebody has done to the database and told nobody is seen by the drift checks. */
function expectSeen(world: World, since: number): void {
  const { status = {} } = world.schema ?? {};
  if (nextCheckOf(world) === undefined || !hasCheckedSince(world, since)) {
    return;
  }
  if (status.drift?.behindMessage === undefined) {
    expect(recordOf(status), `the record follows a drift check: ${describeWorld(world)}`).to.equal(
      world.position,
    );
  }
  const isTold = status.conditions?.some(({ type }) => type === 'SchemaDrift') === true;
  expect(isTold, `the condition is what is so: ${describeWorld(world)}`).to.equal(
    world.hasDrifted || status.drift?.behindMessage !== undefined,
  );
}

/**
 * For a window that does not open within a history, or nodes that are never rolled out: the operator
 * reconciles every minute, or more often, and does nothing.
 */
function waitsForLong(world: World): boolean {
  const { schema, clock } = world;
  const isLater = Date.parse(schema?.status?.nextAttemptAt ?? '') > clock + 24 * 3_600_000;
  // Nobody rolls out any more what it checks every ten seconds.
  return isLater || (schema !== undefined && waitsForRollOut(world, schema));
}

function waitsForRollOut(world: World, schema: SchemaObject): boolean {
  return reasonOf(schema) === 'WaitingForRollOut' && !world.isRolledOut(schema);
}

function describeWorld(world: World): string {
  return JSON.stringify({
    database: world.position,
    schema: world.schema,
    jobs: [...world.jobs.values()].map(({ metadata, spec, status }) => [
      metadata.name,
      spec,
      status?.conditions,
    ]),
    pods: [...world.pods.values()].map(({ object }) => [object.metadata.name, object.status?.phase]),
  });
}

/** Of a drift check the message says so, which leaves Ready as it is, unless something waits for its end. */
function expectHeldUp(schema: SchemaObject, what: string): void {
  const isTold = schema.status?.conditions?.[0]?.message?.includes('The drift check is held up.') === true;
  const isDriftCheck = schema.status?.job?.purpose === 'DriftCheck' && isTold;
  expect(isDriftCheck ? 'JobBlocked' : reasonOf(schema), what).to.equal('JobBlocked');
}

/** What must hold once all is at rest. */
function expectRest(world: World): void {
  const { schema } = world;
  const what = describeWorld(world);
  const alive = [...world.pods.values()].filter((pod) => !hasEnded(pod.object));
  const { job, backup } = schema === undefined ? {} : specOf(schema);
  const images = [job?.image, backup?.policy === 'BeforeUpgrade' ? backup.image : undefined];
  const deleted = schema?.metadata.deletionTimestamp !== undefined;
  if (schema !== undefined && !deleted && images.includes(NO_IMAGE) && alive.length > 0) {
    expect(alive).to.have.length(1);
    expect([alive[0]?.image, alive[0]?.backup?.image]).to.include(NO_IMAGE);
    expectHeldUp(schema, what);
    return;
  }
  // What its container left counts already where others keep the pod.
  const known = schema?.status?.job;
  const suspended = [...world.jobs.values()].filter(
    (job) =>
      job.spec.suspend &&
      !isFinished(job) &&
      (known?.uid !== job.metadata.uid || known.finishedAt === undefined),
  );
  if (schema !== undefined && !deleted && suspended.length > 0) {
    expectHeldUp(schema, what);
    expect(schema.status?.conditions?.[0]?.message, what).to.include('is suspended');
    return;
  }
  expect(alive, what).to.deep.equal([]);
  if (schema === undefined) {
    return;
  }
  expect(schema.metadata.name).to.equal(NAME);
  if (!world.refusesCourtesies) {
    expect(schema.metadata.finalizers ?? [], what).to.deep.equal([]);
  }
  expect(schema.status?.observedGeneration, what).to.equal(schema.metadata.generation);
  expect(schema.status?.progress, what).to.equal(undefined);
  if (world.hadLateJob(schema.metadata.uid) && recordOf(schema.status ?? {}) !== world.position) {
    // It has moved the database beside the Job of the right place, whose word counts; see
    // `World.knowRace`.
    return;
  }
  const reason = reasonAtRest(world, schema);
  expect(reasonOf(schema), what).to.equal(reason);
  if (reason === 'UpToDate') {
    expect(schema.status, what).not.to.have.any.keys('plan', 'refusedPlan');
  }
  if (!['Suspended', 'RevisionNotFound', 'WindowInvalid', 'DatabaseNewer'].includes(reason)) {
    expect(recordOf(schema.status ?? {}), `the record is the database: ${what}`).to.equal(world.position);
  }
  if (world.refusesCourtesies) {
    return;
  }
  for (const job of world.jobs.values()) {
    if (schemaOf(job) === schema.metadata.uid) {
      const owners = job.metadata.ownerReferences?.map(({ uid }) => uid);
      expect(owners, `${job.metadata.name} has its owner: ${what}`).to.deep.equal([schema.metadata.uid]);
    }
    expect(job.spec.ttlSecondsAfterFinished, `${job.metadata.name} has its TTL: ${what}`).to.be.oneOf([
      600, 3600, 86_400, 604_800,
    ]);
  }
}

/**
 * What must be said of the resource, by what is wanted, where the database is, and what has failed
 * for good.
 */
function reasonAtRest(world: World, schema: SchemaObject): string {
  const { revision, suspend } = specOf(schema);
  const { job, recordedRevision, handledRetry } = schema.status ?? {};
  if (suspend) {
    return 'Suspended';
  }
  if (revision === NEWER || revision === undefined) {
    return 'RevisionNotFound';
  }
  const window = windowAt(specOf(schema), world.clock);
  if (window === 'invalid') {
    return 'WindowInvalid';
  }
  if (recordedRevision === NEWER) {
    return 'DatabaseNewer';
  }
  if (world.isPast(revision)) {
    return 'DowngradeNotSupported';
  }
  if (world.position === revision) {
    return 'UpToDate';
  }
  const isTried =
    job?.generation === schema.metadata.generation &&
    handledRetry === schema.metadata.annotations?.[RETRY_ANNOTATION];
  const hasFailed = isTried && isFinal(job?.failure?.reason ?? '');
  if (!hasFailed && revision === 'ocata01' && world.position === EXPANDED && !world.isRolledOut(schema)) {
    return 'WaitingForRollOut';
  }
  if (!hasFailed && specOf(schema).approval === 'Manual' && !isApproved(world, schema)) {
    return 'AwaitingApproval';
  }
  if (window === 'far' && !hasFailed) {
    return 'OutsideWindow';
  }
  // Nothing else may keep the database from where it is wanted.
  expect(job?.generation, 'what failed is what is wanted now').to.equal(schema.metadata.generation);
  expect(handledRetry, 'what failed is the newest try').to.equal(
    schema.metadata.annotations?.[RETRY_ANNOTATION],
  );
  return job?.failure?.reason ?? 'a failure';
}

/** Whether the plan of the status, which is what would run now, is approved. */
function isApproved(world: World, schema: SchemaObject): boolean {
  const { plan, refusedPlan, handledRetry } = schema.status ?? {};
  const retry = schema.metadata.annotations?.[RETRY_ANNOTATION];
  const isAskedFor = retry !== undefined && retry !== handledRetry;
  const { approvedPlan, database } = specOf(schema);
  const { uid } = schema.metadata;
  const secret = database.secretRef.name;
  const mostRows = plan?.mostRows ?? 0;
  expect(plan?.hash, 'the plan is what would run').to.equal(
    planHash({ schema: uid, secret, from: world.position, to: world.nextOf(schema), mostRows }),
  );
  return plan?.hash === approvedPlan && (plan?.hash !== refusedPlan || isAskedFor);
}

function reasonOf(schema: SchemaObject): string | undefined {
  return schema.status?.conditions?.find((condition) => condition.type === 'Ready')?.reason;
}

const RUNS = Number(process.env.SIMULATIONS ?? (process.env.CI === undefined ? 2000 : 10_000));

/**
 * `SEED=N SIMULATIONS=M` replays a run that failed; `SHRINK=1` looks for the shortest history that
 * fails in the same way, which takes minutes.
 */
describe('the controller in simulated histories', function () {
  this.timeout(3_600_000);

  it(`never two migrators, no result lost, the status is the database in the end: ${RUNS} histories`, async () => {
    const seed = process.env.SEED === undefined ? Date.now() % 2 ** 31 : Number(process.env.SEED);
    console.log(`      SEED=${seed}`);
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.nat(1_000_000), { minLength: 50, maxLength: 1200, size: 'max' }),
        async (numbers) => {
          expectRest(await live(numbers));
        },
      ),
      { numRuns: RUNS, seed, endOnFailure: process.env.SHRINK === undefined },
    );
  });
});
