import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { endOf, type ProgramResult } from '../process/program-end.ts';
import { withBuildLock } from '../tools/build-lock.ts';
import { findPython, type Python, programEnvironment } from '../tools/distribution-packages.ts';

/** The real Glance from PyPI, in a venv of its own. */
export interface RealGlance {
  readonly version: string;
  /** The venv. */
  readonly folder: string;
  /** The path of one of the venv's programs: `python`, `glance-manage`, `waitress-serve`. */
  program(name: string): string;
}

/** The files that pin a release and all that it needs. */
const REQUIREMENTS = { newest: 'requirements.txt', '26.0.0': 'requirements-26.0.0.txt' };

/** The releases that can be had: the newest, and older ones that leave other half-way states. */
export type GlanceRelease = keyof typeof REQUIREMENTS;

/** What a person has to do when there is no Python to make a venv with. */
const REMEDY = 'Install it; on Debian: apt-get install python3 python3-venv';

/**
 * Makes the venv in the cache folder, or finds it there: keyed by the pinned requirements and the
 * Python. A venv counts only once all is in it, so one whose making was cut short is recreated.
 *
 * @throws Error of one sentence when there is no usable Python, or with the end of pip's output.
 */
export async function installGlance(
  say: (line: string) => void = sayOnStderr,
  wanted: GlanceRelease = 'newest',
): Promise<RealGlance> {
  const { python, release } = await usablePython();
  const pinned = fileURLToPath(new URL(REQUIREMENTS[wanted], import.meta.url));
  const requirements = readFileSync(pinned, 'utf8');
  const version = /^glance==(.+)$/m.exec(requirements)?.[1];
  if (version === undefined)
    throw new Error(`Cannot tell which Glance to install: no 'glance==' in ${pinned}`);
  const hash = createHash('sha256').update(requirements).digest('hex').slice(0, 8);
  const root = process.env.XDG_CACHE_HOME || join(homedir(), '.cache');
  const folder = join(root, 'glance-schema', `glance-${version}-python-${release}-${hash}`);
  const glance: RealGlance = { version, folder, program: (name) => join(folder, 'bin', name) };
  if (!(await isComplete(folder))) {
    const onWait = (owner: number): void =>
      say(`Waiting for process ${owner}, which is installing Glance ${version}`);
    await withBuildLock(`${folder}.lock`, onWait, async () => {
      if (!(await isComplete(folder))) await makeVenv({ folder, version, pinned }, python, say);
    });
  }
  return glance;
}

/** Runs a program to its end; it gets PATH and what `env` says. */
export function runProgram(
  path: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<ProgramResult> {
  const child = spawn(path, args, {
    env: { ...programEnvironment(), ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  return endOf(child);
}

async function usablePython(): Promise<{ readonly python: Python; readonly release: string }> {
  const python = findPython();
  if (python === null) {
    throw new Error(
      `Cannot install Glance: there is no python3 that can make a virtual environment. ${REMEDY}`,
    );
  }
  const probe = 'import sys; print("%d.%d" % sys.version_info[:2])';
  return { python, release: (await runHere(python.path, ['-c', probe])).stdout.trim() };
}

function marker(folder: string): string {
  return join(folder, '.complete');
}

/** An upgrade of the machine's Python can leave a venv behind that no longer starts. */
async function isComplete(folder: string): Promise<boolean> {
  if (!existsSync(marker(folder))) return false;
  const started = await runHere(join(folder, 'bin/python'), ['-c', '']).catch(() => null);
  return started?.code === 0;
}

async function makeVenv(
  { folder, version, pinned }: { folder: string; version: string; pinned: string },
  { path, pipWheel }: Python,
  say: (line: string) => void,
): Promise<void> {
  say(`Installing Glance ${version} into ${folder}: about a minute, this first time only`);
  await rm(folder, { recursive: true, force: true });
  await must(path, ['-m', 'venv', ...(pipWheel === null ? [] : ['--without-pip']), folder]);
  const pip = pipWheel === null ? ['-m', 'pip'] : [join(pipWheel, 'pip')];
  const options = ['--quiet', '--no-input', '--disable-pip-version-check'];
  await must(join(folder, 'bin/python'), [...pip, 'install', ...options, '-r', pinned]);
  await writeFile(marker(folder), '');
}

async function must(path: string, args: readonly string[]): Promise<void> {
  const { code, stdout, stderr } = await runHere(path, args);
  if (code === 0) return;
  const said = `${stdout}${stderr}`.trimEnd().split('\n').slice(-15).join('\n');
  throw new Error(`Cannot install Glance: '${path} ${args.slice(0, 3).join(' ')}' failed:\n${said}`);
}

/**
 * With the whole environment: pip may need a proxy, a certificate or an index that this machine
 * sets there.
 */
export function runHere(path: string, args: readonly string[]): Promise<ProgramResult> {
  return endOf(
    spawn(path, args, {
      env: { ...process.env, ...programEnvironment() },
      stdio: ['ignore', 'pipe', 'pipe'],
    }),
  );
}

function sayOnStderr(line: string): void {
  process.stderr.write(`${line}\n`);
}
