import type { Adoption, Located } from '../glance/detect.ts';
import { expandedOnly, scriptsOf } from '../glance/heads.ts';
import { type Goal, isPast, planScripts } from '../glance/plan.ts';
import { formatPosition } from '../glance/position.ts';
import { NEWEST_CARRIED } from '../glance/revisions.ts';
import { type Placed, REGISTRY } from './detect-database.ts';
import { Failure } from './errors/failure.ts';
import { type PlannedStep, planMigrations } from './plan-migrations.ts';

/** A phase of whatever is expanded. */
export interface OpenGoal {
  readonly kind: 'migrate' | 'contract';
  readonly revision: undefined;
}

export interface DecideOptions {
  readonly goal: Goal | OpenGoal;
  /** Whether to fill an empty database; `upgrade` leaves it alone. */
  readonly fillEmpty: boolean;
  /** `host:port/database`, for messages. */
  readonly place: string;
}

/** What a run is going to do. */
export interface RunPlan extends Placed {
  /** Why nothing may be done; there are no steps then. */
  readonly refusal?: Failure;
  readonly applied: ReadonlySet<string>;
  readonly adopt?: Adoption;
  readonly steps: readonly PlannedStep[];
  readonly online: boolean;
}

/** Chooses what to run to get to a goal, or why nothing may be run. Pure. */
export function decideRun(placed: Placed, options: DecideOptions): RunPlan {
  const { located } = placed;
  const goal = closeGoal(options.goal, located);
  const nothing: RunPlan = { ...placed, applied: new Set(), steps: [], online: false };
  const refuse = (reason: Failure['reason'], why: string): RunPlan => ({
    ...nothing,
    refusal: new Failure(reason, `Cannot ${sayGoal(goal, options.place)}: ${why}`),
  });
  switch (located.kind) {
    case 'refused':
      return refuse(located.reason, located.message);
    case 'empty': {
      if (!options.fillEmpty) {
        return refuse('DatabaseNotGlance', "the database is empty, do run 'db sync' to fill it");
      }
      const why = outOfOrder(nothing.applied, placed, goal);
      return why === undefined ? planFrom(nothing, goal, false) : refuse('OutOfOrder', why);
    }
    case 'at': {
      const { applied, adopt, position } = located;
      const at = formatPosition(position);
      if (goal.kind === 'position' && isPast(position, goal.target)) {
        return refuse(
          'DowngradeNotSupported',
          `the database is at '${at}', which comes after it, and Glance has no downgrades, do restore a backup or name '${at}' or later`,
        );
      }
      const why = outOfOrder(applied, placed, goal);
      return why === undefined
        ? planFrom({ ...nothing, applied, ...(adopt === undefined ? {} : { adopt }) }, goal, located.underWay)
        : refuse('OutOfOrder', why);
    }
  }
}

/** Without a revision the newest is meant whose cycle is under way; with none under way, the newest of all. */
function closeGoal(goal: Goal | OpenGoal, located: Located): Goal {
  if (goal.kind === 'position' || goal.revision !== undefined) {
    return goal;
  }
  const open = located.kind === 'at' ? expandedOnly(located.applied) : [];
  return { kind: goal.kind, revision: open.at(-1) ?? NEWEST_CARRIED };
}

function planFrom(plan: RunPlan, goal: Goal, underWay: boolean): RunPlan {
  const { located, applied } = plan;
  // Somebody on the way through the phases has nodes at work; so has whoever asks for one phase.
  const online =
    goal.kind !== 'position' ||
    goal.target.phase !== 'Contract' ||
    underWay ||
    (located.kind === 'at' && located.position.phase !== 'Contract');
  const lacking = located.kind === 'at' ? located.lacking : [];
  return { ...plan, online, steps: planMigrations({ ...plan, applied, lacking, online }, goal, REGISTRY) };
}

/** What has to run before a phase may, if anything. */
function outOfOrder(applied: ReadonlySet<string>, placed: Placed, goal: Goal): string | undefined {
  if (goal.kind !== 'migrate' && goal.kind !== 'contract') {
    return undefined;
  }
  const [missing] = planScripts(applied, { kind: 'expand', revision: goal.revision });
  if (missing !== undefined) {
    return `'${missing}' has not run yet, do run 'db expand ${goal.revision}' first`;
  }
  const contracts = planScripts(applied, { kind: 'contract', revision: goal.revision });
  const waiting = [...placed.pending].filter((revision) =>
    scriptsOf(revision).some((script) => contracts.includes(script.name)),
  );
  return goal.kind === 'contract' && waiting.length > 0
    ? `rows of ${waiting.join(' and ')} are still to be moved, do run 'db migrate ${goal.revision}' first`
    : undefined;
}

function sayGoal(goal: Goal, place: string): string {
  return goal.kind === 'position'
    ? `upgrade ${place} to '${formatPosition(goal.target)}'`
    : `${goal.kind} ${place} up to '${goal.revision}'`;
}

/** Whether there is nothing to do, for a refusal or because all is there. */
export function isSettled(plan: RunPlan): boolean {
  return plan.steps.length === 0 && plan.adopt === undefined;
}
