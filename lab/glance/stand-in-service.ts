import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { eventually } from '../process/eventually.ts';
import { freePort } from '../process/free-port.ts';

/**
 * Stands in for a Service of Kubernetes with several ready pods behind it, or for the HAProxy in
 * front of an API: hands each request to the next backend in turn, and tries nothing twice.
 */
export interface StandInService {
  /** Its URL, without a slash at the end. */
  readonly url: string;
  /** From now on requests go to this port of loopback too, as when a pod becomes ready. */
  add(port: number): void;
  /**
   * Sends no more requests there and waits for those that are under way, as a pod is treated
   * that is taken away with a grace period.
   */
  drain(port: number): Promise<void>;
  stop(): Promise<void>;
}

/** Starts one without a backend, which answers 503 until it has one. */
export async function startStandInService(): Promise<StandInService> {
  const ready: number[] = [];
  const busy = new Map<number, number>();
  const agent = new http.Agent({ keepAlive: true });
  let turn = 0;

  const server = http.createServer((request, response) => {
    turn += 1;
    const port = ready[turn % Math.max(ready.length, 1)];
    if (port === undefined) {
      response.writeHead(503).end('no backend is ready');
      return;
    }
    const count = (change: number): void => void busy.set(port, (busy.get(port) ?? 0) + change);
    count(1);
    response.once('close', () => count(-1));
    const { method, url, headers } = request;
    const onward = http.request({ host: '127.0.0.1', port, method, path: url, headers, agent }, (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(response);
    });
    onward.once('error', (error) => {
      if (!response.headersSent) response.writeHead(502);
      response.end(`${error.message}`);
    });
    request.pipe(onward);
  });
  const port = await freePort();
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    add: (backend) => void ready.push(backend),
    async drain(backend) {
      ready.splice(ready.indexOf(backend), 1);
      await eventually(async () => {
        if ((busy.get(backend) ?? 0) > 0) throw new Error(`requests to ${backend} are still under way`);
      });
    },
    async stop() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      agent.destroy();
    },
  };
}
