import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { Registry } from '@prometheus-io/client';
import { KubeClient } from './kube/client.ts';
import { KubeCluster } from './kube/kube-cluster.ts';
import { KubeError } from './kube/kube-error.ts';
import { LeaderLease } from './kube/lease.ts';
import { openKubeConfig } from './kube/open-kube-config.ts';
import { type OwnPod, readOwnPod } from './kube/own-pod.ts';
import type { PooledKubeConfig } from './kube/pooled-kube-config.ts';
import { exponentialBackoff } from './loop/backoff.ts';
import { serveHealth } from './loop/health.ts';
import type { HttpServer } from './loop/http-server.ts';
import { type Log, openLog } from './loop/log.ts';
import { type PassResult, type RuntimeMetrics, runtimeMetrics, serveMetrics } from './loop/metrics.ts';
import { WorkQueue } from './loop/queue.ts';
import type { DefaultImage } from './reconcile/facts/observe.ts';
import { schemaMetrics } from './reconcile/metrics.ts';
import { type Outcome, reconciler } from './reconcile/reconciler.ts';
import type { StoredStatus } from './reconcile/status-writer.ts';

/** How the operator runs: what the command line says, as values. */
export interface OperatorOptions {
  /** A kubeconfig's path; undefined for $KUBECONFIG, and then the ServiceAccount of the pod. */
  readonly kubeconfig?: string;
  /** The image of a migration's pod where the GlanceSchema names none; undefined for that of the operator's own pod. */
  readonly image?: string;
  /** The operator's own pod; undefined where it runs in none. */
  readonly podName?: string;
  /** Where that pod is; undefined for the namespace of the ServiceAccount. */
  readonly podNamespace?: string;
  /** Undefined for all namespaces. */
  readonly namespaces?: readonly string[];
  readonly healthAddress: Address;
  readonly metricsAddress: Address | 'none';
  /** How many GlanceSchemas are worked on at once. */
  readonly workers: number;
  readonly leaderElect: boolean;
  /** Where the Lease is; undefined for the namespace of the pod. */
  readonly leaseNamespace?: string;
  /** The least level that is logged: debug, info, warn or error. */
  readonly logLevel: string;
  /** The operator's own version. */
  readonly version: string;
}

/** Where a server listens. */
export interface Address {
  /** Undefined for all addresses of both families. */
  readonly host: string | undefined;
  readonly port: number;
}

/** How often every GlanceSchema is looked at though nothing happened, in milliseconds. It makes no request. */
const RESYNC = 600_000;

const NOT_READ: Outcome = { kind: 'requeue', why: 'its namespace has not been read yet' };

const QUEUE_BACKOFF = { first: 50, most: 60_000 };

/** How long the operator waits at its end for Events that are not delivered yet, in milliseconds. */
const EVENT_FLUSH = 3_000;

const LEASE_NAME = 'glance-schema';

/** What metrics call the work on GlanceSchemas. */
const CONTROLLER_NAME = 'glanceschema';

/**
 * Runs the operator until SIGTERM or SIGINT: leads by the Lease, watches, and reconciles by its workers. Sets the exit
 * code of the process to 1 when the Lease is lost, the kubeconfig or the own pod cannot be read, or an address is
 * taken.
 */
