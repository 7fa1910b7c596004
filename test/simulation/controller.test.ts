import { expect } from 'chai';
import fc from 'fast-check';
import type { SchemaObject } from '../../src/controller/cluster.ts';
import { hasEnded } from '../../src/controller/observe.ts';
import { reconciler, type StoredStatus } from '../../src/controller/reconcile.ts';
import { newResult } from '../../src/controller/schema-metrics.ts';
import { Crash, SimulatedCluster } from './simulated-cluster.ts';
import { tapeOf } from './tape.ts';
import { KEY, NAME, NO_IMAGE, specOf, World } from './world.ts';

/** One process of the operator: it works on the key when it is dirty or due. */
class Controller {
  readonly #world: World;
  readonly #meanwhile: () => Promise<void>;
  #cluster: SimulatedCluster;
  #reconcile: ReturnType<typeof reconciler>;
  #due = Number.POSITIVE_INFINITY;
  #working = false;
  /** How far its clock is off, in milliseconds. */
  #skew = 0;
  #time = 0;

  constructor(world: World, meanwhile: () => Promise<void>) {
    this.#world = world;
    this.#meanwhile = meanwhile;
    this.#cluster = new SimulatedCluster(world, this.#lookedAt, meanwhile);
    this.#reconcile = this.#start();
  }

  #start(): ReturnType<typeof reconciler> {
    const now = () => {
      this.#time = this.#world.clock + this.#skew;
      return new Date(this.#time);
    };
    const onStored = ({ before, after }: StoredStatus) => {
      const ended = newResult(before, after);
      if (ended !== undefined) {
        this.#world.count(ended);
      }
    };
    return reconciler({ cluster: this.#cluster, defaultImage: 'glance-schema', now, onStored });
  }

  /** What its clock said when it last looked. */
  readonly #lookedAt = (): number => this.#time;

  setClock(skew: number): void {
    this.#skew = skew;
    this.#cluster.clockSet();
  }

  catchUp(most: number): void {
    this.#cluster.catchUp(most);
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
      if (outcome.kind === 'again') {
        this.#due = this.#world.clock + 1000;
      } else if (outcome.lookAgainAfter !== undefined) {
        this.#due = this.#world.clock + outcome.lookAgainAfter;
      }
    } catch (error) {
      if (error instanceof Crash) {
        this.#cluster = new SimulatedCluster(this.#world, this.#lookedAt, this.#meanwhile);
        this.#reconcile = this.#start();
      } else if (error instanceof Error && /^the (request|answer) never arrived$/.test(error.message)) {
        this.#due = this.#world.clock + 1000;
      } else {
        throw error;
      }
    } finally {
      this.#working = false;
    }
  }
}

/** A history: faults and edits as the tape has them, then peace until nothing happens any more. */
async function live(numbers: readonly number[]): Promise<World> {
  const tape = tapeOf(numbers);
  const world = new World(tape);
  const controllers: Controller[] = [];
  let depth = 0;

  /** What may happen between any two steps of a controller, a pass of another one included. */
  async function meanwhile(): Promise<void> {
    if (depth > 2) {
      return;
    }
    depth += 1;
    for (let events = tape.next(4); events > 0; events -= 1) {
      await anything();
    }
    depth -= 1;
  }

  async function anything(): Promise<void> {
    const controller = tape.pick([first, second]);
    switch (tape.next(9)) {
      case 1:
        return world.edit();
      case 2:
      case 3:
        return controller.catchUp(1 + tape.next(5));
      case 4:
        return controller.pass();
      case 5:
        return controller.setClock(tape.pick([0, -3_600_000, 3_600_000]));
      default:
        return world.step();
    }
  }

  const first = new Controller(world, meanwhile);
  const second = new Controller(world, meanwhile);
  controllers.push(first, second);
  world.database = tape.next(3) - 1;
  world.createSchema(tape.pick(['ocata01', 'mitaka01', 'mitaka02']));
  while (!tape.ended) {
    await anything();
    const controller = tape.pick([first, second]);
    controller.catchUp(1 + tape.next(20));
    await controller.pass();
  }
  first.setClock(0);
  await peace(world, first);
  return world;
}

/** With no more faults, one controller alone brings everything to rest, and then writes nothing. */
async function peace(world: World, controller: Controller): Promise<void> {
  let still = 0;
  for (let round = 0; still < 50; round += 1) {
    if (round > 3000) {
      throw new Error(`It never comes to rest: ${tell(world)}`);
    }
    const before = world.moment;
    world.step();
    controller.catchUp(100);
    await controller.pass();
    still = world.moment === before && !waits(world) ? still + 1 : 0;
  }
  const writes = world.writes;
  for (let round = 0; round < 20; round += 1) {
    world.step();
    controller.catchUp(100);
    await controller.pass();
  }
  expect(world.writes, `writes at rest: ${tell(world)}`).to.equal(writes);
}

/** Whether a process is at work, or the status names a time at which something more is to be done. */
function waits(world: World): boolean {
  if ([...world.pods.values()].some((pod) => pod.process !== undefined)) {
    return true;
  }
  const message = world.schema?.status?.conditions?.[0]?.message ?? '';
  return message.includes('The next attempt is at') || message.includes('does not take Job');
}

function tell(world: World): string {
  return JSON.stringify({
    database: world.database,
    schema: world.schema,
    jobs: [...world.jobs.values()].map(({ metadata, spec, status }) => [
      metadata.name,
      spec,
      status?.conditions,
    ]),
    pods: [...world.pods.values()].map(({ object }) => [object.metadata.name, object.status?.phase]),
  });
}

/** What must hold once all is at rest. */
function expectRest(world: World): void {
  const { schema } = world;
  const what = tell(world);
  const alive = [...world.pods.values()].filter((pod) => !hasEnded(pod.object));
  const image = schema === undefined ? undefined : specOf(schema).job.image;
  const deleted = schema?.metadata.deletionTimestamp !== undefined;
  if (schema !== undefined && !deleted && image === NO_IMAGE && alive.length > 0) {
    expect(alive.map((pod) => pod.image)).to.deep.equal([image]);
    expect(reasonOf(schema), what).to.equal('JobBlocked');
    return;
  }
  expect(alive, what).to.deep.equal([]);
  if (schema === undefined) {
    return;
  }
  expect(schema.metadata.name).to.equal(NAME);
  expect(schema.metadata.finalizers ?? [], what).to.deep.equal([]);
  const ready = schema.status?.conditions?.find((condition) => condition.type === 'Ready');
  expect(schema.status?.observedGeneration, what).to.equal(schema.metadata.generation);
  expect(schema.status?.progress, what).to.equal(undefined);
  if (specOf(schema).suspend) {
    expect(reasonOf(schema), what).to.equal('Suspended');
  } else {
    expect(schema.status?.recordedRevision, `the record is the database: ${what}`).to.equal(world.revision);
    expect(ready?.status === 'True', `Ready is the truth: ${what}`).to.equal(
      world.revision === specOf(schema).revision,
    );
  }
  for (const job of world.jobs.values()) {
    expect(job.spec.ttlSecondsAfterFinished, `${job.metadata.name} has its TTL: ${what}`).to.equal(86_400);
  }
}

function reasonOf(schema: SchemaObject): string | undefined {
  return schema.status?.conditions?.find((condition) => condition.type === 'Ready')?.reason;
}

const RUNS = Number(process.env.SIMULATIONS ?? (process.env.CI === undefined ? 2000 : 10_000));

/**
 * `SEED=N SIMULATIONS=M` replays a run that failed; `SHRINK=1` looks for the shortest history that fails likewise, which
 * takes minutes.
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
