// A real Kubernetes control plane on loopback, for the tests and the demo. `startControlPlane` takes
// three seconds once its programs are built (lab/cluster/build.ts).
//
// Pods run only with a fake kubelet (fake-kubelet.ts). Whatever happens to this process, what it
// started ends with it.

import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { KubeConfig } from '@kubernetes/client-node';
import { withoutUndefined } from '../../src/glance/without-undefined.ts';
import { type Binaries, ensureBinaries } from '../cluster/binaries.ts';
import { freePort } from '../process/free-port.ts';
import { GO_PROGRAMS } from '../process/go-programs.ts';
import { reaper } from '../process/reaper.ts';
import { type ServerProcess, startServerProcess } from '../process/server-process.ts';
import { fillFolder, programKey } from '../tools/initialised-folder.ts';
import { type AuditEvent, type AuditFilter, readAuditEvents } from './audit-log.ts';
import { writeKubeconfig } from './kubeconfig.ts';
import { placeServingCertificate } from './serving-certificate.ts';
import { type TestApi, testApi } from './test-api.ts';

/** Which programs of the control plane run, and with which settings. */
export interface ControlPlaneOptions {
  /**
   * False starts etcd and kube-apiserver only: no Jobs, ServiceAccounts or garbage collection.
   * Default true.
   */
  readonly controllers?: boolean;
  /**
   * For a real node, in a network namespace of its own: the address of the Service `kubernetes`,
   * where pods look for the API server. It listens there at 443. All controllers run then, not only
   * those that the tests with a fake kubelet need.
   */
  readonly serviceAddress?: string;
  /**
   * What is in the cluster from its first moment on, with what the controllers have made of it;
   * default: what Kubernetes itself puts there.
   */
  readonly content?: ClusterContent;
  /**
   * Told what is going on, line by line: the build of Kubernetes, if there is one, and each
   * program's start.
   */
  readonly say?: (line: string) => void;
}

/**
 * What a test wants to find in its cluster. It is made once: later clusters start from a copy of
 * etcd's folder, in half the time.
 */
export interface ClusterContent {
  /** Everything that it depends on, but for Kubernetes, etcd and this file. */
  readonly key: readonly unknown[];
  /** Makes it in a cluster whose controllers run. */
  make(plane: ControlPlane): Promise<void>;
}

/** A running etcd, kube-apiserver and, if wanted, kube-controller-manager on loopback. */
export interface ControlPlane {
  /** The API server's address, https://127.0.0.1:PORT; the same after a restart. */
  readonly server: string;
  /** A token of user `admin`, group system:masters. */
  readonly adminToken: string;
  /**
   * A token of user `fake-kubelet`, group system:masters, so that the node's requests can be told
   * from a test's.
   */
  readonly nodeToken: string;
  readonly caFile: string;
  /** Certificate and key of the API server, which `caFile` trusts: for a proxy in front of it. */
  readonly servingCertFile: string;
  readonly servingKeyFile: string;
  /** Where all files of this control plane are, logs included; gone after `stop`. */
  readonly folder: string;
  /** For kubectl, as admin. */
  readonly kubeconfigPath: string;
  readonly binaries: Binaries;
  /**
   * For `@kubernetes/client-node`, as admin. The library is loaded by the first call only, as it
   * takes a second.
   */
  kubeconfig(): Promise<KubeConfig>;
  /** A plain client, as admin unless another token is given. */
  api(token?: string, userAgent?: string): TestApi;
  /** A kubeconfig file for a ServiceAccount, with a token from the TokenRequest API. */
  serviceAccountKubeconfig(namespace: string, name: string): Promise<string>;
  stopApiServer(): Promise<void>;
  /**
   * Starts it again on the same port with the same data, and waits until it is ready. The
   * controller manager is restarted with it: by itself that takes up to a minute to notice that
   * the API server is back.
   */
  startApiServer(): Promise<void>;
  killApiServer(signal: NodeJS.Signals): void;
  /**
   * Has etcd forget everything but the present, as it does by itself every five minutes: no watch
   * can begin earlier.
   */
  compactEtcd(): Promise<void>;
  /**
   * What the API server was asked, from its audit log at level Metadata: one event per answer, two
   * per watch.
   */
  auditEvents(filter?: AuditFilter): readonly AuditEvent[];
  /** The API server's own metrics, as Prometheus text. */
  metrics(): Promise<string>;
  /** Ends all programs and removes `folder`. Safe to call twice. */
  stop(): Promise<void>;
}

