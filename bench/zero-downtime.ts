// `make bench-zero-downtime`: the real Glance API under constant load, while a GlanceSchema takes
// its database to the newest revision online and the API is rolled from an old release to the
// newest, as Markdown tables.
//
// node bench/zero-downtime.ts [--engine postgres|mariadb|galera]... [--images N] [--rate N] [--seconds N] [--seed N]
//
// Exits with 1 when a request failed or an image is not as it was made. See docs/performance.md.

import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { firstNodeAsAdministrator, startGalera } from '../lab/databases/galera.ts';
import { fillNewton } from '../lab/databases/glance-data.ts';
import { fillMysqlNewton } from '../lab/databases/glance-data-mysql.ts';
import { startMariaDb } from '../lab/databases/mariadb.ts';
import { type GlanceApi, startGlanceApi } from '../lab/glance/glance-api.ts';
import { withDriver } from '../lab/glance/glance-manage.ts';
import { installGlance } from '../lab/glance/real-glance.ts';
import { startStandInService } from '../lab/glance/stand-in-service.ts';
import { type Environment, startEnvironment } from '../lab/kubernetes/environment.ts';
import { runCli } from '../lab/process/bundle.ts';
import { type Answered, startImageLoad } from './support/image-load.ts';

const { values } = parseArgs({
  options: {
    engine: { type: 'string', multiple: true, default: ['postgres', 'mariadb', 'galera'] },
    images: { type: 'string', default: '20000' },
    rate: { type: 'string', default: '25' },
    seconds: { type: 'string', default: '20' },
    seed: { type: 'string', default: String(Date.now() % 2 ** 31) },
  },
});
const images = Number(values.images);
const rate = Number(values.rate);
/** How long the load goes on in each stage once what belongs to it is done, in milliseconds. */
const hold = Number(values.seconds) * 1000;
const seed = Number(values.seed);

/** The old release and the revision that it ended on; see lab/glance/requirements-26.0.0.txt. */
const OLD = { release: '26.0.0', revision: '2023_1_01' } as const;
const NEW_REVISION = '2024_1_01';
const NODES = 3;

/** The stage that is not measured: Glance loads much of itself with its first requests. */
const WARMING_UP = 'warming up';

/** A server to be migrated, and how its images are made. */
interface Server {
  readonly url: string;
  fill(): Promise<unknown>;
  stop(): Promise<void>;
}

const ENGINES: Readonly<Record<string, (environment: Environment) => Promise<Server>>> = {
  async postgres({ postgres }) {
    const url = await postgres.createDatabase('glance_online');
    return { url, fill: () => fillNewton(url, { images, sinceOcata: true }), stop: async () => undefined };
  },
  async mariadb() {
    const server = await startMariaDb();
    const url = await server.createDatabase('glance_online');
    const fill = () => fillMysqlNewton(url, { images, sinceOcata: true });
    return { url, fill, stop: () => server.stop() };
  },
  async galera() {
    const cluster = await startGalera(3);
    // All of them write to one node, as OpenStack's deployments have their HAProxy do.
    const url = await firstNodeAsAdministrator(cluster).createDatabase('glance_online');
    const fill = () => fillMysqlNewton(url, { images, sinceOcata: true });
    return { url, fill, stop: () => cluster.stop() };
  },
};

let failed = false;
for (const name of values.engine) {
  const start = ENGINES[name];
  if (start === undefined)
    throw new Error(`There is no engine '${name}': ${Object.keys(ENGINES).join(', ')}`);
  const environment = await startEnvironment();
  const server = await start(environment);
  try {
    await upgrade(name, environment, server);
  } finally {
    await server.stop();
    await environment.stop();
  }
}
process.exitCode = failed ? 1 : 0;

async function upgrade(name: string, environment: Environment, { url, fill }: Server): Promise<void> {
  const [old, newest] = [await installGlance(undefined, OLD.release), await installGlance()];
  await must(['db', 'sync', OLD.revision], url);
  await fill();
  const tenant = await environment.tenant('openstack', withDriver(url));
  const operator = await environment.operator(['--log-level', 'info']);
  const service = await startStandInService();
  const first = await startGlanceApi(old, { url });
  const others = Array.from({ length: NODES - 1 }, () => startGlanceApi(old, { url, store: first.store }));
  const apis: GlanceApi[] = [first, ...(await Promise.all(others))];
  for (const { port } of apis) service.add(port);
  const load = startImageLoad({ url: service.url, rate, users: 5, seed });
  load.stage(WARMING_UP);

  async function stage(what: string, work: () => Promise<unknown> = async () => undefined): Promise<void> {
    load.stage(what);
    const began = performance.now();
    await work();
    const took = performance.now() - began;
    await sleep(hold);
    process.stderr.write(`${name}: ${what}, ${(took / 1000).toFixed(1)} s\n`);
  }
  const through = (phase: string) => async (): Promise<void> => {
    await tenant.apply({ revision: NEW_REVISION, through: phase });
    await tenant.reaches('UpToDate', 120_000);
  };

  try {
    await tenant.apply({ revision: OLD.revision });
    await tenant.reaches('UpToDate');
    await stage(WARMING_UP);
    await stage(`before, Glance ${old.version}`);
    await stage('expand', through('Expand'));
    await stage(`rolled to Glance ${newest.version}`, async () => {
      for (const api of apis.splice(0)) {
        const next = await startGlanceApi(newest, { url, store: first.store });
        apis.push(next);
        service.add(next.port);
        await service.drain(api.port);
        // The store is the first one's folder, which goes with it.
        if (api !== first) await api.stop();
      }
    });
    await stage('migrate', through('Migrate'));
    await stage('contract', through('Contract'));
    await stage('after');
    const wrong = await load.stop();
    print(name, load.answered, wrong);
  } finally {
    await load.stop();
    await Promise.all([...new Set([first, ...apis])].map((api) => api.stop()));
    await service.stop();
    await operator.stop();
  }
}

async function must(args: readonly string[], url: string): Promise<void> {
  const { code, stderr } = await runCli(args, { DATABASE_CONNECTION: withDriver(url) });
  if (code !== 0) throw new Error(`${args.join(' ')} failed: ${stderr}`);
}

function print(name: string, answered: readonly Answered[], wrong: readonly string[]): void {
  const measured = answered.filter(({ stage }) => stage !== WARMING_UP);
  const stages = [...new Set(measured.map(({ stage }) => stage))];
  console.log(`\n| ${name} | requests | failed | median, ms | 99 %, ms | longest, ms |`);
  console.log('|---|---|---|---|---|---|');
  for (const each of stages) {
    const own = measured.filter(({ stage }) => stage === each);
    const times = own.map(({ milliseconds }) => milliseconds).sort((one, other) => one - other);
    const at = (part: number): string => (times[Math.floor(part * (times.length - 1))] ?? 0).toFixed(0);
    const failures = own.filter(({ failure }) => failure !== undefined).length;
    console.log(`| ${each} | ${own.length} | ${failures} | ${at(0.5)} | ${at(0.99)} | ${at(1)} |`);
  }
  for (const { stage, failure } of answered) if (failure !== undefined) console.log(`${stage}: ${failure}`);
  for (const each of wrong) console.log(each);
  failed ||= wrong.length > 0 || answered.some(({ failure }) => failure !== undefined);
}
