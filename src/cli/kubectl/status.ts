import type { Command } from 'commander';
import type { HistoryEntry, StatusBackup, StatusPlan, Workload } from '../../contract/glance-schema.ts';
import { reasonMeaning } from '../../contract/reasons.ts';
import { formatPosition } from '../../glance/position.ts';
import { onOneLine } from '../say.ts';
import { objectText, outputOption } from './object-output.ts';
import { type SchemaAccess, type SchemaFlags, type SchemaView, withSchema } from './schema-access.ts';
import { schemaCommand } from './schema-command.ts';
import { formatTime, tellDuration } from './times.ts';

/** `kubectl glanceschema status NAME` */
export function statusCommand(): Command {
  return schemaCommand<StatusFlags>({
    verb: 'status',
    description: 'Show on one screen where the database is, what ran, what is wrong and what to do.',
    run: status,
  }).addOption(outputOption(['json', 'yaml']));
}

interface StatusFlags extends SchemaFlags {
  readonly output?: 'json' | 'yaml';
}

async function status(name: string, flags: StatusFlags): Promise<void> {
  await withSchema(name, flags, async (schema) => {
    const view = await schema.read();
    const { output } = flags;
    process.stdout.write(
      output === undefined ? statusScreen(view, schema, new Date()) : await objectText(view, output),
    );
  });
}

function statusScreen(
  view: SchemaView,
  { title, commandFor, kubectlFlags }: SchemaAccess,
  now: Date,
): string {
  const { metadata, spec, status = {} } = view;
  const ready = status.conditions?.find((condition) => condition.type === 'Ready');
  const { doThis, verb } = reasonMeaning(ready?.reason) ?? {};
  const { job, nextAttemptAt, plan, progress } = status;
  const [last] = status.history ?? [];
  const rows: readonly (readonly [string, string | undefined])[] = [
    ['Database', whereItIs(view)],
    ['Wanted', whereItIsWanted(view)],
    ['Progress', progress === undefined ? undefined : formatProgress(progress)],
    ['State', ready === undefined ? 'not reconciled yet. Check that an operator is running.' : ready.message],
    ['Since', ready === undefined ? undefined : formatTime(ready.lastTransitionTime, now)],
    ['What to do', doThis],
    ['', verb === undefined ? undefined : commandFor(verb)],
    ['Next attempt', nextAttemptAt === undefined ? undefined : formatTime(nextAttemptAt, now)],
    ['Plan', ready?.reason !== 'AwaitingApproval' || plan === undefined ? undefined : formatPlan(plan)],
    ...(status.drift?.differences ?? []).map((what, index) => [index === 0 ? 'Drift' : '', what] as const),
    [
      'Contract',
      spec.contractAfter && `after the roll-out of ${spec.contractAfter.map(formatWorkload).join(', ')}`,
    ],
    ['Window', spec.window === undefined ? undefined : formatWindow(spec.window)],
    ['Suspended', spec.suspend === true ? 'no migration is started' : undefined],
    [
      'Deleted',
      metadata.deletionTimestamp === undefined ? undefined : formatTime(metadata.deletionTimestamp, now),
    ],
    [
      'Not seen yet',
      ready === undefined || ready.observedGeneration === metadata.generation
        ? undefined
        : `the newest spec (generation ${metadata.generation}, the operator has seen ${ready.observedGeneration}). Check that it is running.`,
    ],
    [
      'Job',
      job === undefined
        ? undefined
        : `${job.name}, attempt ${job.attempt}, ${job.finishedAt === undefined ? `at work since ${formatTime(job.startedAt, now)}` : `ended ${formatTime(job.finishedAt, now)}`}`,
    ],
    [
      '',
      job === undefined
        ? undefined
        : ready?.reason === 'JobBlocked' || ready?.reason === 'SecretNotReady'
          ? `kubectl describe pods${kubectlFlags} -l job-name=${job.name}`
          : `kubectl logs${kubectlFlags} job/${job.name}`,
    ],
    ['Last run', last === undefined ? undefined : formatRun(last, now)],
    ['', last?.error],
    ...(status.backups ?? []).map(
      (backup, index) =>
        [index === 0 ? 'Backups' : '', `${index + 1}: ${formatBackup(backup, now)}`] as const,
    ),
  ];
  const lines = rows.flatMap(([label, text]) =>
    text === undefined ? [] : [label.padEnd(14) + onOneLine(text)],
  );
  return `${title}: ${ready?.reason ?? 'no state'}\n\n${lines.join('\n')}\n`;
}

