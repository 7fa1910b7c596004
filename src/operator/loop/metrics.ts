import { Counter, collectDefaultMetrics, Gauge, Histogram, type Registry } from '@prometheus-io/client';
import { type HttpServer, serveHttp } from './http-server.ts';
import type { WorkQueueEvents } from './queue.ts';

/** How a reconcile ended, in controller-runtime's words. */
export type PassResult = 'success' | 'error' | 'requeue' | 'requeue_after';

/** A request to the API server. */
export interface RequestOutcome {
  readonly method: string;
  readonly host: string;
  /** The HTTP status; undefined when there was no answer. */
  readonly status: number | undefined;
  /** Until the head of the answer was there, in seconds. */
  readonly seconds: number;
}

/** What the metrics of the loop are labelled with, and where they are read. */
export interface RuntimeMetricsOptions {
  /** What is worked on: the label `name` of the queue and `controller` of the reconciles. */
  readonly controller: string;
  /** The label `name` of the lease. */
  readonly lease: string;
  /** How many keys wait now. */
  readonly depth: () => number;
  readonly leading: () => boolean;
}

/** Takes in what happens. */
export interface RuntimeMetrics {
  readonly queue: WorkQueueEvents;
  passed(result: PassResult, seconds: number): void;
  requested(outcome: RequestOutcome): void;
}

/** In seconds; from a reconcile that finds nothing to do to one that waits for a slow API server. */
const BUCKETS = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60];

/**
 * How often the library samples the event loop, in milliseconds. Its own 10 and 100 cost an idle
 * operator 1.1 % of a core, these 0.1 %; the lag that it measures includes the first.
 */
const SAMPLING = { eventLoopMonitoringPrecision: 100, eventLoopUtilizationTimeout: 5_000 };

/**
 * The metrics that every controller has, under the names that Kubernetes' own have, so that
 * dashboards made for those fit; and the library's own of the process and of Node.
 *
 * Source: k8s.io/component-base, metrics/prometheus; sigs.k8s.io/controller-runtime, pkg/metrics
 * and pkg/internal/controller/metrics.
 */
export function runtimeMetrics(registry: Registry, options: RuntimeMetricsOptions): RuntimeMetrics {
  const registers = [registry];
  const name = options.controller;
  const adds = new Counter({
    name: 'workqueue_adds_total',
    help: 'Keys that were added to the work queue.',
    labelNames: ['name'],
    registers,
  });
  const retries = new Counter({
    name: 'workqueue_retries_total',
    help: 'Keys that were put off, to be worked on again later.',
    labelNames: ['name'],
    registers,
  });
  const waited = new Histogram({
    name: 'workqueue_queue_duration_seconds',
    help: 'How long a key waited in the work queue.',
    labelNames: ['name'],
    buckets: BUCKETS,
    registers,
  });
  const worked = new Histogram({
    name: 'workqueue_work_duration_seconds',
    help: 'How long a key from the work queue was worked on.',
    labelNames: ['name'],
    buckets: BUCKETS,
    registers,
  });
  const reconciles = new Counter({
    name: 'controller_runtime_reconcile_total',
    help: 'Reconciles, by how they ended: success, error, requeue (the cache was behind), requeue_after (the next reconcile has a time).',
    labelNames: ['controller', 'result'],
    registers,
  });
  const passTimes = new Histogram({
    name: 'controller_runtime_reconcile_time_seconds',
    help: 'How long a reconcile took.',
    labelNames: ['controller'],
    buckets: BUCKETS,
    registers,
  });
  const requests = new Counter({
    name: 'rest_client_requests_total',
    help: 'Requests to the API server, by status; the code is `<error>` where there was no answer.',
    labelNames: ['code', 'method', 'host'],
    registers,
  });
  const requestTimes = new Histogram({
    name: 'rest_client_request_duration_seconds',
    help: 'How long the API server took to answer; of a watch, to begin it.',
    labelNames: ['verb', 'host'],
    buckets: BUCKETS,
    registers,
  });
  new Gauge({
    name: 'workqueue_depth',
    help: 'Keys that wait in the work queue.',
    labelNames: ['name'],
    registers,
    collect() {
      this.set({ name }, options.depth());
    },
  });
  new Gauge({
    name: 'leader_election_master_status',
    help: 'Whether this replica leads: 1 or 0.',
    labelNames: ['name'],
    registers,
    collect() {
      this.set({ name: options.lease }, options.leading() ? 1 : 0);
    },
  });
  // Without these, a rate misses the first of each.
  adds.inc({ name }, 0);
  retries.inc({ name }, 0);
  for (const result of ['success', 'error', 'requeue', 'requeue_after'] satisfies PassResult[]) {
    reconciles.inc({ controller: name, result }, 0);
  }
  collectDefaultMetrics({ register: registry, ...SAMPLING });
  return {
    queue: {
      added: () => adds.inc({ name }),
      putOff: () => retries.inc({ name }),
      begun: (seconds) => waited.observe({ name }, seconds),
      ended: (seconds) => worked.observe({ name }, seconds),
    },
    passed(result, seconds) {
      reconciles.inc({ controller: name, result });
      passTimes.observe({ controller: name }, seconds);
    },
    requested({ status, method, host, seconds }) {
      requests.inc({ code: status ?? '<error>', method, host });
      requestTimes.observe({ verb: method, host }, seconds);
    },
  };
}

/**
 * Serves `/metrics` for Prometheus.
 *
 * @throws the listen error of node:http (EADDRINUSE, EACCES) when the address cannot be had.
 */
export function serveMetrics(
  host: string | undefined,
  port: number,
  registry: Registry,
): Promise<HttpServer> {
  return serveHttp(host, port, {
    '/metrics': async () => ({
      status: 200,
      contentType: registry.contentType,
      text: await registry.metrics(),
    }),
  });
}
