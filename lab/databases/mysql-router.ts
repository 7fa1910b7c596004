import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { eventually } from '../process/eventually.ts';
import { freePort } from '../process/free-port.ts';
import { reaper } from '../process/reaper.ts';
import { startServerProcess } from '../process/server-process.ts';
import { withMysql } from './mysql-client.ts';

/** A real MySQL Router before one server. */
export interface TestMysqlRouter {
  readonly port: number;
  stop(): Promise<void>;
}

/** Which server is behind MySQL Router, and whether clients share connections to it. */
export interface MysqlRouterOptions {
  /** The server's port on loopback. */
  readonly server: number;
  /** Whether it takes connections to the server from a pool, for as long as a client is at work. */
  readonly shared: boolean;
}

/** @param program `mysqlrouter`, in the folder that its package was unpacked into. */
export async function startMysqlRouter(
  program: string,
  { server, shared }: MysqlRouterOptions,
): Promise<TestMysqlRouter> {
  const folder = reaper.makeFolder('glance-schema-router-');
  for (const name of ['run', 'data', 'log']) mkdirSync(join(folder, name));
  const port = await freePort();
  const file = join(folder, 'mysqlrouter.conf');
  writeFileSync(
    file,
    `[DEFAULT]
plugin_folder = ${join(dirname(program), 'sid/usr/lib/mysqlrouter/plugin')}
runtime_folder = ${join(folder, 'run')}
data_folder = ${join(folder, 'data')}
logging_folder =
[connection_pool]
max_idle_server_connections = 16
[routing:database]
bind_address = 127.0.0.1
bind_port = ${port}
destinations = 127.0.0.1:${server}
routing_strategy = first-available
protocol = classic
${shared ? 'client_ssl_mode = DISABLED\nserver_ssl_mode = PREFERRED\nconnection_sharing = 1\nconnection_sharing_delay = 0' : 'client_ssl_mode = PASSTHROUGH\nserver_ssl_mode = AS_CLIENT'}
`,
  );
  const running = startServerProcess({
    name: 'MySQL Router',
    path: program,
    args: ['-c', file],
    logFile: join(folder, 'server.log'),
  });
  await eventually(async () => {
    running.assertRunning();
    await withMysql(`mysql://glance:glance-secret@127.0.0.1:${port}`, async () => undefined);
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
