import { REGISTRY } from '../../../migrations/registry.ts';
import type { ReportedBackup } from '../../contract/report.ts';
import { planRun } from '../../glance/plan.ts';
import type { Position } from '../../glance/position.ts';
import { connect } from '../connect.ts';
import type { Connection } from '../engine/engine.ts';
import { asFailure, Failure } from '../errors/failure.ts';
import { unlessStopped } from '../errors/unless-stopped.ts';
import { acquireLock } from '../lock.ts';
import type { Outcome } from '../outcome.ts';
import {
  type DatabaseReading,
  detectIn,
  outcomeOfReading,
  readFacts,
  readUnlocked,
  whyNotDetected,
  withBrokenTriggers,
} from '../read-database.ts';
import { unlessSilent } from '../unless-silent.ts';
import { findDifferences, repairable } from '../verify.ts';
import type { BackupDocument } from './document.ts';
import { BackupFolder } from './folder.ts';
import type { BackupOptions } from './options.ts';
import { reportedBackup, reusable, takeBackup } from './take-backup.ts';

/** How it ended; without a backup where none is needed. */
export interface BackupOutcome extends Outcome {
  readonly backup?: ReportedBackup;
  /** Whether that is an earlier one, which still holds. */
  readonly again?: boolean;
}

/** Takes a backup where one is needed, under the migrator's lock, and proves it. Never throws. */
export async function backupDatabase(options: BackupOptions): Promise<BackupOutcome> {
  let outcome: Outcome = { applied: [] };
  let connection: Connection | undefined;
  try {
    connection = await connect(options.connection);
    const { address } = connection;
    const answered = unlessSilent(options.connection, connection);
    const soon = <T>(work: Promise<T>): Promise<T> => unlessStopped(options.signal, address, answered(work));

    const before = await soon(readUnlocked(connection));
    outcome = outcomeOfReading(before.facts, detectIn(before.facts));
    if (!(await soon(isNeeded(before, options.before)))) {
      return outcome;
    }
    await acquireLock(connection, {
      timeoutSeconds: options.lockTimeoutSeconds,
      signal: options.signal,
      answered,
      waiting: options.events.waiting,
    });
    // Whoever had the lock before may have changed it.
    const reading = await soon(readFacts(connection));
    outcome = outcomeOfReading(reading.facts, detectIn(reading.facts));
    if (!(await soon(isNeeded(reading, options.before)))) {
      return outcome;
    }
    return { ...outcome, ...(await secure(reading, outcome, connection, options)) };
  } catch (error) {
    return { ...outcome, error: asFailure(error) };
  } finally {
    await connection?.close();
  }
}

/**
 * Whether there is something to lose.
 *
 * @throws Failure where it is no database of Glance, and no migration follows that would say so
 */
async function isNeeded(reading: DatabaseReading, before: Position | undefined): Promise<boolean> {
  const detected = detectIn(reading.facts);
  if (detected.kind === 'empty') {
    return false;
  }
  if (before === undefined) {
    const { error } = whyNotDetected(reading.facts, detected);
    if (error !== undefined) {
      throw error;
    }
    return true;
  }
  // As the migration does: triggers that no session can write with are recreated.
  const { state, facts } = await withBrokenTriggers(reading);
  const run = planRun(facts, { kind: 'position', target: before }, REGISTRY);
  if (run.kind !== 'settled') {
    return run.kind === 'run';
  }
  // A migration that has nothing to run completes the schema.
  const inTheMiddle = detected.kind === 'at' && detected.lacking.length > 0;
  const differences = await findDifferences(state, inTheMiddle ? new Set() : run.applied);
  return repairable(differences, true).length > 0;
}

/** The earlier backup that still holds, or a new one. */
async function secure(
  { state, facts }: DatabaseReading,
  { to, heads = [] }: Outcome,
  connection: Connection,
  options: BackupOptions,
): Promise<Pick<BackupOutcome, 'backup' | 'again'>> {
  const { address } = connection;
  const { takenFor } = options;
  if (to === undefined) {
    throw new RangeError('a database that is not empty has a position');
  }
  const identity = await state.identify();
  const database = options.connection.database ?? options.connection.user ?? '';
  const folder = await BackupFolder.open(
    options.folder,
    takenFor === '' ? JSON.stringify([state.engine, identity, database]) : takenFor,
  );
  const subject = {
    for: takenFor,
    engine: facts.transactional ? ('postgres' as const) : ('mysql' as const),
    database,
    identity,
    position: to,
    heads: [...heads],
    before: options.before ?? null,
  };
  return withinTime(options, connection, async (signal) => {
    const kept = await findKept(folder, subject, signal);
    if (kept !== undefined) {
      return { backup: reportedBackup(kept), again: true };
    }
    await folder.removeLeft();
    const document = await takeBackup({ state, folder, subject, address, options, signal });
    return { backup: reportedBackup(document) };
  });
}

/** Only of a migration: who asks for a backup by hand wants one. */
async function findKept(
  folder: BackupFolder,
  subject: Parameters<typeof reusable>[1],
  signal: AbortSignal,
): Promise<BackupDocument | undefined> {
  if (subject.before === null) {
    return undefined;
  }
  for (const document of await folder.list()) {
    if (reusable(document, subject, Date.now()) && (await folder.holds(document, signal))) {
      return document;
    }
  }
  return undefined;
}

/** Ends the work when it takes too long, the run is to stop, or the lock is lost. */
async function withinTime<T>(
  { timeoutSeconds, signal }: BackupOptions,
  { address, lost }: Connection,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const timeout = new AbortController();
  const timer =
    timeoutSeconds === undefined ? undefined : setTimeout(() => timeout.abort(), timeoutSeconds * 1000);
  try {
    return await work(AbortSignal.any([signal, lost, timeout.signal]));
  } catch (error) {
    if (signal.aborted) {
      throw new Failure('Interrupted', `Stopped while backing up ${address}: nothing was changed`, {
        cause: error,
      });
    }
    if (lost.aborted) {
      throw new Failure('DatabaseUnreachable', `Lost the connection to ${address} while backing it up`, {
        cause: error,
      });
    }
    if (timeout.signal.aborted) {
      throw new Failure(
        'BackupFailed',
        `Cannot back up ${address}: it was not done after ${timeoutSeconds} s. Allow it more time (spec.backup.timeout, --timeout).`,
        { cause: error },
      );
    }
    throw error;
  } finally {
    clearTimeout(timer);
  }
}
