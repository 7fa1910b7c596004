import { REGISTRY } from '../../migrations/registry.ts';
import type { Goal, OpenGoal, StampGoal } from '../glance/goal.ts';
import {
  type CommitUnit,
  planRun,
  type Refused,
  type RunPlan,
  type Settled,
  scriptsIn,
} from '../glance/plan.ts';
import { formatPosition, type Position } from '../glance/position.ts';
import { connect } from './connect.ts';
import type { ConnectionTarget } from './connection/url.ts';
import type { ApprovedPlan } from './database-plan.ts';
import { type DriftInWords, findDrift, inWords } from './drift.ts';
import type { Connection, DatabaseState } from './engine/engine.ts';
import { asFailure, Failure } from './errors/failure.ts';
import { unlessStopped } from './errors/unless-stopped.ts';
import { lastReading } from './last-reading.ts';
import { acquireLock, type LockOptions } from './lock.ts';
import { preflight } from './obstacles.ts';
import type { Outcome } from './outcome.ts';
import type { PlannedRun } from './plan-database.ts';
import {
  type DatabaseReading,
  outcomeOfReading,
  readFacts,
  readPending,
  readUnlocked,
  withBrokenTriggers,
} from './read-database.ts';
import type { RunEvents } from './run-events.ts';
import { recordRun } from './run-record.ts';
import { unlessSilent } from './unless-silent.ts';
import { describeDifferences, findDifferences, repairable, verifySchema } from './verify.ts';

/** What a run reports while it goes on. */
export interface MigrationEvents extends RunEvents {
  /** Another migrator is at work. */
  readonly waiting: LockOptions['waiting'];
  /** What will run, in order. */
  planned(from: Position | undefined, units: readonly CommitUnit[]): void;
  /** What was found of the schema before the first change. */
  drifted(drift: DriftInWords): void;
}

/** What is done about a schema that is not what its revision has. */
export interface DriftOptions {
  /** Whether nothing is migrated then. */
  readonly block: boolean;
  /** Patterns of names that are left out. */
  readonly exclude: readonly string[];
}

/** What a run migrates, and to where. */
export interface MigrateOptions {
  readonly connection: ConnectionTarget;
  readonly goal: Goal | OpenGoal | StampGoal;
  /** The plan that a person has approved, of a goal that is a position: nothing else is run. */
  readonly approved?: ApprovedPlan | undefined;
  /** Absent where nobody asks for drift. */
  readonly drift?: DriftOptions | undefined;
  readonly lockTimeoutSeconds: number;
  readonly signal: AbortSignal;
  readonly events: MigrationEvents;
}

/**
 * Takes a database to a goal: at once if it is there, else lock, read again, plan, run, verify.
 * Never throws; what was committed before an error is in the outcome.
 */
export async function migrateDatabase(options: MigrateOptions): Promise<Outcome> {
  const { goal, lockTimeoutSeconds, signal, events } = options;
  let outcome: Outcome = { applied: [] };
  let connection: Connection | undefined;
  try {
    connection = await connect(options.connection);
    const { address } = connection;
    const answered = unlessSilent(options.connection, connection);
    const soon = <T>(work: Promise<T>): Promise<T> => unlessStopped(signal, address, answered(work));
    const driftOf = async (
      state: DatabaseState,
      applied: ReadonlySet<string>,
    ): Promise<Pick<Outcome, 'drift'>> =>
      options.drift === undefined || goal.kind === 'stamp'
        ? {}
        : { drift: inWords(await soon(findDrift(state, applied, options.drift.exclude))) };

    const before = await soon(planFrom(readUnlocked(connection), goal));
    outcome = outcomeOfReading(before.facts, before.plan.detected);
    if (before.plan.kind === 'refused') {
      return { ...outcome, error: refusal(before.plan) };
    }
    if (before.plan.kind === 'settled') {
      const differences = await soon(findDifferences(before.state, comparable(before.plan, goal)));
      // Glance may be at work: nothing is completed that it would wait for.
      if (repairable(differences, true).length === 0) {
        const drift = await driftOf(before.state, before.plan.applied);
        return { ...outcome, ...drift, ...describeDifferences(differences, address, outcome.to) };
      }
    }
    // Before the lock, which on a cluster is a write.
    const checked = scriptsIn(before.plan);
    await soon(preflight(before.state, checked, address));

    await acquireLock(connection, {
      timeoutSeconds: lockTimeoutSeconds,
      signal,
      answered,
      waiting: events.waiting,
    });
    // Whoever had the lock before may have done the work.
    const { state, facts, plan } = await soon(planFrom(readFacts(connection), goal));
    outcome = outcomeOfReading(facts, plan.detected);
    if (plan.kind === 'refused') {
      return { ...outcome, error: refusal(plan) };
    }
    if (options.approved !== undefined && goal.kind === 'position') {
      const { target } = goal;
      await soon(checkApproved({ state, facts, connection, run: plan, target }, options.approved));
    }
    if (plan.kind === 'settled') {
      const reached = { applied: comparable(plan, goal), online: true };
      const verdict = await verifySchema(state, reached, outcome, { ...options, soon }, address);
      return { ...outcome, ...verdict, ...(await driftOf(state, plan.applied)) };
    }
    outcome = { ...outcome, ...(await driftOf(state, plan.applied)) };
    const { drift } = outcome;
    if (drift !== undefined) {
      events.drifted(drift);
    }
    if (options.drift?.block === true && drift !== undefined && drift.differences.length > 0) {
      return { ...outcome, error: blocked(drift, address, outcome.from) };
    }
    if (scriptsIn(plan).some((migration) => !checked.includes(migration))) {
      await soon(preflight(state, scriptsIn(plan), address));
    }

    if (goal.kind !== 'stamp') {
      events.planned(outcome.from, plan.units);
    }
    const record = recordRun(plan, facts, outcome, events);
    // umzug and the writers are loaded only where there is something to run.
    const { runMigrations } = await import('./run-migrations.ts');
    let ended = false;
    try {
      await runMigrations({
        lock: connection,
        target: options.connection,
        state,
        run: plan,
        lockTimeoutSeconds,
        signal,
        events: record.events,
      });
      ended = true;
    } finally {
      const reading = answered(readPending(connection, state, record.done));
      record.leaves(await (ended ? soon(reading).catch(() => undefined) : lastReading(reading)));
      outcome = record.outcome();
    }
    if (goal.kind === 'stamp') {
      return outcome;
    }
    const reached = { applied: record.done, online: plan.online };
    const verdict = await verifySchema(state, reached, outcome, { ...options, soon }, address);
    return { ...outcome, ...verdict, ...(await driftOf(state, record.done)) };
  } catch (error) {
    return { ...outcome, error: asFailure(error) };
  } finally {
    await connection?.close();
  }
}

