import { createHash } from 'node:crypto';
import { type FileHandle, open, readdir, realpath, unlink } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { pipeline, Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import type { Made } from '../engine/dump.ts';
import { Failure } from '../errors/failure.ts';
import type { BackupDocument } from './document.ts';
import { hasCode, READ_ONLY, readDocument, writeDocument } from './document-file.ts';
import { InsertRows } from './insert-rows.ts';
import { whatIsWrong } from './what-is-wrong.ts';

/** A backup's document and the dump beside it, held open. */
export interface Backup {
  readonly document: BackupDocument;
  /** The path of the dump. */
  readonly path: string;
  /**
   * Reads all of the dump, and gives what it makes in addition to tables, where that is known.
   *
   * @throws Failure `RestoreRefused` where it is not the one that the document is of
   */
  check(signal: AbortSignal, progress: (bytes: number) => void): Promise<Made | undefined>;
  /** The bytes of the dump; throws at its end where they have changed since the check. */
  read(signal: AbortSignal, progress: (bytes: number) => void): AsyncIterable<Buffer>;
  close(): Promise<void>;
}

const HOW_BY_HAND =
  "To load a dump that was made by hand, use the engine's own program (psql, pg_restore or mariadb) on an empty database, as docs/operations.md shows.";

/**
 * Opens a backup by the path of its dump.
 *
 * @throws Failure `RestoreRefused`
 */
export async function openBackup(path: string): Promise<Backup> {
  const name = basename(path);
  const document = await documentBeside(path);
  if (document.file !== name) {
    throw refuse(path, `the document beside it is that of '${document.file}'. Name the file of that name.`);
  }
  const real = await realpath(dirname(path)).catch(() => dirname(path));
  const dump = join(real, name);
  const handle = await open(dump, READ_ONLY).catch((error: unknown) => {
    throw refuse(
      path,
      `it cannot be read: ${explain(error)}. Correct the path, or the rights on it, such as by fsGroup.`,
    );
  });
  const status = await handle.stat();
  if (!status.isFile() || status.size !== document.bytes) {
    await handle.close();
    throw refuse(
      path,
      status.isFile()
        ? `it has ${status.size} bytes, and its document says ${document.bytes}. Use another backup.`
        : 'it is no file. Name the dump.',
    );
  }
  return {
    document,
    path: dump,
    check: (signal, progress) => check(handle, path, document, signal, progress),
    async *read(signal, progress) {
      const hash = createHash('sha256');
      for await (const chunk of pieces(handle, signal)) {
        hash.update(chunk);
        progress(chunk.length);
        yield chunk;
      }
      if (hash.digest('hex') !== document.sha256) {
        throw new Error(`${name} was changed while it was read`);
      }
    },
    close: () => handle.close(),
  };
}

async function documentBeside(path: string): Promise<BackupDocument> {
  let document: BackupDocument | undefined;
  try {
    document = await readDocument(`${path}.json`);
  } catch (error) {
    throw refuse(
      path,
      hasCode(error, 'ENOENT', 'ENOTDIR')
        ? `there is no document ${basename(path)}.json beside it, so that it is no backup of 'db backup'. ${HOW_BY_HAND}`
        : `the document beside it cannot be read: ${explain(error)}. Correct the rights on it, such as by fsGroup.`,
    );
  }
  if (document === undefined) {
    throw refuse(path, `${basename(path)}.json is no document of 'db backup'. ${HOW_BY_HAND}`);
  }
  return document;
}

async function check(
  handle: FileHandle,
  path: string,
  document: BackupDocument,
  signal: AbortSignal,
  progress: (bytes: number) => void,
): Promise<Made | undefined> {
  const hash = createHash('sha256');
  const rows = document.engine === 'mysql' ? new InsertRows() : undefined;
  async function* hashed(): AsyncGenerator<Buffer> {
    for await (const chunk of pieces(handle, signal)) {
      hash.update(chunk);
      progress(chunk.length);
      yield chunk;
    }
  }
  let unreadable: unknown;
  if (rows === undefined) {
    for await (const _ of hashed());
  } else {
    try {
      for await (const chunk of unpacked(hashed(), document)) {
        rows.push(chunk);
      }
    } catch (error) {
      signal.throwIfAborted();
      unreadable = error;
    }
  }
  if (unreadable !== undefined || hash.digest('hex') !== document.sha256) {
    throw refuse(
      path,
      'its SHA-256 is not the one of its document: it was changed or damaged. Use another backup.',
    );
  }
  if (rows === undefined) {
    return undefined;
  }
  const content = rows.content();
  const { made } = content;
  const wrong = whatIsWrong(content, {
    rows: new Map(Object.entries(document.tables)),
    ...(made === undefined ? {} : { made }),
  });
  if (wrong !== undefined) {
    throw refuse(path, `its document does not fit: ${wrong}. Use another backup.`);
  }
  return made;
}

/** The SQL of a dump of MariaDB or MySQL. */
export async function* unpacked(
  dump: AsyncIterable<Buffer>,
  { compressed }: Pick<BackupDocument, 'compressed'>,
): AsyncGenerator<Buffer> {
  if (!compressed) {
    yield* dump;
    return;
  }
  // An error of either reaches who reads, and whoever stops reading ends both.
  yield* pipeline(Readable.from(dump), createGunzip(), () => undefined);
}

async function* pieces(handle: FileHandle, signal: AbortSignal): AsyncGenerator<Buffer> {
  const size = 1 << 20;
  for (let position = 0; ; ) {
    signal.throwIfAborted();
    const { bytesRead, buffer } = await handle.read(Buffer.allocUnsafe(size), 0, size, position);
    if (bytesRead === 0) {
      return;
    }
    position += bytesRead;
    yield buffer.subarray(0, bytesRead);
  }
}

/**
 * Writes into every document for the same that it was put back, so that no later upgrade takes one
 * of them for its own backup. Gives why that could not be done, if so.
 */
export async function markRestored({ path, document }: Backup, when: Date): Promise<string | undefined> {
  const folder = dirname(path);
  try {
    for (const name of await readdir(folder)) {
      const found = name.endsWith('.json')
        ? await readDocument(join(folder, name)).catch(() => undefined)
        : undefined;
      if (
        found !== undefined &&
        `${found.file}.json` === name &&
        found.for === document.for &&
        found.engine === document.engine &&
        (document.for !== '' || found.database === document.database)
      ) {
        const partial = join(folder, `${name}.restored.partial`);
        await unlink(partial).catch(() => undefined);
        await writeDocument(join(folder, name), partial, { ...found, restoredAt: when.toISOString() });
      }
    }
    return undefined;
  } catch (error) {
    return explain(error);
  }
}

/** A refusal of the form "Cannot restore FILE: WHY"; nothing was changed. */
function refuse(path: string, why: string): Failure {
  return new Failure('RestoreRefused', `Cannot restore ${path}: ${why}`);
}

function explain(error: unknown): string {
  switch (error instanceof Error && 'code' in error ? error.code : '') {
    case 'ENOENT':
      return 'there is no such file';
    case 'EACCES':
    case 'EPERM':
      return 'this user may not';
    case 'EROFS':
      return 'the folder is read-only';
    case 'ELOOP':
      return 'it is a link';
  }
  return error instanceof Error ? error.message.replace(/, [a-z]+ '.*$/, '') : String(error);
}
