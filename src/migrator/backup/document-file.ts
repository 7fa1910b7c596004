import { constants } from 'node:fs';
import { open, rename } from 'node:fs/promises';
import { type BackupDocument, parseBackupDocument } from './document.ts';

/** No link is followed. */
export const READ_ONLY = constants.O_RDONLY | constants.O_NOFOLLOW;

/** A larger one is none of ours. */
const MOST_BYTES = 1024 * 1024;

/** Reads the document at a path; undefined where that is none. What cannot be opened or read throws. */
export async function readDocument(path: string): Promise<BackupDocument | undefined> {
  const handle = await open(path, READ_ONLY);
  try {
    const status = await handle.stat();
    return status.isFile() && status.size <= MOST_BYTES
      ? parseBackupDocument(await handle.readFile('utf8'))
      : undefined;
  } finally {
    await handle.close();
  }
}

/** Writes a document under another name, and gives it its own once it is on the disk. */
export async function writeDocument(path: string, partial: string, document: BackupDocument): Promise<void> {
  const handle = await open(partial, 'wx', 0o640);
  try {
    await handle.writeFile(`${JSON.stringify(document, undefined, 2)}\n`);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(partial, path);
}

/** Whether an error has one of these codes of the operating system or of Node. */
export function hasCode(error: unknown, ...codes: readonly string[]): boolean {
  return error instanceof Error && 'code' in error && codes.includes(String(error.code));
}
