import { Command, Option } from 'commander';
import type { Phase } from '../../glance/phase.ts';
import { formatPosition, type Position } from '../../glance/position.ts';
import type { DatabasePlan } from '../../migrator/database-plan.ts';
import { planDatabase } from '../../migrator/plan-database.ts';
import { helpWithExitCodes } from '../exit.ts';
import { onOneLine, say } from '../say.ts';
import { VERSION } from '../version.ts';
import { outcomeOf } from './attempt.ts';
import { addConnectionOptions, type ConnectionFlags, resolveConnection } from './connection-options.ts';
import { planForOption, readTarget, throughOption } from './migration.ts';
import { addReportOption, finish } from './output.ts';
import { addVersionArgument } from './version-argument.ts';

interface PlanFlags extends ConnectionFlags {
  readonly through: Phase;
  readonly output: 'text' | 'sql' | 'json';
  readonly planFor: string;
  readonly report?: string;
}

/** `glance-schema db plan [VERSION]` */
export function dbPlanCommand(): Command {
  const command = new Command('plan')
    .description(
      'Show what sync would do: each script, its SQL for this server, what that locks, how many rows are written, and the hash by which sync takes this plan and no other. Changes nothing.',
    )
    .addOption(throughOption())
    .addOption(
      new Option('--output <format>', 'of the plan on stdout')
        .choices(['text', 'sql', 'json'])
        .default('text'),
    )
    .addOption(planForOption());
  addVersionArgument(
    command,
    'the revision to go to, such as ocata01; without it the newest, as with latest',
    run,
  );
  addReportOption(addConnectionOptions(command));
  return helpWithExitCodes(command, [
    'Done',
    'Usage',
    'DowngradeNotSupported',
    'RevisionNotFound',
    'DatabaseNewer',
    'DatabaseNotGlance',
    'ConnectionInvalid',
    'DatabaseUnreachable',
  ]);
}

async function run(version: string | undefined, flags: PlanFlags): Promise<void> {
  const startedAt = new Date();
  let target: Position | undefined;
  const { plan, ...outcome } = await make(flags, () => {
    target = readTarget(version, flags.through);
    return target;
  });
  finish({
    command: 'plan',
    target,
    startedAt,
    outcome,
    plan,
    flags: { ...flags, output: 'text' },
    log: { failed: (_reason, message) => say(message) },
    summary: plan === undefined ? '' : FORMATS[flags.output](plan),
  });
}

async function make(flags: PlanFlags, target: () => Position): ReturnType<typeof planDatabase> {
  return outcomeOf(async () => {
    const wanted = target();
    const scope = { version: VERSION, planFor: flags.planFor };
    return planDatabase(resolveConnection(flags, process.env), wanted, scope);
  });
}

const FORMATS: Readonly<Record<PlanFlags['output'], (plan: DatabasePlan) => string>> = {
  text: asText,
  sql: asSql,
  json: (plan) => JSON.stringify(plan, undefined, 2),
};

function asText(plan: DatabasePlan): string {
  const lines = plan.steps.flatMap((step) => [
    '',
    `${step.name}${step.rows === undefined ? '' : `: writes ${step.rows} rows`}${step.statements.length === 0 ? ': its record only' : ''}`,
    ...step.statements.flatMap(({ sql, autocommit, lock }) => [
      `  ${sql.replaceAll('\n', '\n  ')};${autocommit && step.kind === 'script' ? '  -- committed by itself' : ''}`,
      ...(lock === undefined ? [] : [`    -- ${lock.mode} on ${lock.table}: ${lock.effect}`]),
    ]),
  ]);
  const obstacles = plan.obstacles.map((what) => `In the way: ${onOneLine(what)}. The run refuses to begin.`);
  return [heading(plan), ...obstacles, ...lines, ...approval(plan)].join('\n');
}

function asSql(plan: DatabasePlan): string {
  const lines = plan.steps.flatMap((step) => {
    const inside = step.statements.filter((statement) => !statement.autocommit);
    return [
      '',
      `-- ${step.name}${step.rows === undefined ? '' : `: writes ${step.rows} rows`}`,
      ...step.statements.filter((statement) => statement.autocommit).map(({ sql }) => ended(sql, plan)),
      ...(inside.length === 0 ? [] : ['BEGIN;', ...inside.map(({ sql }) => ended(sql, plan)), 'COMMIT;']),
    ];
  });
  const obstacles = plan.obstacles.map(
    (what) => `-- In the way: ${onOneLine(what)}. The run refuses to begin.`,
  );
  const how = approval(plan).map((line) => (line === '' ? line : `-- ${line}`));
  return [`-- ${heading(plan)}`, ...obstacles, ...lines, ...how].join('\n');
}

/** By what the plan is approved, where there is something to run. */
function approval({ steps, target, hash, mostRows }: DatabasePlan): readonly string[] {
  const through = target.phase === 'Contract' ? '' : ` --through ${target.phase}`;
  return steps.length === 0
    ? []
    : [
        '',
        `Plan ${hash}, of at most ${mostRows} rows. To run it and nothing else:`,
        `  db sync ${target.revision}${through} --plan-hash ${hash} --plan-rows ${mostRows}`,
      ];
}

/**
 * MySQL's client ends a statement at any semicolon, also at those within a trigger; PostgreSQL's
 * knows them by the quotes.
 */
function ended(sql: string, { engine }: DatabasePlan): string {
  return engine === 'mysql' && sql.includes(';') ? `DELIMITER //\n${sql} //\nDELIMITER ;` : `${sql};`;
}

function heading(plan: DatabasePlan): string {
  const from = plan.from === null ? 'nothing' : formatPosition(plan.from);
  const adopt = plan.adopt === null ? '' : `, adopting ${plan.adopt.from} as ${plan.adopt.heads.join(', ')}`;
  const steps = plan.steps.filter((step) => step.kind === 'script' || step.kind === 'data');
  const what =
    steps.length === 0
      ? 'nothing to run'
      : `${steps.length} to run${plan.online ? ', with Glance at work' : ', with Glance stopped'}`;
  return `${plan.database} (${plan.engine}), from ${from} to ${formatPosition(plan.target)}: ${what}${adopt}`;
}
