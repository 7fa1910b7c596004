import { FUSED, MIGRATIONS } from '../../migrations/registry.ts';
import { headsOf, positionOf } from '../revision/heads.ts';
import { type Adoption, type KnownSchema, type Located, locate } from '../revision/locate.ts';
import { comparePositions, formatPosition, type Position } from '../revision/position.ts';
import { connect } from './connect.ts';
import type { Connection, DatabaseState } from './engines/engine.ts';
import { Failure } from './failure.ts';
import { everCreated, foldSchema } from './fold.ts';
import { acquireLock, type LockOptions } from './lock.ts';
import { planMigrations } from './plan-migrations.ts';
import type { RunEvents } from './run-migrations.ts';
import type { Migration } from './step.ts';
import type { ConnectionTarget } from './url.ts';

/** What a run tells while it runs. */
export interface MigrationEvents extends RunEvents {
  /** Another migrator is at work. */
  readonly waiting: LockOptions['waiting'];
  /** What will run, in order. */
  planned(from: Position | undefined, migrations: readonly Migration[]): void;
}

export interface MigrateOptions {
  readonly connection: ConnectionTarget;
  readonly target: Position;
  /** `upgrade` leaves an empty database alone. */
  readonly command: 'sync' | 'upgrade';
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
  readonly applied: readonly { readonly name: string; readonly milliseconds: number }[];
  readonly error?: Failure;
}

/** What this build's scripts make. */
export const KNOWN_SCHEMA: KnownSchema = {
  after: (applied) =>
    foldSchema(MIGRATIONS.filter((migration) => migration.scripts.every((script) => applied.has(script)))),
  ever: everCreated(MIGRATIONS),
};

/** Reads where a database is. Never changes anything. */
export async function readDatabase(
  target: ConnectionTarget,
): Promise<Outcome & { readonly located?: Located }> {
  let connection: Connection | undefined;
  try {
    connection = await connect(target);
    const state = await connection.readState();
    const located = locate(state.found, KNOWN_SCHEMA);
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
  const applied: { name: string; milliseconds: number }[] = [];
  let connection: Connection | undefined;
  let outcome: Outcome = { applied };
  try {
    connection = await connect(options.connection);
    let state = await connection.readState();
    let plan = decide(state, connection, options);
    outcome = { ...look(state, plan.located), applied };
    if (isSettled(plan)) {
      return { ...outcome, ...(plan.refusal === undefined ? {} : { error: plan.refusal }) };
    }
    await acquireLock(connection, {
      timeoutSeconds: options.lockTimeoutSeconds,
      signal: options.signal,
      waiting: options.events.waiting,
    });
    // Whoever had the lock before may have done the work.
    state = await connection.readState();
    plan = decide(state, connection, options);
    outcome = { ...look(state, plan.located), applied };
    if (isSettled(plan)) {
      return { ...outcome, ...(plan.refusal === undefined ? {} : { error: plan.refusal }) };
    }
    await state.preflight(plan.migrations);
    options.events.planned(outcome.from, plan.migrations);
    const { runMigrations } = await import('./run-migrations.ts');
    const done = new Set(plan.applied);
    await runMigrations({
      lock: connection,
      state,
      applied: plan.applied,
      adopt: plan.adopt,
      migrations: plan.migrations,
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
          applied.push({ name: migration.name, milliseconds: Math.round(milliseconds) });
          const to = positionOf(done);
          outcome = { ...outcome, heads: headsOf(done), ...(to === undefined ? {} : { to }) };
          options.events.applied(migration, milliseconds);
        },
      },
    });
    return outcome;
  } catch (error) {
    return { ...outcome, error: asFailure(error) };
  } finally {
    await connection?.close();
  }
}

interface Plan {
  readonly located: Located;
  /** Why nothing may be done; there are no migrations then. */
  readonly refusal?: Failure;
  readonly applied: ReadonlySet<string>;
  readonly adopt?: Adoption;
  readonly migrations: readonly Migration[];
}

function decide(state: DatabaseState, connection: Connection, options: MigrateOptions): Plan {
  const located = locate(state.found, KNOWN_SCHEMA);
  const nothing: Plan = { located, applied: new Set(), migrations: [] };
  const refuse = (reason: Failure['reason'], why: string): Plan => ({
    ...nothing,
    refusal: new Failure(
      reason,
      `Cannot upgrade ${connection.place} to '${formatPosition(options.target)}': ${why}`,
    ),
  });
  switch (located.kind) {
    case 'refused':
      return refuse(located.reason, located.message);
    case 'empty':
      return options.command === 'upgrade'
        ? refuse('DatabaseNotGlance', "the database is empty, do run 'db sync' to fill it")
        : { ...nothing, migrations: plan(nothing.applied, options.target) };
    case 'at': {
      const { applied, adopt, position } = located;
      const at = formatPosition(position);
      return comparePositions(options.target, position) < 0
        ? refuse(
            'DowngradeNotSupported',
            `the database is at '${at}', which comes after it, and Glance has no downgrades, do restore a backup or name '${at}' or later`,
          )
        : {
            located,
            applied,
            ...(adopt === undefined ? {} : { adopt }),
            migrations: plan(applied, options.target),
          };
    }
  }
}

/** Whether there is nothing to do, for a refusal or because all is there. */
function isSettled(plan: Plan): boolean {
  return plan.migrations.length === 0 && plan.adopt === undefined;
}

function plan(applied: ReadonlySet<string>, target: Position): readonly Migration[] {
  return planMigrations(applied, target, { migrations: MIGRATIONS, fused: FUSED });
}

function look(state: DatabaseState, located: Located): Omit<Outcome, 'applied'> {
  const position = located.kind === 'empty' ? undefined : located.position;
  return {
    ...(position === undefined ? {} : { from: position, to: position }),
    heads: [...(state.found.alembic ?? [])].sort(),
  };
}

function asFailure(error: unknown): Failure {
  return error instanceof Failure
    ? error
    : new Failure(
        'MigrationFailed',
        `Cannot go on: ${error instanceof Error ? error.message : String(error)}`,
        {
          cause: error,
        },
      );
}