function whereItIs({ status = {} }: SchemaView): string {
  const heads =
    status.databaseHeads === undefined || status.databaseHeads.length === 0
      ? ''
      : `, alembic_version ${status.databaseHeads.join(', ')}`;
  if (status.recordedRevision !== undefined) {
    const position = { revision: status.recordedRevision, phase: status.recordedPhase ?? 'Contract' };
    return `${formatPosition(position)}${heads}`;
  }
  return status.databaseHeads === undefined ? 'has not been read' : `at no revision that is known${heads}`;
}

function whereItIsWanted({ spec, status = {} }: SchemaView): string {
  const named = spec.revision === undefined ? 'no revision' : String(spec.revision);
  const { targetRevision: target } = status;
  const through = spec.through === undefined || spec.through === 'Contract' ? '' : ` (${spec.through})`;
  return `${target ?? named}${through}${target === undefined || target === named ? '' : `, named as ${named}`}`;
}

/** `from mitaka02 to ocata01, alembic_version, ocata01; 700 rows, 100,000 at the most` */
export function formatPlan({ from = 'nothing', to, revisions, rows, mostRows }: StatusPlan): string {
  const number = (value: number) => value.toLocaleString('en-US');
  return `from ${from} to ${to}, ${revisions.join(', ')}; ${number(rows)} rows, ${number(mostRows)} at the most`;
}

/** `Deployment glance-api with glance-api:ocata` */
function formatWorkload({ kind, name, image }: Workload): string {
  return `${kind} ${name}${image === undefined ? '' : ` with ${image}`}`;
}

/** `0 2 * * SAT for 2h30m, Europe/Berlin` */
function formatWindow(window: NonNullable<SchemaView['spec']['window']>): string {
  return `${window.schedule} for ${window.duration}, ${window.timeZone}`;
}

/** `ocata_migrate01: 41,000 of 1,000,000 rows, 4 %` */
function formatProgress({
  migration,
  done,
  total,
}: {
  readonly migration: string;
  readonly done: number;
  readonly total: number;
}): string {
  const percent = total === 0 ? 100 : Math.floor((done / total) * 100);
  return `${migration}: ${done.toLocaleString('en-US')} of ${total.toLocaleString('en-US')} rows, ${percent} %`;
}

/** `glance-...dump, at mitaka02, taken 12 minutes ago: 21 tables, 700 rows, 41,000 bytes on glance-backups` */
function formatBackup(backup: StatusBackup, now: Date): string {
  const number = (value: number) => value.toLocaleString('en-US');
  const { file, revision, phase, takenAt, tables, rows, bytes, volumeClaimName } = backup;
  return `${file}, at ${formatPosition({ revision, phase })}, taken ${formatTime(takenAt, now)}: ${number(tables)} tables, ${number(rows)} rows, ${number(bytes)} bytes on claim ${volumeClaimName}`;
}

function formatRun(run: HistoryEntry, now: Date): string {
  const end = `${formatTime(run.finishedAt, now)}, took ${tellDuration(run.startedAt, run.finishedAt)}`;
  const scripts = run.applied.length === 0 ? 'nothing' : run.applied.join(', ');
  return `${run.from ?? 'nothing'} to ${run.to ?? 'nothing'}, ${run.error === undefined ? 'ended' : 'failed'} ${end}: ${scripts} committed${run.backup === undefined ? '' : `, after backup ${run.backup}`}`;
}
