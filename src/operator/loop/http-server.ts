import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

/** What a path is answered with, as plain text unless it says otherwise. */
export interface Answer {
  readonly status: number;
  readonly contentType?: string;
  readonly text: string;
}

/** The server of health checks and metrics. */
export interface HttpServer {
  readonly port: number;
  close(): Promise<void>;
}

/**
 * Serves a few paths to a kubelet or to Prometheus; without a host at all addresses, of IPv6 too
 * where there is IPv6.
 *
 * @throws the listen error of node:http (EADDRINUSE, EACCES) when the address cannot be had.
 */
export async function serveHttp(
  host: string | undefined,
  port: number,
  paths: Readonly<Record<string, () => Answer | Promise<Answer>>>,
): Promise<HttpServer> {
  const notFound: Answer = { status: 404, text: `Not found; there is ${Object.keys(paths).join(' and ')}\n` };
  const answer = async (path: string): Promise<Answer> => {
    try {
      return Object.hasOwn(paths, path) ? ((await paths[path]?.()) ?? notFound) : notFound;
    } catch (error) {
      return { status: 500, text: `${error instanceof Error ? error.message : String(error)}\n` };
    }
  };
  const server = createServer((request, response) => {
    const [path = ''] = (request.url ?? '').split('?');
    void answer(path).then(({ status, contentType = 'text/plain; charset=utf-8', text }) =>
      response.writeHead(status, { 'content-type': contentType }).end(text),
    );
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen({ port, host }, () => resolve());
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
