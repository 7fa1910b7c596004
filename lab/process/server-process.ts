import type { ChildProcess } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { reaper } from './reaper.ts';

/** Which program is started as a server, and where its log goes. */
export interface ServerProcessOptions {
  readonly name: string;
  readonly path: string;
  readonly args: readonly string[];
  readonly logFile: string;
  readonly env?: NodeJS.ProcessEnv;
}

/**
 * A server that runs beside the tests, in a process group of its own and with its output in a file.
 */
export interface ServerProcess {
  readonly pid: number;
  /**
   * Settles when the process has ended, with what a shell would show: 128 + number for a signal is
   * not computed.
   */
  readonly ended: Promise<{ readonly code: number | null; readonly signal: NodeJS.Signals | null }>;
  /**
   * Throws with the end of the log when the process has already ended: for loops that wait for it
   * to be ready.
   */
  assertRunning(): void;
  kill(signal: NodeJS.Signals): void;
  /** SIGTERM, then SIGKILL after `graceMilliseconds`. Returns when the process is gone. */
  stop(graceMilliseconds?: number): Promise<void>;
}

/**
 * Starts a program in a process group of its own, which ends with the tests at the latest.
 *
 * @throws Error when no process can be made. A file that cannot be run ends at once, as
 *   `assertRunning` says.
 */
export function startServerProcess(options: ServerProcessOptions): ServerProcess {
  const output = openSync(options.logFile, 'a');
  const child = reaper.start(options.path, options.args, { env: options.env ?? process.env, output });
  closeSync(output);
  const { pid } = child;
  child.unref();
  const ended = endOf(child);
  void ended.then(() => reaper.forgetGroup(pid));

  function kill(signal: NodeJS.Signals): void {
    child.kill(signal);
  }

  return {
    pid,
    ended,
    kill,
    assertRunning() {
      if (child.exitCode === null && child.signalCode === null) return;
      const how = child.signalCode ?? `exit code ${child.exitCode}`;
      throw new Error(`Cannot run ${options.name}: it ended with ${how}\n${lastLines(options.logFile)}`);
    },
    async stop(graceMilliseconds = 10_000) {
      if (child.exitCode !== null || child.signalCode !== null) return;
      child.ref();
      kill('SIGTERM');
      const killTimer = setTimeout(kill, graceMilliseconds, 'SIGKILL');
      await ended;
      clearTimeout(killTimer);
    },
  };
}

/** The end of a log, for an error message. */
function lastLines(file: string, count = 20): string {
  try {
    return readFileSync(file, 'utf8').trimEnd().split('\n').slice(-count).join('\n');
  } catch {
    return '(no log was written)';
  }
}

function endOf(child: ChildProcess): ServerProcess['ended'] {
  return new Promise((resolve) => {
    child.once('error', () => resolve({ code: null, signal: null }));
    child.once('exit', (code, signal) => resolve({ code, signal }));
  });
}
