import { setTimeout as sleep } from 'node:timers/promises';
import { printable } from '../../contract/printable.ts';
import type { Detected } from '../../glance/detect.ts';
import { formatPosition } from '../../glance/position.ts';
import { connect } from '../connect.ts';
import { type ConnectionTarget, describeTarget } from '../connection/target.ts';
import type { Made } from '../engine/dump.ts';
import type { Connection } from '../engine/engine.ts';
import { BrokenRestore, type OtherSession, type Restorer } from '../engine/restore.ts';
import { databaseError, describeDatabaseError, isRetryable } from '../errors/database-error.ts';
import { asFailure, Failure } from '../errors/failure.ts';
import { unlessStopped } from '../errors/unless-stopped.ts';
import { acquireLock, type LockOptions } from '../lock.ts';
import { type DatabaseReading, detectIn, readFacts } from '../read-database.ts';
import { unlessSilent } from '../unless-silent.ts';
import type { BackupDocument } from './document.ts';
import { isGlances } from './foreign-tables.ts';
import { type Backup, markRestored, openBackup } from './read-backup.ts';
import { cannotRestore } from './restore-failure.ts';

/** What is reported of a restore under way. */
export interface RestoreEvents {
  readonly waiting: LockOptions['waiting'];
  /** What is done now, and how much of the file is. */
  restoring(what: string, bytes: number, total: number): void;
  /** Something that does not end it. */
  warning(message: string): void;
}

/** Which backup goes into which database. */
export interface RestoreDatabaseOptions {
  readonly connection: ConnectionTarget;
  /** The path of the dump. */
  readonly file: string;
  /** Whether what is there may go. */
  readonly replace: boolean;
  readonly lockTimeoutSeconds: number;
  readonly signal: AbortSignal;
  readonly events: RestoreEvents;
}

/** What a restore has left. */
export interface Restored {
  readonly document: BackupDocument;
  /** `host:port/database`. */
  readonly address: string;
  /** Where the database is now, as it was read. */
  readonly at: string;
}

/** Sessions that have just been ended are a moment about. */
const PATIENCE_MILLISECONDS = 3_000;

/**
 * Puts a backup back, under the migrator's lock. All that can be known is asked before the first
 * change.
 *
 * @throws Failure
 */
export async function restoreDatabase(options: RestoreDatabaseOptions): Promise<Restored> {
  const { connection: target, file, signal, events } = options;
  const backup = await openBackup(file);
  let connection: Connection | undefined;
  try {
    if (backup.document.engine !== target.engine) {
      throw cannotRestore(
        describeTarget(target),
        `${file} is of ${engineName(backup.document.engine)}, and this is ${engineName(target.engine)}. Name a backup, or a database, of the same kind.`,
      );
    }
    connection = await connect(target);
    const { address } = connection;
    const answered = unlessSilent(target, connection);
    const soon = <T>(work: Promise<T>): Promise<T> => unlessStopped(signal, address, answered(work));
    await acquireLock(connection, {
      timeoutSeconds: options.lockTimeoutSeconds,
      signal,
      answered,
      waiting: events.waiting,
    });
    const reading = await soon(readFacts(connection));
    checkPlace(reading, options);
    const made = await checkFile(backup, options, address);
    const restorer = await soon(
      reading.state.openRestorer({
        document: backup.document,
        path: backup.path,
        made,
        lockTimeoutSeconds: options.lockTimeoutSeconds,
      }),
    );
    await soon(checkAlone(restorer, address));
    await run(restorer, backup, connection, options);
    const unmarked = await markRestored(backup, new Date());
    if (unmarked !== undefined) {
      events.warning(
        `Cannot write into the folder of ${file} that it was restored: ${unmarked}. Take a new backup before the next upgrade: otherwise that upgrade may reuse this old one.`,
      );
    }
    return { document: backup.document, address, at: await whereItIs(connection, backup.document) };
  } catch (error) {
    throw asFailure(error);
  } finally {
    await connection?.close();
    await backup.close();
  }
}

function engineName(engine: BackupDocument['engine']): string {
  return engine === 'postgres' ? 'PostgreSQL' : 'MariaDB or MySQL';
}

/**
 * Whether what is there may go: nothing is, or a restore that broke off, or Glance's and somebody has
 * said so. A version table that is wrong keeps nobody from restoring a backup.
 *
 * @throws Failure `RestoreRefused`
 */
function checkPlace({ facts }: DatabaseReading, { replace }: RestoreDatabaseOptions): void {
  const detected = detectIn(facts);
  if (detected.kind === 'empty' || facts.restoring !== undefined) {
    return;
  }
  if (detected.kind === 'refused' && !isOfGlance(detected, [...facts.tables.keys()])) {
    throw cannotRestore(facts.address, detected.message);
  }
  if (!replace) {
    const there =
      detected.kind === 'at'
        ? `a database of Glance at ${formatPosition(detected.position)}`
        : 'a database of Glance';
    throw cannotRestore(
      facts.address,
      `it is not empty, it has ${there}. Name an empty database, or say by --replace that all of it may go.`,
    );
  }
}

