import { type Answer, type HttpServer, serveHttp } from './http-server.ts';

/** What the health endpoints ask; each answers with why not, or undefined when all is well. */
export interface HealthChecks {
  /** Whether the process should be left running (`/healthz`). */
  readonly live: () => string | undefined;
  /** Whether it does its work (`/readyz`). */
  readonly ready: () => string | undefined;
}

/**
 * Serves `/healthz` and `/readyz` for a kubelet's probes.
 *
 * @throws the listen error of node:http (EADDRINUSE, EACCES) when the address cannot be had.
 */
export function serveHealth(
  host: string | undefined,
  port: number,
  checks: HealthChecks,
): Promise<HttpServer> {
  return serveHttp(host, port, {
    '/healthz': () => answer(checks.live()),
    '/readyz': () => answer(checks.ready()),
  });
}

function answer(complaint: string | undefined): Answer {
  return { status: complaint === undefined ? 200 : 503, text: `${complaint ?? 'ok'}\n` };
}
