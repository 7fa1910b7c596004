import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { Registry } from '@prometheus-io/client';
import { KubeClient } from './kube/client.ts';
import { KubeCluster } from './kube/kube-cluster.ts';
import { LeaderLease } from './kube/lease.ts';
import { openKubeConfig } from './kube/open-kube-config.ts';
import type { PooledKubeConfig } from './kube/pooled-kube-config.ts';
import { type Log, messageOf, openLog } from './loop/log.ts';
import { runtimeMetrics } from './loop/metrics.ts';
import { WorkQueue } from './loop/queue.ts';
import type { OperatorOptions } from './options.ts';
import { ownImage } from './own-image.ts';
import { schemaMetrics } from './reconcile/metrics.ts';
import type { StoredStatus } from './reconcile/status-writer.ts';
import { openServers } from './servers.ts';
import { exponentialBackoff } from './time/backoff.ts';
import { runWorkers } from './workers.ts';

const QUEUE_BACKOFF = { first: 50, most: 60_000 };

/**
 * How long the operator waits at its end for Events that are not delivered yet, in milliseconds.
 */
const EVENT_FLUSH = 3_000;

const LEASE_NAME = 'glance-schema';

/** What metrics call the work on GlanceSchemas. */
const CONTROLLER_NAME = 'glanceschema';

/**
 * Runs the operator until SIGTERM or SIGINT: leads by the Lease, watches, and reconciles by its
 * workers. Sets the exit code of the process to 1 when the Lease is lost, the kubeconfig or its
 * own pod cannot be read, or an address is taken.
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
  const stop = stopOnSignal(log);
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
  const servers = await openServers(options, cluster, registry).catch((error: unknown) => {
    log.error(messageOf(error));
    process.exitCode = 1;
  });
  if (servers === undefined) {
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
    ? openLease({ client, namespace: options.leaseNamespace ?? ownNamespace(config), identity, log })
    : undefined;
  try {
    leading = lease === undefined || (await lease.acquire(stop.signal));
    if (leading) {
      log.info('Leading');
      const kept = lease?.keep(stop.signal).then((end) => {
        if (end === 'lost') stopWithoutLease(log, stop);
      });
      const defaultImage = await image;
      if (defaultImage !== undefined) {
        await runWorkers({
          cluster,
          queue,
          log,
          options,
          metrics,
          defaultImage,
          onStored: reportStored(log, count),
          signal: stop.signal,
        });
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

/** Aborted by the first SIGTERM or SIGINT. */
function stopOnSignal(log: Log): AbortController {
  const stop = new AbortController();
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.once(signal, () => {
      log.info(`Stopping on ${signal}`);
      stop.abort();
    });
  }
  return stop;
}

function stopWithoutLease(log: Log, stop: AbortController): void {
  log.error(
    'Lost the Lease, so another replica may lead: stopping. If this repeats, check that the API server answers within seconds',
  );
  process.exitCode = 1;
  stop.abort();
}

interface LeaseNeeds {
  readonly client: KubeClient;
  readonly namespace: string;
  readonly identity: string;
  readonly log: Log;
}

function openLease({ log, ...needs }: LeaseNeeds): LeaderLease {
  return new LeaderLease({
    ...needs,
    name: LEASE_NAME,
    onTrouble: (error) =>
      log.warn(`Cannot read or renew the Lease, trying again: ${error.message}`, { error }),
    onOtherLeader: (leader) => log.info(`Waiting: ${leader} leads`, { leader }),
  });
}

/** Counts and logs what a stored status reports. */
function reportStored(log: Log, count: ReturnType<typeof schemaMetrics>): (stored: StoredStatus) => void {
  return ({ key, before, after, events, answered }) => {
    // Nothing is counted twice; what another leader may have counted is not.
    if (answered) {
      count(before, after);
    }
    for (const event of events) {
      const say = event.type === 'Warning' ? log.warn : log.info;
      say(`${key}: ${event.message}`, { key, reason: event.reason });
    }
  };
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