const controllers = [
  'clusterrole-aggregation-controller',
  'deployment-controller',
  'garbage-collector-controller',
  'job-controller',
  'namespace-controller',
  'pod-garbage-collector-controller',
  'replicaset-controller',
  'root-ca-certificate-publisher-controller',
  'serviceaccount-controller',
  'serviceaccount-token-controller',
  'ttl-after-finished-controller',
];

const SERVER_ENVIRONMENT: NodeJS.ProcessEnv = { ...process.env, ...GO_PROGRAMS };

const auditPolicy = {
  apiVersion: 'audit.k8s.io/v1',
  kind: 'Policy',
  omitStages: ['RequestReceived'],
  rules: [
    // Its own loopback housekeeping would drown the rest.
    { level: 'None', users: ['system:apiserver'] },
    { level: 'None', nonResourceURLs: ['/livez*', '/readyz*', '/healthz*'] },
    { level: 'Metadata' },
  ],
};

/**
 * Starts etcd, kube-apiserver and, unless told otherwise, kube-controller-manager with the
 * controllers above, which is the set that Jobs, Deployments, ServiceAccounts, aggregated roles and
 * deletion need. Pod Security admission is on, as by default.
 *
 * @throws an Error with the last lines of the log of the program that did not come up.
 */
export function startControlPlane(options: ControlPlaneOptions = {}): Promise<ControlPlane> {
  return startOn(options, null);
}

/**
 * @param etcdFolder where etcd's files are, and stay after `stop`; null means in the folder that goes
 *   with it.
 */
async function startOn(options: ControlPlaneOptions, etcdFolder: string | null): Promise<ControlPlane> {
  const say = options.say ?? sayNothing;
  const binaries = await ensureBinaries(say);
  const folder = reaper.makeFolder('glance-schema-cluster-');
  const running: ServerProcess[] = [];
  try {
    return await start(options, binaries, folder, etcdFolder ?? join(folder, 'etcd'), running);
  } catch (error) {
    await Promise.all(running.map((server) => server.stop(0)));
    removeFolder(folder);
    throw error;
  }
}

/** An etcd that is killed leaves all that was written, in a folder that the next one reads. */
function fillWith(content: ClusterContent, etcdFolder: string, binaries: Binaries): Promise<void> {
  const initialise = async (): Promise<void> => {
    const plane = await startOn({}, etcdFolder);
    try {
      await content.make(plane);
    } finally {
      await plane.stop();
    }
  };
  return fillFolder(etcdFolder, contentKey(content, binaries), initialise, { sparse: true });
}

/** The key by which `keptFolder` finds etcd's folder with this content. */
export function contentKey(content: ClusterContent, binaries: Binaries): readonly unknown[] {
  const { etcd, kubeApiserver, kubeControllerManager, kubectl } = binaries;
  const programs = [etcd, kubeApiserver, kubeControllerManager, kubectl].map(programKey);
  return [...programs, readFileSync(import.meta.filename, 'utf8'), content.key];
}

