import { execFile, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { aptOn } from './apt.ts';
import { withBuildLock } from './build-lock.ts';
import { serverCacheFolder } from './cache-folder.ts';
import { replaceFolder, unpackArchives } from './unpack.ts';

/** Programs that suites run and that neither npm nor the Go module proxy has. */
interface Need {
  readonly what: string;
  /**
   * Whether the machine, or the folder of unpacked packages, has all of it in a version that the
   * tests know.
   */
  readonly found: () => boolean;
  /**
   * Debian's and Ubuntu's packages, which are unpacked with all that they depend on and the machine
   * lacks.
   */
  readonly packages: readonly string[];
  /** Packages of which single files are wanted, and not what they depend on. */
  readonly alone?: readonly string[];
  /** How its version is asked for, to be said before the tests run. */
  readonly version?: () => string;
}

/** The oldest MariaDB that the tests are written for. */
const OLDEST_MARIADB = [10, 6] as const;

const needs: readonly Need[] = [
  {
    what: 'MariaDB',
    found: () => findMariaDb() !== null && ['mariadb', 'mariadb-dump'].every(hasProgram),
    packages: ['mariadb-server-core'],
    alone: ['mariadb-server', 'mariadb-client-core', 'mariadb-client'],
    version: () => versionOf('mariadbd', /Ver (\S+)/),
  },
  {
    // npm's server has no clients, and is of the newest version: those of the distribution are a pair.
    what: 'PostgreSQL with its clients',
    found: () => findPostgres() !== null,
    packages: ['postgresql'],
    version: () => /([^/]+)\/bin$/.exec(findPostgres() ?? '')?.[1] ?? '',
  },
  {
    what: 'Galera',
    found: () => findGaleraProvider() !== null && ['wsrep_sst_rsync', 'rsync'].every(hasProgram),
    // The script of the state transfer looks for ports with lsof.
    packages: ['galera-4', 'rsync', 'lsof'],
    alone: ['mariadb-server'],
  },
  {
    what: 'PgBouncer',
    found: () => hasProgram('pgbouncer'),
    packages: ['pgbouncer'],
    version: () => versionOf('pgbouncer', /PgBouncer (\S+)/),
  },
  {
    what: 'HAProxy',
    found: () => hasProgram('haproxy'),
    packages: ['haproxy'],
    version: () => versionOf('haproxy', /version (\S+)/, '-v'),
  },
  {
    what: 'OpenSSL',
    found: () => hasProgram('openssl'),
    packages: ['openssl'],
    version: () => versionOf('openssl', /OpenSSL (\S+)/, 'version'),
  },
  {
    what: 'Python with pip',
    found: () => findPython() !== null,
    packages: ['python3-minimal', 'python3'],
    alone: ['python3-pip-whl'],
    version: () => versionOf('python3', /Python (\S+)/),
  },
];

/** A Python and the way in which it makes virtual environments that have pip. */
export interface Python {
  readonly path: string;
  /** The wheel to run pip from, where this Python does not bring pip itself, as Debian's. */
  readonly pipWheel: string | null;
}

/** What is still missing, a sentence each with how to get it. */
export interface MissingPackages {
  readonly sentences: readonly string[];
  /** Whether this is a system whose packages are unpacked here: then something went wrong. */
  readonly canBeBrought: boolean;
}

/**
 * Unpacks into the cache folder what the tests need of the distribution and this machine lacks.
 * Needs no root: apt and dpkg-deb work on folders of their own, and nothing is installed. apt
 * checks the signatures as it always does.
 */
export async function ensureDistributionPackages(say: (line: string) => void): Promise<MissingPackages> {
  const canBeBrought = hasProgram('apt-get') && hasProgram('dpkg-deb');
  if (needs.every((need) => need.found())) return { sentences: [], canBeBrought };
  let trouble = `Its packages can be unpacked by themselves on Debian and Ubuntu only, as apt-get and dpkg-deb do it`;
  if (canBeBrought) {
    const folder = packagesFolder();
    const onWait = (owner: number): void => say(`Waiting for process ${owner}, which is unpacking packages`);
    try {
      await withBuildLock(`${folder}.lock`, onWait, async () => {
        const missing = needs.filter((need) => !need.found());
        if (missing.length > 0) await unpack(missing, folder, say);
      });
    } catch (error) {
      trouble = error instanceof Error ? error.message : String(error);
    }
  }
  const sentences = needs
    .filter((need) => !need.found())
    .map(({ what, packages, alone = [] }) => {
      const names = [...packages, ...alone].join(' ');
      return `${what} is not on this machine (Debian: apt-get install ${names}). ${trouble}.`;
    });
  return { sentences, canBeBrought };
}

/** What was found and in which version, as a line for a person. */
export function foundPackages(): string {
  return needs
    .filter((need) => need.found() && need.version !== undefined)
    .map(({ what, version }) => `${what} ${version?.() ?? ''}`.trim())
    .join(', ');
}

/** The path of a program: the machine's own, else the unpacked one; null where there is neither. */
export function findProgram(name: string): string | null {
  const own = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/usr/local/sbin', '/usr/libexec'];
  const folders = [...own.filter((folder) => folder !== ''), ...unpackedProgramFolders()];
  return folders.map((folder) => join(folder, name)).find((path) => existsSync(path)) ?? null;
}

/**
 * PATH and the like for a program that may have come out of a package: its helpers and libraries
 * are there too.
 */
export function programEnvironment(): Readonly<Record<string, string>> {
  const libraries = unpackedLibraryFolders();
  const path = [process.env.PATH ?? '', '/usr/sbin', ...unpackedProgramFolders()].join(delimiter);
  return { PATH: path, ...(libraries.length === 0 ? {} : { LD_LIBRARY_PATH: libraries.join(delimiter) }) };
}

/** Where a program finds its libraries that came out of a package which was only unpacked. */
export function librariesOf(path: string): Readonly<Record<string, string>> {
  return path.startsWith(`${packagesFolder()}/`)
    ? { LD_LIBRARY_PATH: unpackedLibraryFolders().join(delimiter) }
    : {};
}

/** MariaDB's server, and what has to be said to one that is not where its package installs it. */
export interface MariaDbPrograms {
  readonly server: string;
  readonly installDb: string;
  /** Arguments of the server. */
  readonly serverArgs: readonly string[];
  /** Arguments of mariadb-install-db. */
  readonly installDbArgs: readonly string[];
}

const INSTALL_DB: readonly string[] = [
  '--auth-root-authentication-method=normal',
  '--skip-test-db',
  '--innodb-flush-log-at-trx-commit=0',
];

/** Null where there is no MariaDB, or one that is older than the tests know. */
export function findMariaDb(): MariaDbPrograms | null {
  const server = findProgram('mariadbd');
  const installDb = findProgram('mariadb-install-db');
  if (server === null || installDb === null) return null;
  const [major = 0, minor = 0] = versionOf('mariadbd', /Ver (\d+\.\d+)/)
    .split('.')
    .map(Number);
  const [oldestMajor, oldestMinor] = OLDEST_MARIADB;
  if (major < oldestMajor || (major === oldestMajor && minor < oldestMinor)) return null;
  const root = packagesFolder();
  if (!server.startsWith(`${root}/`)) return { server, installDb, serverArgs: [], installDbArgs: INSTALL_DB };
  const share = join(root, 'usr/share/mysql');
  const serverArgs = [
    `--basedir=${join(root, 'usr')}`,
    `--lc-messages-dir=${share}`,
    `--character-sets-dir=${join(share, 'charsets')}`,
    `--plugin-dir=${join(root, 'usr/lib/mysql/plugin')}`,
  ];
  if (!existsSync(join(root, 'usr/bin/my_print_defaults'))) return null;
  return { server, installDb, serverArgs, installDbArgs: [...serverArgs, ...INSTALL_DB] };
}

/** The folder with the server's programs of PostgreSQL and its clients; null where there is none. */
export function findPostgres(): string | null {
  const wanted = ['initdb', 'postgres', 'pg_dump', 'pg_restore'];
  const versions = ['/usr/lib/postgresql', join(packagesFolder(), 'usr/lib/postgresql')].flatMap((root) =>
    existsSync(root) ? readdirSync(root).map((version) => join(root, version, 'bin')) : [],
  );
  const whole = versions.filter((folder) => wanted.every((name) => existsSync(join(folder, name))));
  return whole[0] ?? null;
}

/** The path of the library that makes a MariaDB a node of Galera, or null. */
export function findGaleraProvider(): string | null {
  const own = ['/usr/lib/galera/libgalera_smm.so', '/usr/lib64/galera-4/libgalera_smm.so'];
  return [...own, join(packagesFolder(), own[0] ?? '')].find((path) => existsSync(path)) ?? null;
}

/**
 * Null where there is no Python 3 that can make a virtual environment, or nothing to bring pip into
 * it.
 */
export function findPython(): Python | null {
  const path = findProgram('python3');
  if (path === null) return null;
  const can = (modules: string): boolean => run(path, ['-c', `import ${modules}`]).status === 0;
  if (can('venv, ensurepip')) return { path, pipWheel: null };
  const folder = join(packagesFolder(), 'usr/share/python-wheels');
  const wheel = existsSync(folder)
    ? readdirSync(folder).find((name) => /^pip-.*\.whl$/.test(name))
    : undefined;
  return wheel !== undefined && can('venv') ? { path, pipWheel: join(folder, wheel) } : null;
}

function packagesFolder(): string {
  const { ID = 'linux', VERSION_ID = '' } = osRelease();
  const names = needs.flatMap(({ packages, alone = [] }) => [...packages, ...alone]);
  const hash = createHash('sha256').update(names.join(' ')).digest('hex').slice(0, 8);
  return serverCacheFolder(`packages-${ID}-${VERSION_ID}-${hash}`);
}

/** What /etc/os-release says. */
export function osRelease(): Readonly<Record<string, string>> {
  if (!existsSync('/etc/os-release')) return {};
  const lines = readFileSync('/etc/os-release', 'utf8').matchAll(/^(\w+)="?([^"\n]*)"?$/gm);
  return Object.fromEntries([...lines].map(([, name = '', value = '']) => [name, value]));
}