export async function runOperator(options: OperatorOptions): Promise<void> {
  const log = openLog(options.logLevel);
  let config: PooledKubeConfig;
  try {
    // GlanceSchemas, Jobs and pods, in each namespace.
    config = openKubeConfig(options, 3 * (options.namespaces?.length ?? 1));
  } catch (error) {
    log.error(messageOf(error));
    process.exitCode = 1;
    return;
  }
  const stop = new AbortController();
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.once(signal, () => {
      log.info(`Stopping on ${signal}`);
      stop.abort();
    });
  }
  const identity = `${hostname()}_${randomBytes(4).toString('hex')}`;
  const client = new KubeClient(config);
  let leading = false;
  const registry = new Registry();
  const metrics = runtimeMetrics(registry, {
    controller: CONTROLLER_NAME,
    lease: LEASE_NAME,
    depth: () => queue.depth,
    leading: () => leading,
  });
  config.onRequest = metrics.requested;
  const queue = new WorkQueue({
    backoff: (failures) => exponentialBackoff(failures, QUEUE_BACKOFF),
    events: metrics.queue,
  });
  const cluster = new KubeCluster({
    client,
    namespaces: options.namespaces,
    reporter: identity,
    // A replica that waits takes all keys in when it begins to lead.
    onKey: (key) => {
      if (leading) {
        queue.add(key);
      }
    },
    onTrouble: (what, error) => log.warn(`Trouble with the ${what}: ${error.message}`, { error }),
  });
  const count = schemaMetrics({
    registry,
    version: options.version,
    schemas: () => (leading ? cluster.schemas() : []),
  });
  const onStored = ({ key, before, after, notices, answered }: StoredStatus): void => {
    // Nothing is counted twice; what another leader may have counted is not.
    if (answered) {
      count(before, after);
    }
    for (const notice of notices) {
      const say = notice.type === 'Warning' ? log.warn : log.info;
      say(`${key}: ${notice.message}`, { key, reason: notice.reason });
    }
  };
  const { healthAddress, metricsAddress } = options;
  const servers: HttpServer[] = [];
  try {
    const health = serveHealth(healthAddress.host, healthAddress.port, {
      live: () => undefined,
      // A replica that waits for the lease is ready: it is there to take over.
      ready: () => (cluster.synced ? undefined : 'the GlanceSchemas, Jobs and pods have not been read yet'),
    });
    servers.push(await listening('the health endpoints', '--health-address', health));
    if (metricsAddress !== 'none') {
      const served = serveMetrics(metricsAddress.host, metricsAddress.port, registry);
      servers.push(await listening('the metrics', '--metrics-address', served));
    }
  } catch (error) {
    log.error(messageOf(error));
    process.exitCode = 1;
    await Promise.all(servers.map((server) => server.close()));
    return;
  }
  const [healthPort, metricsPort] = servers.map((server) => server.port);
  log.info(`Starting version ${options.version}`, {
    identity,
    namespaces: options.namespaces ?? 'all',
    healthPort,
    metricsPort,
  });

  const watching = cluster.run();
  const image = ownImage({
    client,
    namespace: options.podNamespace ?? ownNamespace(config),
    options,
    log,
    stop,
  });
  const lease = options.leaderElect
    ? new LeaderLease({
        client,
        namespace: options.leaseNamespace ?? ownNamespace(config),
        name: LEASE_NAME,
        identity,
        onTrouble: (error) => log.warn(`Trouble with the Lease: ${error.message}`, { error }),
        onOtherLeader: (leader) => log.info(`Waiting: ${leader} leads`, { leader }),
      })
    : undefined;
  try {
    leading = lease === undefined || (await lease.acquire(stop.signal));
    if (leading) {
      log.info('Leading');
      const kept = lease?.keep(stop.signal).then((end) => {
        if (end === 'lost') {
          log.error('The Lease is lost: another replica may be leading, stopping');
          process.exitCode = 1;
          stop.abort();
        }
      });
      const defaultImage = await image;
      if (defaultImage !== undefined) {
        await work({ cluster, queue, log, options, metrics, defaultImage, onStored, signal: stop.signal });
      }
      await kept;
    }
  } finally {
    leading = false;
    stop.abort();
    queue.close();
    cluster.stop();
    await watching;
    await Promise.all([lease?.release(), cluster.flushEvents(EVENT_FLUSH)]);
    await Promise.all(servers.map((server) => server.close()));
    await config.close();
    log.info('Stopped');
  }
}

/**
 * What Jobs run where their GlanceSchema names nothing: the image that the command line names, or else that of the operator's own
 * pod, which is one source for both. Undefined when there is none, which ends the operator, or it is being stopped.
 */
