// Backups in pods: a real PersistentVolume, the image with the clients, and its own user in it.

import { createHash } from 'node:crypto';
import { chmodSync, chownSync, mkdtempSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { parse } from 'yaml';
import { makeSmallDisk, NO_SMALL_DISK } from '../../lab/databases/small-disk.ts';
import type { KubeObject } from '../../lab/kubernetes/test-api.ts';
import { eventually } from '../../lab/process/eventually.ts';
import type { StatusBackup } from '../../src/contract/glance-schema.ts';
import { OBSERVE_ANNOTATION, RETRY_ANNOTATION } from '../../src/contract/names.ts';
import { mysqlEngine } from '../support/mysql-engine.ts';
import { postgresEngine } from '../support/postgres-engine.ts';
import type { TestEngine } from '../support/test-engine.ts';
import { type Cluster, fromPods, type Tenant } from './cluster.ts';

/** The user of the image, and the group that the pod asks the volume to be of. */
const USER = 65_532;

const CLAIM = 'glance-backups';

const WAIT = { timeoutMilliseconds: 60_000, everyMilliseconds: 300 };

/** Tests of backups in pods, which run beside one another. */
export function backupJourneys(cluster: () => Cluster): void {
  const postgres = postgresEngine(() => cluster().postgres);
  const mariadb = mysqlEngine(() => cluster().mariadb);
  besideOneAnother({
    'a backup on a PersistentVolume of PostgreSQL leads back: restored by a Job, observed, raised again':
      () =>
        wayBack(cluster(), postgres, 'back-postgres', (tenant) =>
          tenant.kubectl('glanceschema', 'restore', 'glance', '--backup', '1'),
        ),
    'the same of MariaDB, by the Job that the documents write out': () =>
      wayBack(cluster(), mariadb, 'back-mariadb', async ({ namespace }, { file }) =>
        documentedJob(namespace, file, await cluster().imageWithClients()),
      ),
    'a claim that is missing or unbound, an image without clients, a volume that is full or of root: all is said':
      () => hindered(cluster(), mariadb, 'hindered'),
    'a pod that is killed during its backup: nothing is migrated before another has proven one': () =>
      killed(cluster(), postgres, 'killed-backup'),
  });
}

/** One test for each; the first that runs starts all of them. */
function besideOneAnother(journeys: Readonly<Record<string, () => Promise<void>>>): void {
  const started = new Map<string, Promise<void>>();
  for (const title of Object.keys(journeys)) {
    it(title, () => {
      if (started.size === 0) {
        for (const [name, journey] of Object.entries(journeys)) {
          const work = journey();
          // Its own test tells, when its turn comes.
          work.catch(() => undefined);
          started.set(name, work);
        }
      }
      return started.get(title);
    });
  }
}

/** What `spec` has for a backup, with the rights on the volume that docs/operations.md names. */
function wanting(image?: string): Record<string, unknown> {
  return {
    revision: 'ocata01',
    backup: { policy: 'BeforeUpgrade', volumeClaimName: CLAIM, ...(image === undefined ? {} : { image }) },
    job: { podSecurityContext: { fsGroup: USER } },
  };
}

/** What docs/operations.md has for a restore by hand. */
function documentedJob(namespace: string, file: string, image: string): string {
  const document = readFileSync(new URL('../../docs/operations.md', import.meta.url), 'utf8');
  const [, text = ''] = /```yaml\n( *apiVersion: batch\/v1\n[\s\S]*?)```/.exec(document) ?? [];
  const job = parse(text);
  const [container] = job.spec.template.spec.containers;
  job.metadata.namespace = namespace;
  container.image = image;
  container.args = container.args.map((arg: string) => arg.replace(/^\/backups\/.*/, `/backups/${file}`));
  return JSON.stringify(job);
}

/**
 * The runbook of docs/operations.md after an upgrade that took a backup.
 *
 * @param jobFor gives the Job that restores it.
 */
async function wayBack(
  cluster: Cluster,
  engine: TestEngine,
  name: string,
  jobFor: (tenant: Tenant, backup: StatusBackup) => Promise<string>,
): Promise<void> {
  const { url, tenant } = await newton(cluster, engine, name);
  const folder = mkdtempSync(join(tmpdir(), 'glance-schema-volume-'));
  await makeVolume(cluster, tenant, { local: { path: folder } });
  await makeClaim(cluster, tenant);
  const [schema, tables] = [await engine.readSchema(url), await engine.readTables(url)];
  await tenant.apply(wanting(await cluster.imageWithClients()));
  const upgraded = await tenant.reaches('UpToDate');
  expect(upgraded.status.recordedRevision).to.equal('ocata01');
  const images = await engine.readImages(url);
  expectProven(folder, upgraded.status.backups);
  const [pod] = await tenant.list('pods');
  expect(pod?.spec.initContainers[0].image).to.match(/with-clients$/);
  expect(pod?.spec.securityContext).to.include({ runAsNonRoot: true, fsGroup: USER });
  expect(pod?.spec.securityContext).not.to.have.property('runAsUser');

  await patch(tenant, { suspend: true });
  await tenant.reaches('Suspended');
  const job = await tenant.create(await jobFor(tenant, upgraded.status.backups[0]));
  await eventually(async () => {
    const { status } = JSON.parse(await tenant.kubectl('get', job, '--output=json'));
    const ends: readonly string[] = status.conditions?.map(({ type }: KubeObject) => type) ?? [];
    expect(ends, ends.includes('Failed') ? await tenant.kubectl('logs', job) : 'the restore').to.include(
      'Complete',
    );
  }, WAIT);
  expect(await engine.readSchema(url)).to.deep.equal(schema);
  expect(await engine.readTables(url)).to.deep.equal(tables);

  await tenant.kubectl('annotate', 'glanceschema', 'glance', `${OBSERVE_ANNOTATION}=restored`);
  await eventually(async () => expect((await read(tenant)).recordedRevision).to.equal('mitaka02'), WAIT);
  await patch(tenant, { revision: 'mitaka02', suspend: false });
  expect((await tenant.reaches('UpToDate')).status.recordedRevision).to.equal('mitaka02');
  expect(await engine.readTables(url)).to.deep.equal(tables);

  await patch(tenant, { revision: 'ocata01' });
  const again = await tenant.reaches('UpToDate');
  expect(again.status.backups, 'a backup of its own').to.have.length(2);
  expect(await engine.readImages(url)).to.deep.equal(images);
}

/** One thing after the other is in the way; each is named, and fixed by what the message says. */
async function hindered(cluster: Cluster, engine: TestEngine, name: string): Promise<void> {
  const { url, tenant } = await newton(cluster, engine, name);
  const before = [await engine.readSchema(url), await engine.readTables(url)];
  const disk = makeSmallDisk(8);
  if (disk === undefined) throw new Error(NO_SMALL_DISK);
  // All of it is there from the beginning: the operator tries by itself too.
  chmodSync(disk.path, 0o755);
  disk.fillBut(0);
  const retry = (why: string) =>
    tenant.kubectl('annotate', 'glanceschema', 'glance', '--overwrite', `${RETRY_ANNOTATION}=${why}`);

  await tenant.apply(wanting());
  await tenant.reaches('JobBlocked', /persistentvolumeclaim "glance-backups" not found/);
  await makeClaim(cluster, tenant, 'Pending');
  await tenant.reaches('JobBlocked', /unbound .* The claim for its backup is glance-backups: run `kubectl /);
  // What has this kind gets no group of the pod's.
  await makeVolume(cluster, tenant, { hostPath: { path: disk.path } });
  await tenant.reaches('BackupFailed', /no mariadb-dump or mysqldump .* target with-clients builds one/);
  await tenant.apply(wanting(await cluster.imageWithClients()));
  await tenant.reaches('BackupFailed', /0 MiB are free .* Enlarge the claim/);
  disk.makeRoom();
  await retry('there is room');
  const { status } = await tenant.reaches('BackupFailed', /this user may not\. Give it the rights there/);
  expect(status).not.to.have.any.keys('backups', 'history');
  expect([await engine.readSchema(url), await engine.readTables(url)]).to.deep.equal(before);
  expect(readdirSync(disk.path)).to.deep.equal([]);
  chownSync(disk.path, 0, USER);
  chmodSync(disk.path, 0o2770);
  await retry('it may write');
  expectProven(disk.path, (await tenant.reaches('UpToDate')).status.backups);
}

async function killed(cluster: Cluster, engine: TestEngine, name: string): Promise<void> {
  const { url, tenant } = await newton(cluster, engine, name);
  const folder = mkdtempSync(join(tmpdir(), 'glance-schema-volume-'));
  await makeVolume(cluster, tenant, { local: { path: folder } });
  await makeClaim(cluster, tenant);
  const schema = await engine.readSchema(url);
  const session = await engine.connect(url);
  await session.query('BEGIN');
  // Only the data of the dump needs it: all that comes before goes on.
  await session.query('ALTER SEQUENCE image_locations_id_seq RENAME TO held');
  /** Resolves once there is a dump that waits for the sequence, and that is another one than that. */
  const dumping = (but?: unknown): Promise<unknown> =>
    eventually(async () => {
      const all = await engine.query(
        url,
        `SELECT pid FROM pg_stat_activity WHERE datname = current_database()
          AND application_name = 'pg_dump' AND wait_event_type = 'Lock'`,
      );
      // The server sees only once it has the lock that whoever wanted it is gone.
      const found = all.find(({ pid }) => pid !== but);
      expect(found, 'it waits for the sequence').not.to.equal(undefined);
      return found?.pid;
    }, WAIT);

  await tenant.apply(wanting(await cluster.imageWithClients()));
  const first = await dumping();
  await tenant.reaches('MigrationRunning', /^The backup before the migration to ocata01 is being taken/);
  const [pod] = await tenant.list('pods');
  await tenant.kubectl('delete', 'pod', pod?.metadata?.name ?? '', '--grace-period=0', '--force');
  await dumping(first);
  expect(readdirSync(folder).filter((file) => !file.endsWith('.partial'))).to.deep.equal([]);
  expect(await read(tenant)).not.to.have.any.keys('backups', 'history');
  expect(await engine.readSchema(url)).to.deep.equal(schema);
  await session.end();
  const { status } = await tenant.reaches('UpToDate');
  expectProven(folder, status.backups);
  expect(status.history).to.have.length(1);
}

/** A Newton database, and a namespace with its Secret. */
async function newton(cluster: Cluster, engine: TestEngine, name: string) {
  const url = await engine.createDatabase(name.replaceAll('-', '_'));
  await engine.seedNewton(url, { images: 20 });
  return { url, tenant: await cluster.tenant(name, fromPods(url)) };
}

/** A PersistentVolume for the claim of this tenant. */
function makeVolume(
  cluster: Cluster,
  { namespace }: Tenant,
  source: { readonly local: { readonly path: string } } | { readonly hostPath: { readonly path: string } },
): Promise<void> {
  const here = { key: 'kubernetes.io/hostname', operator: 'In', values: [cluster.node.name] };
  return cluster.apply({
    apiVersion: 'v1',
    kind: 'PersistentVolume',
    metadata: { name: namespace },
    spec: {
      capacity: { storage: '1Gi' },
      accessModes: ['ReadWriteOnce'],
      persistentVolumeReclaimPolicy: 'Retain',
      storageClassName: '',
      nodeAffinity: { required: { nodeSelectorTerms: [{ matchExpressions: [here] }] } },
      ...source,
    },
  });
}

/** The claim, once it is in this phase. */
async function makeClaim(cluster: Cluster, tenant: Tenant, phase = 'Bound'): Promise<void> {
  const { namespace } = tenant;
  await cluster.apply({
    apiVersion: 'v1',
    kind: 'PersistentVolumeClaim',
    metadata: { name: CLAIM, namespace },
    spec: {
      accessModes: ['ReadWriteOnce'],
      resources: { requests: { storage: '1Gi' } },
      storageClassName: '',
      volumeName: namespace,
    },
  });
  await eventually(async () => {
    const { status } = await cluster.get('pvc', CLAIM, `--namespace=${namespace}`);
    expect(status.phase).to.equal(phase);
  }, WAIT);
}

async function patch(tenant: Tenant, spec: Record<string, unknown>): Promise<void> {
  await tenant.kubectl(
    'patch',
    'glanceschema',
    'glance',
    '--type=merge',
    `--patch=${JSON.stringify({ spec })}`,
  );
}

async function read(tenant: Tenant): Promise<KubeObject> {
  return JSON.parse(await tenant.kubectl('get', 'glanceschema', 'glance', '--output=json')).status;
}

/** The volume has this one backup and nothing else, as the status says, of the user of the image. */
function expectProven(folder: string, [backup, ...others]: readonly StatusBackup[]): void {
  expect(others).to.deep.equal([]);
  if (backup === undefined) throw new Error('The status lists no backup');
  expect(backup).to.include({ revision: 'mitaka02', phase: 'Contract', volumeClaimName: CLAIM });
  expect(readdirSync(folder).sort()).to.deep.equal([backup.file, `${backup.file}.json`]);
  const path = join(folder, backup.file);
  const { uid, gid, size } = statSync(path);
  expect({ uid, gid, size }).to.deep.equal({ uid: USER, gid: USER, size: backup.bytes });
  expect(createHash('sha256').update(readFileSync(path)).digest('hex')).to.equal(backup.sha256);
}
