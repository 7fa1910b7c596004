// `make bench-migrations`: ours, the real glance-manage and the floor side by side, in one run, as
// Markdown tables.
//
// node bench/migrations.ts [--engine postgres|mariadb] [--images N] [--runs N]
//
// Absolute times say nothing outside of this machine and moment; the ratios of one run do. See
// docs/performance.md.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { build } from 'esbuild';
import { withDriver, writeGlanceConfig } from '../lab/glance/glance-manage.ts';
import { installGlance, type RealGlance, runProgram } from '../lab/glance/real-glance.ts';
import { bundle, runCli } from '../lab/process/bundle.ts';
import { type Contender, type Median, type Program, peakMemory, race } from './support/measure.ts';
import { type BenchServer, SERVERS } from './support/servers.ts';

const { values } = parseArgs({
  options: {
    engine: { type: 'string', multiple: true, default: Object.keys(SERVERS) },
    images: { type: 'string', default: '200000' },
    runs: { type: 'string', default: '7' },
  },
});
const images = Number(values.images);
const runs = Number(values.runs);
/** The long ones are told apart from noise in fewer rounds. */
const longRuns = Math.max(1, Math.ceil(runs / 2));
const folder = mkdtempSync(join(tmpdir(), 'glance-schema-bench-'));
const glance = await installGlance();

const VERSION_TABLE =
  'CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL, CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num));';

