import { Umzug, type UmzugStorage } from 'umzug';
import type { Adoption } from '../glance/detect.ts';
import { headsOf } from '../glance/heads.ts';
import { type DataMigration, describeStep, type Migration, type Step } from '../glance/steps.ts';
import { moveRows } from './backfill.ts';
import type { Connection, DatabaseState, LockHolder, StepProgress, Writer } from './engine/engine.ts';
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
import type { PlannedStep } from './plan-migrations.ts';

/** What a run tells while it runs. */
export interface RunEvents {
  adopted(adoption: Adoption): void;
  started(migration: Migration): void;
  step(migration: Migration, step: Step, index: number): void;
  /** The migration and its record are committed. */
  applied(migration: Migration, milliseconds: number): void;
  /** So many rows of a data migration are moved; told after each batch. */
  moving(data: DataMigration, done: number, total: number): void;
  /** A data migration has nothing left to move. */
  moved(data: DataMigration, rows: number, milliseconds: number): void;
  /** Tables are in use by others; it is tried again and again. */
  waitingForTables(tables: readonly string[], seconds: number, holders: readonly LockHolder[]): void;
}

export interface RunOptions {
  /** The connection that holds the lock; its end ends the run. */
  readonly lock: Connection;
  readonly state: DatabaseState;
  readonly applied: ReadonlySet<string>;
  readonly adopt: Adoption | undefined;
  readonly plan: readonly PlannedStep[];
  /** Whether nodes of Glance may be at work on the tables. */
  readonly online: boolean;
  readonly lockTimeoutSeconds: number;
  readonly signal: AbortSignal;
  readonly events: RunEvents;
}

interface Context {
  readonly writer: Writer;
  /** The rows of `alembic_version` that are committed; undefined while there is no such table. */
  rows: readonly string[] | undefined;
  readonly applied: Set<string>;
  running: { readonly name: string; readonly steps: readonly Step[] } | undefined;
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
  /** Scripts that are done and will be recorded with the next record. */
  readonly unrecorded: Migration[];
  /** Its record may be written already. */
  recording: boolean;
}

/**
 * Runs migrations in the order given, each with its record. The engine's writer is the connection and umzug the loop; the
 * order, the record and the lock are ours.
 *
 * @throws Failure `MigrationFailed`, `PartiallyApplied`, `DatabaseUnreachable`, `LockTimeout` or `Interrupted`; what was
 *   told by `events.applied` is committed
 */
export async function runMigrations(options: RunOptions): Promise<void> {
  const { lockTimeoutSeconds, signal, online } = options;
  const writer = await options.state.openWriter({ lockTimeoutSeconds, signal, online });
  const context: Context = {
    writer,
    rows: options.state.found.alembic,
    applied: new Set(options.applied),
    running: undefined,
    doing: 'start',
    kept: [],
    begun: [],
    meaningless: [],
    holders: [],
    started: 0,
    unrecorded: [],
    recording: false,
  };
  const cancel = (): void => writer.cancel();
  signal.addEventListener('abort', cancel);
  try {
    if (options.adopt !== undefined) {
      await begin(context, options);
      await record(context, options.adopt.heads);
      options.events.adopted(options.adopt);
    }
    const umzug = new Umzug<Context>({
      context,
      logger: undefined,
      storage: versionTableStorage(options),
      migrations: options.plan.map((step) => ({
        name: nameOf(step),
        up: () => runPlanned(step, context, options),
      })),
    });
    await umzug.up();
  } catch (error) {
    await writer.rollback();
    throw toFailure(error, context, options);
  } finally {
    signal.removeEventListener('abort', cancel);
    await writer.close();
  }
}

/**
 * Umzug's storage on Glance's own version table. umzug runs a migration and logs it in two steps; here the first leaves
 * its transaction open and the second ends it, so that nothing can come between where the engine has transactions.
 */
