import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { Registry } from '@prometheus-io/client';
import { Command, InvalidArgumentError, Option } from 'commander';
import { exponentialBackoff } from '../controller/backoff.ts';
import { type Outcome, reconciler, type StoredStatus } from '../controller/reconcile.ts';
import { schemaMetrics } from '../controller/schema-metrics.ts';
import { KubeClient } from '../kube/kube-client.ts';
import { KubeCluster } from '../kube/kube-cluster.ts';
import { KubeError } from '../kube/kube-error.ts';
import { LeaderLease } from '../kube/leader-lease.ts';
import { openKubeConfig } from '../kube/open-kube-config.ts';
import type { PooledKubeConfig } from '../kube/pooled-kube-config.ts';
import { serveHealth } from '../runtime/health.ts';
import type { HttpServer } from '../runtime/http-server.ts';
import { type Log, openLog } from '../runtime/log.ts';
import { type PassResult, type RuntimeMetrics, runtimeMetrics, serveMetrics } from '../runtime/metrics.ts';
import { WorkQueue } from '../runtime/work-queue.ts';
import { VERSION } from './version.ts';

interface ControllerFlags {
  readonly kubeconfig?: string;
  readonly image: string;
  readonly namespaces?: readonly string[];
  readonly healthAddress: Address;
  readonly metricsAddress: Address | 'none';
  readonly workers: number;
  readonly leaderElect: boolean;
  readonly leaseNamespace?: string;
  readonly logLevel: string;
}

interface Address {
  /** Undefined for all addresses of both families. */
  readonly host: string | undefined;
  readonly port: number;
}

/** How often every GlanceSchema is looked at though nothing happened, in milliseconds. It makes no request. */
const RESYNC = 600_000;

const NOT_READ: Outcome = { kind: 'again', why: 'its namespace has not been read yet' };

const QUEUE_BACKOFF = { first: 50, most: 60_000 };

const LEASE_NAME = 'glance-schema';

/** What metrics call the work on GlanceSchemas. */
const CONTROLLER_NAME = 'glanceschema';

export function controllerCommand(): Command {
  return new Command('controller')
    .description('Watch GlanceSchemas and bring their databases to the wanted revision, each by a Job.')
    .option(
      '--kubeconfig <file>',
      'how to reach Kubernetes (default: $KUBECONFIG, then the ServiceAccount of the pod)',
    )
    .addOption(
      new Option('--image <image>', "the image of the migration's pods where a GlanceSchema names none")
        .env('GLANCE_SCHEMA_IMAGE')
        .makeOptionMandatory(),
    )
    .option('--namespaces <a,b>', 'work in these namespaces only (default: all)', parseNamespaces)
    .addOption(
      new Option('--health-address <host:port>', 'where /healthz and /readyz are served')
        .argParser(parseAddress)
        .default(parseAddress(':8081'), ':8081, at all addresses'),
    )
    .addOption(
      new Option('--metrics-address <host:port>', 'where /metrics is served for Prometheus; 0 turns it off')
        .argParser(parseAddressOrNone)
        .default(parseAddress(':8080'), ':8080, at all addresses'),
    )
    .option('--workers <number>', 'how many GlanceSchemas are worked on at once', parseCount, 4)
    .option('--no-leader-elect', 'do not wait for the Lease: for a single replica that is never rolled')
    .option('--lease-namespace <namespace>', 'where the Lease is (default: the namespace of the pod)')
    .addOption(
      new Option('--log-level <level>', 'the least level that is logged')
        .choices(['debug', 'info', 'warn', 'error'])
        .default('info'),
    )
    .addHelpText('after', EXIT_CODES_HELP)
    .action(runController);
}

const EXIT_CODES_HELP = `
Exit codes:
  0  stopped by SIGTERM or SIGINT
  1  the Lease was lost, the kubeconfig cannot be read, or an address is taken
  2  the command line cannot be understood
`;

