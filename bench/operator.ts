// `make bench-operator`: many GlanceSchemas on a real control plane, as Markdown tables.
//
// node bench/operator.ts [--resources N] [--minutes N] [--rest-minutes N] [--part apply|rest|kills|burst]... [--seed N]
// node bench/operator.ts --part burst [--sizes 200,1000,5000] [--runs N] [--peer DIR] [--beside 'COMMAND --kubeconfig {kubeconfig}']
// node bench/operator.ts --part scale [--sizes 1000,10000] [--rest-seconds 60] [--peer DIR] [--plots FOLDER]
//
// The node is the stand-in of lab/kubernetes. See docs/performance.md.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { type Environment, startEnvironment } from '../lab/kubernetes/environment.ts';
import {
  applySchema,
  climb,
  FLEET_REVISIONS,
  type Fleet,
  type Member,
  readyReason,
  startFleet,
} from '../lab/kubernetes/fleet.ts';
import { type Operator, startOperator } from '../lab/kubernetes/operator.ts';
import { type Replicas, startReplicas } from '../lab/kubernetes/replicas.ts';
import type { KubeObject } from '../lab/kubernetes/test-api.ts';
import { eventually } from '../lab/process/eventually.ts';
import { processUse } from '../lab/process/process-use.ts';
import { random } from '../lab/process/random.ts';
import { isWrite, newRequests, type RequestCounts, requestCounts } from './support/api-requests.ts';
import { type BurstUse, burst, ours, peerIn } from './support/burst.ts';
import { floor } from './support/floor.ts';
import { type Curve, plot } from './support/plot.ts';

const { values } = parseArgs({
  options: {
    resources: { type: 'string', default: '1000' },
    minutes: { type: 'string', default: '10' },
    'rest-minutes': { type: 'string', default: '2' },
    part: { type: 'string', multiple: true, default: ['apply', 'rest', 'kills'] },
    sizes: { type: 'string', default: '200,1000,5000' },
    runs: { type: 'string', default: '1' },
    beside: { type: 'string' },
    peer: { type: 'string' },
    'rest-seconds': { type: 'string', default: '60' },
    plots: { type: 'string' },
    seed: { type: 'string', default: String(Date.now() % 2 ** 31) },
  },
});
const size = Number(values.resources);
const seed = Number(values.seed);
const next = random(seed);

const OPERATOR = 'system:serviceaccount:glance-schema-system:glance-schema-operator';

/** How many upgrades are followed one at a time, request by request. */
const FOLLOWED = Math.min(20, size);

/**
 * As much as the fake kubelet and the databases of so many resources need to finish one revision,
 * in milliseconds.
 */
const PATIENCE = 60_000 + size * 2_000;

const PARTS: Readonly<
  Record<string, (environment: Environment, fleet: Fleet, replicas: Replicas) => Promise<void>>
> = {
  apply: benchApply,
  rest: benchRest,
  kills: benchKills,
};

const began = performance.now();
for (const part of values.part) {
  if (part === 'burst' || part === 'scale') {
    await (part === 'burst' ? benchBurst() : benchScale());
    continue;
  }
  const bench = PARTS[part];
  if (bench === undefined)
    throw new Error(`There is no part '${part}': ${[...Object.keys(PARTS), 'burst', 'scale'].join(', ')}`);
  // Each on a control plane of its own: what one leaves behind would be measured by the next.
  const environment = await startEnvironment({
    // A server of so many databases would spend the machine on looking after them.
    postgresSettings: { max_connections: '400', autovacuum: 'off' },
  });
  try {
    await run(part, bench, environment);
  } finally {
    await environment.stop();
  }
}

async function run(
  part: string,
  bench: (environment: Environment, fleet: Fleet, replicas: Replicas) => Promise<void>,
  environment: Environment,
): Promise<void> {
  const { plane, api } = environment;
  tell(`${part}: making ${size} databases`);
  const fleet = await startFleet(environment, 'fleet', size);
  // Straight to the API server: the tests' proxy would be measured too.
  const kubeconfig = await plane.serviceAccountKubeconfig('glance-schema-system', 'glance-schema-operator');
  const replicas = await startReplicas(api, 2, () =>
    startOperator({ kubeconfig, standby: true, args: ['--log-level', 'info'] }),
  );
  try {
    await bench(environment, fleet, replicas);
    for (const loss of replicas.losses) console.log(`An operator ended by itself, and said: ${loss}`);
    tell(`${part}: done`);
  } finally {
    await replicas.stop();
    await fleet.stop();
  }
}

