import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { Command, InvalidArgumentError, Option } from 'commander';
import { exponentialBackoff } from '../controller/backoff.ts';
import { reconciler } from '../controller/reconcile.ts';
import { KubeClient } from '../kube/kube-client.ts';
import { KubeCluster } from '../kube/kube-cluster.ts';
import { LeaderLease } from '../kube/leader-lease.ts';
import { openKubeConfig } from '../kube/open-kube-config.ts';
import type { PooledKubeConfig } from '../kube/pooled-kube-config.ts';
import { serveHealth } from '../runtime/health.ts';
import { type Log, openLog } from '../runtime/log.ts';
import { WorkQueue } from '../runtime/work-queue.ts';

interface ControllerFlags {
  readonly kubeconfig?: string;
  readonly image: string;
  readonly healthAddress: { readonly host: string; readonly port: number };
  readonly workers: number;
  readonly leaderElect: boolean;
  readonly leaseNamespace?: string;
  readonly logLevel: string;
}

/** How often every GlanceSchema is looked at though nothing happened, in milliseconds. It makes no request. */
const RESYNC = 600_000;

const QUEUE_BACKOFF = { first: 50, most: 60_000 };

const LEASE_NAME = 'glance-schema';

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
    .option('--health-address <host:port>', 'where /healthz and /readyz are served', parseAddress, {
      host: '0.0.0.0',
      port: 8081,
    })
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
  1  the Lease was lost, Kubernetes could not be reached at the start, or the health address is taken
  2  the command line cannot be understood
`;

async function runController(flags: ControllerFlags): Promise<void> {
  const log = openLog(flags.logLevel);
  let config: PooledKubeConfig;
  try {
    config = openKubeConfig(flags);
  } catch (error) {
    log.error(error instanceof Error ? error.message : String(error));
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
  const queue = new WorkQueue({ backoff: (failures) => exponentialBackoff(failures, QUEUE_BACKOFF) });
  const cluster = new KubeCluster({
    client,
    reporter: identity,
    onKey: (key) => queue.add(key),
    onTrouble: (what, error) => log.warn(`Trouble with the ${what}; it is tried again`, { error }),
  });
  let leading = false;
  const health = await serveHealth(flags.healthAddress.host, flags.healthAddress.port, {
    live: () => undefined,
    // A replica that waits for the lease is ready: it is there to take over.
    ready: () => (cluster.synced ? undefined : 'the GlanceSchemas, Jobs and pods have not been read yet'),
  }).catch((error: unknown) => {
    log.error(
      'Cannot serve the health endpoints: found the address taken or forbidden, do choose another by --health-address',
      { error },
    );
    process.exitCode = 1;
    return undefined;
  });
  if (health === undefined) {
    return;
  }
  log.info('Starting', { identity, image: flags.image, healthPort: health.port });

  const watching = cluster.run();
  const lease = flags.leaderElect
    ? new LeaderLease({
        client,
        namespace: flags.leaseNamespace ?? ownNamespace(config),
        name: LEASE_NAME,
        identity,
        onTrouble: (error) => log.warn('Trouble with the Lease; it is tried again', { error }),
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
      await work({ cluster, queue, log, flags, signal: stop.signal });
      await kept;
    }
  } finally {
    stop.abort();
    queue.close();
    cluster.stop();
    await watching;
    await lease?.release();
    await health.close();
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
  readonly signal: AbortSignal;
}): Promise<void> {
  const { cluster, queue, log, flags, signal } = options;
  while (!cluster.synced && !signal.aborted) {
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  const reconcile = reconciler({ cluster, defaultImage: flags.image });
  const resync = setInterval(() => {
    for (const key of cluster.keys()) {
      queue.add(key);
    }
  }, RESYNC);
  signal.addEventListener('abort', () => queue.close(), { once: true });
  if (signal.aborted) {
    queue.close();
  }
  async function worker(): Promise<void> {
    for (let key = await queue.take(); key !== undefined; key = await queue.take()) {
      try {
        const outcome = await reconcile(key);
        if (outcome.kind === 'again') {
          log.debug('Looking again', { key, why: outcome.why });
          queue.addRateLimited(key);
        } else {
          queue.forget(key);
          if (outcome.lookAgainAfter !== undefined) {
            queue.addAfter(key, outcome.lookAgainAfter);
          }
        }
      } catch (error) {
        log.warn('The pass failed; it is tried again', { key, error });
        queue.addRateLimited(key);
      } finally {
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

function parseAddress(text: string): ControllerFlags['healthAddress'] {
  const [, host = '', port = ''] = /^(.*):(\d+)$/.exec(text) ?? [];
  if (port === '' || Number(port) > 65535) {
    throw new InvalidArgumentError(`found '${text}', do write HOST:PORT, such as 0.0.0.0:8081.`);
  }
  return { host: host.replace(/^\[(.*)\]$/, '$1') || '0.0.0.0', port: Number(port) };
}

function parseCount(text: string): number {
  const count = Number(text);
  if (!Number.isInteger(count) || count < 1 || count > 64) {
    throw new InvalidArgumentError(`found '${text}', do write a whole number from 1 to 64.`);
  }
  return count;
}
