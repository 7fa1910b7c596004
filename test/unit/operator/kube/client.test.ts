import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect } from 'chai';
import { KubeClient } from '../../../../src/operator/kube/client.ts';
import { KubeError } from '../../../../src/operator/kube/kube-error.ts';
import { PooledKubeConfig } from '../../../../src/operator/kube/pooled-kube-config.ts';

describe('an API server that asks to wait', () => {
  let server: Server;
  let config: PooledKubeConfig;
  let retryAfter: string;

  before(async () => {
    server = createServer((_request, response) => {
      response.writeHead(429, { 'retry-after': retryAfter }).end('{}');
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    config = new PooledKubeConfig(0);
    const { port } = server.address() as AddressInfo;
    config.loadFromClusterAndUser(
      { name: 'here', server: `http://127.0.0.1:${port}`, skipTLSVerify: true },
      { name: 'me' },
    );
  });

  after(async () => {
    await config.close();
    server.closeAllConnections();
    server.close();
  });

  for (const [asked, waited] of [
    ['7', 7_000],
    ['3600', 300_000],
    // More than a timer of Node's can count, which then does not wait at all.
    ['99999999', 300_000],
    ['Wed, 21 Oct 2026 07:28:00 GMT', undefined],
  ] as const) {
    it(`'${asked}': ${waited} ms`, async () => {
      retryAfter = asked;
      const error: unknown = await new KubeClient(config)
        .request({ method: 'GET', path: '/' })
        .catch((thrown: unknown) => thrown);
      expect(error).to.be.instanceOf(KubeError).and.have.property('retryAfter', waited);
    });
  }
});
