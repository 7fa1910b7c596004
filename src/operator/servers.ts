import type { Registry } from '@prometheus-io/client';
import { serveHealth } from './loop/health.ts';
import type { HttpServer } from './loop/http-server.ts';
import { messageOf } from './loop/log.ts';
import { serveMetrics } from './loop/metrics.ts';
import type { OperatorOptions } from './options.ts';

/**
 * Opens the health endpoints and, where they are wanted, the metrics.
 *
 * @throws Error of one sentence when an address cannot be had; nothing listens then
 */
export async function openServers(
  { healthAddress, metricsAddress }: OperatorOptions,
  cluster: { readonly synced: boolean },
  registry: Registry,
): Promise<readonly HttpServer[]> {
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
    return servers;
  } catch (error) {
    await Promise.all(servers.map((server) => server.close()));
    throw error;
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