async function runController(flags: ControllerFlags): Promise<void> {
  const log = openLog(flags.logLevel);
  let config: PooledKubeConfig;
  try {
    // GlanceSchemas, Jobs and pods, in each namespace.
    config = openKubeConfig(flags, 3 * (flags.namespaces?.length ?? 1));
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
    namespaces: flags.namespaces,
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
    version: VERSION,
    schemas: () => (leading ? cluster.schemas() : []),
  });
  const onStored = ({ key, before, after, notice }: StoredStatus): void => {
    count(before, after);
    if (notice !== undefined) {
      const say = notice.type === 'Warning' ? log.warn : log.info;
      say(`${key}: ${notice.message}`, { key, reason: notice.reason });
    }
  };
  const { healthAddress, metricsAddress } = flags;
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
  log.info(`Starting version ${VERSION}`, {
    identity,
    image: flags.image,
    namespaces: flags.namespaces ?? 'all',
    healthPort,
    metricsPort,
  });

  const watching = cluster.run();
  const lease = flags.leaderElect
    ? new LeaderLease({
        client,
        namespace: flags.leaseNamespace ?? ownNamespace(config),
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
      await work({ cluster, queue, log, flags, metrics, onStored, signal: stop.signal });
      await kept;
    }
  } finally {
    leading = false;
    stop.abort();
    queue.close();
    cluster.stop();
    await watching;
    await lease?.release();
    await Promise.all(servers.map((server) => server.close()));
    await config.close();
    log.info('Stopped');
  }
}

/** Works on keys until `signal`; what has been begun is finished. */
async function work(options: {
  readonly cluster: KubeCluster;
  readonly queue: WorkQueue;
  readonly log: Log;
  readonly flags: ControllerFlags;
  readonly metrics: RuntimeMetrics;
  readonly onStored: (stored: StoredStatus) => void;
  readonly signal: AbortSignal;
}): Promise<void> {
  const { cluster, queue, log, flags, metrics, onStored, signal } = options;
  const addAll = () => {
    for (const key of cluster.keys()) {
      queue.add(key);
    }
  };
  addAll();
  while (!cluster.begun && !signal.aborted) {
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  const reconcile = reconciler({ cluster, defaultImage: flags.image, onStored });
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
        if (outcome.kind === 'again') {
          result = 'requeue';
          log.debug(`${key}: ${outcome.why}; looking again`, { key });
          queue.addRateLimited(key, outcome.notBefore);
        } else {
          queue.forget(key);
          if (outcome.lookAgainAfter !== undefined) {
            result = 'requeue_after';
            queue.addAfter(key, outcome.lookAgainAfter);
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
  await Promise.all(Array.from({ length: flags.workers }, worker));
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
    throw new Error(`Cannot serve ${what}: found ${messageOf(error)}, do choose another address by ${flag}`, {
      cause: error,
    });
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function parseAddressOrNone(text: string): Address | 'none' {
  return text === '' || text === '0' ? 'none' : parseAddress(text);
}

function parseAddress(text: string): Address {
  const [, host = '', port = ''] = /^(.*):(\d+)$/.exec(text) ?? [];
  if (port === '' || Number(port) > 65535) {
    throw new InvalidArgumentError(
      `found '${text}', do write HOST:PORT, such as 127.0.0.1:8081, or :8081 for all addresses.`,
    );
  }
  return { host: host.replace(/^\[(.*)\]$/, '$1') || undefined, port: Number(port) };
}

function parseNamespaces(text: string): readonly string[] {
  const names = text.split(',').map((name) => name.trim());
  const wrong = names.find((name) => name.length > 63 || !/^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/.test(name));
  if (wrong !== undefined) {
    throw new InvalidArgumentError(
      `found '${wrong}', do write names of namespaces, such as openstack,staging.`,
    );
  }
  return [...new Set(names)];
}

function parseCount(text: string): number {
  const count = Number(text);
  if (!Number.isInteger(count) || count < 1 || count > 64) {
    throw new InvalidArgumentError(`found '${text}', do write a whole number from 1 to 64.`);
  }
  return count;
}
