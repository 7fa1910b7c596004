import { rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { eventually } from '../process/eventually.ts';
import { freePort } from '../process/free-port.ts';
import { reaper } from '../process/reaper.ts';
import { startServerProcess } from '../process/server-process.ts';
import { findProgram, programEnvironment } from '../tools/distribution-packages.ts';

/** A real HAProxy before servers on loopback, as a balancer of connections. */
export interface TestHaProxy {
  readonly port: number;
  stop(): Promise<void>;
}

/** Which servers are behind HAProxy, and how it chooses one for a connection. */
export interface HaProxyOptions {
  /** The ports of the servers. */
  readonly servers: readonly number[];
  readonly balance: 'roundrobin' | 'leastconn' | 'source';
  /** How long a connection may carry nothing, such as `7s`. */
  readonly idleLimit?: string;
}

/** The path of the program, or null where there is none. */
export function findHaProxy(): string | null {
  return findProgram('haproxy');
}

/**
 * Starts HAProxy on a free port of loopback, in TCP mode in front of the servers.
 *
 * @param program path of the `haproxy` to run
 * @throws Error when it does not start; the message has the end of its log.
 */
export async function startHaProxy(program: string, options: HaProxyOptions): Promise<TestHaProxy> {
  const folder = reaper.makeFolder('glance-schema-haproxy-');
  const port = await freePort();
  const file = join(folder, 'haproxy.cfg');
  writeFileSync(file, configuration(port, options));
  const running = startServerProcess({
    name: 'HAProxy',
    path: program,
    args: ['-db', '-f', file],
    logFile: join(folder, 'server.log'),
    env: programEnvironment(),
  });
  await eventually(async () => {
    running.assertRunning();
    await new Promise<void>((resolve, reject) => {
      const socket = connect(port, '127.0.0.1', () => {
        socket.destroy();
        resolve();
      });
      socket.once('error', reject);
    });
  });
  return {
    port,
    async stop() {
      running.kill('SIGKILL');
      await running.ended;
      rmSync(folder, { recursive: true, force: true });
      reaper.forgetFolder(folder);
    },
  };
}

function configuration(port: number, { servers, balance, idleLimit = '60s' }: HaProxyOptions): string {
  return `
defaults
  mode tcp
  timeout connect 5s
  timeout client ${idleLimit}
  timeout server ${idleLimit}
listen database
  bind 127.0.0.1:${port}
  balance ${balance}
${servers.map((server, index) => `  server node${index} 127.0.0.1:${server}`).join('\n')}
`;
}
