import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, rmSync, statSync } from 'node:fs';
import { rename } from 'node:fs/promises';
import { dirname } from 'node:path';
import { endOf } from '../process/program-end.ts';
import { reaper } from '../process/reaper.ts';
import { serverCacheFolder } from './cache-folder.ts';

/**
 * Fills the folder of a new server: with a copy of one that `initialise` has filled before, which
 * takes a tenth of the time, or else by `initialise`, whose result is then kept.
 *
 * @param folder of the server's data, which `initialise` may make.
 * @param key everything that the content depends on: the server's version and its options.
 * @throws Error of `initialise`, or with the words of `cp` when the copy cannot be made.
 */
export async function fillFolder(
  folder: string,
  key: readonly unknown[],
  initialise: () => Promise<void>,
  options: CopyOptions = {},
): Promise<void> {
  const kept = keptFolder(key);
  if (existsSync(kept)) {
    await copy(kept, folder, options);
    return;
  }
  await initialise();
  await keep(folder, kept, options).catch(() => undefined);
}

/** How a folder is copied. */
export interface CopyOptions {
  /**
   * Whether what a server has reserved for its log and never written takes no room in the copy: of
   * etcd's 124 MiB that is all but one and a half, and of MariaDB's 113 all but seven. On a full disk
   * such a server cannot write what it takes for reserved.
   */
  readonly sparse?: boolean;
}

/** Where the folder of this key is kept, whether it is there or not. */
export function keptFolder(key: readonly unknown[]): string {
  const hash = createHash('sha256').update(JSON.stringify(key)).digest('hex').slice(0, 12);
  return serverCacheFolder(`initialised-${hash}`);
}

/** By what one tells whether a program is another one than before. */
export function programKey(path: string): readonly unknown[] {
  const { size, mtimeMs } = statSync(path);
  return [path, size, mtimeMs];
}

/** All or nothing. Where another process was quicker its folder stays, and a full disk keeps none. */
async function keep(folder: string, kept: string, options: CopyOptions): Promise<void> {
  mkdirSync(dirname(kept), { recursive: true });
  const scratch = reaper.makeFolder(`${kept}.`);
  try {
    await copy(folder, scratch, options);
    await rename(scratch, kept);
  } finally {
    rmSync(scratch, { recursive: true, force: true });
    reaper.forgetFolder(scratch);
  }
}

/** With owners and modes. */
async function copy(from: string, to: string, { sparse = false }: CopyOptions): Promise<void> {
  mkdirSync(to, { recursive: true });
  // An option of GNU's cp.
  const how = process.platform === 'linux' ? [`--sparse=${sparse ? 'always' : 'never'}`] : [];
  const { code, stderr } = await endOf(spawn('cp', ['-a', ...how, `${from}/.`, to]));
  if (code !== 0) throw new Error(`Cannot copy ${from} to ${to}: ${stderr}`);
}