/**
 * All at once, with Jobs that end at once: what the operator itself costs, and another controller
 * in turn with it.
 */
async function benchBurst(): Promise<void> {
  const contenders = new Map([['ours', ours()]]);
  if (values.beside !== undefined) contenders.set('beside', { ...ours(), command: values.beside.split(' ') });
  if (values.peer !== undefined) contenders.set('Go', peerIn(values.peer));
  const requests: string[] = [];
  console.log(
    '\n| resources at once | controller | all up to date, s | CPU, s | CPU for each, ms | peak, MiB |',
  );
  console.log('|---|---|---|---|---|---|');
  for (const count of values.sizes.split(',').map(Number)) {
    for (let run = 0; run < Number(values.runs); run += 1) {
      for (const [name, contender] of contenders) {
        tell(`burst: ${count} resources, ${name}`);
        const use: BurstUse = await burst(contender, count);
        const [seconds, cpu, each] = [use.seconds, use.cpu, (use.cpu / count) * 1000].map((it) =>
          it.toFixed(1),
        );
        console.log(`| ${count} | ${name} | ${seconds} | ${cpu} | ${each} | ${use.peak.toFixed(0)} |`);
        for (const [what, asked] of [...use.requests].sort()) {
          requests.push(`| ${count} | ${name} | \`${what}\` | ${(asked / count).toFixed(2)} |`);
        }
      }
    }
  }
  console.log(
    `\n| resources | controller | request | for each |\n|---|---|---|---|\n${requests.join('\n')}\n`,
  );
}

/**
 * The same, followed to its rest and through a restart, beside the bare loop that makes the same
 * writes.
 */
async function benchScale(): Promise<void> {
  const contenders = new Map([['ours', ours()]]);
  if (values.peer !== undefined) contenders.set('Go', peerIn(values.peer));
  const seconds = Number(values['rest-seconds']);
  const sum = (requests: RequestCounts, wanted: (sort: string) => boolean = () => true): number =>
    [...requests].reduce((all, [sort, count]) => all + (wanted(sort) ? count : 0), 0);
  console.log(
    '\n| resources | | all up to date, s | CPU, s | CPU for each, ms | peak, MiB | requests for each | writes for each | at rest: CPU of a core | requests | resident, MiB | restart: CPU, s | requests | writes | relist: CPU, s | requests | writes |',
  );
  console.log(`|${'---|'.repeat(17)}`);
  const print = (...cells: readonly (string | number)[]): void =>
    console.log(`| ${[...cells, ...Array.from({ length: 17 - cells.length }, () => '')].join(' | ')} |`);
  for (const size of values.sizes.split(',').map(Number)) {
    tell(`scale: ${size} resources, the floor`);
    const bare = await floor(size);
    const each = (cpu: number): string => ((cpu / size) * 1000).toFixed(1);
    print(size, 'floor', bare.seconds.toFixed(1), bare.cpu.toFixed(1), each(bare.cpu), bare.peak.toFixed(0));
    const curves: Curve[] = [{ name: 'floor', samples: bare.samples }];
    for (const [name, contender] of contenders) {
      tell(`scale: ${size} resources, ${name}`);
      const use = await burst(contender, size, seconds);
      curves.push({ name, samples: use.samples });
      const { rest } = use;
      if (rest === undefined) continue;
      print(
        size,
        name,
        use.seconds.toFixed(1),
        use.cpu.toFixed(1),
        each(use.cpu),
        use.peak.toFixed(0),
        (sum(use.requests) / size).toFixed(2),
        (sum(use.requests, isWrite) / size).toFixed(2),
        `${((rest.cpu / rest.seconds) * 100).toFixed(2)} %`,
        sum(rest.requests),
        rest.resident.toFixed(0),
        rest.restart.cpu.toFixed(1),
        sum(rest.restart.requests),
        sum(rest.restart.requests, isWrite),
        rest.relist.cpu.toFixed(1),
        sum(rest.relist.requests),
        sum(rest.relist.requests, isWrite),
      );
      for (const [when, requests] of [
        ['at rest', rest.requests],
        ['after a restart of the API server', rest.relist.requests],
      ] as const)
        if (requests.size > 0) tell(`${name}, ${when}: ${JSON.stringify([...requests])}`);
    }
    if (values.plots !== undefined) {
      const title = `${size} resources at once`;
      writeFileSync(join(values.plots, `scale-${size}.svg`), plot(title, size, curves));
    }
  }
}

