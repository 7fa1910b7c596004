import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server } from 'node:net';
import { text } from 'node:stream/consumers';
import { expect } from 'chai';
import { startTcpProxy, type TcpProxy } from '../../../lab/process/tcp-proxy.ts';

describe('the wire that a test can cut', () => {
  let server: Server | undefined;
  let proxy: TcpProxy | undefined;

  afterEach(async () => {
    await proxy?.stop();
    server?.close();
  });

  it('brings what a server says before it closes, and what a client says after that', async () => {
    let heard = Promise.resolve('');
    server = createServer({ allowHalfOpen: true }, (socket) => {
      heard = text(socket);
      socket.end('last words');
    });
    await once(server.listen(0, '127.0.0.1'), 'listening');
    const { port } = server.address() as AddressInfo;
    proxy = await startTcpProxy(port);
    for (let round = 0; round < 20; round += 1) {
      const client = connect({ port: proxy.port, host: '127.0.0.1', allowHalfOpen: true });
      expect(await text(client)).to.equal('last words');
      client.end('goodbye');
      expect(await heard).to.equal('goodbye');
    }
  });
});
