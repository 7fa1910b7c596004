import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

/** What the health endpoints ask; each answers with why not, or undefined when all is well. */
export interface HealthChecks {
  /** Whether the process should be left running (`/healthz`). */
  readonly live: () => string | undefined;
  /** Whether it does its work (`/readyz`). */
  readonly ready: () => string | undefined;
}

export interface HealthServer {
  readonly port: number;
  close(): Promise<void>;
}

/**
 * Serves `/healthz` and `/readyz` for a kubelet's probes.
 *
 * @throws the listen error of node:http (EADDRINUSE, EACCES) when the address cannot be had.
 */
export async function serveHealth(host: string, port: number, checks: HealthChecks): Promise<HealthServer> {
  const server = createServer((request, response) => {
    const check =
      request.url === '/healthz' ? checks.live : request.url === '/readyz' ? checks.ready : undefined;
    if (check === undefined) {
      response.writeHead(404).end('Not found; there are /healthz and /readyz\n');
      return;
    }
    const complaint = check();
    response.writeHead(complaint === undefined ? 200 : 503).end(`${complaint ?? 'ok'}\n`);
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => resolve());
  });
  return {
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
