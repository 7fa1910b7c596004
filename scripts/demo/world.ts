import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type ControlPlane, startControlPlane } from '../../test/support/control-plane.ts';
import { freePort } from '../../test/support/free-port.ts';
import { type SeedCounts, seedNewton } from '../../test/support/glance-data.ts';
import { startPostgres, type TestPostgres } from '../../test/support/postgres.ts';
import { reaper } from '../../test/support/reaper.ts';
import { type StandInNode, startStandInNode } from '../../test/support/stand-in-node.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const images = 3_000;

/** All that the demo runs on: Kubernetes, PostgreSQL with a Glance database, and a folder of files for kubectl. */
export interface World {
  readonly plane: ControlPlane;
  readonly node: StandInNode;
  readonly postgres: TestPostgres;
  readonly database: string;
  readonly seeded: SeedCounts;
  readonly folder: string;
}

/** Everything of a demo that has been started so far, to be stopped in the end, whether it came to a whole or not. */
export interface Stage {
  readonly folder: string;
  start(say: (line: string) => void): Promise<World>;
  stop(): Promise<void>;
}

export function stage(): Stage {
  const folder = mkdtempSync(join(tmpdir(), 'glance-schema-demo-'));
  reaper.watchFolder(folder);
  const stops: (() => Promise<void>)[] = [];

  async function startDatabase(): Promise<Pick<World, 'postgres' | 'database' | 'seeded'>> {
    const postgres = await startPostgres();
    stops.push(() => postgres.stop());
    const database = await postgres.createDatabase('glance');
    return { postgres, database, seeded: await seedNewton(database, { images }) };
  }

  async function startCluster(say: (line: string) => void): Promise<Pick<World, 'plane' | 'node'>> {
    const plane = await startControlPlane({ say });
    stops.push(() => plane.stop());
    const program = [process.execPath, join(root, 'dist/glance-schema.js')];
    const node = await startStandInNode({ plane, images: { 'glance-schema': program } });
    stops.push(() => node.stop());
    return { plane, node };
  }

  return {
    folder,
    async start(say) {
      // Both are waited for even if one fails, so that `stop` finds all that was started.
      const [cluster, data] = await Promise.allSettled([startCluster(say), startDatabase()]);
      if (cluster.status === 'rejected') throw cluster.reason;
      if (data.status === 'rejected') throw data.reason;
      const world = { ...cluster.value, ...data.value, folder };
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

/** The GlanceSchema that the story is about. */
export function glanceSchema(revision: string): string {
  return [
    'apiVersion: db.glance.openstack.org/v1alpha1',
    'kind: GlanceSchema',
    'metadata:',
    '  name: glance',
    '  namespace: openstack',
    'spec:',
    `  revision: ${revision}`,
    '  database:',
    '    secretRef: {name: glance-db}',
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
