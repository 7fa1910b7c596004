import type { Command } from 'commander';
import type { HistoryEntry } from '../../contract/glance-schema.ts';
import { onOneLine } from '../say.ts';
import { type SchemaFlags, withSchema } from './schema-access.ts';
import { schemaCommand } from './schema-command.ts';
import { tableLines } from './table.ts';
import { tellDuration } from './times.ts';

/** `kubectl glanceschema history NAME` */
export function historyCommand(): Command {
  return schemaCommand({
    verb: 'history',
    description: 'List the last ten migrations, newest first, with their scripts and what went wrong.',
    run: history,
  });
}

async function history(name: string, flags: SchemaFlags): Promise<void> {
  await withSchema(name, flags, async (schema) => {
    const runs = (await schema.read()).status?.history ?? [];
    process.stdout.write(runs.length === 0 ? `${schema.title}: no migration has run.\n` : historyTable(runs));
  });
}

function historyTable(runs: readonly HistoryEntry[]): string {
  const withBackups = runs.some(({ backup }) => backup !== undefined);
  const rows = [
    ['FINISHED', 'TOOK', 'FROM', 'TO', 'RESULT', 'JOB', ...(withBackups ? ['BACKUP'] : []), 'COMMITTED'],
    ...runs.map((run) => [
      run.finishedAt,
      tellDuration(run.startedAt, run.finishedAt),
      run.from ?? '-',
      run.to ?? '-',
      run.error === undefined ? 'ended' : 'failed',
      run.job,
      ...(withBackups ? [run.backup ?? '-'] : []),
      run.applied.length === 0 ? '-' : run.applied.join(','),
    ]),
  ];
  return `${tableLines(rows)
    .flatMap((line, index) => [line, ...errorOf(runs[index - 1])])
    .join('\n')}\n`;
}

function errorOf(run: HistoryEntry | undefined): readonly string[] {
  return run?.error === undefined ? [] : [`  ${onOneLine(run.error)}`];
}
