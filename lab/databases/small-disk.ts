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

/** Size of the one that `make test` mounts, in MiB. */
const SIZE = 400;

/**
 * A command before another one, which then sees a small file system at `path`; nobody else does,
 * and it is gone with the last process that does. Undefined where this user can mount none: root
 * can, and another user where the system lets everybody make namespaces, as Debian does.
 */
export function withSmallDisk(path: string): readonly string[] | undefined {
  const isRoot = process.getuid?.() === 0;
  const unshare = ['unshare', '--mount', ...(isRoot ? [] : ['--user', '--map-root-user'])];
  const [program = '', ...args] = unshare;
  if (spawnSync(program, [...args, 'mount', '-t', 'tmpfs', 'tmpfs', '/mnt']).status !== 0) return undefined;
  const [uid, gid] = [String(process.getuid?.()), String(process.getgid?.())];
  const user = isRoot ? '' : `unshare --user --map-user=${uid} --map-group=${gid}`;
  const script = `mkdir "$0" && mount -t tmpfs -o size=${SIZE}m,mode=777 tmpfs "$0" && exec ${user} "$@"`;
  return [...unshare, 'sh', '-c', script, path];
}

/**
 * Gives one: the one of 400 MiB that `make test` mounted for this process, or, as root, one of its
 * own. Undefined where neither can be.
 */
export function makeSmallDisk(megabytes = SIZE): SmallDisk | undefined {
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
