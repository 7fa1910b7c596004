import { createReadStream, existsSync, readFileSync, statSync } from 'node:fs';
import { createServer } from 'node:https';
import { setTimeout as sleep } from 'node:timers/promises';

/**
 * Where the logs of containers are, and the certificate by which the API server knows the kubelet.
 */
export interface LogServerOptions {
  readonly certFile: string;
  readonly keyFile: string;
  /** Null when there is no such container. */
  logFileOf(namespace: string, pod: string, container: string): string | null;
  isRunning(namespace: string, pod: string): boolean;
}

/** The HTTPS server of the kubelet, of which the API server asks the logs of pods. */
export interface LogServer {
  readonly port: number;
  close(): void;
}

/**
 * The one endpoint of a kubelet that `kubectl logs` needs. The API server calls it at the address
 * that the Node object tells, and forwards what it answers. `--follow`, `--tail` and
 * `--limit-bytes` are understood; other options are left out of account.
 */
export function startLogServer(options: LogServerOptions): Promise<LogServer> {
  const tls = { cert: readFileSync(options.certFile), key: readFileSync(options.keyFile) };
  const server = createServer(tls, async (request, response) => {
    const url = new URL(request.url ?? '/', 'https://127.0.0.1');
    const [, verb, namespace = '', pod = '', container = ''] = url.pathname.split('/');
    const file = verb === 'containerLogs' ? options.logFileOf(namespace, pod, container) : null;
    if (file === null || !existsSync(file)) {
      response.writeHead(404).end('the fake kubelet has no such log\n');
      return;
    }
    response.writeHead(200, { 'content-type': 'text/plain' });
    let offset = tailOffset(file, url.searchParams.get('tailLines'));
    const follow = url.searchParams.get('follow') === 'true';
    const most = offset + Number(url.searchParams.get('limitBytes') ?? Number.POSITIVE_INFINITY);
    for (;;) {
      const last = !follow || !options.isRunning(namespace, pod);
      const size = Math.min(most, statSync(file).size);
      if (size > offset) {
        for await (const chunk of createReadStream(file, { start: offset, end: size - 1 }))
          response.write(chunk);
        offset = size;
      }
      if (last || offset >= most || response.destroyed) break;
      await sleep(200);
    }
    response.end();
  });
  server.unref();
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      const port = typeof address === 'object' && address !== null ? address.port : 0;
      const close = (): void => {
        server.close();
        server.closeAllConnections();
      };
      resolve({ port, close });
    });
  });
}

function tailOffset(file: string, tailLines: string | null): number {
  if (tailLines === null) return 0;
  const text = readFileSync(file);
  let offset = text.length;
  // One break more than lines, as the last line ends with one.
  for (let breaks = Number(tailLines) + 1; breaks > 0 && offset > 0; breaks -= 1) {
    offset = text.lastIndexOf('\n', offset - 1);
    if (offset < 0) return 0;
  }
  return offset === 0 ? 0 : offset + 1;
}