async function planFrom(
  reading: Promise<DatabaseReading>,
  goal: MigrateOptions['goal'],
): Promise<DatabaseReading & { readonly plan: RunPlan }> {
  const found = await reading;
  const whole = goal.kind === 'stamp' ? found : await withBrokenTriggers(found);
  return { ...whole, plan: planRun(whole.facts, goal, REGISTRY) };
}

/**
 * The last check before the first change: what would run now is what was approved.
 *
 * @throws Failure `PlanChanged`, `MigrationFailed` for what no plan can show, `DatabaseUnreachable`
 */
async function checkApproved(planned: PlannedRun, approved: ApprovedPlan): Promise<void> {
  const { address } = planned.connection;
  const broken = [...(planned.facts.brokenTriggers ?? [])];
  if (broken.length > 0) {
    throw new Failure(
      'MigrationFailed',
      `Cannot change ${address} by an approved plan: no session can write with ${broken.join(', ')}, as their definer is gone, and a plan cannot see that. Nothing was changed. Let one migration run without a plan, which recreates them`,
    );
  }
  // Only where there is an approval to check.
  const { planOfRun } = await import('./plan-database.ts');
  const { hash, rows, steps, mostRows } = await planOfRun(planned, approved, approved.mostRows);
  if (steps.length === 0 || (hash === approved.hash && rows <= mostRows)) {
    return;
  }
  const what =
    hash === approved.hash
      ? `it would write ${rows} rows now, and the plan that was approved allows ${mostRows}`
      : `what would run now is plan ${hash}, and ${approved.hash} was approved`;
  throw new Failure(
    'PlanChanged',
    `Cannot migrate ${address}: ${what}. Nothing was changed. Make a new plan, and approve that`,
  );
}

/** So many are named in the message; the report has more, and `db diff --drift` all. */
const MOST_DIFFERENCES = 5;

function blocked({ differences }: DriftInWords, address: string, from: Position | undefined): Failure {
  const left = differences.length - MOST_DIFFERENCES;
  const more = left > 0 ? `; and ${left} more` : '';
  const at = from === undefined ? 'its revision' : `'${formatPosition(from)}'`;
  return new Failure(
    'SchemaDrift',
    `Cannot migrate ${address}: its schema is not what ${at} has: ${differences.slice(0, MOST_DIFFERENCES).join('; ')}${more}. Nothing was changed. Run 'glance-schema db diff --drift' for all of it and for the SQL that fixes it, or leave out by --drift-exclude, which is spec.drift.exclude, what is meant to be so`,
  );
}

function refusal({ reason, message }: Refused): Failure {
  return new Failure(reason, message);
}

/**
 * The scripts whose schema a database has to have where nothing is to run. Of one that is in the
 * middle of a script nothing is said, as the next run ends that first; nor of one that is only
 * placed.
 */
function comparable({ detected, applied }: Settled, goal: MigrateOptions['goal']): ReadonlySet<string> {
  const inTheMiddle = detected.kind === 'at' && detected.lacking.length > 0;
  return inTheMiddle || goal.kind === 'stamp' ? new Set() : applied;
}
