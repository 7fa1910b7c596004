import { Umzug, type UmzugStorage } from 'umzug';
import { appliedScripts } from '../glance/heads.ts';
import type { CommitUnit } from '../glance/plan.ts';
import { type DataMigration, describeStep, type Migration } from '../glance/steps.ts';
import { backfill } from './backfill.ts';
import type { StepProgress } from './engine/engine.ts';
import { Failure } from './errors/failure.ts';
import { type RunOptions, type RunProgress, toFailure } from './run-failure.ts';
import { unlessSilent } from './unless-silent.ts';

/**
 * Runs the units of a plan in their order, each with its record. The engine's writer is the
 * connection and umzug the loop; the order, the record and the lock are ours.
 *
 * @throws Failure `MigrationFailed`, `PartiallyApplied`, `DatabaseUnreachable`, `LockTimeout` or
 *   `Interrupted`; what was reported by `events.applied` is committed
 */
export async function runMigrations(options: RunOptions): Promise<void> {
  const { lockTimeoutSeconds, signal, run } = options;
  const writer = await options.state.openWriter({ lockTimeoutSeconds, signal, online: run.online });
  const progress: RunProgress = {
    writer,
    rows: options.state.found.alembic,
    running: undefined,
    doing: 'start',
    kept: [],
    begun: [],
    meaningless: [],
    holders: [],
    started: 0,
    recording: false,
  };
  const cancel = (): void => writer.cancel();
  signal.addEventListener('abort', cancel);
  try {
    if (run.baseline !== undefined) {
      await begin(progress, options);
      await record(progress, run.baseline.heads);
      options.events.stamped(run.baseline);
    }
    const umzug = new Umzug<RunProgress>({
      context: progress,
      logger: undefined,
      storage: versionTableStorage(options),
      migrations: run.units.map((unit) => ({
        name: unit.name,
        up: () =>
          unit.kind === 'scripts'
            ? runScripts(unit.migrations, progress, options)
            : moveData(unit.data, progress, options),
      })),
    });
    await umzug.up();
  } catch (error) {
    await writer.rollback();
    throw toFailure(error, progress, options);
  } finally {
    signal.removeEventListener('abort', cancel);
    await writer.close();
  }
}

/**
 * Umzug's storage on Glance's own version table. umzug runs a migration and logs it in two steps;
 * here the first leaves its transaction open and the second ends it, so that nothing can come
 * between where the engine has transactions.
 */
function versionTableStorage({ run, events }: RunOptions): UmzugStorage<RunProgress> {
  const units = new Map<string, CommitUnit>(run.units.map((unit) => [unit.name, unit]));
  return {
    /**
     * As the version table had it under the lock; each unit begins by making sure that it still
     * has.
     */
    async executed({ context }) {
      return [...appliedScripts(context.rows ?? [])];
    },
    async logMigration({ name, context }) {
      const unit = units.get(name);
      if (unit?.kind === 'scripts') {
        await record(context, unit.heads);
        const [first, ...behind] = unit.migrations;
        events.applied(first, performance.now() - context.started);
        for (const migration of behind) {
          events.applied(migration, 0);
        }
      }
      context.running = undefined;
    },
    async unlogMigration({ name }) {
      throw new Error(`Cannot take '${name}' back: Glance has no downgrades`);
    },
  };
}

/**
 * Runs one migration, and leaves it to the record to commit it with those behind it, which have no
 * steps.
 */
async function runScripts(
  [migration, ...behind]: Extract<CommitUnit, { kind: 'scripts' }>['migrations'],
  progress: RunProgress,
  options: RunOptions,
): Promise<void> {
  start({ kind: 'script', ...migration }, progress);
  options.events.started(migration);
  const progressOfSteps = stepProgress(migration, progress, options);
  await progress.writer.prepare(migration.steps, progressOfSteps);
  await begin(progress, options);
  await progress.writer.run(migration.steps, progressOfSteps);
  stopIfAsked(options);
  for (const empty of behind) {
    options.events.started(empty);
  }
}

async function moveData(data: DataMigration, progress: RunProgress, options: RunOptions): Promise<void> {
  start({ kind: 'data', name: data.name, steps: [] }, progress);
  progress.doing = data.what;
  stopIfAsked(options);
  const rows = await backfill({
    writer: progress.writer,
    engine: options.state.engine,
    data,
    online: options.run.online,
    lockTimeoutSeconds: options.lockTimeoutSeconds,
    signal: options.signal,
    progress(done, total) {
      options.events.moving(data, done, total);
      stopIfAsked(options);
    },
  });
  options.events.moved(data, rows, performance.now() - progress.started);
}

function start(running: NonNullable<RunProgress['running']>, progress: RunProgress): void {
  progress.kept.length = 0;
  progress.begun.length = 0;
  progress.started = performance.now();
  progress.running = running;
}

async function begin(progress: RunProgress, options: RunOptions): Promise<void> {
  stopIfAsked(options);
  progress.doing = progress.rows === undefined ? 'create table alembic_version' : 'read alembic_version';
  // Connects, the first time.
  const answered = unlessSilent(options.target, options.lock, () => progress.writer.drop());
  await answered(progress.writer.begin(progress.rows));
  progress.rows ??= [];
}

function stepProgress(migration: Migration, progress: RunProgress, options: RunOptions): StepProgress {
  return {
    started(step, index) {
      stopIfAsked(options);
      progress.doing = describeStep(step);
      options.events.step(migration, step, index);
    },
    together(steps) {
      // A statement in the middle of a step begins none and ends none: then it is still the one
      // before.
      progress.doing = steps.map(describeStep).join(' and ') || progress.doing;
    },
    begun(steps) {
      progress.begun.push(...steps);
    },
    meaningless(steps) {
      progress.meaningless = steps;
    },
    kept(step) {
      progress.kept.push(step);
    },
    waiting(tables, seconds, holders = []) {
      stopIfAsked(options);
      progress.holders = holders;
      options.events.waitingForTables(tables, seconds, holders);
    },
  };
}

/** Writes the heads and commits. */
async function record(progress: RunProgress, heads: readonly string[]): Promise<void> {
  progress.doing = 'write alembic_version';
  progress.recording = true;
  await progress.writer.record(heads);
  progress.recording = false;
  progress.rows = heads;
}

function stopIfAsked(options: RunOptions): void {
  if (options.signal.aborted) {
    throw new Failure('Interrupted', 'stopped');
  }
  if (options.lock.lost.aborted) {
    throw new Failure('DatabaseUnreachable', `Lost the lock on ${options.lock.address}`);
  }
}
