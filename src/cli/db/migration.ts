import { Command, Option } from 'commander';
import type { ExitReason } from '../../contract/failures.ts';
import { PLAN_HASH } from '../../contract/plan-hash.ts';
import { type Goal, type OpenGoal, targetOf } from '../../glance/goal.ts';
import { PHASES, type Phase } from '../../glance/phase.ts';
import { formatPosition, type Position, wantedPosition } from '../../glance/position.ts';
import { explainUnresolved, resolveRevision } from '../../glance/resolve.ts';
import { LATEST } from '../../glance/revisions.ts';
import type { ApprovedPlan } from '../../migrator/database-plan.ts';
import { Failure } from '../../migrator/errors/failure.ts';
import { type DriftOptions, migrateDatabase } from '../../migrator/migrate.ts';
import type { Outcome } from '../../migrator/outcome.ts';
import { helpWithExitCodes } from '../exit.ts';
import { VERSION } from '../version.ts';
import { outcomeOf, stoppable } from './attempt.ts';
import { addConnectionOptions, type ConnectionFlags, resolveConnection } from './connection-options.ts';
import { addExcludeOption, readExclude } from './drift-options.ts';
import { addLockTimeout, readLockTimeout } from './lock-timeout.ts';
import { addOutputOptions, finish, type OutputFlags } from './output.ts';
import { openRunLog, type RunLog } from './run-log.ts';
import { addVersionArgument } from './version-argument.ts';

interface MigrationFlags extends ConnectionFlags, OutputFlags {
  readonly through?: Phase;
  readonly lockTimeout: string;
  readonly logFormat: 'text' | 'json';
  readonly verbose?: boolean;
  readonly planHash?: string;
  readonly planRows?: string;
  readonly planFor?: string;
  readonly drift?: 'report' | 'block';
  readonly driftExclude?: readonly string[];
}

type Verb = 'sync' | 'upgrade' | 'expand' | 'migrate' | 'contract';

const MIGRATION_EXITS: readonly ExitReason[] = [
  'Done',
  'MigrationFailed',
  'Usage',
  'DowngradeNotSupported',
  'RevisionNotFound',
  'DatabaseNewer',
  'DatabaseNotGlance',
  'PartiallyApplied',
  'SchemaDiffers',
  'ConnectionInvalid',
  'DatabaseUnreachable',
  'LockTimeout',
  'Interrupted',
];

/** `db sync` and `db upgrade`, which differ only in what they do with an empty database. */
export function migrationCommand(name: 'sync' | 'upgrade', description: string): Command {
  const command = new Command(name).description(description).addOption(throughOption());
  addVersionArgument<MigrationFlags>(
    command,
    'the revision to go to, such as ocata01; without it the newest, as with latest',
    (version, flags) => run(name, version, flags),
  );
  addRunOptions(command);
  if (name !== 'sync') {
    return helpWithExitCodes(command, MIGRATION_EXITS);
  }
  command
    .option('--plan-hash <hash>', 'run the plan of this hash and nothing else, as db plan shows it')
    .option('--plan-rows <rows>', 'the most rows that this plan may write, as db plan shows them')
    .addOption(planForOption())
    .addOption(
      new Option(
        '--drift <what>',
        'compare the schema with what its revision has before the first change: report what differs, or stop there',
      ).choices(['report', 'block']),
    );
  addExcludeOption(command);
  return helpWithExitCodes(command, [
    ...MIGRATION_EXITS.slice(0, -3),
    'PlanChanged',
    ...MIGRATION_EXITS.slice(-3),
    'SchemaDrift',
  ]);
}

/** What distinguishes the plan of one purpose from that of another. */
export function planForOption(): Option {
  return new Option(
    '--plan-for <what>',
    'what the plan is approved for, such as the UID of a GlanceSchema; part of its hash',
  ).default('');
}

/**
 * `db expand`, `db migrate` and `db contract`: one phase of every revision, while Glance servers
 * are at work.
 */
export function phaseCommand(
  name: 'expand' | 'migrate' | 'contract',
  description: string,
  withoutVersion: string,
): Command {
  const command = new Command(name).description(description);
  addVersionArgument<MigrationFlags>(
    command,
    `the last revision that is meant, such as ocata01; without it ${withoutVersion}`,
    (version, flags) => run(name, version, flags),
  );
  addRunOptions(command);
  return helpWithExitCodes(
    command,
    name === 'expand'
      ? MIGRATION_EXITS
      : [...MIGRATION_EXITS.slice(0, 8), 'OutOfOrder', ...MIGRATION_EXITS.slice(8)],
  );
}

/** How far through the cycle of the last revision. */
export function throughOption(): Option {
  return new Option(
    '--through <phase>',
    "how far through the last revision's cycle; before Contract, Glance may be at work meanwhile",
  )
    .choices(PHASES)
    .default('Contract');
}

