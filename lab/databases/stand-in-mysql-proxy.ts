import { connect, createServer, type Socket } from 'node:net';
import { freePort } from '../process/free-port.ts';

/**
 * Stands in for the proxies that speak MySQL's protocol themselves, ProxySQL first of all, and
 * MaxScale and MySQL Router: none of them is to be had from the registries. It does what is known
 * to trouble a migrator behind them and hands on everything else, byte for byte:
 *
 * - it greets with a connection id of its own,
 * - it answers a bare `SELECT CONNECTION_ID()` by itself, with that id,
 * - it takes `KILL [CONNECTION | QUERY] number` for one of its own connections and tells the server
 *   nothing,
 * - it may refuse a statement by an error of the server that it leads to, as one with other
 *   settings would.
 *
 * What it does not do: share the server's connections between clients, cache, send reads elsewhere.
 *
 * Source: github.com/sysown/proxysql, lib/MySQL_Session.cpp.
 */
export interface StandInMySqlProxy {
  readonly port: number;
  /** Statements that it has answered by itself. */
  readonly answered: readonly string[];
  stop(): Promise<void>;
}

/** In which ways the proxy treats statements otherwise than the server would. */
export interface StandInMySqlProxyOptions {
  /** The error that a statement gets instead of an answer, if one. */
  readonly refuse?: (sql: string) => { readonly number: number; readonly message: string } | undefined;
  /** Whether it takes every form of KILL for one of its own. */
  readonly takesEveryKill?: boolean;
}

const COM_QUERY = 3;

/** Far from what a young server gives. */
const FIRST_ID = 700_001;

/**
 * Starts the proxy on a free port of loopback.
 *
 * @param upstreamPort port of the server on loopback
 */
export async function startStandInMySqlProxy(
  upstreamPort: number,
  { refuse = () => undefined, takesEveryKill = false }: StandInMySqlProxyOptions = {},
): Promise<StandInMySqlProxy> {
  const answered: string[] = [];
  const clients = new Map<number, Socket>();
  let lastId = FIRST_ID;
  const server = createServer((client) => {
    const id = lastId;
    lastId += 1;
    clients.set(id, client);
    const upstream = connect(upstreamPort, '127.0.0.1');
    for (const [socket, other] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      socket.on('error', () => socket.destroy());
      socket.on('close', () => {
        clients.delete(id);
        other.destroy();
      });
    }
    let greeted = false;
    upstream.on('data', (chunk) => {
      client.write(greeted ? chunk : withId(chunk, id));
      greeted = true;
    });
    client.on(
      'data',
      packets((packet) => {
        const sql = packet[3] === 0 && packet[4] === COM_QUERY ? packet.toString('utf8', 5) : undefined;
        const error = sql === undefined ? undefined : refuse(sql);
        if (error !== undefined) {
          client.write(errorPacket(error.number, error.message));
          return;
        }
        const own = sql === undefined ? undefined : ownAnswer(sql, id);
        if (sql !== undefined && own !== undefined) answered.push(sql);
        upstream.write(own === undefined ? packet : queryPacket(own));
      }),
    );
  });

  /** What is asked of the server instead of a statement that the proxy answers itself. */
  function ownAnswer(sql: string, id: number): string | undefined {
    if (/^\s*SELECT\s+CONNECTION_ID\(\)\s*;?\s*$/i.test(sql)) return `SELECT ${id} AS \`CONNECTION_ID()\``;
    const killed = /^\s*KILL\s+(?:CONNECTION\s+|QUERY\s+)?(\d+)\s*;?\s*$/i.exec(sql)?.[1];
    clients.get(Number(killed))?.destroy();
    return killed !== undefined || (takesEveryKill && /^\s*KILL\b/i.test(sql)) ? 'DO 0' : undefined;
  }

  const port = await freePort();
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', resolve);
  });
  return {
    port,
    answered,
    async stop() {
      const closed = new Promise((resolve) => server.close(resolve));
      for (const client of clients.values()) client.destroy();
      await closed;
    },
  };
}

/**
 * The greeting with another connection id: it comes after the header, the protocol's version and
 * the server's with its NUL.
 */
function withId(greeting: Buffer, id: number): Buffer {
  const changed = Buffer.from(greeting);
  changed.writeUInt32LE(id, changed.indexOf(0, 5) + 1);
  return changed;
}

/**
 * Calls `each` with every whole packet, its header of three bytes of length and one of sequence
 * included.
 */
function packets(each: (packet: Buffer) => void): (chunk: Buffer) => void {
  let rest = Buffer.alloc(0);
  return (chunk) => {
    rest = Buffer.concat([rest, chunk]);
    while (rest.length >= 4 && rest.length >= 4 + rest.readUIntLE(0, 3)) {
      const end = 4 + rest.readUIntLE(0, 3);
      each(rest.subarray(0, end));
      rest = rest.subarray(end);
    }
  };
}

function queryPacket(sql: string): Buffer {
  return framed(0, Buffer.concat([Buffer.from([COM_QUERY]), Buffer.from(sql)]));
}

function errorPacket(number: number, message: string): Buffer {
  const head = Buffer.from([0xff, number & 0xff, number >> 8]);
  return framed(1, Buffer.concat([head, Buffer.from(`#HY000${message}`)]));
}

function framed(sequence: number, payload: Buffer): Buffer {
  const header = Buffer.alloc(4);
  header.writeUIntLE(payload.length, 0, 3);
  header[3] = sequence;
  return Buffer.concat([header, payload]);
}
