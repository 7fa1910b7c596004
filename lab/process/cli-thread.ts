// What `cli-threads.ts` starts: runs one command after the other, each with arguments, environment
// and output of its own.

import { setTimeout as sleep } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { parentPort } from 'node:worker_threads';
import type { CliAnswer, CliCall } from './cli-threads.ts';

/** What keeps this thread alive when no command is at work. */
const AT_REST: readonly string[] = ['MessagePort'];

let calls = 0;

parentPort?.on('message', async (call: CliCall) => {
  const stdout = captured(process.stdout);
  const stderr = captured(process.stderr);
  process.argv.splice(1, process.argv.length, call.entry, ...call.args);
  for (const name of Object.keys(process.env)) delete process.env[name];
  Object.assign(process.env, call.env);
  process.exitCode = undefined;
  calls += 1;
  // The entry alone is run again: what it imports is loaded already.
  await import(`${pathToFileURL(call.entry)}?${calls}`);
  await nothingIsOpen();
  const answer: CliAnswer = { code: Number(process.exitCode ?? 0), stdout: stdout(), stderr: stderr() };
  parentPort?.postMessage(answer);
});

/**
 * A process ends when nothing is open any more; a command that leaves something open never ends
 * here either.
 */
async function nothingIsOpen(): Promise<void> {
  // With a pause, as to ask at each turn of the loop keeps a core busy.
  do await sleep(1);
  while (process.getActiveResourcesInfo().some((resource) => !AT_REST.includes(resource)));
}

/**
 * From now on what is written to the stream is kept, without what was kept before; the function
 * gives it.
 */
function captured(stream: NodeJS.WriteStream): () => string {
  const written: string[] = [];
  stream.removeAllListeners();
  stream.write = (chunk: string | Uint8Array, ...rest: readonly unknown[]): boolean => {
    written.push(typeof chunk === 'string' ? chunk : Buffer.from(chunk).toString());
    const done = rest.at(-1);
    if (typeof done === 'function') done();
    return true;
  };
  return () => written.join('');
}
