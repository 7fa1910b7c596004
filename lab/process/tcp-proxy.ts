import { connect, createServer, type Socket } from 'node:net';
import { Transform } from 'node:stream';
import { freePort } from './free-port.ts';

/** A wire between a client and a server on loopback that a test can cut. */
export interface TcpProxy {
  readonly port: number;
  /** Ends each connection by RST, to both sides, as a firewall does that has lost its state; tells how many there were. */
  reset(): number;
  stop(): Promise<void>;
}

/** How the network between two ends is worse than loopback. */
export interface TcpProxyOptions {
  /** Milliseconds that each packet is late, either way, one after the other. */
  readonly delay?: number;
  /** How long a connection may carry nothing, in milliseconds; it is ended by RST then. */
  readonly idleLimit?: number;
}

/** @param upstream the server's port, or those of several, which connections go to in turn. */
export async function startTcpProxy(
  upstream: number | readonly number[],
  { delay = 0, idleLimit = 0 }: TcpProxyOptions = {},
): Promise<TcpProxy> {
  const pairs = new Set<readonly Socket[]>();
  const ports = typeof upstream === 'number' ? [upstream] : upstream;
  let connections = 0;
  const server = createServer((client) => {
    const pair = [client, connect(ports[connections % ports.length] ?? 0, '127.0.0.1')] as const;
    const [, other] = pair;
    connections += 1;
    pairs.add(pair);
    client.pipe(late()).pipe(other).pipe(late()).pipe(client);
    for (const socket of pair) {
      socket.on('error', () => socket.destroy());
      socket.setTimeout(idleLimit, () => socket.resetAndDestroy());
      socket.on('close', () => {
        pairs.delete(pair);
        for (const each of pair) each.destroy();
      });
    }
  });
  const port = await freePort();
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', resolve);
  });
  function late(): Transform {
    return new Transform({
      transform: (packet, _encoding, pass) => void setTimeout(() => pass(null, packet), delay),
    });
  }
  function reset(): number {
    const open = [...pairs];
    for (const socket of open.flat()) socket.resetAndDestroy();
    return open.length;
  }
  return {
    port,
    reset,
    async stop() {
      const closed = new Promise((resolve) => server.close(resolve));
      reset();
      await closed;
    },
  };
}
