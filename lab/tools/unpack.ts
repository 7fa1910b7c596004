import { execFile } from 'node:child_process';
import { chmod, mkdir, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { reaper } from '../process/reaper.ts';

/**
 * Fills a folder, all or nothing: it is put in place of what was there once `fill` has ended.
 *
 * @param fill puts the content into `root`, and what is of no use afterwards into `scratch`.
 */
export async function replaceFolder(
  folder: string,
  fill: (root: string, scratch: string) => Promise<void>,
): Promise<void> {
  await mkdir(dirname(folder), { recursive: true });
  const scratch = reaper.makeFolder(`${folder}.unpack-`);
  try {
    const root = join(scratch, 'root');
    await mkdir(root);
    await fill(root, scratch);
    // Others read what root keeps.
    await chmod(root, 0o755);
    await rm(folder, { recursive: true, force: true });
    await rename(root, folder);
  } finally {
    await rm(scratch, { recursive: true, force: true });
    reaper.forgetFolder(scratch);
  }
}

/**
 * Unpacks the packages that apt has downloaded, and leaves their names in packages.txt of `root`.
 *
 * @param scratch the folder that apt works in; see aptOn.
 * @param options `into`: a folder of `root` that they go into; `without`: names of packages that
 *   are left out.
 * @returns how many were unpacked.
 */
export async function unpackArchives(
  scratch: string,
  root: string,
  { into = '.', without }: { readonly into?: string; readonly without?: RegExp } = {},
): Promise<number> {
  const archives = join(scratch, 'archives');
  const files = (await readdir(archives))
    .filter((name) => name.endsWith('.deb') && without?.test(name) !== true)
    .sort();
  for (const file of files) {
    await promisify(execFile)('dpkg-deb', ['-x', join(archives, file), join(root, into)]);
  }
  await writeFile(join(root, 'packages.txt'), `${files.join('\n')}\n`);
  return files.length;
}
