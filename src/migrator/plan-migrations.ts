import { dropped } from '../glance/fold.ts';
import { expandedOnly, scriptsOf } from '../glance/heads.ts';
import { type Goal, planScripts, targetOf } from '../glance/plan.ts';
import { comparePositions } from '../glance/position.ts';
import type { DataMigration, Migration, Step } from '../glance/steps.ts';

/** The migrations that a build carries. */
export interface Registry {
  readonly migrations: readonly Migration[];
  /** Several scripts in one, for where all of them are pending in a row. */
  readonly fused: readonly Migration[];
  readonly data: readonly DataMigration[];
}

/** One thing to do: a revision script, or rows to move. */
export type PlannedStep =
  | { readonly kind: 'script'; readonly migration: Migration }
  | { readonly kind: 'data'; readonly data: DataMigration };

export interface Situation {
  readonly applied: ReadonlySet<string>;
  /** The revisions with rows that are still to be moved, among those that are expanded and not contracted. */
  readonly pending: ReadonlySet<string>;
  /** What is gone that only a script which is still to come drops, as `table` or `table.column`. */
  readonly lacking?: readonly string[];
  /** The names of the triggers that there are; absent where nobody looked. */
  readonly triggers?: ReadonlySet<string>;
  /** Those of them that make every write fail; absent where nobody looked. */
  readonly brokenTriggers?: ReadonlySet<string>;
  /** Whether nodes of Glance may be at work: then no scripts are fused. */
  readonly online: boolean;
}

/**
 * What to run, in order, to get to a goal. The caller has refused lower and unknown targets.
 *
 * @throws RangeError for a script that the registry lacks
 */
export function planMigrations(situation: Situation, goal: Goal, registry: Registry): readonly PlannedStep[] {
  const ended = endedMigration(situation, goal, registry);
  const applied = new Set([...situation.applied, ...(ended?.scripts ?? [])]);
  let scripts = planScripts(applied, goal);
  let due = registry.data.filter((data) => isDue(data, situation, goal, scripts.length > 0, registry));
  const left =
    goal.kind === 'position' || goal.kind === 'contract' ? leftTriggers(situation, registry) : undefined;
  // Nobody can write into a table while it has them.
  const plan: PlannedStep[] = [left, remadeTriggers(situation, goal, registry), ended].flatMap((migration) =>
    migration === undefined ? [] : [{ kind: 'script', migration }],
  );
  const planData = (): void => {
    for (const data of due.filter((each) => canRun(each, applied))) {
      plan.push({ kind: 'data', data });
      due = due.filter((each) => each !== data);
    }
  };
  planData();
  while (scripts.length > 0) {
    const migration = nextMigration(scripts, situation, registry);
    plan.push({ kind: 'script', migration });
    for (const script of migration.scripts) {
      applied.add(script);
    }
    scripts = scripts.slice(migration.scripts.length);
    planData();
  }
  return plan;
}

/** The data migrations whose rows tell where a database is: of revisions that are expanded and not contracted. */
export function openData(applied: ReadonlySet<string>, registry: Registry): readonly DataMigration[] {
  const open = expandedOnly(applied);
  return registry.data.filter((data) => open.includes(data.revision));
}

/**
 * What drops the triggers that are there although a contract that should have dropped them is done: an expand has made them
 * and another tool has contracted. No script of Glance's chain, and so recorded nowhere; undefined where there are none.
 */
export function leftTriggers(
  { applied, triggers }: Pick<Situation, 'applied' | 'triggers'>,
  registry: Registry,
): Migration | undefined {
  const steps = registry.migrations
    .filter(({ scripts }) => scripts.every((script) => applied.has(script)))
    .flatMap((migration) => migration.steps)
    .filter((step) => step.do === 'drop trigger' && triggers?.has(step.trigger) === true);
  return steps.length === 0 ? undefined : { name: 'left_triggers', scripts: [], steps };
}

/**
 * What makes the triggers anew that nobody can write with, for a goal that does not just drop them. No script of Glance's chain,
 * and so recorded nowhere; undefined where there are none.
 */
function remadeTriggers(situation: Situation, goal: Goal, registry: Registry): Migration | undefined {
  if (goal.kind === 'contract') {
    return undefined;
  }
  const steps = registry.migrations
    .filter(({ scripts }) => scripts.every((script) => situation.applied.has(script)))
    .flatMap((migration) => migration.steps)
    .flatMap((step): readonly Step[] =>
      step.do === 'create trigger' && situation.brokenTriggers?.has(step.trigger.name) === true
        ? [{ do: 'drop trigger', table: step.table, trigger: step.trigger.name }, step]
        : [],
    );
  return steps.length === 0 ? undefined : { name: 'remade_triggers', scripts: [], steps };
}

/** Whether the contract of its revision has begun to drop the old form: it has found no row left in it. */
export function isMoved(data: DataMigration, lacking: readonly string[], registry: Registry): boolean {
  const contracts = scriptsOf(data.revision).map(({ name }) => name);
  const drops = dropped(
    registry.migrations.filter(({ scripts }) => scripts.some((script) => contracts.includes(script))),
  );
  return lacking.some((name) => drops.has(name));
}

/**
 * Several scripts in one that have come as far as to drop the old form, without their record: what is left of them is
 * run first, for there is no way back to the first of these scripts alone.
 */
function endedMigration(situation: Situation, goal: Goal, registry: Registry): Migration | undefined {
  const [next] = planScripts(situation.applied, goal);
  return registry.fused.find(
    (fused) =>
      fused.scripts[0] === next && situation.lacking?.some((name) => dropped([fused]).has(name)) === true,
  );
}

function nextMigration(scripts: readonly string[], situation: Situation, registry: Registry): Migration {
  const fused = situation.online
    ? undefined
    : registry.fused.find((candidate) =>
        candidate.scripts.every((script, index) => scripts[index] === script),
      );
  const migration = fused ?? registry.migrations.find((candidate) => candidate.scripts[0] === scripts[0]);
  if (migration === undefined) {
    throw new RangeError(`Cannot run '${scripts[0]}': the registry has no such script`);
  }
  return migration;
}

function isDue(
  data: DataMigration,
  situation: Situation,
  goal: Goal,
  scriptsFollow: boolean,
  registry: Registry,
): boolean {
  if (isMoved(data, situation.lacking ?? [], registry)) {
    return false;
  }
  const inReach = comparePositions({ revision: data.revision, phase: 'Migrate' }, targetOf(goal)) <= 0;
  if (!inReach || goal.kind === 'expand' || goal.kind === 'contract') {
    return false;
  }
  // Not asked of the rows where nothing else is to do: a run that has nothing to do should find that out at once.
  return (
    scriptsFollow ||
    situation.pending.has(data.revision) ||
    (goal.kind === 'migrate' && isLate(data, situation.applied))
  );
}

function canRun(data: DataMigration, applied: ReadonlySet<string>): boolean {
  return expandedOnly(applied).includes(data.revision) || isLate(data, applied);
}

/** A tool that skipped a release has contracted it with its rows as they were; some can still be moved. */
function isLate(data: DataMigration, applied: ReadonlySet<string>): boolean {
  return data.late === true && scriptsOf(data.revision).every((script) => applied.has(script.name));
}