/** Brings all to the first revision. */
async function begin(fleet: Fleet): Promise<void> {
  for (const member of fleet.members) await fleet.apply(member, revisionAt(0));
  tell('waiting for all databases to be at their first target');
  await fleet.settled(PATIENCE);
}

/**
 * One resource at a time, on a node that takes no pods: the next is applied when nothing moves any
 * more. In turn with it the same requests made by one client that need not watch, wait or think.
 */
async function benchApply({ api, node }: Environment, fleet: Fleet): Promise<void> {
  node.cordon();
  tell('measuring from apply to Job');
  const ours: number[] = [];
  const bare: number[] = [];
  const bareRequests: number[] = [];
  const prepared = await prepareBare(api, fleet);
  for (const [index, member] of fleet.members.entries()) {
    const applied = performance.now();
    await fleet.apply(member, revisionAt(0));
    const seen = await eventually(
      () => {
        const job = [...fleet.jobs.values()].at(-1);
        if (job?.member !== member.name) throw new Error(`${member.name} has no Job`);
        return job;
      },
      { everyMilliseconds: 10 },
    );
    ours.push(seen.at - applied);
    await eventually(() => {
      if (readyReason(fleet.schemas.get(member.name)?.status) !== 'JobBlocked')
        throw new Error(`The pod of ${member.name} is not seen to wait`);
    });
    const { all, two } = await prepared(index);
    bare.push(all);
    bareRequests.push(two);
    await sleep(20);
  }
  const row = (name: string, times: readonly number[]): string =>
    `| ${name} | ${[0.5, 0.9, 0.99, 1].map((part) => quantile(times, part).toFixed(1)).join(' | ')} |`;
  console.log(`\n| of ${size}, in ms | p50 | p90 | p99 | slowest |\n|---|---|---|---|---|`);
  console.log(row('from apply to Job, ours', ours));
  console.log(row('bare: apply, PATCH, POST in turn by one client', bare));
  console.log(row('of that PATCH and POST', bareRequests));
  const ratio = (part: number): string => (quantile(ours, part) / quantile(bare, part)).toFixed(2);
  console.log(`\nours / bare: p50 ${ratio(0.5)}, p99 ${ratio(0.99)}\n`);
}

/**
 * A suspended GlanceSchema to apply and mark, and Jobs that start nothing and are not the
 * operator's.
 */
async function prepareBare(api: Environment['api'], { namespace, path }: Fleet) {
  const name = 'bare';
  const job = `/apis/batch/v1/namespaces/${namespace}-bare/jobs`;
  await api.call('POST', '/api/v1/namespaces', { metadata: { name: `${namespace}-bare` } });
  const place = path.replace(`/${namespace}/`, `/${namespace}-bare/`);
  const applyBare = (mark: string): Promise<KubeObject> =>
    applySchema(api, `${place}/${name}`, {
      metadata: { name, namespace: `${namespace}-bare`, annotations: { bench: mark } },
      spec: { revision: 'latest', suspend: true, database: { secretRef: { name } } },
    });
  await applyBare('first');
  // From then on the operator has nothing more to write to it.
  await eventually(async () => {
    const { status } = await api.call('GET', `${place}/${name}`);
    if (readyReason(status) !== 'Suspended') throw new Error('The bare one has no status yet');
  });
  return async (index: number): Promise<{ readonly all: number; readonly two: number }> => {
    const first = performance.now();
    const schema = await applyBare(String(index));
    const second = performance.now();
    await api.call('PATCH', `${place}/${name}`, {
      metadata: {
        resourceVersion: schema.metadata?.resourceVersion,
        annotations: { 'bench-mark': String(index) },
      },
    });
    await api.call('POST', job, {
      metadata: { name: `bare-${index}` },
      spec: {
        suspend: true,
        template: { spec: { restartPolicy: 'Never', containers: [{ name: 'bare', image: 'bare' }] } },
      },
    });
    const end = performance.now();
    return { all: end - first, two: end - second };
  };
}