function unpackedProgramFolders(): readonly string[] {
  return ['usr/bin', 'usr/sbin', 'bin'].map((name) => join(packagesFolder(), name));
}

function unpackedLibraryFolders(): readonly string[] {
  const root = packagesFolder();
  const found = ['lib', 'usr/lib'].flatMap((name) => {
    const folder = join(root, name);
    const inside = existsSync(folder) ? readdirSync(folder).filter((each) => each.includes('-linux-')) : [];
    return inside.map((each) => join(folder, each));
  });
  return found;
}

function hasProgram(name: string): boolean {
  return findProgram(name) !== null;
}

function versionOf(name: string, pattern: RegExp, argument = '--version'): string {
  const path = findProgram(name);
  if (path === null) return '';
  const { stdout, stderr } = run(path, [argument]);
  return pattern.exec(`${stdout}${stderr}`)?.[1] ?? '';
}

function run(
  path: string,
  args: readonly string[],
): { readonly status: number | null } & Record<'stdout' | 'stderr', string> {
  return spawnSync(path, args, { encoding: 'utf8', env: { ...process.env, ...programEnvironment() } });
}

async function unpack(missing: readonly Need[], folder: string, say: (line: string) => void): Promise<void> {
  const names = missing.map(({ what }) => what).join(', ');
  say(`Fetching packages of the distribution for the tests, first time only: ${names}`);
  await replaceFolder(folder, async (root, scratch) => {
    const apt = await aptOn(scratch);
    await apt(['update', '--quiet']);
    for (const { packages, alone = [] } of missing) {
      // A name that this release does not have must not keep the others away; what is missing then
      // is told by who asked.
      const install = [
        'install',
        '--download-only',
        '--yes',
        '--quiet',
        '--no-install-recommends',
        ...packages,
      ];
      await apt(install)
        .then(() => (alone.length > 0 ? apt(['download', '--quiet', ...alone]) : undefined))
        .catch((error: Error) => say(error.message));
    }
    // What was unpacked for another need before stays.
    if (existsSync(folder)) await promisify(execFile)('cp', ['-a', `${folder}/.`, root]);
    say(`Unpacked ${await unpackArchives(scratch, root)} packages into ${folder}`);
  });
}
