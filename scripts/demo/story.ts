import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import type { KubeObject, TestApi } from '../../lab/kubernetes/test-api.ts';
import type { Narrator } from './narrator.ts';
import { type Databases, glanceSchema, type World } from './world.ts';

const operator = ['--namespace', 'glance-schema-system'];
export const openstack = ['--namespace', 'openstack'];
export const schemaPath = '/apis/db.glance.openstack.org/v1alpha1/namespaces/openstack/glanceschemas/glance';
const jobsPath = '/apis/batch/v1/namespaces/openstack/jobs';

/** Tells the whole story. Each step is checked; the first that does not come out as told throws. */
export async function tellStory(world: World, narrator: Narrator): Promise<void> {
  const api = world.plane.api();
  await showDatabase(world.database, world, narrator);
  await installOperator(narrator);
  await adopt(world, narrator, api);
  await upgrade(world, narrator, api);
  await refuseAtAdmission(world, narrator, api);
  await refuseInJob(world, narrator, api);
}

/** Shows that it is Newton's. */
export async function showDatabase(
  database: string,
  { postgres, seeded }: Databases,
  narrator: Narrator,
): Promise<void> {
  const { images, members, locations } = seeded;
  narrator.heading("A Glance database of the Newton release, under the old tool's control");
  narrator.say(
    `PostgreSQL on 127.0.0.1:${postgres.port} has ${images} images, ${members} members and ${locations} locations.`,
  );
  const rows = await query(database, 'SELECT version FROM migrate_version');
  check(rows[0]?.version === 44, 'migrate_version is 44', rows);
  narrator.say('migrate_version: 44. There is no alembic_version.');
  const counts = await query(
    database,
    'SELECT is_public, count(*)::int AS images FROM images GROUP BY 1 ORDER BY 1',
  );
  narrator.output(table(counts));
}

export async function installOperator(narrator: Narrator): Promise<void> {
  narrator.heading('The operator is installed, and has no right to read a Secret');
  await narrator.kubectl(['apply', '-k', 'operator']);
  await narrator.kubectl([
    'rollout',
    'status',
    'deployment/glance-schema-operator',
    ...operator,
    '--timeout=60s',
  ]);
  const account = 'system:serviceaccount:glance-schema-system:glance-schema-operator';
  const answer = await narrator.kubectl(
    ['auth', 'can-i', 'get', 'secrets', '--all-namespaces', `--as=${account}`],
    'fails',
  );
  check(answer.trim().startsWith('no'), 'the operator may not read Secrets', answer);
}

async function adopt(world: World, narrator: Narrator, api: TestApi): Promise<void> {
  narrator.heading(
    'A GlanceSchema that names what is there already: the database is adopted, nothing is run',
  );
  narrator.file('glance.yaml', glanceSchema('mitaka02'));
  await narrator.kubectl(['apply', '-f', 'database.yaml', '-f', 'glance.yaml']);
  await narrator.kubectl([
    'wait',
    '--for=condition=Ready',
    'glanceschema/glance',
    ...openstack,
    '--timeout=60s',
  ]);
  await narrator.kubectl(['get', 'glanceschema', 'glance', ...openstack]);
  const { status } = await api.call('GET', schemaPath);
  check(status.recordedRevision === 'mitaka02', 'mitaka02 is recorded', status);
  check((status.lastMigration?.applied ?? []).length === 0, 'no migration was applied', status);
  await checkRecorded(world, ['mitaka02']);
  narrator.say('alembic_version now says mitaka02, and not a row of data was touched.');
}

async function upgrade(world: World, narrator: Narrator, api: TestApi): Promise<void> {
  narrator.heading('The revision is raised to ocata01: a Job migrates the database');
  const expected = await query(
    world.database,
    `
    SELECT CASE WHEN is_public THEN 'public'
      WHEN EXISTS (SELECT FROM image_members m WHERE m.image_id = i.id AND NOT m.deleted) THEN 'shared'
      ELSE 'private' END AS visibility, count(*)::int AS images FROM images i GROUP BY 1 ORDER BY 1`,
  );
  writeRevision(world, narrator, 'mitaka02', 'ocata01');
  await narrator.kubectl(['apply', '-f', 'glance.yaml']);
  await followUntil(narrator, api, (ready) => ready.status === 'True');
  await narrator.kubectl([
    'wait',
    '--for=condition=Ready',
    'glanceschema/glance',
    ...openstack,
    '--timeout=60s',
  ]);
  await narrator.kubectl(['get', 'glanceschema', 'glance', ...openstack]);
  await narrator.kubectl(['get', 'jobs', ...openstack]);
  const { status } = await api.call('GET', schemaPath);
  check(status.recordedRevision === 'ocata01', 'ocata01 is recorded', status);
  await checkRecorded(world, status.databaseHeads);
  narrator.say('The images have a visibility in place of is_public, each the one that its members call for:');
  const counts = await query(
    world.database,
    'SELECT visibility, count(*)::int AS images FROM images GROUP BY 1 ORDER BY 1',
  );
  narrator.output(table(counts));
  check(
    JSON.stringify(counts) === JSON.stringify(expected),
    `the counts are ${JSON.stringify(expected)}`,
    counts,
  );
}

