import { createHash } from 'node:crypto';
import type { FileHandle } from 'node:fs/promises';
import type { Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { StartedDump } from '../engine/dump.ts';
import { clientFailure } from './backup-failure.ts';
import { fileFailure } from './folder.ts';

/** What was written. */
export interface Written {
  readonly bytes: number;
  readonly sha256: string;
}

/** Where a dump goes, and where that is reported. */
export interface WriteOptions {
  /** Closed at the end, once all of it is on the disk. */
  readonly handle: FileHandle;
  readonly file: string;
  /** What messages call the database. */
  readonly address: string;
  /** The name of the program. */
  readonly program: string;
  readonly signal: AbortSignal;
  readonly progress: (bytes: number) => void;
}

const PIECE = 1 << 20;

/**
 * Takes a dump from its program to the file, and past its reader on the way.
 *
 * @throws Failure `BackupFailed`, `DatabaseUnreachable`; what the signal says
 */
export async function writeDump(dump: StartedDump, options: WriteOptions): Promise<Written> {
  const hash = createHash('sha256');
  let bytes = 0;
  async function* read(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    for await (const chunk of chunks) {
      await dump.reader.write(chunk);
      yield chunk;
    }
  }
  async function* measure(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    const gathered: Buffer[] = [];
    let length = 0;
    for await (const chunk of chunks) {
      hash.update(chunk);
      bytes += chunk.length;
      options.progress(bytes);
      gathered.push(chunk);
      length += chunk.length;
      // A pipe gives small pieces, and each write has its price.
      if (length >= PIECE) {
        yield Buffer.concat(gathered.splice(0));
        length = 0;
      }
    }
    yield Buffer.concat(gathered);
  }
  // What is not on the disk when it is closed may be gone after a power cut.
  const file: Writable = options.handle.createWriteStream({ flush: true, highWaterMark: 4 * PIECE });
  const { signal } = options;
  try {
    if (dump.encoder === undefined) {
      await pipeline(dump.output, read, measure, file, { signal });
    } else {
      await pipeline(dump.output, read, dump.encoder, measure, file, { signal });
    }
  } catch (error) {
    throw signal.aborted ? error : fileFailure(`Cannot write the backup ${options.file}`, error);
  }
  const { ok, said } = await dump.ended;
  if (!ok) {
    throw clientFailure(options.program, said, options.address);
  }
  return { bytes, sha256: hash.digest('hex') };
}
