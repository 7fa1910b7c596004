import type { AppliedScript } from '../contract/report.ts';
import { type Difference, describeDifference } from '../glance/compare.ts';
import type { Adoption, Located } from '../glance/detect.ts';
import { headsOf, positionOf } from '../glance/heads.ts';
import type { Goal } from '../glance/plan.ts';
import { formatPosition, type Position } from '../glance/position.ts';
import type { DataMigration, Migration } from '../glance/steps.ts';
import { connect } from './connect.ts';
import type { ConnectionTarget } from './connection/url.ts';
import { decideRun, isSettled, type OpenGoal, type RunPlan } from './decide-run.ts';
import { lookAt, placeDatabase, REGISTRY, readPending, withBrokenTriggers } from './detect-database.ts';
import type { Connection, DatabaseState } from './engine/engine.ts';
import { asFailure, Failure } from './errors/failure.ts';
import { unlessStopped } from './errors/unless-stopped.ts';
import { acquireLock, type LockOptions } from './lock.ts';
import { preflight } from './obstacles.ts';
import { openData, type PlannedStep } from './plan-migrations.ts';
import type { RunEvents } from './run-migrations.ts';
import { findDifferences, repairable, repairSchema } from './verify.ts';

/** What a run tells while it runs. */
export interface MigrationEvents extends RunEvents {
  /** Another migrator is at work. */
  readonly waiting: LockOptions['waiting'];
  /** What will run, in order. */
  planned(from: Position | undefined, plan: readonly PlannedStep[]): void;
}

export interface MigrateOptions {
  readonly connection: ConnectionTarget;
  readonly goal: Goal | OpenGoal;
  /** Whether to fill an empty database; `upgrade` leaves it alone. */
  readonly fillEmpty: boolean;
  readonly lockTimeoutSeconds: number;
  readonly signal: AbortSignal;
  readonly events: MigrationEvents;
}

/** How a look at a database, or a change of it, ended. */
export interface Outcome {
  /** Where it was; absent when it was empty or was not read. */
  readonly from?: Position;
  /** Where it is. */
  readonly to?: Position;
  /** The rows of `alembic_version`, sorted; absent when they were not read. */
  readonly heads?: readonly string[];
  /** What this run wrote into `alembic_version` for a database of the old tool. */
  readonly adoption?: Adoption;
  readonly applied: readonly AppliedScript[];
  /** How far a data migration came that did not end. */
  readonly progress?: { readonly migration: string; readonly done: number; readonly total: number };
  /** What was missing of the schema of the revision and is there now, in words. */
  readonly repaired?: readonly string[];
  /** What of the schema is not that of the revision, in words; absent when it was not looked at, or nothing is. */
  readonly differences?: readonly string[];
  readonly error?: Failure;
}

/** Reads where a database is. Never changes anything. */
export async function readDatabase(
  target: ConnectionTarget,
): Promise<Outcome & { readonly located?: Located }> {
  let connection: Connection | undefined;
  try {
    connection = await connect(target);
    const { state, placed } = await lookAt(connection);
    const { located } = placed;
    const seen = look(state, located);
    return {
      ...seen,
      located,
      applied: [],
      ...(located.kind === 'refused'
        ? { error: new Failure(located.reason, `Cannot place ${connection.place}: ${located.message}`) }
        : {}),
    };
  } catch (error) {
    return { applied: [], error: asFailure(error) };
  } finally {
    await connection?.close();
  }
}

/**
 * Takes a database to `target`: at once if it is there, else lock, look again, refuse or adopt, migrate. Never throws;
 * what was committed before an error is in the outcome.
 */
