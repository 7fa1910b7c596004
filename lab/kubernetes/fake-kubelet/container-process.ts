import { spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { constants } from 'node:os';
import { reaper } from '../../process/reaper.ts';
import type { ProcessConfig } from './container-config.ts';
import type { Container } from './pod.ts';
import type { Terminated } from './pod-status.ts';

/**
 * A kubelet keeps this much of a termination message: the end of it. Source: pkg/kubelet/container
 * in Kubernetes 1.36.
 */
const longestMessage = 4096;
const longestLogMessage = 2048;

/** The process that stands for one start of a container. */
export interface ContainerProcess {
  readonly pid: number;
  readonly startedAt: string;
  /** Settles with what a kubelet would report; never rejects. */
  readonly ended: Promise<Terminated>;
  /** To the process and all that it started. */
  kill(signal: NodeJS.Signals): void;
}

/**
 * Starts a container's process in a group of its own. A program that cannot be started ends at once
 * with 127 or 128.
 */
export function startContainerProcess(
  container: Container,
  config: ProcessConfig,
  logFile: string,
): ContainerProcess {
  const startedAt = now();
  const [program = '', ...args] = config.argv;
  const log = openSync(logFile, 'a');
  const child = spawn(program, args, {
    cwd: config.cwd,
    env: config.env,
    ...config.user,
    detached: true,
    stdio: ['ignore', log, log],
  });
  closeSync(log);
  const pid = child.pid ?? 0;
  // Not by `reaper.start`, whose shell does not leave the environment as it is: a container that
  // begins in the very moment when the tests are killed ends by itself, without its servers.
  if (pid > 0) reaper.watchGroup(pid);
  child.unref();

  const ended = new Promise<Terminated>((resolve) => {
    child.once('error', (error) => {
      const message = `failed to create containerd task: exec: "${program}": ${error.message}`;
      resolve({ exitCode: 128, reason: 'StartError', message, startedAt, finishedAt: now() });
    });
    child.once('exit', (code, signal) => {
      kill('SIGKILL');
      reaper.forgetGroup(pid);
      const number = signal === null ? 0 : constants.signals[signal];
      const exitCode = code ?? 128 + number;
      const message = terminationMessage(container, config, logFile, exitCode);
      resolve({
        exitCode,
        reason: exitCode === 0 ? 'Completed' : 'Error',
        ...(message === '' ? {} : { message }),
        startedAt,
        finishedAt: now(),
      });
    });
  });

  function kill(signal: NodeJS.Signals): void {
    if (pid === 0) return;
    try {
      process.kill(-pid, signal);
    } catch {
      // All of the group have ended already.
    }
  }

  return { pid, startedAt, ended, kill };
}

function terminationMessage(
  container: Container,
  config: ProcessConfig,
  logFile: string,
  exitCode: number,
): string {
  const message = endOf(config.terminationMessageFile, longestMessage);
  if (message !== '' || exitCode === 0 || container.terminationMessagePolicy !== 'FallbackToLogsOnError')
    return message;
  return endOf(logFile, longestLogMessage);
}

function endOf(file: string, most: number): string {
  try {
    return readFileSync(file).subarray(-most).toString('utf8');
  } catch {
    return '';
  }
}

/** The API's times have whole seconds. */
function now(): string {
  return new Date().toISOString().replace(/\.\d+Z$/, 'Z');
}
