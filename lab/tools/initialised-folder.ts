import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, rmSync } from 'node:fs';
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
): Promise<void> {
  const hash = createHash('sha256').update(JSON.stringify(key)).digest('hex').slice(0, 12);
  const kept = serverCacheFolder(`initialised-${hash}`);
  if (existsSync(kept)) {
    await copy(kept, folder);
    return;
  }
  await initialise();
  await keep(folder, kept).catch(() => undefined);
}

/** All or nothing. Where another process was quicker its folder stays, and a full disk keeps none. */
async function keep(folder: string, kept: string): Promise<void> {
  mkdirSync(dirname(kept), { recursive: true });
  const scratch = reaper.makeFolder(`${kept}.`);
  try {
    await copy(folder, scratch);
    await rename(scratch, kept);
  } finally {
    rmSync(scratch, { recursive: true, force: true });
    reaper.forgetFolder(scratch);
  }
}

/**
 * With owners and modes. What a server has reserved for its log takes no room: of etcd's 124 MiB one
 * and a half are written.
 */
async function copy(from: string, to: string): Promise<void> {
  mkdirSync(to, { recursive: true });
  const how = process.platform === 'linux' ? ['-a', '--sparse=always'] : ['-a'];
  const { code, stderr } = await endOf(spawn('cp', [...how, `${from}/.`, to]));
  if (code !== 0) throw new Error(`Cannot copy ${from} to ${to}: ${stderr}`);
}