function versionTableStorage(options: RunOptions): UmzugStorage<Context> {
  return {
    // Not asked of the table: the plan was made from it, and each migration begins by making sure of it.
    async executed() {
      return [];
    },
    async logMigration({ name, context }) {
      const index = options.plan.findIndex((candidate) => nameOf(candidate) === name);
      const step = options.plan[index];
      if (step?.kind !== 'script') {
        context.running = undefined;
        return;
      }
      for (const script of step.migration.scripts) {
        context.applied.add(script);
      }
      context.unrecorded.push(step.migration);
      if (isEmpty(options.plan[index + 1])) {
        return;
      }
      await record(context, headsOf(context.applied));
      const [first, ...others] = context.unrecorded.splice(0);
      if (first !== undefined) {
        options.events.applied(first, performance.now() - context.started);
      }
      for (const migration of others) {
        options.events.applied(migration, 0);
      }
      context.running = undefined;
    },
    async unlogMigration({ name }) {
      throw new Error(`Cannot take '${name}' back: Glance has no downgrades`);
    },
  };
}

/** Whether all that a script does is its record, as 19 of Glance's 29: it is recorded together with the one before. */
function isEmpty(step: PlannedStep | undefined): boolean {
  return step?.kind === 'script' && step.migration.steps.length === 0;
}

function nameOf(step: PlannedStep): string {
  return step.kind === 'script' ? step.migration.name : step.data.name;
}

async function runPlanned(step: PlannedStep, context: Context, options: RunOptions): Promise<void> {
  if (step.kind === 'script' && context.unrecorded.length > 0) {
    options.events.started(step.migration);
    return;
  }
  context.kept.length = 0;
  context.begun.length = 0;
  context.started = performance.now();
  if (step.kind === 'script') {
    const { migration } = step;
    context.running = migration;
    options.events.started(migration);
    const progress = progressOf(migration, context, options);
    await context.writer.prepare(migration.steps, progress);
    await begin(context, options);
    await context.writer.run(migration.steps, progress);
    stopIfAsked(options);
    return;
  }
  const { data } = step;
  context.running = { name: data.name, steps: [] };
  context.doing = data.what;
  stopIfAsked(options);
  const rows = await moveRows({
    writer: context.writer,
    engine: options.state.engine,
    data,
    online: options.online,
    lockTimeoutSeconds: options.lockTimeoutSeconds,
    signal: options.signal,
    progress(done, total) {
      options.events.moving(data, done, total);
      stopIfAsked(options);
    },
  });
  options.events.moved(data, rows, performance.now() - context.started);
}

async function begin(context: Context, options: RunOptions): Promise<void> {
  stopIfAsked(options);
  context.doing = context.rows === undefined ? 'create table alembic_version' : 'read alembic_version';
  await context.writer.begin(context.rows);
  context.rows ??= [];
}

function progressOf(migration: Migration, context: Context, options: RunOptions): StepProgress {
  return {
    started(step, index) {
      stopIfAsked(options);
      context.doing = describeStep(step);
      options.events.step(migration, step, index);
    },
    together(steps) {
      // A statement in the middle of a step begins none and ends none: then it is still the one before.
      context.doing = steps.map(describeStep).join(' and ') || context.doing;
    },
    begun(steps) {
      context.begun.push(...steps);
    },
    meaningless(steps) {
      context.meaningless = steps;
    },
    kept(step) {
      context.kept.push(step);
    },
    waiting(tables, seconds, holders = []) {
      stopIfAsked(options);
      context.holders = holders;
      options.events.waitingForTables(tables, seconds, holders);
    },
  };
}

/** Writes the heads and commits. */
async function record(context: Context, heads: readonly string[]): Promise<void> {
  context.doing = 'write alembic_version';
  context.recording = true;
  await context.writer.record(heads);
  context.recording = false;
  context.rows = heads;
}

function stopIfAsked(options: RunOptions): void {
  if (options.signal.aborted) {
    throw new Failure('Interrupted', 'stopped');
  }
  if (options.lock.lost.aborted) {
    throw new Failure('DatabaseUnreachable', `Lost the lock on ${options.lock.place}`);
  }
}

