import { randomInt } from 'node:crypto';
import { createServer } from 'node:net';

const taken = new Set<number>();

/**
 * A free port on 127.0.0.1, below the range that the system hands to outgoing connections (32768 and up on Linux).
 *
 * A port of that range would be unsafe for a server that is stopped for a while: a client that keeps trying to reconnect
 * can be given the very same port as its own, connects to itself, and the server cannot come back.
 */
export async function freePort(): Promise<number> {
  for (let attempt = 0; attempt < 100; attempt += 1) {
    const port = randomInt(15_000, 32_000);
    if (taken.has(port) || !(await canListen(port))) continue;
    taken.add(port);
    return port;
  }
  throw new Error('Cannot find a free port on 127.0.0.1 after 100 attempts');
}

function canListen(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen({ port, host: '127.0.0.1', exclusive: true }, () => server.close(() => resolve(true)));
  });
}
