import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type SeedCounts, seedNewton } from '../../lab/databases/glance-data.ts';
import { startPostgres, type TestPostgres } from '../../lab/databases/postgres.ts';
import { type ControlPlane, startControlPlane } from '../../lab/kubernetes/control-plane.ts';
import { type FakeKubelet, startFakeKubelet } from '../../lab/kubernetes/fake-kubelet.ts';
import { freePort } from '../../lab/process/free-port.ts';
import { reaper } from '../../lab/process/reaper.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const images = 3_000;

/**
 * A PostgreSQL with two equal Glance databases of the Newton release, one for each half of the
 * story.
 */
export interface Databases {
  readonly postgres: TestPostgres;
  /** URL of the database that the command line migrates. */
  readonly byHand: string;
  /** URL of the one that is the operator's. */
  readonly database: string;
  readonly seeded: SeedCounts;
}

/** All that the demo runs on: Kubernetes, the databases, and a folder of files for kubectl. */
export interface World extends Databases {
  /** Folders that stand for claims; absent in a story without backups. */
  readonly claims?: ReadonlyMap<string, string>;
  readonly plane: ControlPlane;
  readonly node: FakeKubelet;
  readonly folder: string;
}

/**
 * Everything of a demo that has been started so far, to be stopped in the end, whether it came to a
 * whole or not.
 */
export interface Stage {
  readonly folder: string;
  startDatabases(): Promise<Databases>;
  /** Builds Kubernetes where it is nowhere to be found, which takes minutes, and starts it. */
  startCluster(say: (line: string) => void): Promise<Pick<World, 'plane' | 'node'>>;
  /** Writes the files that the story applies. */
  furnish(databases: Databases, cluster: Pick<World, 'plane' | 'node'>): Promise<World>;
  stop(): Promise<void>;
}

/** What a story with backups has besides. */
export interface BackupNeeds {
  /** The folder of the programs of a PostgreSQL server whose clients are on `path`. */
  readonly bin: string;
  /** PATH of the operator's image. */
  readonly path: string;
  /** Folders that stand for PersistentVolumeClaims, by their names. */
  readonly claims: ReadonlyMap<string, string>;
}

/** @param backups what is needed for backups; absent for a story without them */
export function stage(backups?: BackupNeeds): Stage {
  const folder = reaper.makeFolder('glance-schema-demo-');
  const stops: (() => Promise<void>)[] = [];

  async function startDatabases(): Promise<Databases> {
    const postgres = await startPostgres(backups === undefined ? {} : { bin: backups.bin });
    stops.push(() => postgres.stop());
    const byHand = await postgres.createDatabase('glance_by_hand');
    const database = await postgres.createDatabase('glance');
    await seedNewton(byHand, { images });
    return { postgres, byHand, database, seeded: await seedNewton(database, { images }) };
  }

  async function startCluster(say: (line: string) => void): Promise<Pick<World, 'plane' | 'node'>> {
    const plane = await startControlPlane({ say });
    stops.push(() => plane.stop());
    const program = [process.execPath, join(root, 'dist/glance-schema.js')];
    const node = await startFakeKubelet(
      backups === undefined
        ? { plane, images: { 'glance-schema': program } }
        : {
            plane,
            images: { 'glance-schema': ['/usr/bin/env', `PATH=${backups.path}`, ...program] },
            claims: backups.claims,
          },
    );
    stops.push(() => node.stop());
    return { plane, node };
  }

  return {
    folder,
    startDatabases,
    startCluster,
    async furnish(databases, cluster) {
      const world = {
        ...databases,
        ...cluster,
        folder,
        ...(backups === undefined ? {} : { claims: backups.claims }),
      };
      await writeFiles(world);
      return world;
    },
    async stop() {
      for (const stop of stops.toReversed()) await stop();
      rmSync(folder, { recursive: true, force: true });
      reaper.forgetFolder(folder);
    },
  };
}

/**
 * The GlanceSchema that the story is about.
 *
 * @param more further lines of its spec
 */
export function glanceSchema(revision: string, more: readonly string[] = []): string {
  return [
    'apiVersion: db.glance.openstack.org/v1alpha1',
    'kind: GlanceSchema',
    'metadata:',
    '  name: glance',
    '  namespace: openstack',
    'spec:',
    `  revision: "${revision}"`,
    '  database:',
    '    secretRef: {name: glance-db}',
    ...more.map((line) => `  ${line}`),
    '',
  ].join('\n');
}

async function writeFiles(world: World): Promise<void> {
  const { folder } = world;
  mkdirSync(join(folder, 'operator'));
  const port = await freePort();
  // Kustomize takes no absolute paths.
  const manifests = relative(join(folder, 'operator'), join(root, 'manifests'));
  writeFileSync(
    join(folder, 'operator', 'kustomization.yaml'),
    `# manifests/ of the repository. The pod shares this machine's network here, so its port has to be a free one, and one is enough.
resources: [${manifests}]
patches:
  - target: {kind: Deployment, name: glance-schema-operator}
    patch: |
      - {op: replace, path: /spec/replicas, value: 1}
      - {op: add, path: /spec/template/spec/containers/0/args/-, value: --health-address=127.0.0.1:${port}}
      - {op: add, path: /spec/template/spec/containers/0/args/-, value: --metrics-address=0}
      - {op: replace, path: /spec/template/spec/containers/0/ports/0/containerPort, value: ${port}}
`,
  );
  writeFileSync(
    join(folder, 'database.yaml'),
    `apiVersion: v1
kind: Namespace
metadata:
  name: openstack
  labels: {pod-security.kubernetes.io/enforce: restricted}
---
apiVersion: v1
kind: Secret
metadata: {name: glance-db, namespace: openstack}
stringData:
  connection: ${world.database}
`,
    { mode: 0o600 },
  );
  writeFileSync(join(folder, 'glance.yaml'), glanceSchema('mitaka02'));
}
