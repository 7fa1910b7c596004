// A stand-in for the kubelet and the scheduler, for tests and the demo only: it is never part of
// the image.
//
// `startFakeKubelet` is given a program for each image. A pod then runs as a process of this machine,
// its status is what a kubelet's would be, and `logs` has what it printed.
//
// What is not as on a real node: no image, no isolation, no security context, no limits, and no in-cluster files at /var/run/secrets: a pod with a ServiceAccount token gets
// KUBECONFIG in their place. Liveness probes are not asked. Pods in the test's own network reach
// everything by 127.0.0.1.

import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { reaper } from '../process/reaper.ts';
import type { ControlPlane } from './control-plane.ts';
import { startLogServer } from './fake-kubelet/log-server.ts';
import { type Pod, podPath } from './fake-kubelet/pod.ts';
import { type PodWorker, startPodWorker } from './fake-kubelet/pod-worker.ts';
import { isAnswer, untilAnswered } from './fake-kubelet/until-answered.ts';
import type { KubeObject, WatchEvent } from './test-api.ts';

/** Whose pods a fake kubelet runs, and as which programs. */
export interface FakeKubeletOptions {
  readonly plane: ControlPlane;
  /**
   * What an image starts, by the beginning of its name: what the image's ENTRYPOINT would say.
   * Others cannot be pulled.
   */
  readonly images: Readonly<Record<string, readonly string[]>>;
  /** The folders that stand for PersistentVolumeClaims, by their names, of any namespace. */
  readonly claims?: ReadonlyMap<string, string>;
  /** Default `fake-kubelet`. */
  readonly name?: string;
  /**
   * Where the pods' own calls to the API server go, for example a proxy; default: the API server.
   */
  readonly apiServer?: string;
  /** Environment of every container besides its own. */
  readonly env?: Readonly<Record<string, string>>;
  /**
   * Milliseconds between attempts at what cannot be done yet; a kubelet takes seconds. Default 500.
   */
  readonly retryEvery?: number;
}

/** A running fake kubelet: a node that runs the containers of pods as processes of this machine. */
export interface FakeKubelet {
  readonly name: string;
  /**
   * What a container printed, all of its restarts; empty when it never started. Kept after the pod
   * is gone.
   */
  logs(namespace: string, pod: string, container?: string): string;
  /** Of all containers that ever started, for a failing test to show. */
  allLogs(): readonly ContainerLog[];
  /** Where that is kept, to be followed. */
  logFile(namespace: string, pod: string, container?: string): string;
  /** The pid of a container's process; null while there is none. */
  pid(namespace: string, pod: string, container?: string): number | null;
  /**
   * A signal to a container's processes. With a `reason` (OOMKilled) the status says that instead
   * of Error.
   */
  kill(namespace: string, pod: string, signal: NodeJS.Signals, reason?: string): void;
  /**
   * Evicts a pod as a kubelet under memory pressure does: Failed, reason Evicted, condition
   * DisruptionTarget.
   */
  evict(namespace: string, pod: string): Promise<void>;
  /**
   * The machine dies: all processes are killed, no result is read, and each pod becomes Failed with
   * DisruptionTarget, as the pod garbage collector does it after 40 s, and is removed. The node
   * then serves on, as a new machine would.
   */
  loseNode(): Promise<void>;
  /** No new pods: they stay Pending, with the scheduler's own words, until `uncordon`. */
  cordon(): void;
  uncordon(): void;
  /** Kills what runs, without a report, and removes all files. */
  stop(): Promise<void>;
}

/** What one container has printed since it was first started. */
export interface ContainerLog {
  readonly namespace: string;
  readonly pod: string;
  readonly container: string;
  readonly text: string;
}

