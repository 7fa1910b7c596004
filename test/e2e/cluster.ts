// The cluster of the journeys: a control plane, a real node with our image, PostgreSQL and MariaDB
// that pods can reach.

import { chmodSync, mkdtempSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { builtImage } from '../../lab/container/image.ts';
import { type Certificates, makeCertificates } from '../../lab/databases/certificates.ts';
import { withClient } from '../../lab/databases/images.ts';
import { startMariaDb, type TestMariaDb } from '../../lab/databases/mariadb.ts';
import { startPostgres, type TestPostgres } from '../../lab/databases/postgres.ts';
import { type ControlPlane, startControlPlane } from '../../lab/kubernetes/control-plane.ts';
import { kubectl as runKubectl } from '../../lab/kubernetes/kubectl.ts';
import {
  prepareNamespaces,
  type RealNode,
  SERVICE_ADDRESS,
  startRealNode,
} from '../../lab/kubernetes/real-node.ts';
import type { KubeObject } from '../../lab/kubernetes/test-api.ts';
import { pluginBundle } from '../../lab/process/bundle.ts';
import { eventually } from '../../lab/process/eventually.ts';
import { findPostgres } from '../../lab/tools/distribution-packages.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

export interface Cluster {
  readonly node: RealNode;
  readonly postgres: TestPostgres;
  readonly mariadb: TestMariaDb;
  readonly certificates: Certificates;
  /** The image with the clients of the databases, once the node has it. */
  imageWithClients(): Promise<string>;
  /** Runs kubectl, which has our plugin, as admin in the repository's folder; throws with its words when it fails. */
  kubectl(...args: readonly string[]): Promise<string>;
  /** The words with which kubectl fails; throws when it does not. */
  refusal(...args: readonly string[]): Promise<string>;
  /** What `kubectl get` shows of one object. */
  get(...args: readonly string[]): Promise<KubeObject>;
  list(...args: readonly string[]): Promise<readonly KubeObject[]>;
  apply(...objects: readonly unknown[]): Promise<void>;
  /** A namespace with the Secret `glance-db`, as a user makes it. */
  tenant(namespace: string, connection: string): Promise<Tenant>;
  /**
   * What there is, and what the operator and the kubelet said last: for a failed test, as nothing
   * is left afterwards.
   */
  describe(): Promise<string>;
  stop(): Promise<void>;
}

export interface Tenant {
  readonly namespace: string;
  /** `kubectl apply` of a GlanceSchema named `glance`. */
  apply(spec: Record<string, unknown>): Promise<void>;
  refusal(spec: Record<string, unknown>): Promise<string>;
  /**
   * Waits until Ready has this reason and speaks of the newest spec, and its message has this in
   * it.
   */
  reaches(reason: string, message?: RegExp): Promise<KubeObject>;
  kubectl(...args: readonly string[]): Promise<string>;
  /** `kubectl create` of what is given as YAML or JSON; returns what was made, as `job.batch/NAME`. */
  create(text: string): Promise<string>;
  list(kind: string): Promise<readonly KubeObject[]>;
}

/** The same database as a pod reaches it. */
export function fromPods(url: string): string {
  return url.replace('@127.0.0.1:', `@${SERVICE_ADDRESS}:`);
}

export async function startCluster(): Promise<Cluster> {
  prepareNamespaces();
  const certificates = makeCertificates();
  const { ca, otherName } = certificates;
  const folder = mkdtempSync(join(tmpdir(), 'glance-schema-hba-'));
  // PostgreSQL runs as another user.
  chmodSync(folder, 0o755);
  const hba = join(folder, 'pg_hba.conf');
  writeFileSync(hba, 'hostssl all client all cert\nhost all all all scram-sha-256\n');
  const bin = findPostgres();
  if (bin === null)
    throw new Error('PostgreSQL with its clients is not on this machine: `make test-e2e` brings it.');
  const [plane, postgres, mariadb] = await Promise.all([
    startControlPlane({ serviceAddress: SERVICE_ADDRESS }),
    startPostgres({
      // That of Debian, which the clients in the image can dump.
      bin,
      certificate: otherName,
      settings: { listen_addresses: '*', hba_file: hba, ssl_ca_file: ca },
    }),
    startMariaDb({ settings: { 'bind-address': '0.0.0.0' } }),
  ]);
  await withClient(postgres.url('postgres'), async (client) => {
    await client.query('CREATE ROLE client SUPERUSER LOGIN');
  });
  const node = await startRealNode({ plane, archives: [builtImage('operator').archive] });
  const { archive, name } = builtImage('with-clients');
  // It is large, and the first journeys do without.
  const loaded = node.load(archive).then(() => name);
  loaded.catch(() => undefined);
  const servers = { plane, node, postgres, mariadb, certificates, imageWithClients: () => loaded };
  return clusterOf(servers, pluginFolder());
}

/** A folder in which kubectl finds our plugin. */
function pluginFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'glance-schema-plugins-'));
  symlinkSync(pluginBundle(), join(folder, 'kubectl-glanceschema'));
  return folder;
}

