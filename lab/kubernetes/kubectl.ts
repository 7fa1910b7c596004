import { spawn } from 'node:child_process';
import { homedir } from 'node:os';
import { dirname } from 'node:path';
import { ensureBinaries } from '../cluster/binaries.ts';
import { endOf, type ProgramResult } from '../process/program-end.ts';

export interface KubectlOptions {
  /** For `apply -f -`. */
  readonly input?: string;
  readonly cwd?: string;
  /** A folder with plugins, before all others on the PATH; behind it is that of the Node that runs this. */
  readonly plugins?: string;
  /** The program to run; default: the one that `ensureBinaries` finds. */
  readonly path?: string;
}

/** Runs the real kubectl. An exit code is a value; only a kubectl that cannot be started throws. */
export async function kubectl(
  kubeconfigPath: string,
  args: readonly string[],
  options: KubectlOptions = {},
): Promise<ProgramResult> {
  const path = options.path ?? (await ensureBinaries()).kubectl;
  const folders = options.plugins === undefined ? '' : `${options.plugins}:${dirname(process.execPath)}:`;
  const env = { PATH: folders + process.env.PATH, HOME: homedir(), KUBECONFIG: kubeconfigPath };
  const child = spawn(path, args, { cwd: options.cwd, env, stdio: 'pipe' });
  child.stdin.on('error', ignoreClosedInput);
  child.stdin.end(options.input ?? '');
  return endOf(child);
}

/** kubectl may end without having read what it was given; its exit code and message tell why. */
function ignoreClosedInput(): void {}
