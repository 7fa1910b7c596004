import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { PassThrough, pipeline, type Readable, type Writable } from 'node:stream';
import { promisify } from 'node:util';
import { printable } from '../../contract/printable.ts';
import { hasCode } from './document-file.ts';

/** A client of the engine that is on this machine. */
export interface ClientProgram {
  readonly name: string;
  readonly path: string;
  /** What `--version` says. */
  readonly says: string;
}

/** A client at work. */
export interface RunningClient {
  readonly input: Writable;
  readonly output: Readable;
  /** Never rejects. */
  readonly ended: Promise<ClientEnd>;
  /** Ends it, at the latest within some seconds. */
  end(): void;
}

/** How a client ended. */
export interface ClientEnd {
  readonly ok: boolean;
  /** The last lines on stderr; empty where there were none. */
  readonly said: string;
}

/** What a client is started with. */
export interface ClientStart {
  readonly args: readonly string[];
  /** All that it has apart from PATH: nothing of this process's own environment goes with it. */
  readonly env: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
}

/** The first of these programs that is on PATH. */
export async function findClient(names: readonly string[]): Promise<ClientProgram | undefined> {
  for (const name of names) {
    for (const folder of (process.env.PATH ?? '').split(delimiter)) {
      const path = join(folder, name);
      if (folder !== '' && isExecutable(path)) {
        const { stdout } = await promisify(execFile)(path, ['--version'], { env: environment({}) }).catch(
          () => ({ stdout: '' }),
        );
        return { name, path, says: stdout.trim() };
      }
    }
  }
  return undefined;
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** No files of a home folder either. */
function environment(env: Readonly<Record<string, string>>): Record<string, string> {
  return { PATH: process.env.PATH ?? '', LC_ALL: 'C', HOME: '/nonexistent', ...env };
}

const MOST_SAID = 4096;

/** Starts a client; what it says on stderr is kept, but for what is long ago. */
export function startClient({ path }: ClientProgram, start: ClientStart): RunningClient {
  const child: ChildProcess = spawn(path, [...start.args], {
    env: environment(start.env),
    stdio: 'pipe',
  });
  const { stdin: input, stdout: output, stderr: errors } = child;
  if (input === null || output === null || errors === null) {
    throw new RangeError('the client has no pipes');
  }
  // Node throws away what nobody reads of a child that has ended, and a small dump ends at once.
  const kept = pipeline(output, new PassThrough(), () => undefined);
  // Whoever writes sees that it has ended by its end.
  input.on('error', () => undefined);
  let said = '';
  errors.setEncoding('utf8').on('data', (text: string) => {
    said = (said + text).slice(-MOST_SAID);
  });
  let patience: NodeJS.Timeout | undefined;
  const end = (): void => {
    child.kill('SIGTERM');
    // Nobody may be there to read the rest, and it has not ended before that is read.
    kept.resume();
    patience ??= setTimeout(() => child.kill('SIGKILL'), 3000);
  };
  const ended = new Promise<ClientEnd>((resolve) => {
    child.once('error', (error) => resolve({ ok: false, said: error.message }));
    child.once('close', (code) => resolve({ ok: code === 0, said: said.trim() }));
  }).finally(() => {
    clearTimeout(patience);
    start.signal?.removeEventListener('abort', end);
  });
  start.signal?.addEventListener('abort', end);
  if (start.signal?.aborted === true) {
    end();
  }
  return { input, output: kept, ended, end };
}

/** The last line that a client has said, as a part of a message. */
export function lastLine(said: string): string {
  const lines = said.split('\n').filter((line) => line.trim() !== '');
  const errors = lines.filter((line) => /error/i.test(line));
  return printable((errors[0] ?? lines.at(-1) ?? 'it said nothing').trim(), 512);
}

/** Whether what was written had no reader any more: the client has ended, and says why itself. */
export function isClosedPipe(error: unknown): boolean {
  return hasCode(
    error,
    'EPIPE',
    'ECONNRESET',
    'ERR_STREAM_PREMATURE_CLOSE',
    'ERR_STREAM_DESTROYED',
    'ERR_STREAM_WRITE_AFTER_END',
  );
}
