import type { AppliedScript } from '../api/migration-report.ts';
import { headsOf, positionOf } from '../revision/heads.ts';
import type { Adoption, Located } from '../revision/locate.ts';
import type { Goal } from '../revision/plan.ts';
import type { Position } from '../revision/position.ts';
import { connect } from './connect.ts';
import { decideRun, isSettled, type OpenGoal } from './decide-run.ts';
import type { Connection, DatabaseState } from './engines/engine.ts';
import { asFailure, Failure } from './failure.ts';
import { acquireLock, type LockOptions } from './lock.ts';
import { placeDatabase, REGISTRY, readPending } from './place-database.ts';
import { openData, type PlannedStep } from './plan-migrations.ts';
import type { RunEvents } from './run-migrations.ts';
import type { DataMigration, Migration } from './step.ts';
import { unlessStopped } from './unless-stopped.ts';
import type { ConnectionTarget } from './url.ts';

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
  readonly error?: Failure;
}

/** Reads where a database is. Never changes anything. */
export async function readDatabase(
  target: ConnectionTarget,
): Promise<Outcome & { readonly located?: Located }> {
  let connection: Connection | undefined;
  try {
    connection = await connect(target);
    const state = await connection.readState();
    const { located } = await placeDatabase(connection, state);
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
    let state = await soon(connection.readState());
    let plan = decideRun(await soon(placeDatabase(connection, state)), { ...options, place });
    outcome = { ...look(state, plan.located), applied };
    if (isSettled(plan)) {
      return { ...outcome, ...(plan.refusal === undefined ? {} : { error: plan.refusal }) };
    }
    // Before the lock, which on a cluster is a write.
    const checked = migrationsOf(plan.steps);
    await soon(state.preflight(checked));
    await acquireLock(connection, {
      timeoutSeconds: options.lockTimeoutSeconds,
      signal: options.signal,
      waiting: options.events.waiting,
    });
    // Whoever had the lock before may have done the work.
    state = await soon(connection.readState());
    plan = decideRun(await soon(placeDatabase(connection, state)), { ...options, place });
    outcome = { ...look(state, plan.located), applied };
    if (isSettled(plan)) {
      return { ...outcome, ...(plan.refusal === undefined ? {} : { error: plan.refusal }) };
    }
    const migrations = migrationsOf(plan.steps);
    if (migrations.some((migration) => !checked.includes(migration))) {
      await soon(state.preflight(migrations));
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
    return outcome;
  } catch (error) {
    return { ...outcome, error: asFailure(error) };
  } finally {
    await connection?.close();
  }
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
