import { expect } from 'chai';
import { type HttpServer, serveHttp } from '../../../../src/operator/loop/http-server.ts';

describe('the server of health checks and metrics', () => {
  let server: HttpServer;

  before(async () => {
    server = await serveHttp('127.0.0.1', 0, { '/healthz': () => ({ status: 200, text: 'ok' }) });
  });

  after(() => server.close());

  for (const [path, status] of [
    ['/healthz', 200],
    // A kubelet's probe and a Prometheus may be told to ask with parameters.
    ['/healthz?verbose', 200],
    ['/healthz/', 404],
    ['/', 404],
    ['/constructor', 404],
  ] as const) {
    it(`answers ${path} with ${status}`, async () => {
      const answer = await fetch(`http://127.0.0.1:${server.port}${path}`);
      await answer.text();
      expect(answer.status).to.equal(status);
    });
  }
});
