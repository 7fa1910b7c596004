// `make demo STORY=backup`: a backup before an upgrade, a plan that is refused, and the way back.

import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { makeClientFolder } from '../../lab/databases/backup-clients.ts';
import type { TestApi } from '../../lab/kubernetes/test-api.ts';
import { runCli } from '../../lab/process/bundle.ts';
import { ensureDistributionPackages, findPostgres } from '../../lab/tools/distribution-packages.ts';
import type { Narrator } from './narrator.ts';
import {
  check,
  checkRecorded,
  followUntil,
  installOperator,
  openstack,
  query,
  schemaPath,
  showDatabase,
  table,
} from './story.ts';
import { type BackupNeeds, glanceSchema, type World } from './world.ts';

const CLAIM = 'glance-backups';

/**
 * A PostgreSQL with its clients, of the distribution, and a claim.
 *
 * @throws an Error of one sentence where they cannot be had, with how to get them.
 */
export async function needsOfBackups(): Promise<BackupNeeds & { remove(): void }> {
  if (findPostgres() === null) {
    await ensureDistributionPackages((line) => process.stdout.write(`${line}\n`));
  }
  const bin = findPostgres();
  if (bin === null) {
    throw new Error(
      'PostgreSQL with its clients is not on this machine (Debian: apt-get install postgresql). Install it.',
    );
  }
  const clients = makeClientFolder();
  const claim = mkdtempSync(join(tmpdir(), 'glance-schema-claim-'));
  return {
    bin,
    path: clients.path,
    claims: new Map([[CLAIM, claim]]),
    remove() {
      clients.remove();
      rmSync(claim, { recursive: true, force: true });
    },
  };
}

/** Tells the whole story. Each step is checked; the first that does not come out as told throws. */
export async function tellBackups(world: World, narrator: Narrator): Promise<void> {
  const api = world.plane.api();
  await showDatabase(world.database, world, narrator);
  const before = await images(world, 'is_public');
  await installOperator(narrator);
  await upgrade(world, narrator, api);
  await refusePlan(world, narrator, api);
  await goBack(world, narrator, api);
  const after = await images(world, 'is_public');
  check(JSON.stringify(after) === JSON.stringify(before), 'every image is as it was', after);
}

const SPEC = ['approval: Manual', `backup: {policy: BeforeUpgrade, volumeClaimName: ${CLAIM}}`];

async function upgrade(world: World, narrator: Narrator, api: TestApi): Promise<void> {
  narrator.heading('An upgrade to ocata01 is planned, and waits for approval');
  apply(world, narrator, 'ocata01', []);
  await narrator.kubectl(['apply', '-f', 'database.yaml', '-f', 'glance.yaml']);
  await followUntil(narrator, api, ({ reason }) => reason === 'AwaitingApproval');

  narrator.heading('It is approved: its pod takes a backup, and migrates once that is proven');
  const { status } = await api.call('GET', schemaPath);
  await approve(narrator, status.plan.hash);
  await followUntil(narrator, api, (ready) => ready.status === 'True');
  const { status: migrated } = await api.call('GET', schemaPath);
  await checkRecorded(world, migrated.databaseHeads);
  const [backup] = migrated.backups;
  check(backup?.revision === 'mitaka02', 'there is a backup of mitaka02', migrated.backups);
  await glanceSchemaOf(world, narrator, 'status');
  narrator.say('On the claim are the dump, and a document that says how it was proven:');
  narrator.output(readdirSync(claimOf(world)).sort().join('\n'));
}

async function refusePlan(world: World, narrator: Narrator, api: TestApi): Promise<void> {
  narrator.heading('The next upgrade is planned; then somebody migrates a part of it by hand');
  apply(world, narrator, 'rocky02', []);
  await narrator.kubectl(['apply', '-f', 'glance.yaml']);
  await followUntil(narrator, api, ({ reason }) => reason === 'AwaitingApproval');
  const { status } = await api.call('GET', schemaPath);
  const { hash } = status.plan;
  await narrator.glanceSchema(world.database, ['db', 'sync', 'pike01']);

  narrator.heading('The plan is approved, but its migration refuses it: it would do something else now');
  await approve(narrator, hash);
  await followUntil(
    narrator,
    api,
    ({ reason, message }) => reason === 'AwaitingApproval' && !message.includes(hash),
  );
  const { status: again } = await api.call('GET', schemaPath);
  check(again.refusedPlan === hash, 'the plan is remembered as refused', again);
  check(again.recordedRevision === 'pike01', 'nothing was migrated', again);
}

async function goBack(world: World, narrator: Narrator, api: TestApi): Promise<void> {
  narrator.heading('The way back to Newton: suspend, restore the backup, and have the record follow');
  apply(world, narrator, 'rocky02', ['suspend: true']);
  await narrator.kubectl(['apply', '-f', 'glance.yaml']);
  await followUntil(narrator, api, ({ reason }) => reason === 'Suspended');
  const { status } = await api.call('GET', schemaPath);
  const backups: readonly { readonly revision: string }[] = status.backups;
  const number = backups.findIndex(({ revision }) => revision === 'mitaka02') + 1;
  const job = await glanceSchemaOf(world, narrator, 'restore', '--backup', String(number));
  writeFileSync(join(world.folder, 'restore.yaml'), job);
  const made = await narrator.kubectl(['create', '-f', 'restore.yaml']);
  const name = /job\.batch\/(\S+) created/.exec(made)?.[1] ?? '';
  await narrator.kubectl(['wait', '--for=condition=Complete', `job/${name}`, ...openstack, '--timeout=60s']);
  await narrator.kubectl(['logs', `job/${name}`, ...openstack]);
  await glanceSchemaOf(world, narrator, 'observe');
  await followUntil(narrator, api, ({ message }) => message.includes('was last read at mitaka02'));
  const [old] = await query(world.database, 'SELECT version FROM migrate_version');
  check(old?.version === 44, "the old tool's record is there again", old);
  narrator.say('The database is of Newton again, each image as it was:');
  narrator.output(table(await images(world, 'is_public')));
}

function apply(world: World, narrator: Narrator, revision: string, more: readonly string[]): void {
  const text = glanceSchema(revision, [...SPEC, ...more]);
  writeFileSync(join(world.folder, 'glance.yaml'), text);
  narrator.file('glance.yaml', text);
}

async function approve(narrator: Narrator, hash: string): Promise<void> {
  const patch = JSON.stringify({ spec: { approvedPlan: hash } });
  await narrator.kubectl(['patch', 'glanceschema', 'glance', ...openstack, '--type=merge', '--patch', patch]);
}

/** Runs a verb of the plugin, and shows it as a person would type it. Returns what it wrote on stdout. */
async function glanceSchemaOf(
  { plane }: World,
  narrator: Narrator,
  verb: string,
  ...args: readonly string[]
): Promise<string> {
  narrator.output(`$ kubectl glanceschema ${[verb, 'glance', ...openstack, ...args].join(' ')}`);
  const { code, stdout, stderr } = await runCli(['kubectl', verb, 'glance', ...openstack, ...args], {
    KUBECONFIG: plane.kubeconfigPath,
  });
  narrator.output(stderr + stdout);
  check(code === 0, `'${verb}' succeeds`, stderr);
  return stdout;
}

function images({ database }: World, column: string): Promise<readonly Record<string, unknown>[]> {
  return query(database, `SELECT ${column}, count(*)::int AS images FROM images GROUP BY 1 ORDER BY 1`);
}

function claimOf({ claims }: World): string {
  return claims?.get(CLAIM) ?? '';
}
