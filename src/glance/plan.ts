import { type Baseline, type Detected, detect, type Facts } from './detect.ts';
import { dropped } from './fold.ts';
import { type Goal, isPast, type OpenGoal, planScripts, type StampGoal, targetOf } from './goal.ts';
import { appliedScripts, expandedOnly, headsOf, scriptsOf } from './heads.ts';
import { knownSchema, migrationsDone } from './known-schema.ts';
import { type FilledFrom, filledFrom } from './lost-columns.ts';
import { comparePositions, formatPosition } from './position.ts';
import { LATEST_SUPPORTED } from './revisions.ts';
import type { DataMigration, Migration, Registry, Step } from './steps.ts';
import { withoutUndefined } from './without-undefined.ts';

/** What to do with a database to get to a goal. */
export type RunPlan = Refused | Settled | Run;

/** Nothing may be done. */
export interface Refused {
  readonly kind: 'refused';
  readonly detected: Detected;
  readonly reason: 'DatabaseNotGlance' | 'DatabaseNewer' | 'DowngradeNotSupported' | 'OutOfOrder';
  /** A whole sentence: what cannot be done, why, and what helps. */
  readonly message: string;
}

/** All is there already. */
export interface Settled extends PlannedFrom {
  readonly kind: 'settled';
}

/** Units to run, in order, each committed before the next begins. */
export interface Run extends PlannedFrom {
  readonly kind: 'run';
  /** What to write into `alembic_version` before the first of them. */
  readonly baseline?: Baseline;
  readonly units: readonly CommitUnit[];
}

interface PlannedFrom {
  readonly detected: Detected;
  /** The scripts that the database has had. */
  readonly applied: ReadonlySet<string>;
  /** Whether Glance servers may be at work on the tables. */
  readonly online: boolean;
}

/** What is committed together. */
export type CommitUnit =
  | {
      readonly kind: 'scripts';
      /**
       * The last script that its record stands for; what is no script of the chain has a name of
       * its own.
       */
      readonly name: string;
      /**
       * One migration, and behind it those that do nothing but be recorded, as 19 of Glance's 29
       * scripts.
       */
      readonly migrations: readonly [Migration, ...Migration[]];
      /** The rows of `alembic_version` when all of them are done. */
      readonly heads: readonly string[];
    }
  /** Rows to move, in transactions of its own; what is done is seen from the rows. */
  | { readonly kind: 'data'; readonly name: string; readonly data: DataMigration };

/** Chooses what to run on a database to get to a goal, or says why nothing may be run. Pure. */
export function planRun(facts: Facts, goal: Goal | OpenGoal | StampGoal, registry: Registry): RunPlan {
  const detected = detect(facts, knownSchema(registry, facts.transactional));
  return goal.kind === 'stamp'
    ? planStamp(facts, detected, goal, registry)
    : planMigrations(facts, detected, closeGoal(goal, detected), registry);
}

/** The phase that comes next on the way to a revision, if any does. */
export type NextPhase = 'expand' | 'migrate' | 'contract';

/** Chooses it for a database whose revision can be detected. Pure. */
export function nextPhase(facts: Facts, revision: string, registry: Registry): NextPhase | undefined {
  const isNext = (plan: RunPlan): boolean => plan.kind === 'run' && plan.units.length > 0;
  if (isNext(planRun(facts, { kind: 'expand', revision }, registry))) {
    return 'expand';
  }
  const contract = planRun(facts, { kind: 'contract', revision }, registry);
  if (contract.kind === 'refused') {
    return contract.reason === 'OutOfOrder' ? 'migrate' : undefined;
  }
  return isNext(contract) ? 'contract' : undefined;
}

/**
 * The data migrations whose rows show where a database is, and have to be read before it is
 * decided what to run.
 */
export function dataToAsk(facts: Facts, registry: Registry): readonly DataMigration[] {
  const detected = detect(facts, knownSchema(registry, facts.transactional));
  return detected.kind === 'at'
    ? openData(detected.applied, registry).filter((data) => !isMoved(data, detected.lacking, registry))
    : [];
}

/**
 * What has to be read for a column that is gone before its contract: whether all is filled that
 * is filled from it.
 */
export function filledToAsk(facts: Facts, registry: Registry): readonly FilledFrom[] {
  const detected = detect(facts, knownSchema(registry, facts.transactional));
  return detected.kind === 'at'
    ? filledFrom(detected.lacking, registry).filter(
        ({ table, successor }) => facts.tables.get(table)?.has(successor) === true,
      )
    : [];
}