function isOfGlance(refused: Extract<Detected, { kind: 'refused' }>, tables: readonly string[]): boolean {
  return (
    refused.reason === 'DatabaseNewer' ||
    refused.position !== undefined ||
    tables.some((table) => isGlances(table) && !table.endsWith('_version'))
  );
}

/** @throws Failure `RestoreRefused`, `Interrupted` */
async function checkFile(
  backup: Backup,
  { file, signal, events }: RestoreDatabaseOptions,
  address: string,
): Promise<Made | undefined> {
  const progress = progressOf('checked', backup.document.bytes, events);
  try {
    return await backup.check(signal, progress);
  } catch (error) {
    if (signal.aborted) {
      throw new Failure('Interrupted', `Stopped while reading ${file}: nothing was changed in ${address}`);
    }
    throw error instanceof Failure
      ? error
      : cannotRestore(
          address,
          `${file} cannot be read: ${describeDatabaseError(databaseError(error))}. Nothing was changed.`,
          error,
        );
  }
}

/** @throws Failure `RestoreRefused` */
async function checkAlone(restorer: Restorer, address: string): Promise<void> {
  const started = performance.now();
  for (;;) {
    const others = await restorer.others();
    if (others.length === 0) {
      return;
    }
    if (performance.now() - started > PATIENCE_MILLISECONDS) {
      throw cannotRestore(
        address,
        `${others.length} other ${others.length === 1 ? 'session is' : 'sessions are'} in it (${describeOthers(others)}). Stop Glance and whatever else uses it, then run the same again.`,
      );
    }
    await sleep(200);
  }
}

function describeOthers(others: readonly OtherSession[]): string {
  const counts = new Map<string, number>();
  for (const { user, application, host } of others) {
    const who = printable(
      [
        `user ${user}`,
        ...(application ? [application] : []),
        ...(host === null || host === '' ? [] : [`from ${host}`]),
      ].join(', '),
      200,
    );
    counts.set(who, (counts.get(who) ?? 0) + 1);
  }
  const all = [...counts].map(([who, count]) => (count === 1 ? who : `${count} of ${who}`));
  return all.length <= 4 ? all.join('; ') : `${all.slice(0, 4).join('; ')} and more`;
}

/** @throws Failure `RestoreFailed`, `Interrupted` */
async function run(
  restorer: Restorer,
  backup: Backup,
  { address, lost }: Connection,
  { file, signal, events }: RestoreDatabaseOptions,
): Promise<void> {
  const { document } = backup;
  // Without the lock another migrator may begin.
  const either = AbortSignal.any([signal, lost]);
  try {
    await restorer.restore(backup.read(either, progressOf('restored', document.bytes, events)), either);
  } catch (error) {
    const broken = error instanceof BrokenRestore ? error : undefined;
    const state =
      broken?.state === 'unfinished'
        ? `The database may be incomplete, and every command but another restore refuses the database. Run 'db restore ${file}' again`
        : broken?.state === 'unknown'
          ? "It was being committed, and whether that was done is not known. Check with 'db version', and run the same again if it was not"
          : 'Nothing was changed: the database is as it was before. Run the same again once that is corrected';
    const unchanged = broken?.state === 'unchanged';
    if (signal.aborted) {
      throw new Failure(
        unchanged ? 'Interrupted' : 'RestoreFailed',
        `Stopped the restore of ${file} into ${address} as asked. ${unchanged ? 'Nothing was changed: the database is as it was before' : state}.`,
        { cause: error },
      );
    }
    const why = lost.aborted ? 'the connection that has the lock was lost' : whyBroken(error);
    throw new Failure('RestoreFailed', `Cannot restore ${file} into ${address}: ${sentence(why)} ${state}.`, {
      cause: error,
    });
  }
}

function whyBroken(error: unknown): string {
  return error instanceof BrokenRestore ? error.message : describeDatabaseError(databaseError(error));
}

function sentence(text: string): string {
  return text.endsWith('.') ? text : `${text}.`;
}

/** At each tenth of a large file. */
function progressOf(what: string, total: number, events: RestoreEvents): (bytes: number) => void {
  let done = 0;
  let said = Date.now();
  return (bytes) => {
    done += bytes;
    if (Date.now() - said >= PROGRESS_EVERY_MILLISECONDS || done === total) {
      said = Date.now();
      events.restoring(what, done, total);
    }
  };
}

const PROGRESS_EVERY_MILLISECONDS = 5_000;

/** The restore is done whatever this reading finds. */
async function whereItIs(connection: Connection, document: BackupDocument): Promise<string> {
  try {
    const detected = detectIn((await readFacts(connection)).facts);
    return detected.kind === 'at' ? formatPosition(detected.position) : formatPosition(document.position);
  } catch (error) {
    if (isRetryable(databaseError(error))) {
      return formatPosition(document.position);
    }
    throw error;
  }
}