async function start(
  options: ControlPlaneOptions,
  binaries: Binaries,
  folder: string,
  etcdFolder: string,
  running: ServerProcess[],
): Promise<ControlPlane> {
  const say = options.say ?? sayNothing;
  const file = (name: string): string => join(folder, name);
  for (const name of ['certs', 'logs', 'kubeconfigs']) mkdirSync(file(name));
  mkdirSync(etcdFolder, { recursive: true, mode: 0o700 });
  if (options.content !== undefined) await fillWith(options.content, etcdFolder, binaries);

  const adminToken = randomBytes(24).toString('hex');
  const nodeToken = randomBytes(24).toString('hex');
  const managerToken = randomBytes(24).toString('hex');
  const lines = [
    `${adminToken},admin,admin,"system:masters"`,
    `${nodeToken},fake-kubelet,fake-kubelet,"system:masters"`,
    `${managerToken},system:kube-controller-manager,system:kube-controller-manager,"system:masters"`,
  ];
  writeFileSync(file('tokens.csv'), `${lines.join('\n')}\n`, { mode: 0o600 });
  writeFileSync(file('audit-policy.json'), JSON.stringify(auditPolicy));
  const { publicKey, privateKey } = generateKeyPairSync('ec', {
    namedCurve: 'P-256',
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'sec1', format: 'pem' },
  });
  writeFileSync(file('service-accounts.key'), privateKey, { mode: 0o600 });
  writeFileSync(file('service-accounts.pub'), publicKey);

  say('Starting etcd');
  const etcdPort = await freePort();
  const peerPort = await freePort();
  const etcdUrl = `http://127.0.0.1:${etcdPort}`;
  const peerUrl = `http://127.0.0.1:${peerPort}`;
  const etcd = startServerProcess({
    name: 'etcd',
    path: binaries.etcd,
    logFile: file('logs/etcd.log'),
    args: [
      '--name=test',
      `--data-dir=${etcdFolder}`,
      `--listen-client-urls=${etcdUrl}`,
      `--advertise-client-urls=${etcdUrl}`,
      `--listen-peer-urls=${peerUrl}`,
      `--initial-advertise-peer-urls=${peerUrl}`,
      `--initial-cluster=test=${peerUrl}`,
      '--unsafe-no-fsync',
      '--log-level=warn',
    ],
    env: SERVER_ENVIRONMENT,
  });
  running.push(etcd);

  const address = options.serviceAddress ?? '127.0.0.1';
  const port = options.serviceAddress === undefined ? await freePort() : 443;
  const server = `https://${address}:${port}`;
  const caFile = file('certs/apiserver.crt');
  placeServingCertificate(file('certs'), address);
  let apiServer: ServerProcess | null = null;

  function spawnApiServer(): ServerProcess {
    const started = startServerProcess({
      name: 'kube-apiserver',
      path: binaries.kubeApiserver,
      logFile: file('logs/kube-apiserver.log'),
      args: [
        `--etcd-servers=${etcdUrl}`,
        `--cert-dir=${file('certs')}`,
        `--bind-address=${address}`,
        `--advertise-address=${address}`,
        `--secure-port=${port}`,
        '--endpoint-reconciler-type=none',
        '--service-cluster-ip-range=10.0.0.0/24',
        '--authorization-mode=RBAC',
        `--token-auth-file=${file('tokens.csv')}`,
        '--service-account-issuer=https://kubernetes.default.svc',
        `--service-account-key-file=${file('service-accounts.pub')}`,
        `--service-account-signing-key-file=${file('service-accounts.key')}`,
        '--kubelet-preferred-address-types=InternalIP',
        `--audit-policy-file=${file('audit-policy.json')}`,
        `--audit-log-path=${file('logs/audit.log')}`,
      ],
      env: SERVER_ENVIRONMENT,
    });
    running.push(started);
    return started;
  }

  async function startApiServer(): Promise<void> {
    if (apiServer !== null) throw new Error('Cannot start kube-apiserver: it is running');
    const started = spawnApiServer();
    apiServer = started;
    await waitUntilReady(started, 'kube-apiserver', async () => {
      etcd.assertRunning();
      // Without openssl the API server makes the certificate, and before that there is nothing to trust.
      const api = testApi({ server, token: adminToken, ca: readFileSync(caFile) });
      try {
        return (await api.request('GET', '/readyz', undefined, { timeoutMilliseconds: 2000 })).status === 200;
      } finally {
        api.close();
      }
    });
  }

  async function stopApiServer(): Promise<void> {
    // Asked politely it waits ten seconds and more for watches that never end by themselves.
    await apiServer?.stop(1500);
    apiServer = null;
  }

  say('Starting kube-apiserver');
  await startApiServer();
  const ca = readFileSync(caFile);
  const clients: TestApi[] = [];

  function api(token = adminToken, userAgent?: string): TestApi {
    const client = testApi({ server, token, ca, ...withoutUndefined({ userAgent }) });
    clients.push(client);
    return client;
  }

  const kubeconfigPath = writeKubeconfig(file('kubeconfigs/admin'), { server, caFile, token: adminToken });
  let manager: ServerProcess | null = null;

  async function startManager(): Promise<void> {
    const started = startServerProcess({
      name: 'kube-controller-manager',
      path: binaries.kubeControllerManager,
      logFile: file('logs/kube-controller-manager.log'),
      args: [
        `--kubeconfig=${writeKubeconfig(file('kubeconfigs/manager'), { server, caFile, token: managerToken })}`,
        `--controllers=${options.serviceAddress === undefined ? controllers.join(',') : '*'}`,
        '--leader-elect=false',
        '--secure-port=0',
        `--root-ca-file=${caFile}`,
        `--service-account-private-key-file=${file('service-accounts.key')}`,
      ],
      env: SERVER_ENVIRONMENT,
    });
    running.push(started);
    manager = started;
    const admin = api();
    // What a first pod waits for. The certificate is new with each control plane, so that its being
    // there shows that the controllers have begun, but for those that are started again.
    await waitUntilReady(started, 'kube-controller-manager', async () => {
      const namespace = '/api/v1/namespaces/default';
      const account = await admin.request('GET', `${namespace}/serviceaccounts/default`);
      const roots = await admin.request('GET', `${namespace}/configmaps/kube-root-ca.crt`);
      return account.status === 200 && roots.status === 200 && roots.body.data['ca.crt'] === ca.toString();
    });
  }

  if (options.controllers ?? true) {
    say('Starting kube-controller-manager');
    await startManager();
  }

  let stopped: Promise<void> | null = null;

  async function stopAll(): Promise<void> {
    for (const client of clients) client.close();
    // All at once: nobody is left whom a graceful end would serve.
    for (const each of running) each.kill('SIGKILL');
    await Promise.all(running.map((each) => each.stop(0)));
    removeFolder(folder);
  }

  return {
    server,
    adminToken,
    nodeToken,
    caFile,
    servingCertFile: caFile,
    servingKeyFile: file('certs/apiserver.key'),
    folder,
    kubeconfigPath,
    binaries,
    async kubeconfig() {
      const { KubeConfig } = await import('@kubernetes/client-node');
      const config = new KubeConfig();
      config.loadFromFile(kubeconfigPath);
      return config;
    },
    api,
    async serviceAccountKubeconfig(namespace, name) {
      const path = `/api/v1/namespaces/${namespace}/serviceaccounts/${name}/token`;
      const request = {
        apiVersion: 'authentication.k8s.io/v1',
        kind: 'TokenRequest',
        spec: { expirationSeconds: 86_400 },
      };
      const answer = await api().call('POST', path, request);
      const token: string = answer.status.token;
      return writeKubeconfig(file(`kubeconfigs/${namespace}-${name}`), { server, caFile, token, namespace });
    },
    stopApiServer,
    async startApiServer() {
      await startApiServer();
      if (manager === null) return;
      await manager.stop(0);
      await startManager();
    },
    killApiServer(signal) {
      apiServer?.kill(signal);
      if (signal === 'SIGKILL') apiServer = null;
    },
    async compactEtcd() {
      const { header } = await askEtcd(etcdUrl, 'range', { key: 'AA==' });
      await askEtcd(etcdUrl, 'compaction', { revision: header.revision, physical: true });
    },
    auditEvents: (filter = {}) => readAuditEvents(file('logs/audit.log'), filter),
    async metrics() {
      return (await api().request('GET', '/metrics')).text;
    },
    stop() {
      stopped ??= stopAll();
      return stopped;
    },
  };
}

/** By its JSON gateway, as there is no etcdctl. */
async function askEtcd(
  url: string,
  operation: string,
  body: Record<string, unknown>,
): Promise<{ readonly header: { readonly revision: string } }> {
  const answer = await fetch(`${url}/v3/kv/${operation}`, { method: 'POST', body: JSON.stringify(body) });
  if (!answer.ok) throw new Error(`Cannot have etcd do ${operation}: ${await answer.text()}`);
  return JSON.parse(await answer.text());
}

async function waitUntilReady(
  server: ServerProcess,
  name: string,
  isReady: () => Promise<boolean>,
): Promise<void> {
  const deadline = Date.now() + 120_000;
  let last: unknown = null;
  while (Date.now() < deadline) {
    server.assertRunning();
    try {
      if (await isReady()) return;
    } catch (error) {
      last = error;
    }
    await sleep(100);
  }
  throw new Error(`Cannot start ${name}: it was not ready after two minutes`, { cause: last });
}

function removeFolder(folder: string): void {
  rmSync(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
  reaper.forgetFolder(folder);
}

function sayNothing(): void {}
