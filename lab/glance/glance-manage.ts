import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import type { ProgramResult } from '../process/program-end.ts';
import { type RealGlance, runProgram } from './real-glance.ts';

/**
 * The real `glance-manage` and Glance's own models, with Glance's two seconds of imports paid once.
 */
export interface GlanceManage {
  /** What `glance-manage ARGS...` does to the database of the URL. */
  run(url: string, ...args: readonly string[]): Promise<ProgramResult>;
  /** The same, for a command that has to succeed; gives its stdout. */
  must(url: string, ...args: readonly string[]): Promise<string>;
  /** How the database differs from Glance's models, as Alembic's autogenerate sees it. */
  compareModels(url: string): Promise<readonly string[]>;
  stop(): Promise<void>;
}

interface Request {
  readonly url: string;
  readonly manage?: readonly string[];
  readonly compare?: true;
}

const SERVER = fileURLToPath(new URL('./glance_manage.py', import.meta.url));

/**
 * Loads Glance into a Python that answers with a fork of itself for each command; see
 * `glance_manage.py`.
 */
export function startGlanceManage(glance: RealGlance): GlanceManage {
  const child: ChildProcessByStdio<Writable, Readable, null> = spawn(glance.program('python'), [SERVER], {
    // Eventlet warns of its own end on every start.
    env: { PATH: process.env.PATH, PYTHONWARNINGS: 'ignore' },
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  let last: Promise<unknown> = Promise.resolve();

  function ask(request: Request): Promise<ProgramResult> {
    const answer = last.then(async () => {
      child.stdin.write(`${JSON.stringify(request)}\n`);
      const line = await lines.next();
      if (line.done) throw new Error(`Cannot run glance-manage: ${SERVER} ended`);
      return JSON.parse(line.value);
    });
    last = answer.catch(() => undefined);
    return answer;
  }

  async function succeed(request: Request): Promise<string> {
    const { code, stdout, stderr } = await ask(request);
    if (code === 0) return stdout;
    throw new Error(`glance-manage ${request.manage?.join(' ')} ended with ${code}: ${stdout}${stderr}`);
  }

  return {
    run: (url, ...args) => ask({ url: withDriver(url), manage: args }),
    must: (url, ...args) => succeed({ url: withDriver(url), manage: args }),
    async compareModels(url) {
      return (await succeed({ url: withDriver(url), compare: true }))
        .split('\n')
        .filter((line) => line !== '');
    },
    async stop() {
      const ended = once(child, 'exit');
      child.stdin.end();
      await ended;
    },
  };
}

/** Runs the program itself, as an operator does. */
export async function runGlanceManage(
  glance: RealGlance,
  url: string,
  ...args: readonly string[]
): Promise<ProgramResult> {
  const folder = mkdtempSync(join(tmpdir(), 'glance-schema-manage-'));
  const config = writeGlanceConfig(folder, url);
  const result = await runProgram(glance.program('glance-manage'), ['--config-file', config, ...args]);
  rmSync(folder, { recursive: true, force: true });
  return result;
}

/** A configuration file for `glance-manage` and for ours. */
export function writeGlanceConfig(folder: string, url: string): string {
  const path = join(folder, 'glance-manage.conf');
  writeFileSync(path, `[database]\nconnection = ${withDriver(url)}\n`);
  return path;
}

/** SQLAlchemy takes another driver than the one installed here where the URL names none. */
export function withDriver(url: string): string {
  return url.replace(/^postgresql:/, 'postgresql+psycopg2:').replace(/^(mysql|mariadb):/, 'mysql+pymysql:');
}
