import type { Run } from '../glance/plan.ts';
import { describeStep, type Step } from '../glance/steps.ts';
import { withoutUndefined } from '../glance/without-undefined.ts';
import type { ConnectionTarget } from './connection/target.ts';
import type { Connection, DatabaseState, LockHolder, Writer } from './engine/engine.ts';
import {
  type DatabaseError,
  databaseError,
  describeDatabaseError,
  isConnectionLoss,
  isLockTimeout,
  isRetryable,
} from './errors/database-error.ts';
import { Failure } from './errors/failure.ts';
import { describeHolders } from './lock.ts';
import type { RunEvents } from './run-events.ts';

/** What a run of planned units needs. */
export interface RunOptions {
  /** The connection that holds the lock; its end ends the run. */
  readonly lock: Connection;
  /** How the database is reached. */
  readonly target: ConnectionTarget;
  readonly state: DatabaseState;
  readonly run: Run;
  readonly lockTimeoutSeconds: number;
  readonly signal: AbortSignal;
  readonly events: RunEvents;
}

/** How far a run is. */
export interface RunProgress {
  readonly writer: Writer;
  /** The rows of `alembic_version` that are committed; undefined while there is no such table. */
  rows: readonly string[] | undefined;
  running:
    | { readonly kind: 'script' | 'data'; readonly name: string; readonly steps: readonly Step[] }
    | undefined;
  /** What is being done, for a failure. */
  doing: string;
  /** The steps of the running migration that stay, on an engine that cannot roll back. */
  readonly kept: Step[];
  /** Those of which a part is there, and stays. */
  readonly begun: Step[];
  /** Those that have no meaning on this engine. */
  meaningless: readonly Step[];
  /** Who had the tables when they were last waited for, as far as that is known. */
  holders: readonly LockHolder[];
  /** When the running migration began, as performance.now() has it. */
  started: number;
  /** Its record may be written already. */
  recording: boolean;
}

/** The failure as which a run that was ended is reported. */
export function toFailure(thrown: unknown, progress: RunProgress, options: RunOptions): Failure {
  const { address, lost } = options.lock;
  const { running, writer } = progress;
  const name = running?.name ?? 'the adoption';
  const inner = innermostFailure(thrown);
  const error = databaseError(thrown);
  const details = { cause: thrown, ...withoutUndefined({ migration: running?.name }) };
  const partial = !options.state.transactional && (progress.kept.length > 0 || progress.begun.length > 0);
  const failed = `'${progress.doing}' failed with ${describeDatabaseError(error)}${neededBy(error, progress)}`;
  const again = describeOutcome(name, progress, options, AGAIN);
  if (progress.recording && isConnectionLoss(error)) {
    return new Failure(
      'DatabaseUnreachable',
      `Lost the connection to ${address} while ${name} was committed: ${describeDatabaseError(error)}; whether it is done is not known. Run the same again: nothing is done twice.`,
      details,
    );
  }
  if (inner?.reason === 'MigrationFailed') {
    // It says itself what is to be done, after which a rerun goes on: that is no lasting failure.
    const kept = partial ? describeOutcome(name, progress, options, '') : undefined;
    const message = kept === undefined ? inner.message : joined(inner.message, kept);
    return new Failure('MigrationFailed', message, details);
  }
  if (options.signal.aborted) {
    const stopped = `Stopped ${address} as asked: ${again}`;
    return new Failure(
      'Interrupted',
      writer.abandoned === undefined ? stopped : joined(stopped, writer.abandoned),
      details,
    );
  }
  if (lost.aborted || isConnectionLoss(error)) {
    return new Failure(
      'DatabaseUnreachable',
      `Lost the connection to ${address} during ${name}${inner === undefined ? `: ${describeDatabaseError(error)}` : ''}; ${again}`,
      details,
    );
  }
  if (inner?.reason === 'DatabaseUnreachable') {
    return new Failure('DatabaseUnreachable', joined(inner.message, again), details);
  }
  if (isLockTimeout(error)) {
    return new Failure(
      'LockTimeout',
      `Cannot run ${name} on ${address}: '${progress.doing}' waited for another session's lock for ${options.lockTimeoutSeconds} s${describeHolders(progress.holders)}; ${again}`,
      details,
    );
  }
  if (isRetryable(error)) {
    return new Failure(
      'DatabaseUnreachable',
      `Cannot run ${name} on ${address} at the moment: ${failed}; ${again}`,
      details,
    );
  }
  return new Failure(
    partial ? 'PartiallyApplied' : 'MigrationFailed',
    `Cannot run ${name} on ${address}: ${failed}; ${describeOutcome(name, progress, options, ONCE_FIXED)}`,
    details,
  );
}

/** Two parts of one message: a part that is a whole sentence already is not gone on with. */
function joined(first: string, second: string): string {
  return first.endsWith('.')
    ? `${first} ${second.charAt(0).toUpperCase()}${second.slice(1)}`
    : `${first}; ${second}`;
}

/**
 * MariaDB says of a column that is to be dropped, and that a check or a generated column still
 * needs, that there is no such column.
 * Source: mariadb.com/docs, error 1054.
 */
function neededBy({ number, message }: DatabaseError, { running, kept }: RunProgress): string {
  const dropped = running?.steps.find(
    (step) => step.do === 'drop column' && !kept.includes(step) && message.includes(`'${step.column}'`),
  );
  return number === 1054 && dropped !== undefined
    ? ', which is there: a check or a generated column of the same table still needs it'
    : '';
}

/** What to do where a later run may succeed with nothing changed. */
const AGAIN = '. Run the same again: it goes on from there.';

/** The same where it would fail in the same way. */
const ONCE_FIXED = '. Correct what made it fail, then run the same again: it goes on from there.';

/**
 * What of the migration stays, and where that leaves the database; `rerun` ends what is not rolled
 * back.
 */
function describeOutcome(name: string, progress: RunProgress, options: RunOptions, rerun: string): string {
  const rows = progress.rows ?? [];
  const at = rows.length === 0 ? 'the database is as it was' : `the database is at ${rows.join(', ')}`;
  if (progress.running?.kind === 'data') {
    return `what ${name} has moved stays, ${at}${rerun}`;
  }
  if (options.state.transactional) {
    return options.run.online
      ? `${name} is not recorded and what it has begun does no harm, ${at}${rerun}`
      : `${name} was rolled back, ${at}${rerun}`;
  }
  const { kept, running, begun } = progress;
  const halfway = begun.filter((step) => !kept.includes(step));
  if (running === undefined || (kept.length === 0 && halfway.length === 0)) {
    return `nothing of ${name} was applied, ${at}`;
  }
  const left = running.steps.filter((step) => ![...kept, ...halfway, ...progress.meaningless].includes(step));
  const parts = [
    ...(kept.length === 0 ? [] : [`done: ${list(kept)}`]),
    ...(halfway.length === 0 ? [] : [`begun: ${list(halfway)}`]),
    `not done: ${list(left) || 'its record'}`,
  ];
  return `${name} is partly applied (${parts.join('; ')}); alembic_version says ${rows.join(', ') || 'nothing'}${rerun}`;
}

/** The first steps of a list, and how many more there are. */
function list(steps: readonly Step[]): string {
  const names = steps.map((step) => `'${describeStep(step)}'`);
  return names.length <= 6
    ? names.join(', ')
    : `${names.slice(0, 5).join(', ')} and ${names.length - 5} more`;
}

function innermostFailure(error: unknown): Failure | undefined {
  if (error instanceof Failure) {
    return error;
  }
  return error instanceof Error ? innermostFailure(error.cause) : undefined;
}
