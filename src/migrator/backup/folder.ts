import { createHash } from 'node:crypto';
import { constants } from 'node:fs';
import { type FileHandle, lstat, open, readdir, realpath, rename, statfs, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { Failure } from '../errors/failure.ts';
import type { BackupDocument } from './document.ts';
import { hasCode, READ_ONLY, readDocument, writeDocument } from './document-file.ts';

/** What a backup's files are named by. */
export interface BackupName {
  /** The resource, or the database. */
  readonly name: string;
  readonly revision: string;
  readonly takenAt: Date;
  /** Such as `.dump`. */
  readonly ending: string;
}

/** A dump that is being written, under a name that says so. */
export interface PartialDump {
  /** The name that it gets once it is proven. */
  readonly file: string;
  readonly handle: FileHandle;
  /** Takes it away, whatever is left of it. Never throws. */
  discard(): Promise<void>;
}

/** A folder of backups: files of others in it are left alone, and no link is followed. */
export class BackupFolder {
  readonly #path: string;
  /** Stands, in the name of an unfinished file, for whom and of what it is. */
  readonly #owner: string;

  private constructor(path: string, owner: string) {
    this.#path = path;
    this.#owner = createHash('sha256').update(owner).digest('hex').slice(0, 12);
  }

  /**
   * @param owner what a run is for: whoever has the lock and the same one may remove what others
   *   have left.
   * @throws Failure `BackupFailed`
   */
  static async open(path: string, owner: string): Promise<BackupFolder> {
    try {
      const real = await realpath(path);
      const folder = await open(real, constants.O_RDONLY | constants.O_DIRECTORY);
      await folder.close();
      return new BackupFolder(real, owner);
    } catch (error) {
      throw fileFailure(`Cannot use the folder ${path} for backups`, error);
    }
  }

  /** The backups whose documents can be read, the newest first. */
  async list(): Promise<readonly BackupDocument[]> {
    const found: BackupDocument[] = [];
    for (const name of await this.#names()) {
      const document = name.endsWith('.json') ? await this.#readDocument(name) : undefined;
      if (document !== undefined && `${document.file}.json` === name) {
        found.push(document);
      }
    }
    return found.sort((one, other) => Date.parse(other.takenAt) - Date.parse(one.takenAt));
  }

  /**
   * Whether the dump of a document is there as it was proven: of the same length and SHA-256.
   *
   * @throws Failure `BackupFailed` where it cannot be read
   */
  async holds({ file, bytes, sha256 }: BackupDocument, signal: AbortSignal): Promise<boolean> {
    try {
      const handle = await open(join(this.#path, file), READ_ONLY);
      try {
        const status = await handle.stat();
        if (!status.isFile() || status.size !== bytes) {
          return false;
        }
        const hash = createHash('sha256');
        for await (const chunk of handle.createReadStream({
          autoClose: false,
          signal,
          highWaterMark: 1 << 20,
        })) {
          hash.update(chunk);
        }
        return hash.digest('hex') === sha256;
      } finally {
        await handle.close();
      }
    } catch (error) {
      if (hasCode(error, 'ENOENT', 'ELOOP')) {
        return false;
      }
      throw signal.aborted ? error : fileFailure(`Cannot read the backup ${file}`, error);
    }
  }

  /** Bytes that are free for this user. */
  async free(): Promise<number> {
    const { bavail, bsize } = await statfs(this.#path);
    return bavail * bsize;
  }

  /**
   * Removes what runs for the same have left unfinished.
   *
   * @throws Failure `BackupFailed`
   */
  async removeLeft(): Promise<void> {
    for (const name of await this.#names()) {
      if (name.endsWith(`.${this.#owner}.partial`)) {
        await this.#remove(name);
      }
    }
  }

  /**
   * Begins a file that nobody else has.
   *
   * @throws Failure `BackupFailed`
   */
  async create(named: BackupName): Promise<PartialDump> {
    const time = named.takenAt.toISOString().replaceAll(/[-:]|\.\d+/g, '');
    const base = `${safe(named.name, 150)}-${safe(named.revision, 40)}-${time}`;
    const taken = new Set(await this.#names());
    let file = `${base}${named.ending}`;
    for (let more = 2; taken.has(file) || taken.has(`${file}.json`); more += 1) {
      file = `${base}-${more}${named.ending}`;
    }
    const path = join(this.#path, this.#partial(file));
    try {
      const handle = await open(path, 'wx', 0o640);
      return {
        file,
        handle,
        discard: async () => {
          await handle.close().catch(() => undefined);
          await unlink(path).catch(() => undefined);
        },
      };
    } catch (error) {
      throw fileFailure(`Cannot write the backup ${file}`, error);
    }
  }

  /**
   * Gives a dump that is on the disk its name, and its document after that.
   *
   * @throws Failure `BackupFailed`
   */
  async finish(document: BackupDocument): Promise<void> {
    const { file } = document;
    const name = `${file}.json`;
    try {
      await rename(join(this.#path, this.#partial(file)), join(this.#path, file));
      await this.#sync();
      await writeDocument(join(this.#path, name), join(this.#path, this.#partial(name)), document);
      await this.#sync();
    } catch (error) {
      // Without its document it would be none, and stay.
      for (const left of [this.#partial(name), file]) {
        await this.#remove(left).catch(() => undefined);
      }
      throw fileFailure(`Cannot write the backup ${file}`, error);
    }
  }

  /**
   * Removes a backup: its document first, so that nothing is ever one by half.
   *
   * @throws Failure `BackupFailed`
   */
  async remove({ file }: BackupDocument): Promise<void> {
    await this.#remove(`${file}.json`);
    await this.#sync();
    await this.#remove(file);
  }

  #partial(file: string): string {
    return `${file}.${this.#owner}.partial`;
  }

  async #names(): Promise<readonly string[]> {
    try {
      return await readdir(this.#path);
    } catch (error) {
      throw fileFailure(`Cannot read the folder ${this.#path}`, error);
    }
  }

  async #readDocument(name: string): Promise<BackupDocument | undefined> {
    try {
      return await readDocument(join(this.#path, name));
    } catch {
      // Somebody else's, or gone by now.
      return undefined;
    }
  }

  /** A link is removed as such; what is no file stays. */
  async #remove(name: string): Promise<void> {
    const path = join(this.#path, name);
    try {
      if ((await lstat(path)).isFile()) {
        await unlink(path);
      }
    } catch (error) {
      if (!hasCode(error, 'ENOENT')) {
        throw fileFailure(`Cannot remove ${name}`, error);
      }
    }
  }

  /** A name that was given is there after a power cut only then. */
  async #sync(): Promise<void> {
    const folder = await open(this.#path, constants.O_RDONLY);
    try {
      await folder.sync();
    } catch (error) {
      // There are file systems that know no such thing.
      if (!hasCode(error, 'EINVAL', 'ENOTSUP')) {
        throw error;
      }
    } finally {
      await folder.close();
    }
  }
}

/** What of a text a file's name may have, and nothing that begins like an option or a hidden file. */
function safe(text: string, longest: number): string {
  const clean = text
    .replaceAll(/[^A-Za-z0-9._-]+/g, '-')
    .replace(/^[^A-Za-z0-9]+/, '')
    .slice(0, longest);
  return clean === '' ? 'glance' : clean;
}

/** What the operating system said of a file, as a failure of the backup. */
export function fileFailure(what: string, error: unknown): Failure {
  if (error instanceof Failure) {
    return error;
  }
  return new Failure('BackupFailed', `${what}: ${explain(error)}`, { cause: error });
}

function explain(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  switch (code) {
    case 'ENOSPC':
    case 'EDQUOT':
      return 'there is no room left. Enlarge the claim, or remove what is not needed there.';
    case 'ENOENT':
      return 'there is no such folder or file. Mount the claim there, or correct the path.';
    case 'ENOTDIR':
      return 'it is no folder. Name one.';
    case 'EACCES':
    case 'EPERM':
      return 'this user may not. Give it the rights there, such as by fsGroup.';
    case 'EROFS':
      return 'it is mounted read-only. Mount it for writing.';
  }
  return error instanceof Error ? error.message.replace(/, [a-z]+ '.*$/, '') : String(error);
}