function addRunOptions(command: Command): void {
  addLockTimeout(command, '600')
    .addOption(
      new Option('--log-format <format>', 'the form of the log on stderr')
        .choices(['text', 'json'])
        .default('text'),
    )
    .option('--verbose', 'log each step');
  addOutputOptions(addConnectionOptions(command));
}

async function run(command: Verb, version: string | undefined, flags: MigrationFlags): Promise<void> {
  const startedAt = new Date();
  const log = await openRunLog({
    format: flags.logFormat,
    verbose: flags.verbose === true,
    terminal: process.stderr.isTTY === true,
    colour: process.stderr.isTTY === true && !process.env.NO_COLOR,
  });
  let target: Position | undefined;
  const outcome: Outcome = await outcomeOf(async () => {
    const goal = readGoal(command, version, flags);
    target = goal.kind !== 'position' && goal.revision === undefined ? undefined : targetOf(goal);
    return migrate(goal, flags, log);
  });
  log.close();
  finish({ command, target, startedAt, outcome, flags, log, summary: summarise(outcome) });
}

async function migrate(goal: Goal | OpenGoal, flags: MigrationFlags, log: RunLog): Promise<Outcome> {
  const connection = resolveConnection(flags, process.env);
  const lockTimeoutSeconds = readLockTimeout(flags.lockTimeout);
  return stoppable((signal) =>
    migrateDatabase({
      connection,
      goal,
      approved: readApproved(flags),
      drift: readDrift(flags),
      lockTimeoutSeconds,
      signal,
      events: log,
    }),
  );
}

function readGoal(command: Verb, version: string | undefined, flags: MigrationFlags): Goal | OpenGoal {
  switch (command) {
    case 'sync':
    case 'upgrade':
      return {
        kind: 'position',
        target: readTarget(version, flags.through ?? 'Contract'),
        leaveEmpty: command === 'upgrade',
      };
    case 'expand':
      return { kind: 'expand', revision: readRevision(version) };
    case 'migrate':
    case 'contract':
      return { kind: command, revision: version === undefined ? undefined : readRevision(version) };
  }
}

/**
 * A position as a user names it; a revision without phases is whole whatever the phase.
 *
 * @throws Failure `RevisionNotFound`
 */
export function readTarget(version: string | undefined, through: Phase): Position {
  return wantedPosition(readRevision(version), through);
}

/**
 * A revision as a user names it; the latest where none is named, as glance-manage has it.
 *
 * @throws Failure `RevisionNotFound`
 */
export function readRevision(version: string = LATEST): string {
  const resolved = resolveRevision(version);
  if (resolved.kind !== 'revision') {
    throw new Failure(
      'RevisionNotFound',
      `Cannot upgrade to '${version}': ${explainUnresolved(version, resolved)}`,
    );
  }
  return resolved.revision;
}

/**
 * The plan that may run, where one is named.
 *
 * @throws Failure `Usage`
 */
function readApproved({ planHash, planRows, planFor = '' }: MigrationFlags): ApprovedPlan | undefined {
  if (planHash === undefined && planRows === undefined) {
    return undefined;
  }
  if (planHash === undefined || !PLAN_HASH.test(planHash)) {
    throw new Failure(
      'Usage',
      `Cannot use --plan-hash '${planHash ?? ''}': write the hash as db plan shows it`,
    );
  }
  if (planRows === undefined || !/^\d{1,15}$/.test(planRows)) {
    throw new Failure(
      'Usage',
      `Cannot use --plan-rows '${planRows ?? ''}': write the number that db plan shows beside the hash`,
    );
  }
  return { hash: planHash, mostRows: Number(planRows), planFor, version: VERSION };
}

/**
 * What is done about drift, where that is asked for.
 *
 * @throws Failure `Usage`
 */
function readDrift({ drift, driftExclude = [] }: MigrationFlags): DriftOptions | undefined {
  const exclude = readExclude({ driftExclude });
  return drift === undefined ? undefined : { block: drift === 'block', exclude };
}

function summarise(outcome: Outcome): string {
  const at = outcome.to === undefined ? 'its beginning' : formatPosition(outcome.to);
  const repaired = (outcome.repaired ?? []).map((what) => `\nRepaired: ${what}.`).join('');
  return `${summariseRun(outcome, at)}${repaired}`;
}

function summariseRun(outcome: Outcome, at: string): string {
  if (outcome.applied.length === 0 && outcome.baseline === undefined) {
    if (outcome.repaired !== undefined) return `Database is at ${at}: no migrations needed.`;
    return `Database is up to date at ${at}. No migrations needed.`;
  }
  const seconds = outcome.applied.reduce((sum, script) => sum + script.milliseconds, 0) / 1000;
  const names = outcome.applied.map((script) => script.name).join(', ');
  return names === ''
    ? `Database is at ${at}: adopted from ${outcome.baseline?.from}, nothing to run.`
    : `Database is at ${at}: applied ${names} in ${seconds.toFixed(2)} s.`;
}