/** The data migrations of revisions that are expanded and not contracted. */
export function openData(applied: ReadonlySet<string>, registry: Registry): readonly DataMigration[] {
  const open = expandedOnly(applied);
  return registry.data.filter((data) => open.includes(data.revision));
}

/** Something to run: a script has steps, a data migration has rows. */
export type PlannedStep = Migration | DataMigration;

/** All that some units run, in order, each by itself. */
export function stepsOf(units: readonly CommitUnit[]): readonly PlannedStep[] {
  return units.flatMap((unit): readonly PlannedStep[] =>
    unit.kind === 'scripts' ? unit.migrations : [unit.data],
  );
}

/** The scripts that a plan runs. */
export function scriptsIn(plan: Settled | Run): readonly Migration[] {
  return plan.kind === 'run' ? stepsOf(plan.units).filter((step) => 'steps' in step) : [];
}

/**
 * Without a revision the newest is meant whose cycle is under way; with none under way, the newest
 * of all.
 */
function closeGoal(goal: Goal | OpenGoal, detected: Detected): Goal {
  if (goal.kind === 'position' || goal.revision !== undefined) {
    return goal;
  }
  const open = detected.kind === 'at' ? expandedOnly(detected.applied) : [];
  return { kind: goal.kind, revision: open.at(-1) ?? LATEST_SUPPORTED };
}

/** From where an empty database goes. */
const NOTHING_YET: Pick<Extract<Detected, { kind: 'at' }>, 'applied' | 'lacking' | 'baseline'> = {
  applied: new Set(),
  lacking: [],
};

function planMigrations(facts: Facts, detected: Detected, goal: Goal, registry: Registry): RunPlan {
  const refuse = (reason: Refused['reason'], why: string): Refused => ({
    kind: 'refused',
    detected,
    reason,
    message: `Cannot ${sayGoal(goal, facts.address)}: ${why}`,
  });
  if (detected.kind === 'refused') {
    return refuse(detected.reason, detected.message);
  }
  if (detected.kind === 'empty' && !fillsEmpty(goal)) {
    return refuse('DatabaseNotGlance', "the database is empty. Run 'db sync' to fill it.");
  }
  if (detected.kind === 'at' && goal.kind === 'position' && isPast(detected.position, goal.target)) {
    const at = formatPosition(detected.position);
    return refuse(
      'DowngradeNotSupported',
      `the database is already at '${at}', which is later, and Glance has no downgrades. Restore a backup, or name '${detected.position.revision}'${detected.position.phase === 'Contract' ? '' : ` with --through ${detected.position.phase}`} or later.`,
    );
  }
  const { applied, lacking, baseline } = detected.kind === 'at' ? detected : NOTHING_YET;
  const pending = facts.pending ?? new Set();
  const tooEarly = outOfOrder(applied, pending, goal);
  if (tooEarly !== undefined) {
    return refuse('OutOfOrder', tooEarly);
  }
  const online = isOnline(goal, detected);
  const steps = orderSteps({ ...facts, applied, pending, lacking, online }, goal, registry);
  const from: PlannedFrom = { detected, applied, online };
  return steps.length === 0 && baseline === undefined
    ? { kind: 'settled', ...from }
    : {
        kind: 'run',
        ...from,
        ...withoutUndefined({ baseline }),
        units: commitUnits(steps, applied),
      };
}

/**
 * Only where tables and columns are those of the revision, and never below a position that the
 * database is at already. All others whose revision cannot be detected are what this is for.
 */
function planStamp(facts: Facts, detected: Detected, { revision }: StampGoal, registry: Registry): RunPlan {
  const refuse = (reason: Refused['reason'], why: string): Refused => ({
    kind: 'refused',
    detected,
    reason,
    message: `Cannot stamp ${facts.address} with '${revision}': ${why}`,
  });
  if (detected.kind === 'refused' && (detected.reason === 'DatabaseNewer' || facts.restoring !== undefined)) {
    return refuse(detected.reason, detected.message);
  }
  if (detected.kind === 'at' && comparePositions({ revision, phase: 'Contract' }, detected.position) < 0) {
    const at = formatPosition(detected.position);
    return refuse(
      'DowngradeNotSupported',
      `its version table says '${at}', its tables agree, and that is later. Name '${at}', or leave it as it is.`,
    );
  }
  const heads = scriptsOf(revision)
    .slice(-1)
    .map(({ name }) => name);
  // What a person says is believed less than a record: nothing may be missing, whoever has made the
  // tables.
  const wanted = detect({ tables: facts.tables, alembic: heads }, knownSchema(registry, true));
  if (wanted.kind !== 'at' || wanted.underWay) {
    const wrong = wanted.kind === 'refused' ? wanted.wrong : 'the script after it has begun';
    return refuse('DatabaseNotGlance', `${wrong}. Name the revision that the tables are of.`);
  }
  const from: PlannedFrom = { detected, applied: appliedScripts(heads), online: false };
  return facts.alembic?.join() === heads.join()
    ? { kind: 'settled', ...from }
    : { kind: 'run', ...from, baseline: { from: sayRecord(facts), heads }, units: [] };
}

