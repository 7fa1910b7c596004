import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { bundle, type CliResult } from './bundle.ts';

/** What a thread is asked to run. */
export interface CliCall {
  readonly entry: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

/** How a run in a thread ended, which no signal can end. */
export type CliAnswer = Omit<CliResult, 'signal'>;

const WORKER = new URL('./cli-thread.ts', import.meta.url);

/** Threads that have loaded the program and wait for a command. */
const idle: Worker[] = [];

/**
 * Runs a command of the built program as `runCli` does, in a thread that has loaded the program for
 * an earlier command: most of a short command is the start of its process. A thread gets no signals
 * and no terminal, and cannot be killed.
 *
 * @throws Error when the command throws what nobody catches, which would end a process.
 */
export async function runCliInThread(
  args: readonly string[],
  env: Readonly<Record<string, string>>,
): Promise<CliResult> {
  const worker = idle.pop() ?? new Worker(WORKER, { env: {}, stdout: true, stderr: true });
  worker.ref();
  worker.postMessage({ entry: bundle(), args, env } satisfies CliCall);
  // Rejects on 'error', after which the thread is gone.
  const [answer] = (await once(worker, 'message')) as [CliAnswer];
  worker.unref();
  idle.push(worker);
  return { ...answer, signal: null };
}