export async function migrateDatabase(options: MigrateOptions): Promise<Outcome> {
  const applied: AppliedScript[] = [];
  let connection: Connection | undefined;
  let outcome: Outcome = { applied };
  try {
    connection = await connect(options.connection);
    const { place } = connection;
    const soon = <T>(look: Promise<T>): Promise<T> => unlessStopped(options.signal, place, look);
    let { state, placed } = await soon(lookAt(connection));
    placed = await soon(withBrokenTriggers(state, placed));
    let plan = decideRun(placed, { ...options, place });
    outcome = { ...look(state, plan.located), applied };
    if (plan.refusal !== undefined) {
      return { ...outcome, error: plan.refusal };
    }
    if (isSettled(plan)) {
      const differences = await soon(differencesOf(state, plan));
      if (repairable(differences, true).length === 0) {
        return { ...outcome, ...tellDifferences(differences, place, outcome.to) };
      }
    }
    // Before the lock, which on a cluster is a write.
    const checked = migrationsOf(plan.steps);
    await soon(preflight(state, checked, place));
    await acquireLock(connection, {
      timeoutSeconds: options.lockTimeoutSeconds,
      signal: options.signal,
      waiting: options.events.waiting,
    });
    // Whoever had the lock before may have done the work.
    state = await soon(connection.readState());
    placed = await soon(withBrokenTriggers(state, await placeDatabase(connection, state)));
    plan = decideRun(placed, { ...options, place });
    outcome = { ...look(state, plan.located), applied };
    if (plan.refusal !== undefined) {
      return { ...outcome, error: plan.refusal };
    }
    if (isSettled(plan)) {
      // Glance may be at work: nothing is done that it would wait for.
      const settled = { ...plan, online: true };
      return { ...outcome, ...(await verify(state, settled, place, outcome, options)) };
    }
    const migrations = migrationsOf(plan.steps);
    if (migrations.some((migration) => !checked.includes(migration))) {
      await soon(preflight(state, migrations, place));
    }
    options.events.planned(outcome.from, plan.steps);
    const { runMigrations } = await import('./run-migrations.ts');
    const done = new Set(plan.applied);
    const pending = new Set(plan.pending);
    const moved = new Set<DataMigration>();
    const running = runMigrations({
      lock: connection,
      state,
      applied: plan.applied,
      adopt: plan.adopt,
      plan: plan.steps,
      online: plan.online,
      lockTimeoutSeconds: options.lockTimeoutSeconds,
      signal: options.signal,
      events: {
        ...options.events,
        adopted(adoption) {
          outcome = { ...outcome, heads: [...adoption.heads].sort(), adoption };
          options.events.adopted(adoption);
        },
        applied(migration, milliseconds) {
          for (const script of migration.scripts) {
            done.add(script);
          }
          // Until the rows are looked at again, they count as not moved.
          for (const data of openData(done, REGISTRY)) {
            if (!moved.has(data)) {
              pending.add(data.revision);
            }
          }
          applied.push({ name: migration.name, milliseconds: Math.round(milliseconds) });
          outcome = { ...outcome, heads: headsOf(done), ...whereTo(done, pending) };
          options.events.applied(migration, milliseconds);
        },
        moving(data, done_, total) {
          outcome = { ...outcome, progress: { migration: data.name, done: done_, total } };
          options.events.moving(data, done_, total);
        },
        moved(data, rows, milliseconds) {
          pending.delete(data.revision);
          moved.add(data);
          if (rows > 0) {
            applied.push({ name: data.name, milliseconds: Math.round(milliseconds), rows });
          }
          const { progress: _done, ...rest } = outcome;
          outcome = { ...rest, ...whereTo(done, pending) };
          options.events.moved(data, rows, milliseconds);
        },
      },
    });
    try {
      await running;
    } finally {
      const left = await readPending(connection, state, done).catch(() => pending);
      outcome = { ...outcome, ...whereTo(done, left) };
    }
    const end = { ...plan, applied: done, located: { ...plan.located, lacking: [] } };
    return { ...outcome, ...(await verify(state, end, place, outcome, options)) };
  } catch (error) {
    return { ...outcome, error: asFailure(error) };
  } finally {
    await connection?.close();
  }
}

/** What a plan tells of where a database is, as far as its schema is concerned. */
type Reached = Pick<RunPlan, 'applied' | 'online'> & {
  readonly located: Pick<Extract<Located, { kind: 'at' }>, 'lacking'> | Located;
};

/** Looks at what was reached, completes what can be, and tells the rest. The lock is held. */
async function verify(
  state: DatabaseState,
  reached: Reached,
  place: string,
  { to, heads = [] }: Outcome,
  { lockTimeoutSeconds, signal }: MigrateOptions,
): Promise<Pick<Outcome, 'repaired' | 'differences' | 'error'>> {
  const soon = <T>(look: Promise<T>): Promise<T> => unlessStopped(signal, place, look);
  const before = await soon(differencesOf(state, reached));
  const due = repairable(before, reached.online);
  if (due.length === 0) {
    return tellDifferences(before, place, to);
  }
  await repairSchema(state, due, { lockTimeoutSeconds, signal, heads }, place);
  const after = await soon(differencesOf(state, reached));
  const left = new Set(after.map(describeDifference));
  const repaired = before.map(describeDifference).filter((what) => !left.has(what));
  return { ...(repaired.length === 0 ? {} : { repaired }), ...tellDifferences(after, place, to) };
}

/** Of a database that is in the middle of a script nothing is said: the next run ends that first. */
async function differencesOf(
  state: DatabaseState,
  { applied, located }: Reached,
): Promise<readonly Difference[]> {
  const inTheMiddle = 'lacking' in located && located.lacking.length > 0;
  return applied.size === 0 || inTheMiddle ? [] : findDifferences(state, applied);
}

/** So many are told in a message; the report has more, and `db diff` all. */
const MOST_DIFFERENCES = 5;

/** Differences as an outcome has them: in words, and as the failure that they are. */
export function tellDifferences(
  differences: readonly Difference[],
  place: string,
  to: Position | undefined,
): Pick<Outcome, 'differences' | 'error'> {
  if (differences.length === 0) {
    return {};
  }
  const names = differences.map(describeDifference);
  const more = names.length > MOST_DIFFERENCES ? `; and ${names.length - MOST_DIFFERENCES} more` : '';
  const at = to === undefined ? 'its revision' : `'${formatPosition(to)}'`;
  return {
    differences: names,
    error: new Failure(
      'SchemaDiffers',
      `${place} is at ${at}, but its schema is not what that revision has: ${names.slice(0, MOST_DIFFERENCES).join('; ')}${more}. Run 'glance-schema db diff' for all of it and for the SQL that mends it`,
    ),
  };
}

function migrationsOf(steps: readonly PlannedStep[]): readonly Migration[] {
  return steps.flatMap((step) => (step.kind === 'script' ? [step.migration] : []));
}

function whereTo(applied: ReadonlySet<string>, pending: ReadonlySet<string>): Pick<Outcome, 'to'> {
  const to = positionOf(applied, pending);
  return to === undefined ? {} : { to };
}

/** The part of an outcome that a look tells. */
export function look(state: DatabaseState, located: Located): Omit<Outcome, 'applied'> {
  const position = located.kind === 'empty' ? undefined : located.position;
  return {
    ...(position === undefined ? {} : { from: position, to: position }),
    heads: [...(state.found.alembic ?? [])].sort(),
  };
}
