import type { ChildProcess } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { chmod, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { withSmallDisk } from '../../lab/databases/small-disk.ts';
import { alone, removeCgroups } from '../../lab/kubernetes/real-node.ts';
import { NODE_FLAGS } from '../../lab/process/node-programs.ts';
import { reaper } from '../../lab/process/reaper.ts';
import { withoutUndefined } from '../../src/glance/without-undefined.ts';
import type { RunEnd, TestResult } from '../../test/support/reporter.ts';
import type { Part } from './suites.ts';

export interface RunOptions {
  readonly root: string;
  readonly title: string | undefined;
  /** Where what mocha prints goes; null leaves it on the terminal. */
  readonly log: string | null;
  /** The ports that this process and what it starts may listen on, first and last. */
  readonly ports: readonly [number, number];
  /** The folder for its files; null is the system's folder for temporary ones. */
  readonly files: string | null;
  readonly onResult: (result: TestResult) => void;
  readonly onEnd: (end: RunEnd) => void;
  /** A process that takes longer is killed, in milliseconds. */
  readonly limit: number;
  /** Once it is aborted the process is killed, with all that it started. */
  readonly stopped: AbortSignal;
}

/** Runs the tests of a part in a mocha process. Returns why it did not run to its end, or null. */
export async function runPart(part: Part, options: RunOptions): Promise<string | null> {
  const folder = reaper.makeFolder(join(options.files ?? tmpdir(), 'glance-schema-test-'));
  // Servers that root starts as another user have their files in it.
  await chmod(folder, 0o755);
  if (part.needsRealNode) reaper.watchCgroup(basename(folder));
  const child = start(part, options, folder);
  let ended = false;
  let failures = 0;
  child.on('message', (message: TestResult | RunEnd) => {
    if (message.kind === 'end') {
      ended = true;
      options.onEnd(message);
    } else {
      if (message.state === 'failed') failures += 1;
      options.onResult(message);
    }
  });
  const limit = setTimeout(() => child.kill('SIGKILL'), options.limit);
  const stop = (): void => void child.kill('SIGKILL');
  options.stopped.addEventListener('abort', stop);
  const [code, signal] = await new Promise<[number | null, NodeJS.Signals | null]>((resolve, reject) => {
    child.once('error', reject);
    // `close` and not `exit`: what was sent last has been read then.
    child.once('close', (...how) => resolve(how));
  });
  clearTimeout(limit);
  options.stopped.removeEventListener('abort', stop);
  endGroup(child.pid);
  if (part.needsRealNode) await removeCgroups(basename(folder));
  // What the tests started is being killed just now if they did not come to their end.
  await rm(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
  reaper.forgetFolder(folder);
  if (!ended) return `mocha ended with ${signal ?? `exit code ${code}`} before its tests had ended`;
  // Its exit code is the number of failures.
  return signal !== null || (code !== 0 && failures === 0)
    ? `mocha ended with ${signal ?? `exit code ${code}`} after its tests had ended: something was left open, or failed late`
    : null;
}

/** Ends what is left of a process and the programs that it ran. */
function endGroup(leader: number): void {
  try {
    process.kill(-leader, 'SIGKILL');
  } catch {
    // Nothing is left, as it should be.
  }
  reaper.forgetGroup(leader);
}

function start(
  part: Part,
  { root, title, log, ports }: RunOptions,
  folder: string,
): ChildProcess & { pid: number } {
  const mocha = [join(root, 'node_modules/mocha/bin/mocha.js'), '--reporter', 'test/support/reporter.ts'];
  if (title !== undefined) mocha.push('--no-fail-zero', '--fgrep', title);
  const smallDisk = part.needsSmallDisk ? join(folder, 'disk') : undefined;
  const mounting = smallDisk === undefined ? undefined : withSmallDisk(smallDisk);
  const [program = '', ...args] = [
    ...(mounting ?? []),
    ...(part.needsRealNode ? alone(basename(folder)) : []),
    process.execPath,
    ...NODE_FLAGS,
    ...mocha,
    ...part.files,
  ];
  const output = log === null ? 'inherit' : openSync(log, 'w');
  // In a process group of its own, in which programs are that the tests run: Ctrl-C reaches `make
  // test` alone, which ends them.
  const child = reaper.start(program, args, {
    cwd: root,
    env: {
      ...process.env,
      // What tests leave behind goes with the folder.
      TMPDIR: folder,
      TEST_PORTS: ports.join('-'),
      // Compiled sources are kept for the next process.
      NODE_COMPILE_CACHE: join(root, 'dist/compile-cache'),
      ...withoutUndefined({ SMALL_DISK: mounting && smallDisk }),
    },
    output,
    ipc: true,
  });
  if (typeof output === 'number') closeSync(output);
  return child;
}
