import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, rmSync } from 'node:fs';
import { rename } from 'node:fs/promises';
import { dirname } from 'node:path';
import { endOf } from '../process/program-end.ts';
import { reaper } from '../process/reaper.ts';
import { serverCacheFolder } from '../tools/cache-folder.ts';

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
  mkdirSync(dirname(kept), { recursive: true });
  const scratch = reaper.makeFolder(`${kept}.`);
  await copy(folder, scratch);
  // All or nothing; where another process was quicker, its folder stays.
  await rename(scratch, kept).catch(() => rmSync(scratch, { recursive: true, force: true }));
  reaper.forgetFolder(scratch);
}

/** With owners and modes. What is empty of a log takes no room, where `cp` can do that. */
async function copy(from: string, to: string): Promise<void> {
  mkdirSync(to, { recursive: true });
  const sparse = process.platform === 'linux' ? ['--sparse=always'] : [];
  const { code, stderr } = await endOf(spawn('cp', ['-a', ...sparse, `${from}/.`, to]));
  if (code !== 0) throw new Error(`Cannot copy ${from} to ${to}: ${stderr}`);
}
