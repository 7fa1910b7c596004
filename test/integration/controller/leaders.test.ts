import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import { type Environment, startEnvironment } from '../../../lab/kubernetes/environment.ts';
import { climb, FLEET_REVISIONS, type Fleet, startFleet } from '../../../lab/kubernetes/fleet.ts';
import { LEASE, type Replicas, startReplicas } from '../../../lab/kubernetes/replicas.ts';
import { eventually } from '../../../lab/process/eventually.ts';
import { random } from '../../../lab/process/random.ts';

const RESOURCES = 20;
const KILLS = 5;
/**
 * How many resources an operator works on at once; so many Jobs can be under way when it is killed.
 */
const WORKERS = 4;
const TARGETS = FLEET_REVISIONS.slice(0, 3);

describe('two replicas whose leaders are killed', () => {
  let environment: Environment;
  let fleet: Fleet;
  let replicas: Replicas;

  before(async () => {
    environment = await startEnvironment();
    fleet = await startFleet(environment, 'fleet', RESOURCES);
    replicas = await startReplicas(environment.api, 2, () => environment.operator([], { standby: true }));
  });

  after(async () => {
    await replicas?.stop();
    await fleet?.stop();
    await environment?.stop();
  });

  it(`${RESOURCES} resources, ${KILLS} kills at random moments: one Job for each target, no result lost`, async () => {
    const seed = Number(process.env.SEED ?? Date.now() % 2 ** 31);
    console.log(`      SEED=${seed}`);
    const next = random(seed);
    await climb(
      fleet,
      () => TARGETS,
      () => next() * 1_000,
    );
    for (let kill = 0; kill < KILLS; kill += 1) {
      await replicas.leader();
      await sleep(next() * 3_000);
      // Without it the next one waits for the 15 s after which the Lease of the dead one ends.
      await replicas.killLeader(() => environment.api.request('DELETE', LEASE));
    }
    await eventually(() => expect(fleet.jobs.size).to.equal(RESOURCES * TARGETS.length), {
      timeoutMilliseconds: 120_000,
    });
    await fleet.settled(60_000);
    expect(await fleet.faults()).to.deep.equal([]);
    // Of a Job whose maker was killed before it heard the answer, the audit log need not say 201.
    const answered = environment.plane
      .auditEvents({ verb: 'create', resource: 'jobs', stage: 'ResponseComplete' })
      .filter(({ responseStatus }) => responseStatus?.code === 201)
      .map(({ objectRef }) => objectRef?.name);
    expect(answered.length, 'Jobs in the audit log').to.be.at.least(fleet.jobs.size - KILLS * WORKERS);
    expect([...fleet.jobs.values()].map(({ name }) => name)).to.include.members(answered);
  });
});
