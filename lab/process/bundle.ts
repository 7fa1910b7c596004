import { spawn, spawnSync } from 'node:child_process';
import { existsSync, readdirSync, statSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { NODE_FLAGS, NODE_PROGRAMS } from './node-programs.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

const BUNDLE = `${ROOT}dist/glance-schema.js`;

const PLUGIN = `${ROOT}dist/kubectl-glanceschema.cjs`;

/**
 * As the Makefile has them: where one more were checked here, each process of `make test` would
 * build it, all at once.
 */
const OTHER_SOURCES = [
  ...['build', 'licences', 'never-loaded'].map((name) => `scripts/${name}.ts`),
  'package-lock.json',
];

let checked = false;

/** The path of the built program, built first if a source is newer. */
export function bundle(): string {
  if (!checked) {
    const sources = ['src', 'migrations'].flatMap((folder) =>
      readdirSync(`${ROOT}${folder}`, { recursive: true, encoding: 'utf8' })
        .filter((name) => name.endsWith('.ts'))
        .map((name) => `${folder}/${name}`),
    );
    const newest = Math.max(
      ...[...sources, ...OTHER_SOURCES].map((path) => statSync(`${ROOT}${path}`).mtimeMs),
    );
    if (!existsSync(BUNDLE) || statSync(BUNDLE).mtimeMs < newest) {
      const built = spawnSync(process.execPath, [`${ROOT}scripts/build.ts`], { encoding: 'utf8' });
      if (built.status !== 0) {
        throw new Error(`cannot build ${BUNDLE}: ${built.stderr}`);
      }
    }
    checked = true;
  }
  return BUNDLE;
}

/** The path of the built kubectl plugin, built first if a source is newer. */
export function pluginBundle(): string {
  bundle();
  return PLUGIN;
}

/** How a run of the program ended: its exit code or the signal, and all that it printed. */
export interface CliResult {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A run of the program that goes on. */
export interface CliRun {
  readonly pid: number;
  readonly done: Promise<CliResult>;
  kill(signal: NodeJS.Signals): void;
  /** Resolves once stderr has the text; rejects when the program ends without it. */
  says(text: string): Promise<void>;
}

/**
 * Starts the built program as a user would; nothing of this process's environment but PATH goes
 * with it.
 */
export function startCli(args: readonly string[], env: Readonly<Record<string, string>> = {}): CliRun {
  const child = spawn(process.execPath, [...NODE_FLAGS, bundle(), ...args], {
    env: {
      PATH: process.env.PATH,
      ...NODE_PROGRAMS,
      ...env,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  const done = new Promise<CliResult>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) => resolve({ code, signal, stdout, stderr }));
  });
  return {
    pid: child.pid ?? 0,
    done,
    kill: (signal) => {
      child.kill(signal);
    },
    says: (text) =>
      new Promise((resolve, reject) => {
        const check = (): void => {
          if (stderr.includes(text)) {
            resolve();
          }
        };
        child.stderr.on('data', check);
        child.once('close', () => reject(new Error(`it ended without saying '${text}': ${stderr}`)));
        check();
      }),
  };
}

/** Runs the built program to its end. */
export function runCli(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<CliResult> {
  return startCli(args, env).done;
}
