import type { ChildProcess } from 'node:child_process';

/** How a program ended, and all that it printed; `code` is null where a signal ended it. */
export interface ProgramResult {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/**
 * What a program says until its end. An exit code is a value; only a program that cannot be started
 * throws.
 */
export function endOf(child: ChildProcess): Promise<ProgramResult> {
  let stdout = '';
  let stderr = '';
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => resolve({ code, stdout, stderr }));
  });
}
