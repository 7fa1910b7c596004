import type { KubeCluster } from './kube/kube-cluster.ts';
import { KubeError } from './kube/kube-error.ts';
import { type Log, messageOf } from './loop/log.ts';
import type { PassResult, RuntimeMetrics } from './loop/metrics.ts';
import type { WorkQueue } from './loop/queue.ts';
import type { OperatorOptions } from './options.ts';
import type { DefaultImage } from './reconcile/facts/observe.ts';
import { type Outcome, reconciler } from './reconcile/reconciler.ts';
import type { StoredStatus } from './reconcile/status-writer.ts';
import { pause } from './time/pause.ts';

/**
 * How often every GlanceSchema is reconciled though nothing happened, in milliseconds. It makes no
 * request.
 */
const RESYNC = 600_000;

const NOT_READ: Outcome = { kind: 'requeue', why: 'its namespace has not been read yet' };

/** Works on keys until `signal`; what has been begun is finished. */
export async function runWorkers(parts: {
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
    await pause(20, signal);
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
          log.debug(`${key}: ${outcome.why}; requeued`, { key });
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
        log.warn(`${key}: ${messageOf(error)}; retrying`, { key, error });
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