type Servers = Pick<Cluster, 'node' | 'postgres' | 'mariadb' | 'certificates' | 'imageWithClients'> & {
  readonly plane: ControlPlane;
};

function clusterOf(servers: Servers, plugins: string): Cluster {
  const { plane, node, postgres, mariadb, certificates, imageWithClients } = servers;

  const run = (args: readonly string[], input = '') =>
    runKubectl(plane.kubeconfigPath, args, { input, plugins, cwd: ROOT });

  async function ok(args: readonly string[], input?: string): Promise<string> {
    const { code, stdout, stderr } = await run(args, input);
    expect(code, `kubectl ${args.join(' ')}: ${stderr}`).to.equal(0);
    return stdout;
  }

  async function refused(args: readonly string[], input?: string): Promise<string> {
    const { code, stdout, stderr } = await run(args, input);
    expect(code, stdout).to.equal(1);
    return stderr;
  }

  const get = async (...args: readonly string[]): Promise<KubeObject> =>
    JSON.parse(await ok(['get', ...args, '--output=json']));
  const list = async (...args: readonly string[]): Promise<readonly KubeObject[]> =>
    (await get(...args)).items;
  const asList = (items: readonly unknown[]): string =>
    JSON.stringify({ apiVersion: 'v1', kind: 'List', items });
  const apply = async (...objects: readonly unknown[]): Promise<void> =>
    void (await ok(['apply', '--filename=-'], asList(objects)));

  async function tenant(namespace: string, connection: string): Promise<Tenant> {
    const labels = { 'pod-security.kubernetes.io/enforce': 'restricted' };
    await apply({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace, labels } });
    await apply({
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { name: 'glance-db', namespace },
      stringData: { connection },
    });
    const schema = (spec: Record<string, unknown>): string =>
      asList([
        {
          apiVersion: 'db.glance.openstack.org/v1alpha1',
          kind: 'GlanceSchema',
          metadata: { name: 'glance', namespace },
          spec: { revision: 'latest', database: { secretRef: { name: 'glance-db' } }, ...spec },
        },
      ]);
    const inside = `--namespace=${namespace}`;
    return {
      namespace,
      apply: async (spec) => void (await ok(['apply', '--filename=-'], schema(spec))),
      refusal: (spec) => refused(['apply', '--filename=-'], schema(spec)),
      reaches: (reason, message = /./) =>
        eventually(
          async () => {
            const { metadata, status } = await get('glanceschema', 'glance', inside);
            const ready = status?.conditions?.find(({ type }: { readonly type: string }) => type === 'Ready');
            expect(ready?.reason, ready?.message).to.equal(reason);
            expect(ready.message).to.match(message);
            expect(status.observedGeneration).to.equal(metadata?.generation);
            return { metadata: metadata ?? {}, status, ready };
          },
          { timeoutMilliseconds: 60_000, everyMilliseconds: 300 },
        ),
      kubectl: (...args) => ok([...args, inside]),
      create: async (text) => (await ok(['create', '--filename=-', '--output=name', inside], text)).trim(),
      list: (kind) => list(kind, inside),
    };
  }

  return {
    node,
    postgres,
    mariadb,
    certificates,
    imageWithClients,
    kubectl: (...args) => ok(args),
    refusal: (...args) => refused(args),
    get,
    list,
    apply,
    tenant,
    async describe() {
      const said = await Promise.all([
        run(['get', 'glanceschemas,jobs,pods', '--all-namespaces', '--output=wide']),
        run(['get', 'events', '--all-namespaces', '--sort-by=.lastTimestamp']),
        run([
          'logs',
          '--namespace=glance-schema-system',
          '--selector=app.kubernetes.io/component=operator',
          '--tail=15',
        ]),
      ]);
      const ends = said.map(({ stdout, stderr }) => lastLines(`${stdout}${stderr}`));
      return [...ends, node.log()].join('\n\n');
    },
    async stop() {
      await node.stop();
      await Promise.all([plane.stop(), postgres.stop(), mariadb.stop()]);
      certificates.remove();
    },
  };
}

function lastLines(text: string): string {
  return text.trimEnd().split('\n').slice(-40).join('\n');
}
