import { randomInt } from 'node:crypto';
import { createServer } from 'node:net';

const taken = new Set<number>();

/**
 * A free port on 127.0.0.1, below the range that the system hands to outgoing connections (32768
 * and up on Linux).
 *
 * A port of that range would be unsafe for a server that is stopped for a while: a client that
 * keeps trying to reconnect can be given the very same port as its own, connects to itself, and the
 * server cannot come back.
 *
 * `make test` gives each of its processes ports of its own in TEST_PORTS: between the moment in
 * which a port is found free and the moment in which a server listens on it, no other process may
 * find it too.
 */
export async function freePort(): Promise<number> {
  const [first = 15_000, last = 31_999] = (process.env.TEST_PORTS ?? '15000-31999').split('-').map(Number);
  for (let attempt = 0; attempt < 1_000; attempt += 1) {
    const port = randomInt(first, last + 1);
    if (taken.has(port) || !(await canListen(port))) continue;
    taken.add(port);
    return port;
  }
  throw new Error(`Cannot find a free port on 127.0.0.1 from ${first} to ${last} after 1,000 attempts`);
}

function canListen(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen({ port, host: '127.0.0.1', exclusive: true }, () => server.close(() => resolve(true)));
  });
}