/**
 * What is asked of the API server while nothing is to be done: with the replicas, without them, and
 * when they come back.
 */
async function benchRest(environment: Environment, fleet: Fleet, replicas: Replicas): Promise<void> {
  const { plane } = environment;
  await begin(fleet);
  tell('measuring at rest');
  const minutes = Number(values['rest-minutes']);
  const count = async (): Promise<RequestCounts> => requestCounts(await plane.metrics());
  const during = async (work: () => Promise<unknown>): Promise<RequestCounts> => {
    const before = await count();
    await work();
    return newRequests(before, await count());
  };
  const leader = await replicas.leader();
  await untilQuiet(leader);
  const before = replicas.running.map(({ pid }) => processUse(pid));
  const withThem = await during(() => sleep(minutes * 60_000));
  const after = replicas.running.map(({ pid }) => processUse(pid));
  console.log(
    `\n| ${size} at rest, ${minutes} min | CPU, of a core | resident, MiB | peak, MiB |\n|---|---|---|---|`,
  );
  for (const [index, { pid }] of replicas.running.entries()) {
    const { cpu = 0 } = before[index] ?? {};
    const now = after[index];
    if (now === undefined) continue;
    const share = (((now.cpu - cpu) / (minutes * 60)) * 100).toFixed(2);
    const name = pid === leader.pid ? 'leader' : 'the one that waits';
    console.log(`| ${name} | ${share} % | ${now.resident.toFixed(0)} | ${now.peak.toFixed(0)} |`);
  }
  await replicas.stop();
  await sleep(5_000);
  const withoutThem = await during(() => sleep(minutes * 60_000));
  const sorts = [...new Set([...withThem.keys(), ...withoutThem.keys()])].sort();
  const perMinute = (counts: RequestCounts, sort: string): string =>
    ((counts.get(sort) ?? 0) / minutes).toFixed(1);
  console.log('\n| requests per minute, of everybody | with two replicas | without |\n|---|---|---|');
  for (const sort of sorts)
    console.log(`| \`${sort}\` | ${perMinute(withThem, sort)} | ${perMinute(withoutThem, sort)} |`);

  const since = new Date();
  const began = performance.now();
  let passed = 0;
  const onReturn = await during(async () => {
    await replicas.start(2);
    const leads = await replicas.leader();
    await eventually(
      async () => {
        if ((await passes(leads)) < size) throw new Error('Not all have been reconciled');
      },
      { timeoutMilliseconds: PATIENCE, everyMilliseconds: 100 },
    );
    passed = performance.now() - began;
    await untilQuiet(leads);
    await sleep(10_000);
  });
  const writes = [...onReturn].filter(
    ([sort]) => isWrite(sort) && /^\S+ (glanceschemas|jobs|pods|events)\b/.test(sort),
  );
  const own = plane
    .auditEvents({ user: OPERATOR, since, stage: 'ResponseComplete' })
    .map(({ verb, objectRef }) => `${verb} ${objectRef?.resource}`);
  console.log(
    `\nAfter a restart all ${size} were reconciled ${(passed / 1000).toFixed(1)} s after the start of the first replica.`,
  );
  console.log(`Writes to GlanceSchemas, Jobs, pods and Events: ${JSON.stringify(writes)}.`);
  console.log(`All that the operators asked for: ${JSON.stringify(tally(own))}.\n`);
  tell('measuring single upgrades');
  await benchUpgrade(environment, fleet);
}

/**
 * One upgrade after another, each followed to its end: what the operator asks of the API server for
 * one.
 */
async function benchUpgrade({ plane }: Environment, fleet: Fleet): Promise<void> {
  const since = new Date();
  const times: number[] = [];
  for (const member of fleet.members.slice(0, FOLLOWED)) {
    const began = performance.now();
    await fleet.apply(member, revisionAt(1));
    await fleet.settled(PATIENCE);
    times.push(performance.now() - began);
  }
  await sleep(2_000);
  const own = plane
    .auditEvents({ user: OPERATOR, since, stage: 'ResponseComplete' })
    .filter(({ objectRef, verb }) => objectRef?.resource !== 'leases' && verb !== 'watch')
    .map(({ verb, objectRef, responseStatus }) => {
      const what = [objectRef?.resource, objectRef?.subresource].filter(Boolean).join('/');
      return `${verb} ${what} ${responseStatus?.code}`;
    });
  console.log(
    `\n| request of the operator, and its answer | for one upgrade (mean of ${FOLLOWED}) |\n|---|---|`,
  );
  for (const [what, count] of Object.entries(tally(own)).sort())
    console.log(`| \`${what}\` | ${(count / FOLLOWED).toFixed(2)} |`);
  console.log(`\nOne upgrade from apply to the end of all: p50 ${quantile(times, 0.5).toFixed(0)} ms.\n`);
}

