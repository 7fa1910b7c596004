import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, readdirSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A file system of its own, in memory, that a test can fill up. */
export interface SmallDisk {
  readonly path: string;
  /** Bytes that are free. */
  free(): number;
  /** Fills it up but for so many bytes. */
  fillBut(bytes: number): void;
  /** Takes back what `fillBut` put there. */
  makeRoom(): void;
  remove(): void;
}

/** What a machine is told where a file system cannot be made. */
export const NO_SMALL_DISK =
  'A small file system cannot be mounted here. Run the tests as root, or let users make namespaces (sysctl kernel.apparmor_restrict_unprivileged_userns=0).';

/**
 * Gives one: mounts it, as root; else the one of 400 MiB that `make test` mounted in a namespace
 * for this process. Undefined where neither can be.
 */
export function makeSmallDisk(megabytes = 400): SmallDisk | undefined {
  const given = process.env.SMALL_DISK;
  if (given !== undefined) return diskAt(given, () => empty(given));
  const path = mkdtempSync(join(tmpdir(), 'glance-schema-disk-'));
  const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${megabytes}m,mode=755`, 'tmpfs', path]);
  if (mounted.status !== 0) {
    rmSync(path, { recursive: true });
    return undefined;
  }
  chmodSync(path, 0o777);
  return diskAt(path, () => {
    // Lazily: a server that has just been killed may hold it for a moment.
    spawnSync('umount', ['--lazy', path]);
    rmSync(path, { recursive: true, force: true });
  });
}

function diskAt(path: string, remove: () => void): SmallDisk {
  const ballast = join(path, 'ballast');
  const free = (): number => {
    const { bavail, bsize } = statfsSync(path);
    return bavail * bsize;
  };
  return {
    path,
    free,
    fillBut: (bytes) => writeFileSync(ballast, Buffer.alloc(Math.max(0, free() - bytes))),
    makeRoom: () => rmSync(ballast, { force: true }),
    remove,
  };
}

function empty(folder: string): void {
  for (const name of readdirSync(folder)) rmSync(join(folder, name), { recursive: true, force: true });
}