/** Registers a Node and runs the pods of the cluster on this machine until it is stopped. */
export async function startFakeKubelet(options: FakeKubeletOptions): Promise<FakeKubelet> {
  const { plane } = options;
  const name = options.name ?? 'fake-kubelet';
  const api = plane.api(plane.nodeToken, 'fake-kubelet');
  const folder = reaper.makeFolder('glance-schema-node-');
  // Processes of other users look for the files of their pods in it, by their paths.
  chmodSync(folder, 0o711);
  mkdirSync(join(folder, 'logs'));

  const workers = new Map<string, PodWorker>();
  const done = new Set<string>();
  const stopping = new AbortController();
  let cordoned = false;

  const logServer = await startLogServer({
    certFile: plane.servingCertFile,
    keyFile: plane.servingKeyFile,
    logFileOf: (namespace, pod, container) => logFile(namespace, pod, container),
    isRunning: (namespace, pod) => (find(namespace, pod)?.pid() ?? null) !== null,
  });
  await registerNode();

  function logFile(namespace: string, pod: string, container?: string): string {
    const first = container ?? firstContainers.get(`${namespace}/${pod}`) ?? 'unknown';
    return join(folder, 'logs', `${namespace}_${pod}_${first}.log`);
  }

  const firstContainers = new Map<string, string>();

  async function registerNode(): Promise<void> {
    const labels = {
      'kubernetes.io/hostname': name,
      'kubernetes.io/os': 'linux',
      'kubernetes.io/arch': process.arch === 'x64' ? 'amd64' : process.arch,
    };
    const node = { apiVersion: 'v1', kind: 'Node', metadata: { name, labels } };
    const created = await api.request('POST', '/api/v1/nodes', node);
    if (created.status >= 400 && created.status !== 409)
      throw new Error(`Cannot register the node: ${created.text}`);
    // Admission taints every new node as not ready, and here is no controller that would take that
    // away.
    await api.call('PATCH', `/api/v1/nodes/${name}`, { spec: { taints: null } });
    const now = new Date().toISOString().replace(/\.\d+Z$/, 'Z');
    const capacity = { cpu: '4', memory: '8Gi', pods: '110', 'ephemeral-storage': '20Gi' };
    await api.call('PATCH', `/api/v1/nodes/${name}/status`, {
      status: {
        capacity,
        allocatable: capacity,
        addresses: [
          { type: 'InternalIP', address: '127.0.0.1' },
          { type: 'Hostname', address: name },
        ],
        daemonEndpoints: { kubeletEndpoint: { Port: logServer.port } },
        conditions: [
          {
            type: 'Ready',
            status: 'True',
            reason: 'StandIn',
            message: 'a test tool that runs pods as local processes',
            lastHeartbeatTime: now,
            lastTransitionTime: now,
          },
        ],
        nodeInfo: {
          kubeletVersion: 'stand-in',
          kubeProxyVersion: '',
          containerRuntimeVersion: 'local-processes://1',
          osImage: 'this machine',
          kernelVersion: '',
          operatingSystem: 'linux',
          architecture: labels['kubernetes.io/arch'],
          bootID: '',
          machineID: '',
          systemUUID: '',
        },
      },
    });
  }

  function find(namespace: string, pod: string): PodWorker | undefined {
    for (const worker of workers.values()) {
      const { metadata } = worker.pod;
      if (metadata.namespace === namespace && metadata.name === pod) return worker;
    }
    return undefined;
  }

  function mustFind(namespace: string, pod: string): PodWorker {
    const worker = find(namespace, pod);
    if (worker === undefined) throw new Error(`The fake kubelet runs no pod ${namespace}/${pod}`);
    return worker;
  }

  function entrypointOf(image: string): readonly string[] | null {
    for (const [prefix, entrypoint] of Object.entries(options.images)) {
      if (!image.startsWith(prefix)) continue;
      // A container's working directory is not this repository's, so paths of the mapping are made
      // absolute here.
      return entrypoint.map((word) => (existsSync(word) ? resolve(word) : word));
    }
    return null;
  }

  /** Level-driven: what is to be done follows from the pod as it is, whichever event brought it. */
  function observe(pod: Pod): void {
    const { uid } = pod.metadata;
    const worker = workers.get(uid);
    if (pod.metadata.deletionTimestamp !== undefined) {
      if (worker !== undefined) worker.terminate(pod.metadata.deletionGracePeriodSeconds ?? 30);
      else if (pod.spec.nodeName === name && !done.has(uid)) void removeUnknown(pod);
      return;
    }
    if (worker !== undefined || done.has(uid)) return;
    if (pod.status?.phase === 'Succeeded' || pod.status?.phase === 'Failed') return;
    if (pod.spec.nodeName === name) start(pod);
    else if (pod.spec.nodeName === undefined && !pod.spec.schedulingGates?.length) schedule(pod);
  }

  function start(pod: Pod): void {
    const { uid, namespace, name: podName } = pod.metadata;
    firstContainers.set(`${namespace}/${podName}`, pod.spec.containers[0]?.name ?? 'unknown');
    const worker = startPodWorker({
      api,
      pod,
      nodeName: name,
      apiServer: options.apiServer ?? plane.server,
      folder: join(folder, 'pods', uid),
      baseEnv: options.env ?? {},
      retryEvery: options.retryEvery ?? 500,
      claimFolder: (_namespace, claim) => options.claims?.get(claim) ?? null,
      entrypointOf,
      logFileOf: (container) => logFile(namespace, podName, container),
      onGone: () => {
        workers.delete(uid);
        done.add(uid);
      },
    });
    workers.set(uid, worker);
  }

  const waiting = new Map<string, string>();

  function schedule(pod: Pod): void {
    const why = unschedulable(pod);
    const { uid } = pod.metadata;
    if (why === null) {
      waiting.delete(uid);
      void bind(pod);
      return;
    }
    if (waiting.get(uid) === why) return;
    waiting.set(uid, why);
    const condition = {
      type: 'PodScheduled',
      status: 'False',
      reason: 'Unschedulable',
      message: `0/1 nodes are available: 1 ${why}. preemption: 0/1 nodes are available: 1 Preemption is not helpful for scheduling.`,
      lastTransitionTime: new Date().toISOString().replace(/\.\d+Z$/, 'Z'),
    };
    const contentType = 'application/strategic-merge-patch+json';
    api
      .request(
        'PATCH',
        podPath(pod, '/status'),
        { metadata: { uid }, status: { conditions: [condition] } },
        { contentType },
      )
      .catch(() => waiting.delete(uid));
  }

  function unschedulable(pod: Pod): string | null {
    if (cordoned) return 'node(s) were unschedulable';
    const claims = (pod.spec.volumes ?? []).flatMap((each) => each.persistentVolumeClaim?.claimName ?? []);
    const missing = claims.find((claim) => options.claims?.has(claim) !== true);
    if (missing !== undefined) return `persistentvolumeclaim "${missing}" not found`;
    const labels: Record<string, string> = { 'kubernetes.io/hostname': name, 'kubernetes.io/os': 'linux' };
    const wanted = Object.entries(pod.spec.nodeSelector ?? {});
    const unlike = wanted.some(([key, value]) => labels[key] !== value);
    return unlike ? "node(s) didn't match Pod's node affinity/selector" : null;
  }

  async function bind(pod: Pod): Promise<void> {
    const target = { apiVersion: 'v1', kind: 'Node', name };
    const metadata = { name: pod.metadata.name, namespace: pod.metadata.namespace, uid: pod.metadata.uid };
    const binding = { apiVersion: 'v1', kind: 'Binding', metadata, target };
    // Where the connection broke, the next answer is 409 if the pod was bound all the same.
    await untilAnswered(
      () => api.request('POST', podPath(pod, '/binding'), binding),
      () => !stopping.signal.aborted,
    );
  }

  /** A deleted pod that no worker of this process ever ran: there is nothing to stop. */
  async function removeUnknown(pod: Pod): Promise<void> {
    done.add(pod.metadata.uid);
    try {
      const options = { gracePeriodSeconds: 0, preconditions: { uid: pod.metadata.uid } };
      if (!isAnswer(await api.request('DELETE', podPath(pod), options))) done.delete(pod.metadata.uid);
    } catch {
      done.delete(pod.metadata.uid);
    }
  }

  function forget(uid: string): void {
    waiting.delete(uid);
    void workers.get(uid)?.abandon();
  }

  /** List, then watch; on any error or end, from the beginning. */
  async function follow(): Promise<void> {
    while (!stopping.signal.aborted) {
      try {
        const list = await api.call('GET', '/api/v1/pods');
        const items: readonly Pod[] = list.items;
        const present = new Set(items.map((pod) => pod.metadata.uid));
        for (const uid of [...workers.keys()]) if (!present.has(uid)) forget(uid);
        for (const pod of items) observe(pod);
        const version = list.metadata?.resourceVersion ?? '';
        await api.watch(
          `/api/v1/pods?watch=true&timeoutSeconds=30&resourceVersion=${version}`,
          onEvent,
          stopping.signal,
        );
      } catch {
        await sleep(200);
      }
    }
  }

  function onEvent(event: WatchEvent): void {
    if (event.type === 'ERROR') throw new Error('the watch has expired');
    if (event.type === 'BOOKMARK') return;
    const pod = asPod(event.object);
    if (event.type === 'DELETED') forget(pod.metadata.uid);
    else observe(pod);
  }

  async function reobserve(): Promise<void> {
    const list = await api.call('GET', '/api/v1/pods');
    for (const pod of list.items as readonly Pod[]) observe(pod);
  }

  const following = follow();
  let stopped: Promise<void> | null = null;

  async function stopAll(): Promise<void> {
    stopping.abort();
    await following;
    await Promise.all([...workers.values()].map((worker) => worker.abandon()));
    logServer.close();
    try {
      await api.request('DELETE', `/api/v1/nodes/${name}`);
    } catch {
      // The control plane may be gone already.
    }
    api.close();
    rmSync(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
    reaper.forgetFolder(folder);
  }

  return {
    name,
    logFile,
    allLogs() {
      return readdirSync(join(folder, 'logs')).map((file) => {
        // Names in Kubernetes have no underscores.
        const [namespace = '', pod = '', container = ''] = file.replace(/\.log$/, '').split('_');
        return { namespace, pod, container, text: readFileSync(join(folder, 'logs', file), 'utf8') };
      });
    },
    logs(namespace, pod, container) {
      const file = logFile(namespace, pod, container);
      return existsSync(file) ? readFileSync(file, 'utf8') : '';
    },
    pid: (namespace, pod, container) => find(namespace, pod)?.pid(container) ?? null,
    kill: (namespace, pod, signal, reason) => mustFind(namespace, pod).kill(signal, undefined, reason),
    async evict(namespace, pod) {
      const message = 'The node was low on resource: memory. Threshold quantity: 100Mi, available: 42Mi. ';
      const condition = {
        type: 'DisruptionTarget',
        status: 'True',
        reason: 'TerminationByKubelet',
        message,
      } as const;
      await mustFind(namespace, pod).fail('Evicted', message, condition);
    },
    async loseNode() {
      const lost = [...workers.values()];
      await Promise.all(lost.map((worker) => worker.abandon()));
      const lastTransitionTime = new Date().toISOString().replace(/\.\d+Z$/, 'Z');
      const message = 'PodGC: node no longer exists';
      const condition = {
        type: 'DisruptionTarget',
        status: 'True',
        reason: 'DeletionByPodGC',
        message,
        lastTransitionTime,
      };
      for (const { pod } of lost) {
        const contentType = 'application/strategic-merge-patch+json';
        const finished = await api.request('GET', podPath(pod));
        if (finished.status === 404) continue;
        if (finished.body.status.phase === 'Pending' || finished.body.status.phase === 'Running') {
          const status = { phase: 'Failed', conditions: [condition] };
          await api.call('PATCH', podPath(pod, '/status'), { status }, { contentType });
        }
        await api.request('DELETE', podPath(pod), { gracePeriodSeconds: 0 });
      }
    },
    cordon() {
      cordoned = true;
    },
    uncordon() {
      cordoned = false;
      waiting.clear();
      void reobserve().catch(() => {});
    },
    stop() {
      stopped ??= stopAll();
      return stopped;
    },
  };
}

function asPod(object: KubeObject): Pod {
  return object as KubeObject & Pod;
}
