import { connect, createServer, type Socket } from 'node:net';
import { Transform } from 'node:stream';
import { freePort } from './free-port.ts';

/** A wire between a client and a server on loopback that a test can cut. */
export interface TcpProxy {
  readonly port: number;
  /**
   * Ends each connection by RST, to both sides, as a firewall does that has lost its state; tells
   * how many there were.
   */
  reset(): number;
  stop(): Promise<void>;
}

/** How the network between two ends is worse than loopback. */
export interface TcpProxyOptions {
  /** Milliseconds that each packet is late, either way, one after the other. */
  readonly delay?: number;
  /** How long a connection may carry nothing, in milliseconds; it is ended by RST then. */
  readonly idleLimit?: number;
  /** Called with what a client sends, and waited for before that is handed on. */
  readonly before?: (sent: Buffer, connection: ProxiedConnection) => Promise<void> | void;
}

/** A client's connection through a proxy. */
export interface ProxiedConnection {
  /**
   * From now on nothing that the server sends reaches the client, its end neither: as a firewall
   * does that drops packets.
   */
  mute(): void;
}

/** @param upstream the server's port, or those of several, which connections go to in turn. */
export async function startTcpProxy(
  upstream: number | readonly number[],
  { delay = 0, idleLimit = 0, before = () => undefined }: TcpProxyOptions = {},
): Promise<TcpProxy> {
  const pairs = new Set<readonly Socket[]>();
  const ports = typeof upstream === 'number' ? [upstream] : upstream;
  let connections = 0;
  // Either side may have said its last and still hear the other: what a server says before it closes
  // has to arrive, as it does without a wire between.
  const server = createServer({ allowHalfOpen: true }, (client) => {
    const port = ports[connections % ports.length] ?? 0;
    const other = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
    const pair = [client, other] as const;
    connections += 1;
    pairs.add(pair);
    let muted = false;
    const connection: ProxiedConnection = {
      mute() {
        muted = true;
        client.allowHalfOpen = false;
        other.unpipe();
        other.resume();
      },
    };
    const heard = new Transform({
      transform(sent, _encoding, pass) {
        Promise.resolve(before(sent, connection)).then(() => pass(null, sent), pass);
      },
    });
    client.pipe(late()).pipe(heard).pipe(other).pipe(late()).pipe(client);
    for (const socket of pair) {
      socket.on('error', () => socket.destroy());
      socket.setTimeout(idleLimit, () => {
        for (const each of pair) each.resetAndDestroy();
      });
      socket.on('close', () => {
        if (muted && socket === other) return;
        const broken = !socket.readableEnded || !socket.writableFinished;
        if (broken || pair.every(({ destroyed }) => destroyed)) {
          pairs.delete(pair);
          for (const each of pair) each.destroy();
        }
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
      // Not by RST: Node does not end where one is sent in the middle of a goodbye.
      for (const socket of [...pairs].flat()) socket.destroy();
      await closed;
    },
  };
}