async function ownImage(parts: {
  readonly client: KubeClient;
  readonly namespace: string;
  readonly options: OperatorOptions;
  readonly log: Log;
  readonly stop: AbortController;
}): Promise<DefaultImage | undefined> {
  const { client, namespace, options, log, stop } = parts;
  const { podName, image: named } = options;
  let pod: OwnPod | undefined;
  try {
    if (podName !== undefined) {
      const onTrouble = (error: Error) => log.warn(`Trouble with the own pod: ${error.message}`, { error });
      pod = await readOwnPod(client, { namespace, name: podName }, onTrouble, stop.signal);
    }
  } catch (error) {
    const cannot = `Cannot read the own pod ${namespace}/${podName}: ${messageOf(error)}`;
    if (named === undefined) {
      log.error(
        `${cannot}. Give the ServiceAccount the right to get it, or name the image of Jobs by --image.`,
      );
      process.exitCode = 1;
      stop.abort();
      return undefined;
    }
    log.warn(
      `${cannot}. Jobs run ${named}, as --image says, and are given no pull secrets of the operator's.`,
    );
  }
  const image = named ?? pod?.image;
  if (image === undefined) {
    return undefined;
  }
  if (pod !== undefined && image !== pod.image) {
    log.warn(
      `Jobs run the image ${image}, which GLANCE_SCHEMA_IMAGE or --image names, and the operator runs ${pod.image}. Leave that out, and Jobs run the operator's image.`,
      { image, operatorImage: pod.image },
    );
  } else {
    log.info(`Jobs run the image ${image}`, { image });
  }
  return { name: image, pullSecrets: pod?.imagePullSecrets ?? [] };
}

/** Works on keys until `signal`; what has been begun is finished. */
async function work(parts: {
  readonly cluster: KubeCluster;
  readonly queue: WorkQueue;
  readonly log: Log;
  readonly options: OperatorOptions;
  readonly metrics: RuntimeMetrics;
  readonly defaultImage: DefaultImage;
  readonly onStored: (stored: StoredStatus) => void;
  readonly signal: AbortSignal;
}): Promise<void> {
  const { cluster, queue, log, options, metrics, defaultImage, onStored, signal } = parts;
  const addAll = () => {
    for (const key of cluster.keys()) {
      queue.add(key);
    }
  };
  addAll();
  while (!cluster.begun && !signal.aborted) {
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  const reconcile = reconciler({
    cluster,
    defaultImage,
    onStored,
    onPutOff: (key, what) => log.warn(`${key}: ${what}`, { key }),
  });
  const resync = setInterval(addAll, RESYNC);
  signal.addEventListener('abort', () => queue.close(), { once: true });
  if (signal.aborted) {
    queue.close();
  }
  async function worker(): Promise<void> {
    for (let key = await queue.take(); key !== undefined; key = await queue.take()) {
      const began = performance.now();
      let result: PassResult = 'success';
      try {
        // Namespace by namespace: one in which the operator has lost its rights holds up no other.
        const outcome = cluster.isRead(key) ? await reconcile(key) : NOT_READ;
        if (outcome.kind === 'requeue') {
          result = 'requeue';
          log.debug(`${key}: ${outcome.why}; looking again`, { key });
          queue.addRateLimited(key, outcome.notBefore);
        } else {
          queue.forget(key);
          if (outcome.requeueAfter !== undefined) {
            result = 'requeue_after';
            queue.addAfter(key, outcome.requeueAfter);
          }
        }
      } catch (error) {
        result = 'error';
        log.warn(`${key}: ${messageOf(error)}; the pass is made again`, { key, error });
        queue.addRateLimited(key, error instanceof KubeError ? error.retryAfter : undefined);
      } finally {
        metrics.passed(result, (performance.now() - began) / 1000);
        queue.done(key);
      }
    }
  }
  await Promise.all(Array.from({ length: options.workers }, worker));
  clearInterval(resync);
}

const NAMESPACE_FILE = '/var/run/secrets/kubernetes.io/serviceaccount/namespace';

/** The namespace of the pod; outside of one, that of the kubeconfig's context. */
function ownNamespace(config: PooledKubeConfig): string {
  try {
    return readFileSync(NAMESPACE_FILE, 'utf8').trim();
  } catch {
    return config.getContextObject(config.getCurrentContext())?.namespace ?? 'default';
  }
}

/** @throws an Error of one sentence when the address cannot be had. */
async function listening(what: string, flag: string, server: Promise<HttpServer>): Promise<HttpServer> {
  try {
    return await server;
  } catch (error) {
    throw new Error(`Cannot serve ${what}: ${messageOf(error)}. Choose another address by ${flag}.`, {
      cause: error,
    });
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