try {
  console.log(`ours: this build; theirs: glance-manage of Glance ${glance.version}; node ${process.version}`);
  console.log(`medians of ${runs} rounds (${longRuns} where images are moved), contenders in turn\n`);
  for (const engine of values.engine) {
    const start = SERVERS[engine];
    if (start === undefined)
      throw new Error(`There is no engine '${engine}': ${Object.keys(SERVERS).join(', ')}`);
    const server = await start();
    try {
      await bench(server, glance);
    } finally {
      await server.stop();
    }
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}

async function bench(server: BenchServer, glance: RealGlance): Promise<void> {
  const bare = join(folder, `${server.bare}.mjs`);
  // In one file, as ours is: else the floor would pay for the driver's hundred files.
  await build({
    entryPoints: [fileURLToPath(new URL(`support/${server.bare}`, import.meta.url))],
    outfile: bare,
    bundle: true,
    minify: true,
    platform: 'node',
    format: 'esm',
    external: ['pg-native'],
    banner: {
      js: "import{createRequire as __createRequire}from'node:module';const require=__createRequire(import.meta.url);",
    },
    logLevel: 'error',
  });
  const head = await server.create();
  await ours(head, 'sync');
  const before = await server.create();
  await ours(before, 'sync', '2023_1_01');
  const empty = await server.create();

  const used: string[] = [];
  const fresh = async (): Promise<string> => kept(await server.create());
  const copyOf = async (url: string): Promise<string> => kept(await server.copy(url));
  function kept(url: string): string {
    used.push(url);
    return url;
  }

  const startOfNode = (): Contender => ({
    name: 'node alone',
    prepare: async () => ({ path: process.execPath, args: ['-e', '0'] }),
  });
  const all = (on: () => Promise<string>, command: string): readonly Contender[] => [
    { name: 'ours', prepare: async () => oursAs(await on(), command) },
    { name: 'theirs', prepare: async () => theirsAs(glance, await on(), command) },
  ];
  const bareDriver: Contender = {
    name: 'node with the bare driver',
    prepare: async () => ({ path: process.execPath, args: [bare, server.driverUrl(head)] }),
  };
  const sqlToHead = async (on: () => Promise<string>, planned: string): Promise<Contender> => {
    const sql = await plan(planned);
    // The plan takes the version table for granted.
    const table = planned === empty && !sql.includes('CREATE TABLE alembic_version') ? VERSION_TABLE : '';
    return {
      name: `the same SQL by ${server.clientName}`,
      prepare: async () => server.client(await on(), `${table}${sql}`),
    };
  };

  const rows: string[] = [];
  const add = async (
    title: string,
    aim: string,
    contenders: readonly Contender[],
    floorOf: (medians: readonly Median[]) => number,
    rounds = runs,
  ): Promise<void> => {
    process.stderr.write(`${server.title}: ${title}\n`);
    const medians = await race(contenders, rounds);
    const [mine, other] = medians;
    if (mine === undefined || other === undefined) return;
    const floor = floorOf(medians);
    rows.push(
      `| ${title} | ${tell(mine)} | ${tell(other)} | ${ratio(mine.milliseconds / other.milliseconds)} | ${Number.isNaN(floor) ? '-' : `${floor.toFixed(0)} ms`} | ${Number.isNaN(floor) ? '-' : ratio(mine.milliseconds / floor)} | ${aim} |`,
    );
    for (const url of used.splice(0)) await server.drop(url);
  };
  const lastOne = (medians: readonly Median[]): number => medians.at(-1)?.milliseconds ?? Number.NaN;
  const lastTwo = (medians: readonly Median[]): number =>
    medians.slice(-2).reduce((sum, median) => sum + median.milliseconds, 0);
  const none = (): number => Number.NaN;

  await add('`db version`', '≤ 0.067, ≤ 1.3', [...all(async () => head, 'version'), bareDriver], lastOne);
  await add(
    '`db sync`, nothing to do',
    '≤ 0.067, ≤ 1.3',
    [...all(async () => head, 'sync'), bareDriver],
    lastOne,
  );
  await add(
    '`db sync`, empty to head',
    '≤ 0.2, ≤ 2',
    [...all(fresh, 'sync'), await sqlToHead(fresh, empty), startOfNode()],
    lastTwo,
  );
  await add(
    '`db sync`, 2023.1 to head',
    '',
    [...all(() => copyOf(before), 'sync'), await sqlToHead(() => copyOf(before), before), startOfNode()],
    lastTwo,
  );

  process.stderr.write(`${server.title}: making ${images} images\n`);
  const newton = await server.create();
  await server.seedNewton(newton, images);
  const { glanceOcata } = server;
  const expanded = glanceOcata.before === '' ? newton : await server.copy(newton);
  if (expanded !== newton) await sql(server, expanded, glanceOcata.before);
  const upgrade: readonly Contender[] = [
    { name: 'ours', prepare: async () => oursAs(await lone(newton), 'sync', 'ocata01') },
    {
      name: glanceOcata.what,
      prepare: async () => server.client(await lone(expanded), glanceOcata.measured),
    },
  ];
  /** One copy at a time: a million images take room. */
  async function lone(from: string): Promise<string> {
    for (const url of used.splice(0)) await server.drop(url);
    return copyOf(from);
  }
  const aim = server.clientName === 'psql' ? '≤ 0.4' : '≤ 0.75';
  const title = `${images.toLocaleString('en')} images, Newton to \`ocata01\`; theirs: ${glanceOcata.what} by ${server.clientName}`;
  await add(title, aim, upgrade, none, longRuns);

  const rocky = await copyOf(newton);
  used.length = 0;
  await ours(rocky, 'sync', 'rocky02');
  const toTrain = await ours(rocky, 'plan', 'train01', '--output', 'sql');
  await add(
    `${images.toLocaleString('en')} locations through Train; theirs: Glance's one UPDATE by ${server.clientName}`,
    '',
    [
      { name: 'ours', prepare: async () => oursAs(await lone(rocky), 'sync', 'train01') },
      {
        name: "Glance's one UPDATE",
        prepare: async () => server.client(await lone(rocky), server.glanceTrain),
      },
      {
        name: `the same SQL by ${server.clientName}`,
        prepare: async () => server.client(await lone(rocky), toTrain),
      },
      startOfNode(),
    ],
    lastTwo,
    longRuns,
  );
  await server.drop(rocky);

  console.log(`### ${server.title}\n`);
  console.log('| what | ours | theirs | ours / theirs | floor | ours / floor | aims |');
  console.log('|---|---|---|---|---|---|---|');
  console.log(`${rows.join('\n')}\n`);

  process.stderr.write(`${server.title}: memory\n`);
  const memory: readonly (readonly [string, Program])[] = [
    ['ours, empty to head', await oursAs(await fresh(), 'sync')],
    ['glance-manage, empty to head', await theirsAs(glance, await fresh(), 'sync')],
    [
      `ours, ${images.toLocaleString('en')} images to \`ocata01\``,
      await oursAs(await copyOf(newton), 'sync', 'ocata01'),
    ],
    ['ours, nothing to do', await oursAs(head, 'sync')],
    ['glance-manage, nothing to do', await theirsAs(glance, head, 'sync')],
    ['node alone', { path: process.execPath, args: ['-e', 'setTimeout(() => 0, 50)'] }],
  ];
  console.log('| peak memory | MiB |');
  console.log('|---|---|');
  for (const [name, program] of memory)
    console.log(`| ${name} | ${(await peakMemory(program)).toFixed(0)} |`);
  console.log('');
}

function oursAs(url: string, command: string, ...rest: readonly string[]): Program {
  return {
    path: process.execPath,
    args: [bundle(), 'db', command, ...rest],
    env: { DATABASE_CONNECTION: withDriver(url) },
  };
}

function theirsAs(glance: RealGlance, url: string, command: string): Program {
  const own = mkdtempSync(join(folder, 'manage-'));
  return {
    path: glance.program('glance-manage'),
    args: ['--config-file', writeGlanceConfig(own, url), 'db', command],
  };
}

async function ours(url: string, command: string, ...rest: readonly string[]): Promise<string> {
  const result = await runCli(['db', command, ...rest], { DATABASE_CONNECTION: withDriver(url) });
  if (result.code !== 0) throw new Error(`db ${command} ${rest.join(' ')} failed: ${result.stderr}`);
  return result.stdout;
}

/** What `db sync` would run on a database, as SQL for the server's own client. */
function plan(url: string): Promise<string> {
  return ours(url, 'plan', '--output', 'sql');
}

async function sql(server: BenchServer, url: string, statements: string): Promise<void> {
  const { path, args, env } = server.client(url, statements);
  const option = path === 'psql' ? '-c' : '-e';
  const { code, stderr } = await runProgram(path, [...args, option, statements], env);
  if (code !== 0) throw new Error(`Cannot prepare ${url}: ${stderr}`);
}

function tell({ milliseconds, range }: Median): string {
  return `${milliseconds.toFixed(0)} ms (${range[0].toFixed(0)}–${range[1].toFixed(0)})`;
}

function ratio(value: number): string {
  return value < 0.1 ? value.toFixed(3) : value.toFixed(2);
}