/** All resources climb from revision to revision while each new leader is killed after a while. */
async function benchKills({ plane }: Environment, fleet: Fleet, replicas: Replicas): Promise<void> {
  tell(`killing leaders for ${values.minutes} minutes, seed ${seed}`);
  const end = performance.now() + Number(values.minutes) * 60_000;
  const before = fleet.jobs.size;
  const climbing = await climb(
    fleet,
    (member) => FLEET_REVISIONS.slice(position(fleet, member) + 1),
    () => next() * 20_000,
  );
  let kills = 0;
  for (;;) {
    await replicas.leader();
    await sleep(Math.max(0, Math.min(next() * 20_000, end - performance.now())));
    if (performance.now() >= end) break;
    await replicas.killLeader();
    kills += 1;
  }
  climbing.stop();
  tell(`${kills} leaders killed, ${fleet.jobs.size - before} Jobs made; waiting for the last results`);
  await fleet.settled(PATIENCE);
  // Of a Job whose maker was killed before it heard the answer, the audit log need not say 201.
  const answered = plane
    .auditEvents({ verb: 'create', resource: 'jobs', user: OPERATOR, stage: 'ResponseComplete' })
    .filter(({ responseStatus }) => responseStatus?.code === 201)
    .map(({ objectRef }) => objectRef?.name ?? '');
  const seen = new Set([...fleet.jobs.values()].map(({ name }) => name));
  const unseen = answered.filter((name) => !seen.has(name));
  const faults = [
    ...(await fleet.faults()),
    ...unseen.map((name) => `Job ${name} is in the audit log and was never seen by the watch.`),
  ];
  const asked = fleet.members.reduce((sum, member) => sum + position(fleet, member) + 1, 0);
  console.log(
    `\n| leaders killed in ${values.minutes} min | seed | targets | Jobs, by watch | Jobs, by audit log | faults |`,
  );
  console.log('|---|---|---|---|---|---|');
  console.log(
    `| ${kills} | ${seed} | ${asked} | ${fleet.jobs.size} | ${answered.length} | ${faults.length} |\n`,
  );
  for (const fault of faults.slice(0, 50)) console.log(`- ${fault}`);
  if (faults.length > 0) process.exitCode = 1;
}

/** Where in the row of revisions a member is asked to be. */
function position(fleet: Fleet, member: Member): number {
  return FLEET_REVISIONS.indexOf(fleet.wanted(member) ?? '');
}

function revisionAt(index: number): string {
  const revision = FLEET_REVISIONS[index];
  if (revision === undefined) throw new Error(`There is no revision ${index}`);
  return revision;
}

/** Resolves once an operator has made no pass for two seconds. */
async function untilQuiet(operator: Operator): Promise<void> {
  for (let last = -1, now = await passes(operator); last !== now; now = await passes(operator)) {
    last = now;
    await sleep(2_000);
  }
}

/** How many passes an operator has made. */
async function passes(operator: Operator): Promise<number> {
  const metrics = await operator.metrics();
  return [...metrics.matchAll(/^controller_runtime_reconcile_total\{.*\} (\d+)$/gm)].reduce(
    (sum, [, count]) => sum + Number(count),
    0,
  );
}

function tally(words: readonly string[]): Readonly<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const word of words) counts[word] = (counts[word] ?? 0) + 1;
  return counts;
}

function quantile(times: readonly number[], part: number): number {
  const sorted = times.toSorted((one, other) => one - other);
  return sorted[Math.max(0, Math.ceil(sorted.length * part) - 1)] ?? Number.NaN;
}

function tell(what: string): void {
  const seconds = ((performance.now() - began) / 1000).toFixed(0);
  process.stderr.write(`${seconds.padStart(5)} s  ${what}\n`);
}
