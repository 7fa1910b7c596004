import { spawn } from 'node:child_process';
import { chownSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import mysql from 'mysql2/promise';
import { freePort } from '../process/free-port.ts';
import { endOf } from '../process/program-end.ts';
import { reaper } from '../process/reaper.ts';
import { type ServerProcess, startServerProcess } from '../process/server-process.ts';
import { findMariaDb, type MariaDbPrograms, programEnvironment } from '../tools/distribution-packages.ts';
import { fillFolder, programKey } from '../tools/initialised-folder.ts';
import { withMysql } from './mysql-client.ts';

/** A running MariaDB or MySQL of a test's own, with an account that may do everything. */
export interface TestMariaDb {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: string;
  /** The path of its Unix socket. */
  readonly socket: string;
  /**
   * A connection URL as OpenStack writes it, of a user with all rights on databases and none on the
   * server.
   */
  url(database: string): string;
  /** The same for a user with all rights. */
  adminUrl(database: string): string;
  /** Makes an empty database and returns its URL. */
  createDatabase(name: string): Promise<string>;
  /** SIGKILL: the server is gone in the middle of whatever it does. */
  crash(): Promise<void>;
  /** Starts the server again after `crash`, on the same port with the same data. */
  restart(): Promise<void>;
  stop(): Promise<void>;
}

/** How a MariaDB or MySQL of a test is started; everything can be left out. */
export interface MariaDbOptions {
  /** The server's port; absent means a free one. */
  readonly port?: number;
  /**
   * Keep the files in this folder, and use what is there already; absent means a folder that goes
   * with `stop`.
   */
  readonly dataDirectory?: string;
  /** Whether its files take all their room at once: for a disk that a test fills. */
  readonly reservesRoom?: boolean;
  /** Settings as in my.cnf. */
  readonly settings?: Readonly<Record<string, string>>;
  /**
   * MySQL instead of MariaDB: its `mysqld`, or a script that runs it with what it is given.
   */
  readonly mysqld?: string;
  /** Whether the data comes from another node of a cluster, users too. */
  readonly joins?: boolean;
}

/**
 * A node of a cluster copies another's data first, on a machine with much else to do; only a test
 * that fails waits this long.
 */
const START_MILLISECONDS = 300_000;

const HOST = '127.0.0.1';
const USER = 'glance';
const PASSWORD = 'glance-secret';

/** What a machine without MariaDB is told, where `make test` could not bring it. */
export const NO_MARIADB =
  'MariaDB is not on this machine. Run `make test`, which brings it on Debian and Ubuntu, or install its server.';

/** Made to be fast and to leave nothing: no test looks at what survives a power cut. */
const SETTINGS: Readonly<Record<string, string>> = {
  'bind-address': HOST,
  innodb_flush_log_at_trx_commit: '0',
  innodb_buffer_pool_size: '256M',
  innodb_stats_persistent: '0',
  // A statement that changes a table waits for the disk several times.
  innodb_flush_method: 'nosync',
  loose_debug_no_sync: '1',
  sync_binlog: '0',
  skip_name_resolve: '1',
  max_connections: '80',
  'character-set-server': 'utf8mb3',
  'default-time-zone': '+00:00',
};

/**
 * Settings for a database of a million images: with a small log, whoever writes waits until it is
 * flushed. Its room is reserved when the server starts.
 */
export const LARGE_LOG: Readonly<Record<string, string>> = { innodb_log_file_size: '512M' };

/** What MySQL has to be told besides. */
const MYSQL_SETTINGS: Readonly<Record<string, string>> = {
  // Its second protocol listens on every address.
  mysqlx: 'OFF',
  'disable-log-bin': '1',
  'secure-file-priv': 'NULL',
  innodb_flush_method: 'nosync',
  innodb_doublewrite: '0',
};

/** Whether this machine has the server's programs. */
export function hasMariaDb(): boolean {
  return findMariaDb() !== null;
}

/**
 * Starts a MariaDB of its own on loopback, in a few seconds. It ends with `stop`, and at the latest
 * with this process.
 *
 * @throws Error when the server does not start; the message carries its log.
 */
export async function startMariaDb(options: MariaDbOptions = {}): Promise<TestMariaDb> {
  const programs = options.mysqld === undefined ? findMariaDb() : mysqlPrograms(options.mysqld);
  if (programs === null) throw new Error(NO_MARIADB);
  const { server: program, serverArgs } = programs;
  const port = options.port ?? (await freePort());
  const folder = options.dataDirectory ?? reaper.makeFolder('glance-schema-mariadb-');
  const data = join(folder, 'data');
  const socket = join(folder, 'socket');
  const init = join(folder, 'init.sql');
  // Of its own: at its start a server clears away the temporary tables of all that share the
  // folder.
  const temporary = reaper.makeFolder('glance-schema-mariadb-tmp-');
  chownToServer(temporary);
  if (!existsSync(data)) {
    mkdirSync(folder, { recursive: true });
    chownToServer(folder);
    const key = [programKey(program), programs.installDbArgs, serverUser()];
    await fillFolder(data, key, () => initialise(data, temporary, programs), {
      sparse: options.reservesRoom !== true,
    });
    // By it the product tells servers of MySQL apart: each makes its own.
    rmSync(join(data, 'auto.cnf'), { force: true });
  }
  writeFileSync(init, INIT);
  const settings = {
    ...SETTINGS,
    ...(options.mysqld === undefined ? {} : MYSQL_SETTINGS),
    ...options.settings,
  };
  const urlOf = (user: string, database: string): string =>
    `mysql+pymysql://${user}:${PASSWORD}@${HOST}:${port}/${database}`;
  let server = await launch();

  async function launch(): Promise<ServerProcess> {
    const child = startServerProcess({
      name: 'MariaDB',
      path: program,
      args: [
        '--no-defaults',
        ...serverArgs,
        `--datadir=${data}`,
        `--port=${port}`,
        `--socket=${socket}`,
        `--pid-file=${join(folder, 'pid')}`,
        ...(options.joins === true ? [] : [`--init-file=${init}`]),
        ...asUser(),
        ...Object.entries(settings).map(([name, value]) => `--${name}=${value}`),
      ],
      logFile: join(folder, 'server.log'),
      env: { ...programEnvironment(), LC_ALL: 'C', TZ: 'UTC', TMPDIR: temporary },
    });
    const deadline = Date.now() + START_MILLISECONDS;
    while (Date.now() < deadline) {
      child.assertRunning();
      try {
        await withMysql(urlOf(USER, ''), async () => undefined);
        return child;
      } catch {
        await sleep(50);
      }
    }
    throw new Error(
      `MariaDB on port ${port} does not answer: ${readFileSync(join(folder, 'server.log'), 'utf8')}`,
    );
  }

  return {
    host: HOST,
    port,
    user: USER,
    password: PASSWORD,
    socket,
    url: (database) => urlOf(USER, database),
    adminUrl: (database) => urlOf('admin', database),
    async createDatabase(name) {
      await withMysql(urlOf(USER, ''), (client) => client.query(`CREATE DATABASE ${mysql.escapeId(name)}`));
      return urlOf(USER, name);
    },
    async crash() {
      server.kill('SIGKILL');
      await server.stop();
    },
    async restart() {
      server = await launch();
    },
    async stop() {
      if (options.dataDirectory === undefined) {
        server.kill('SIGKILL');
        await server.stop();
        rmSync(folder, { recursive: true, force: true });
        reaper.forgetFolder(folder);
      } else {
        // One that is killed has its recovery still to do, which may be another's to pay for.
        await server.stop(START_MILLISECONDS);
      }
      rmSync(temporary, { recursive: true, force: true });
      reaper.forgetFolder(temporary);
    },
  };
}

/** Run at each start: the users that the tests connect as. */
const INIT = `CREATE USER IF NOT EXISTS ${USER}@'%' IDENTIFIED BY '${PASSWORD}';
GRANT ALL PRIVILEGES ON \`%\`.* TO ${USER}@'%';
CREATE USER IF NOT EXISTS admin@'%' IDENTIFIED BY '${PASSWORD}';
GRANT ALL PRIVILEGES ON *.* TO admin@'%' WITH GRANT OPTION;
`;

/** MySQL makes its own data folder. */
function mysqlPrograms(mysqld: string): MariaDbPrograms {
  return {
    server: mysqld,
    installDb: mysqld,
    serverArgs: [],
    installDbArgs: ['--initialize-insecure', '--innodb_flush_method=nosync'],
  };
}

/** As whom a server runs that root starts: `mysql` if the machine has that user, else `nobody`. */
function serverUser(): { readonly name: string; readonly uid: number; readonly gid: number } | null {
  if (process.getuid?.() !== 0) return null;
  const users = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .map((line) => line.split(':'));
  const found = users.find(([name]) => name === 'mysql') ?? users.find(([name]) => name === 'nobody');
  return { name: found?.[0] ?? 'nobody', uid: Number(found?.[2] ?? 65534), gid: Number(found?.[3] ?? 65534) };
}

function asUser(): readonly string[] {
  const user = serverUser();
  return user === null ? [] : [`--user=${user.name}`];
}

function chownToServer(folder: string): void {
  const user = serverUser();
  if (user !== null) chownSync(folder, user.uid, user.gid);
}

/** Takes seconds, while this process may serve others. */
async function initialise(data: string, temporary: string, programs: MariaDbPrograms): Promise<void> {
  const args = ['--no-defaults', `--datadir=${data}`, ...programs.installDbArgs, ...asUser()];
  const env = { ...programEnvironment(), LC_ALL: 'C', TZ: 'UTC', TMPDIR: temporary };
  const done = await endOf(spawn(programs.installDb, args, { env }));
  if (done.code !== 0) {
    throw new Error(`Cannot initialise ${programs.server} in ${data}: ${done.stdout}${done.stderr}`);
  }
}
