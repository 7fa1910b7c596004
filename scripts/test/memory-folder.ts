import { spawnSync } from 'node:child_process';
import { accessSync, chmodSync, constants, existsSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { freemem } from 'node:os';
import { join } from 'node:path';
import { reaper } from '../../lab/process/reaper.ts';

/** A file system in memory, which Linux has and every user may write to. */
const MEMORY = '/dev/shm';

/**
 * What the files of a process with its servers take, in bytes: one takes up to 1.4 GiB, all that run
 * at once hardly over 2.
 */
const FILES = 1.25 * 2 ** 30;

/**
 * The folder in memory for the files of the tests and their servers; null where there is none with
 * enough room, or where TMPDIR names another. Making files is most of what a test of a database
 * computes: a new database of PostgreSQL is some 300.
 *
 * @param processes how many run at once
 * @param each what each takes of the memory besides, in bytes
 */
export function memoryFolder(processes: number, each: number): string | null {
  if (process.env.TMPDIR !== undefined || !existsSync(MEMORY)) return null;
  const { bavail, bsize } = statfsSync(MEMORY);
  // The second one knows the limit of a control group.
  const free = Math.min(freemem(), process.availableMemory());
  const hasRoom = bavail * bsize >= processes * FILES && free >= processes * (FILES + each);
  return hasRoom && runsPrograms() ? MEMORY : null;
}

/** Containers may have it without that right, and tests write programs of their own. */
function runsPrograms(): boolean {
  if (!isWritable()) return false;
  const folder = reaper.makeFolder(join(MEMORY, 'glance-schema-test-'));
  const program = join(folder, 'program');
  writeFileSync(program, '#!/bin/sh\n');
  chmodSync(program, 0o700);
  const { status } = spawnSync(program);
  rmSync(folder, { recursive: true });
  reaper.forgetFolder(folder);
  return status === 0;
}

function isWritable(): boolean {
  try {
    accessSync(MEMORY, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}