async function refuseAtAdmission(world: World, narrator: Narrator, api: TestApi): Promise<void> {
  narrator.heading('A lower revision is refused by the API server itself');
  writeRevision(world, narrator, 'ocata01', 'mitaka01');
  const refusal = await narrator.kubectl(['apply', '-f', 'glance.yaml'], 'fails');
  check(/mitaka01.*ocata01/.test(refusal), 'the refusal names both revisions', refusal);
  const { spec } = await api.call('GET', schemaPath);
  check(spec.revision === 'ocata01', 'the resource is as it was', spec);
}

async function refuseInJob(world: World, narrator: Narrator, api: TestApi): Promise<void> {
  narrator.heading('Deleted and recreated with the lower revision, it gets past admission, and no further');
  const before = await recorded(world);
  await narrator.kubectl(['delete', 'glanceschema', 'glance', ...openstack]);
  await narrator.kubectl(['apply', '-f', 'glance.yaml']);
  await followUntil(narrator, api, (ready) => ready.reason === 'DowngradeNotSupported');
  await narrator.kubectl(['get', 'glanceschema', 'glance', ...openstack]);
  const { status, metadata } = await api.call('GET', schemaPath);
  const stalled = conditionOf(status, 'Stalled');
  check(stalled?.status === 'True', 'the condition Stalled is True', status);
  check(status.recordedRevision === 'ocata01', 'the record says what the database says', status);
  const jobs: readonly KubeObject[] = (await api.call('GET', jobsPath)).items;
  const own = jobs.filter((job) => job.metadata?.ownerReferences?.[0]?.uid === metadata?.uid);
  check(own.length === 1, 'one Job read the database', own);
  await narrator.kubectl(['logs', `job/${own[0]?.metadata?.name}`, ...openstack]);
  check((await recorded(world)).join() === before.join(), 'the database is as it was', await recorded(world));
  narrator.say(`The database is still at ${before.join(', ')}.`);
}

function writeRevision(world: World, narrator: Narrator, from: string, to: string): void {
  writeFileSync(join(world.folder, 'glance.yaml'), glanceSchema(to));
  narrator.file('glance.yaml', `-  revision: "${from}"\n+  revision: "${to}"`);
}

interface Ready {
  readonly status: string;
  readonly reason: string;
  readonly message: string;
}

/** Tells each new reason of the condition Ready, until it is the one that is waited for. */
export async function followUntil(
  narrator: Narrator,
  api: TestApi,
  done: (ready: Ready) => boolean,
): Promise<void> {
  const deadline = Date.now() + 60_000;
  let told = '';
  while (Date.now() < deadline) {
    const schema = await api.call('GET', schemaPath);
    const ready: (Ready & { observedGeneration?: number }) | undefined = conditionOf(schema.status, 'Ready');
    if (ready !== undefined && schema.status.observedGeneration === schema.metadata?.generation) {
      const now = `${ready.reason}: ${ready.message}`;
      if (now !== told) narrator.output(now);
      told = now;
      if (done(ready)) return;
    }
    await sleep(25);
  }
  throw new Error(`The status did not come to what was told within a minute; last: ${told}`);
}

function conditionOf(status: KubeObject | undefined, type: string): Ready | undefined {
  return status?.conditions?.find((each: KubeObject) => each.type === type);
}

export async function checkRecorded(world: World, heads: readonly string[]): Promise<void> {
  const rows = await recorded(world);
  check(rows.join() === [...heads].sort().join(), `alembic_version says ${heads.join(', ')}`, rows);
}

async function recorded(world: World): Promise<readonly string[]> {
  const rows = await query(world.database, 'SELECT version_num FROM alembic_version ORDER BY 1');
  return rows.map((row) => String(row.version_num));
}

export async function query(database: string, sql: string): Promise<readonly Record<string, unknown>[]> {
  const client = new pg.Client({ connectionString: database });
  await client.connect();
  try {
    return (await client.query(sql)).rows;
  } finally {
    await client.end();
  }
}

export function table(rows: readonly Record<string, unknown>[]): string {
  return rows
    .map((row) =>
      Object.entries(row)
        .map(([name, value]) => `${name}=${value}`)
        .join('  '),
    )
    .join('\n');
}

export function check(holds: boolean, what: string, found: unknown): void {
  if (!holds) throw new Error(`Expected that ${what}; found ${JSON.stringify(found)}`);
}