function sayRecord({ alembic = [], migrate }: Facts): string {
  if (alembic.length > 0) {
    return `alembic_version ${alembic.map((row) => `'${row}'`).join(', ')}`;
  }
  const number = migrate?.[0]?.version;
  return number === undefined ? 'no version table' : `migrate_version ${number}`;
}

function sayGoal(goal: Goal, address: string): string {
  return goal.kind === 'position'
    ? `upgrade ${address} to '${formatPosition(goal.target)}'`
    : `${goal.kind} ${address} up to '${goal.revision}'`;
}

function fillsEmpty(goal: Goal): boolean {
  return goal.kind === 'expand' || (goal.kind === 'position' && goal.leaveEmpty !== true);
}

/** Somebody on the way through the phases has nodes at work; so has whoever asks for one phase. */
function isOnline(goal: Goal, detected: Detected): boolean {
  return (
    goal.kind !== 'position' ||
    goal.target.phase !== 'Contract' ||
    (detected.kind === 'at' && (detected.underWay || detected.position.phase !== 'Contract'))
  );
}

/** What has to run before a phase may, if anything. */
function outOfOrder(
  applied: ReadonlySet<string>,
  pending: ReadonlySet<string>,
  goal: Goal,
): string | undefined {
  if (goal.kind !== 'migrate' && goal.kind !== 'contract') {
    return undefined;
  }
  const [missing] = planScripts(applied, { kind: 'expand', revision: goal.revision });
  if (missing !== undefined) {
    return `'${missing}' has not run yet. Run 'db expand ${goal.revision}' first.`;
  }
  const contracts = planScripts(applied, { kind: 'contract', revision: goal.revision });
  const waiting = [...pending].filter((revision) =>
    scriptsOf(revision).some((script) => contracts.includes(script.name)),
  );
  return goal.kind === 'contract' && waiting.length > 0
    ? `rows of ${waiting.join(' and ')} are still to be moved. Run 'db migrate ${goal.revision}' first.`
    : undefined;
}

interface PlanFacts extends Pick<Facts, 'triggers' | 'brokenTriggers'> {
  readonly applied: ReadonlySet<string>;
  readonly pending: ReadonlySet<string>;
  /** What is gone that only a script which is still to come drops, as `table` or `table.column`. */
  readonly lacking: readonly string[];
  /** Whether Glance servers may be at work: then no scripts are squashed. */
  readonly online: boolean;
}

/** Puts a migration together with those behind it that have no steps. */
function commitUnits(steps: readonly PlannedStep[], before: ReadonlySet<string>): readonly CommitUnit[] {
  const applied = new Set(before);
  const units: CommitUnit[] = [];
  for (const step of steps) {
    if (!('steps' in step)) {
      units.push({ kind: 'data', name: step.name, data: step });
      continue;
    }
    for (const script of step.scripts) {
      applied.add(script);
    }
    const last = step.steps.length === 0 ? units.at(-1) : undefined;
    const isBehind = last?.kind === 'scripts';
    units.splice(isBehind ? -1 : units.length, 1, {
      kind: 'scripts',
      name: step.scripts.at(-1) ?? step.name,
      migrations: isBehind ? [...last.migrations, step] : [step],
      heads: headsOf(applied),
    });
  }
  return units;
}

/** @throws RangeError for a script that the registry lacks */
function orderSteps(facts: PlanFacts, goal: Goal, registry: Registry): readonly PlannedStep[] {
  const ended = endedMigration(facts, goal, registry);
  const applied = new Set([...facts.applied, ...(ended?.scripts ?? [])]);
  let scripts = planScripts(applied, goal);
  let due = registry.data.filter((data) => isDue(data, facts, goal, scripts.length > 0, registry));
  // No session can write into a table while it has them.
  const first = [leftTriggers(facts, goal, registry), remadeTriggers(facts, goal, registry), ended];
  const steps: PlannedStep[] = first.filter((migration) => migration !== undefined);
  const moveData = (): void => {
    steps.push(...due.filter((data) => canRun(data, applied)));
    due = due.filter((data) => !canRun(data, applied));
  };
  moveData();
  while (scripts.length > 0) {
    const migration = nextMigration(scripts, facts, registry);
    steps.push(migration);
    for (const script of migration.scripts) {
      applied.add(script);
    }
    scripts = scripts.slice(migration.scripts.length);
    moveData();
  }
  return steps;
}

