import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { link, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/**
 * Runs `work` while holding a lock file, so that `make test` and `make demo` started together build
 * once. A lock whose process is gone is taken over: a build that was killed must not block the next
 * one forever.
 */
export async function withBuildLock<T>(
  path: string,
  onWait: (owner: number) => void,
  work: () => Promise<T>,
): Promise<T> {
  await mkdir(dirname(path), { recursive: true });
  let told = false;
  while (!(await tryLock(path))) {
    const owner = await ownerOf(path);
    if (owner !== null && !isAlive(owner)) {
      await takeAway(path, owner);
      continue;
    }
    if (!told && owner !== null) {
      onWait(owner.pid);
      told = true;
    }
    await sleep(500);
  }
  try {
    return await work();
  } finally {
    await rm(path, { force: true });
  }
}

/** Who holds a lock, and its words; another process of the same number began at another time. */
interface Owner {
  readonly pid: number;
  readonly began: string;
  readonly written: string;
}

/** By a link, so that nobody finds a lock without its owner in it. */
async function tryLock(path: string): Promise<boolean> {
  const own = `${path}.${randomUUID()}`;
  await writeFile(own, `${process.pid} ${beginOf(process.pid)}`);
  try {
    await link(own, path);
    return true;
  } catch (error) {
    if (isCode(error, 'EEXIST')) return false;
    throw error;
  } finally {
    await rm(own, { force: true });
  }
}

/** Null when the owner has just gone. */
async function ownerOf(path: string): Promise<Owner | null> {
  try {
    const written = await readFile(path, 'utf8');
    const [pid = '', began = ''] = written.split(' ');
    return { pid: Number.parseInt(pid, 10), began, written };
  } catch (error) {
    if (isCode(error, 'ENOENT')) return null;
    throw error;
  }
}

/** Another may have done so first, and have the lock now: then it is put back. */
async function takeAway(path: string, dead: Owner): Promise<void> {
  const away = `${path}.${randomUUID()}`;
  try {
    await rename(path, away);
    const owner = await ownerOf(away);
    if (owner?.written !== dead.written) await link(away, path);
  } catch (error) {
    if (!isCode(error, 'ENOENT') && !isCode(error, 'EEXIST')) throw error;
  } finally {
    await rm(away, { force: true });
  }
}

function isAlive({ pid, began }: Owner): boolean {
  if (Number.isNaN(pid)) return false;
  const now = beginOf(pid);
  if (began !== '' && now !== '') return began === now;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return isCode(error, 'EPERM');
  }
}

/**
 * When a process began, in ticks since the machine did, as Linux tells it; empty where that is not
 * known or there is none.
 *
 * Source: https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html
 */
function beginOf(pid: number): string {
  try {
    // After the name, which may have blanks in it, the state is the third of all fields.
    const [, fields = ''] = /\) (.*)/s.exec(readFileSync(`/proc/${pid}/stat`, 'utf8')) ?? [];
    return fields.split(' ')[22 - 3] ?? '';
  } catch {
    return '';
  }
}

function isCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}
