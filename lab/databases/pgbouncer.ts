import { chmodSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { eventually } from '../process/eventually.ts';
import { freePort } from '../process/free-port.ts';
import { reaper } from '../process/reaper.ts';
import { startServerProcess } from '../process/server-process.ts';
import { findProgram, programEnvironment } from '../tools/distribution-packages.ts';
import { withClient } from './images.ts';
import type { TestPostgres } from './postgres.ts';

/** A real PgBouncer in transaction mode before a real PostgreSQL. */
export interface TestPgBouncer {
  /** A connection URL through the pooler. */
  url(database: string): string;
  /** SIGKILL: its clients see their connections end. */
  kill(): Promise<void>;
  stop(): Promise<void>;
}

/** The settings of PgBouncer in which a test is interested, as in pgbouncer.ini. */
export interface PgBouncerOptions {
  /** Connections to the server for each database; two clients share one where it is 1. */
  readonly poolSize: number;
  /** As in pgbouncer.ini: settings of a client's start-up that are dropped without a word. */
  readonly ignoreStartupParameters?: string;
}

/** The path of the program, or null where there is none. */
export function findPgBouncer(): string | null {
  return findProgram('pgbouncer');
}

/**
 * Starts PgBouncer in front of a server on a free port of loopback, with transaction pooling.
 *
 * @param program path of the `pgbouncer` to run
 * @throws Error when it does not start; the message has the end of its log.
 */
export async function startPgBouncer(
  program: string,
  server: TestPostgres,
  options: PgBouncerOptions,
): Promise<TestPgBouncer> {
  const folder = reaper.makeFolder('glance-schema-pgbouncer-');
  // The pooler gives up root's rights before it reads these.
  chmodSync(folder, 0o755);
  const port = await freePort();
  const ini = join(folder, 'pgbouncer.ini');
  const users = join(folder, 'users.txt');
  writeFileSync(users, `"${server.user}" "${server.password}"\n`);
  writeFileSync(ini, configuration(server, port, users, options));
  const running = startServerProcess({
    name: 'PgBouncer',
    path: program,
    args: [...(process.getuid?.() === 0 ? ['-u', unprivilegedUser()] : []), ini],
    logFile: join(folder, 'server.log'),
    env: programEnvironment(),
  });
  const url = (database: string): string =>
    `postgresql://${server.user}:${server.password}@127.0.0.1:${port}/${database}`;

  await eventually(async () => {
    running.assertRunning();
    await withClient(url('pgbouncer'), (client) => client.query('SHOW VERSION'));
  });
  return {
    url,
    async kill() {
      running.kill('SIGKILL');
      await running.ended;
    },
    async stop() {
      await running.stop();
      rmSync(folder, { recursive: true, force: true });
      reaper.forgetFolder(folder);
    },
  };
}

function configuration(
  server: TestPostgres,
  port: number,
  users: string,
  { poolSize, ignoreStartupParameters }: PgBouncerOptions,
): string {
  return `
[databases]
* = host=${server.host} port=${server.port}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${port}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = ${users}
admin_users = ${server.user}
pool_mode = transaction
default_pool_size = ${poolSize}
${ignoreStartupParameters === undefined ? '' : `ignore_startup_parameters = ${ignoreStartupParameters}`}
`;
}

function unprivilegedUser(): string {
  const users = readFileSync('/etc/passwd', 'utf8');
  return users.includes('\npostgres:') ? 'postgres' : 'nobody';
}
