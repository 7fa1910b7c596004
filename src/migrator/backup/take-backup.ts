import type { ReportedBackup } from '../../contract/report.ts';
import type { Dumper } from '../engine/dump.ts';
import type { DatabaseState } from '../engine/engine.ts';
import { cannotBackUp } from './backup-failure.ts';
import type { BackupDocument } from './document.ts';
import type { BackupFolder, PartialDump } from './folder.ts';
import type { BackupOptions } from './options.ts';
import { whatIsWrong } from './what-is-wrong.ts';
import { writeDump } from './write-dump.ts';

/** Which database a backup is of, where that is, and for what it is taken. */
export type BackupSubject = Pick<
  BackupDocument,
  'for' | 'engine' | 'database' | 'identity' | 'position' | 'heads' | 'before'
>;

/**
 * How old a backup may be that is used again, in milliseconds. On PostgreSQL an attempt that failed has
 * left nothing, so that only what Glance has written since speaks for a new one.
 */
const MOST_AGE = { mysql: 24 * 3_600_000, postgres: 15 * 60_000 } as const;

/**
 * Whether a backup is the one of an attempt before of the same upgrade: what a script that broke has
 * left behind since is not in it.
 */
export function reusable(document: BackupDocument, subject: BackupSubject, now: number): boolean {
  const same = (of: BackupSubject): string =>
    JSON.stringify([of.for, of.engine, of.database, of.identity, of.before]);
  // A run places a database of the old tool under Alembic's control before anything else.
  const sameHeads =
    document.heads.join() === subject.heads.join() ||
    (document.heads.length === 0 && JSON.stringify(document.position) === JSON.stringify(subject.position));
  const age = now - Date.parse(document.takenAt);
  return (
    same(document) === same(subject) &&
    sameHeads &&
    document.restoredAt === undefined &&
    age < MOST_AGE[document.engine] &&
    // The clock of whoever took it may be a little ahead.
    age > -300_000
  );
}

/** What a report says of a backup. */
export function reportedBackup(document: BackupDocument): ReportedBackup {
  const { file, bytes, sha256, position, takenAt } = document;
  const rows = Object.values(document.tables);
  return {
    file,
    bytes,
    sha256,
    position,
    tables: rows.length,
    rows: rows.reduce((sum, each) => sum + each, 0),
    takenAt,
  };
}

interface Taking {
  readonly state: DatabaseState;
  readonly folder: BackupFolder;
  readonly subject: BackupSubject;
  readonly address: string;
  readonly options: BackupOptions;
  readonly signal: AbortSignal;
}

/**
 * Dumps, proves what was written while it is written, and gives it its name. A part of it that is
 * left of a failure is removed.
 *
 * @throws Failure `BackupFailed`, `DatabaseUnreachable`
 */
export async function takeBackup(taking: Taking): Promise<BackupDocument> {
  const { state, folder, subject, options } = taking;
  const others = await folder.list();
  // Whatever is still at work when this is left is ended.
  const left = new AbortController();
  const signal = AbortSignal.any([taking.signal, left.signal]);
  const { compressed, lockTimeoutSeconds } = options;
  const dumper = await state.openDumper({ compressed, lockTimeoutSeconds, signal });
  try {
    await checkRoom(taking, dumper, others);
    const document = await dump(taking, dumper);
    await removeOlder(folder, document, others, options.retain);
    return document;
  } finally {
    left.abort();
    await dumper.close();
  }

  async function removeOlder(
    within: BackupFolder,
    newest: BackupDocument,
    older: readonly BackupDocument[],
    retain = Number.POSITIVE_INFINITY,
  ): Promise<void> {
    const counted = older.filter(
      (each) =>
        each.for === subject.for &&
        each.engine === subject.engine &&
        each.database === subject.database &&
        // By hand there may be those of several servers.
        (subject.for !== '' || each.identity === subject.identity),
    );
    // What the first attempt of this upgrade took, no later one can: it stays, however old it is.
    const first =
      subject.before === null ? undefined : counted.findLast((each) => isOfSameUpgrade(each, newest));
    for (const each of counted.slice(Math.max(0, retain - 1))) {
      if (each !== first) {
        await within.remove(each);
      }
    }
  }
}

/** Whether an attempt before of the same upgrade took it, before it had changed anything itself. */
function isOfSameUpgrade(older: BackupDocument, newest: BackupDocument): boolean {
  return (
    older.identity === newest.identity &&
    older.restoredAt === undefined &&
    JSON.stringify(older.before) === JSON.stringify(newest.before)
  );
}

/** A tenth of the tables' size is what compressed rows of Glance take at the least. */
async function checkRoom(
  { folder, address, subject, options }: Taking,
  dumper: Dumper,
  others: readonly BackupDocument[],
): Promise<void> {
  const last = others.find(
    (other) => other.identity === subject.identity && other.compressed === options.compressed,
  );
  const needed = last?.bytes ?? Math.floor(dumper.tableBytes / (options.compressed ? 10 : 3));
  const free = await folder.free();
  if (free < needed) {
    throw cannotBackUp(
      address,
      `it takes about ${megabytes(needed)}, and ${megabytes(free)} are free in the folder. Enlarge the claim, or remove what is not needed there.`,
    );
  }
}

async function dump(
  { folder, subject, address, options, signal }: Taking,
  dumper: Dumper,
): Promise<BackupDocument> {
  const started = performance.now();
  const begun = await dumper.start();
  const { takenAt } = begun;
  const named = {
    name: options.name ?? subject.database,
    revision: subject.position.revision,
    takenAt,
    ending: dumper.ending,
  };
  let loggedAt = started;
  let partial: PartialDump | undefined;
  try {
    partial = await folder.create(named);
    const written = await writeDump(begun, {
      handle: partial.handle,
      file: partial.file,
      address,
      program: dumper.client.split(' ')[0] ?? '',
      signal,
      progress(bytes) {
        const now = performance.now();
        if (now - loggedAt >= LOG_EVERY_MILLISECONDS) {
          loggedAt = now;
          options.events.dumping(bytes, (now - started) / 1000);
        }
      },
    });
    const found = await begun.reader.end();
    const counted = await begun.counts;
    signal.throwIfAborted();
    const wrong = whatIsWrong(found, counted);
    if (wrong !== undefined) {
      throw cannotBackUp(
        address,
        `what was written is not what the database has: ${wrong}. Nothing of it was kept. Run the same again.`,
      );
    }
    const document: BackupDocument = {
      version: 1,
      ...subject,
      position: { ...subject.position },
      before: subject.before === null ? null : { ...subject.before },
      file: partial.file,
      ...written,
      compressed: options.compressed,
      client: dumper.client,
      server: dumper.server,
      takenAt: takenAt.toISOString(),
      tables: Object.fromEntries([...counted.rows].sort()),
      ...(dumper.others === undefined ? {} : { others: [...dumper.others] }),
      ...(dumper.needs === undefined ? {} : { needs: [...dumper.needs] }),
    };
    await folder.finish(document);
    return document;
  } catch (error) {
    await partial?.discard();
    throw error;
  }
}

const LOG_EVERY_MILLISECONDS = 10_000;

function megabytes(bytes: number): string {
  return `${Math.ceil(bytes / 1024 / 1024)} MiB`;
}