/**
 * Several scripts in one that have come as far as to drop the old form, without their record: what
 * is left of them is run first, for there is no way back to the first of these scripts alone.
 */
function endedMigration(facts: PlanFacts, goal: Goal, registry: Registry): Migration | undefined {
  const [next] = planScripts(facts.applied, goal);
  return registry.squashed.find(
    (squashed) => squashed.scripts[0] === next && facts.lacking.some((name) => dropped([squashed]).has(name)),
  );
}

/**
 * What drops the triggers that are there although a contract that should have dropped them is done:
 * an expand has made them and another tool has contracted. No script of Glance's chain, and so
 * recorded nowhere.
 */
function leftTriggers(facts: PlanFacts, goal: Goal, registry: Registry): Migration | undefined {
  if (goal.kind !== 'position' && goal.kind !== 'contract') {
    return undefined;
  }
  const steps = stepsBehind(facts, registry).filter(
    (step) => step.do === 'drop trigger' && facts.triggers?.has(step.trigger) === true,
  );
  return steps.length === 0 ? undefined : { name: 'left_triggers', scripts: [], steps };
}

/**
 * What recreates the triggers that no session can write with, for a goal that does not just drop them.
 * No script of Glance's chain, and so recorded nowhere.
 */
function remadeTriggers(facts: PlanFacts, goal: Goal, registry: Registry): Migration | undefined {
  if (goal.kind === 'contract') {
    return undefined;
  }
  const steps = stepsBehind(facts, registry).flatMap((step): readonly Step[] =>
    step.do === 'create trigger' && facts.brokenTriggers?.has(step.trigger.name) === true
      ? [{ do: 'drop trigger', table: step.table, trigger: step.trigger.name }, step]
      : [],
  );
  return steps.length === 0 ? undefined : { name: 'remade_triggers', scripts: [], steps };
}

function stepsBehind({ applied }: PlanFacts, { migrations }: Registry): readonly Step[] {
  return migrationsDone(migrations, applied).flatMap(({ steps }) => steps);
}

function nextMigration(scripts: readonly string[], facts: PlanFacts, registry: Registry): Migration {
  const squashed = facts.online
    ? undefined
    : registry.squashed.find((candidate) =>
        candidate.scripts.every((script, index) => scripts[index] === script),
      );
  const migration = squashed ?? registry.migrations.find((candidate) => candidate.scripts[0] === scripts[0]);
  if (migration === undefined) {
    throw new RangeError(`Cannot run '${scripts[0]}': the registry has no such script`);
  }
  return migration;
}

function isDue(
  data: DataMigration,
  facts: PlanFacts,
  goal: Goal,
  scriptsFollow: boolean,
  registry: Registry,
): boolean {
  if (isMoved(data, facts.lacking, registry)) {
    return false;
  }
  const inReach = comparePositions({ revision: data.revision, phase: 'Migrate' }, targetOf(goal)) <= 0;
  if (!inReach || goal.kind === 'expand' || goal.kind === 'contract') {
    return false;
  }
  // Not asked of the rows where nothing else is to do: a run that has nothing to do should find
  // that out at once.
  return (
    scriptsFollow ||
    facts.pending.has(data.revision) ||
    (goal.kind === 'migrate' && isLate(data, facts.applied))
  );
}

/**
 * Whether the contract of its revision has begun to drop the old form: it has found no row left in
 * it.
 */
function isMoved(data: DataMigration, lacking: readonly string[], registry: Registry): boolean {
  const contracts = scriptsOf(data.revision).map(({ name }) => name);
  const drops = dropped(
    registry.migrations.filter(({ scripts }) => scripts.some((script) => contracts.includes(script))),
  );
  return lacking.some((name) => drops.has(name));
}

function canRun(data: DataMigration, applied: ReadonlySet<string>): boolean {
  return expandedOnly(applied).includes(data.revision) || isLate(data, applied);
}

/**
 * A tool that skipped a release has contracted it with its rows as they were; some can still be
 * moved.
 */
function isLate(data: DataMigration, applied: ReadonlySet<string>): boolean {
  return data.late === true && scriptsOf(data.revision).every((script) => applied.has(script.name));
}