function toFailure(thrown: unknown, context: Context, options: RunOptions): Failure {
  const { place, lost } = options.lock;
  const { running } = context;
  const name = running?.name ?? 'the adoption';
  const inner = innermostFailure(thrown);
  const error = databaseError(thrown);
  const details = { cause: thrown, ...(running === undefined ? {} : { migration: running.name }) };
  const partial = !options.state.transactional && (context.kept.length > 0 || context.begun.length > 0);
  const failed = `'${context.doing}' failed with ${describeDatabaseError(error)}${neededBy(error, context)}`;
  const again = describeOutcome(name, context, options, AGAIN);
  if (context.recording && isConnectionLoss(error)) {
    return new Failure(
      'DatabaseUnreachable',
      `Lost the connection to ${place} while ${name} was committed: ${describeDatabaseError(error)}; whether it is done is not known, do run the same again, which does nothing twice`,
      details,
    );
  }
  if (inner?.reason === 'MigrationFailed') {
    // It says itself what is to be done, after which a rerun goes on: that is no lasting failure.
    const kept = partial ? `; ${describeOutcome(name, context, options, '')}` : '';
    return new Failure('MigrationFailed', `${inner.message}${kept}`, details);
  }
  if (options.signal.aborted) {
    const { abandoned } = context.writer;
    return new Failure(
      'Interrupted',
      `Stopped ${place} as asked: ${again}${abandoned === undefined ? '' : `; ${abandoned}`}`,
      details,
    );
  }
  if (lost.aborted || isConnectionLoss(error)) {
    return new Failure(
      'DatabaseUnreachable',
      `Lost the connection to ${place} during ${name}${inner === undefined ? `: ${describeDatabaseError(error)}` : ''}; ${again}`,
      details,
    );
  }
  if (inner?.reason === 'DatabaseUnreachable') {
    return new Failure('DatabaseUnreachable', `${inner.message}; ${again}`, details);
  }
  if (isLockTimeout(error)) {
    return new Failure(
      'LockTimeout',
      `Cannot run ${name} on ${place}: '${context.doing}' waited for another session's lock for ${options.lockTimeoutSeconds} s${describeHolders(context.holders)}; ${again}`,
      details,
    );
  }
  if (isRetryable(error)) {
    return new Failure(
      'DatabaseUnreachable',
      `Cannot run ${name} on ${place} at the moment: ${failed}; ${again}`,
      details,
    );
  }
  return new Failure(
    partial ? 'PartiallyApplied' : 'MigrationFailed',
    `Cannot run ${name} on ${place}: ${failed}; ${describeOutcome(name, context, options, MENDED)}`,
    details,
  );
}

/**
 * MariaDB says of a column that is to be dropped, and that a check or a generated column still needs, that there is no such column.
 * Source: mariadb.com/docs, error 1054.
 */
function neededBy({ number, message }: DatabaseError, { running, kept }: Context): string {
  const dropped = running?.steps.find(
    (step) => step.do === 'drop column' && !kept.includes(step) && message.includes(`'${step.column}'`),
  );
  return number === 1054 && dropped !== undefined
    ? ', which is there: a check or a generated column of the same table still needs it'
    : '';
}

/** What to do where a later run may go well with nothing changed. */
const AGAIN = ', do run the same again, which goes on from there';

/** The same where it would fail in the same way. */
const MENDED = '. Correct what made it fail, then run the same again: it goes on from there.';

/** What of the migration stays, and where that leaves the database; `rerun` ends what is not rolled back. */
function describeOutcome(name: string, context: Context, options: RunOptions, rerun: string): string {
  const rows = context.rows ?? [];
  const at = rows.length === 0 ? 'the database is as it was' : `the database is at ${rows.join(', ')}`;
  if (options.plan.some((step) => step.kind === 'data' && step.data.name === name)) {
    return `what ${name} has moved stays, ${at}${rerun}`;
  }
  if (options.state.transactional) {
    return options.online
      ? `${name} is not recorded and what it has begun does no harm, ${at}${rerun}`
      : `${name} was rolled back, ${at}`;
  }
  const { kept, running, begun } = context;
  const halfway = begun.filter((step) => !kept.includes(step));
  if (running === undefined || (kept.length === 0 && halfway.length === 0)) {
    return `nothing of ${name} was applied, ${at}`;
  }
  const left = running.steps.filter((step) => ![...kept, ...halfway, ...context.meaningless].includes(step));
  const parts = [
    ...(kept.length === 0 ? [] : [`there is ${list(kept)}`]),
    ...(halfway.length === 0 ? [] : [`begun is ${list(halfway)}`]),
    `there is not ${list(left) || 'its record'}`,
  ];
  return `of ${name} ${parts.slice(0, -1).join(', ')}, and ${parts.at(-1)}; alembic_version says ${rows.join(', ') || 'nothing'}${rerun}`;
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
