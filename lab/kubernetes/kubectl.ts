import { spawn } from 'node:child_process';
import { dirname } from 'node:path';
import { ensureBinaries } from '../cluster/binaries.ts';
import { eventually } from '../process/eventually.ts';
import { GO_PROGRAMS } from '../process/go-programs.ts';
import { NODE_PROGRAMS } from '../process/node-programs.ts';
import { endOf, type ProgramResult } from '../process/program-end.ts';

/** How kubectl is run, besides its arguments. */
export interface KubectlOptions {
  /** For `apply -f -`. */
  readonly input?: string;
  readonly cwd?: string;
  /**
   * A folder with plugins, before all others on the PATH; behind it is that of the Node that runs
   * this.
   */
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
  // What it caches of each API server goes away with that, and no setting of the user counts.
  const env = {
    PATH: folders + process.env.PATH,
    HOME: dirname(kubeconfigPath),
    KUBECONFIG: kubeconfigPath,
    ...GO_PROGRAMS,
    // For plugins, which are programs of Node.
    ...NODE_PROGRAMS,
  };
  const child = spawn(path, args, { cwd: options.cwd, env, stdio: 'pipe' });
  child.stdin.on('error', ignoreClosedInput);
  child.stdin.end(options.input ?? '');
  return endOf(child);
}

/**
 * Waits until the API server serves all CRDs. `kubectl wait` ends with an error where one has no
 * conditions yet.
 */
export async function crdsEstablished(kubeconfigPath: string): Promise<void> {
  await eventually(async () => {
    const { code, stderr } = await kubectl(kubeconfigPath, [
      'wait',
      '--for=condition=Established',
      'crd',
      '--all',
    ]);
    if (code !== 0) {
      throw new Error(stderr);
    }
  });
}

/** kubectl may end without having read what it was given; its exit code and message tell why. */
function ignoreClosedInput(): void {}
