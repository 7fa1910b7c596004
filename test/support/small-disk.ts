import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
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
  'A small file system cannot be mounted here, do run the tests as root with the right to mount';

/** Makes one of so many MiB; undefined where this process may not. */
export function makeSmallDisk(mebibytes: number): SmallDisk | undefined {
  const path = mkdtempSync(join(tmpdir(), 'glance-schema-disk-'));
  const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${mebibytes}m,mode=755`, 'tmpfs', path]);
  if (mounted.status !== 0) {
    rmSync(path, { recursive: true });
    return undefined;
  }
  chmodSync(path, 0o777);
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
    remove() {
      // Lazily: a server that has just been killed may hold it for a moment.
      spawnSync('umount', ['--lazy', path]);
      rmSync(path, { recursive: true, force: true });
    },
  };
}
