import { Command, Option } from 'commander';
import type { Phase } from '../../glance/phase.ts';
import { formatPosition, type Position } from '../../glance/position.ts';
import type { BackupOutcome } from '../../migrator/backup/backup-database.ts';
import { helpWithExitCodes } from '../exit.ts';
import { outcomeOf, stoppable } from './attempt.ts';
import { addConnectionOptions, type ConnectionFlags, resolveConnection } from './connection-options.ts';
import { addLockTimeout, readLockTimeout } from './lock-timeout.ts';
import { readTarget, throughOption } from './migration.ts';
import { addReportOption, finish } from './output.ts';
import { openRunLog, type RunLog } from './run-log.ts';
import { readWholeNumber } from './whole-number.ts';

interface BackupFlags extends ConnectionFlags {
  readonly before?: string;
  readonly through: Phase;
  readonly for: string;
  readonly name?: string;
  readonly retain?: string;
  readonly timeout?: string;
  readonly format: 'compressed' | 'plain';
  readonly lockTimeout: string;
  readonly report?: string;
}

/** `glance-schema db backup DIRECTORY` */
export function dbBackupCommand(): Command {
  const command = new Command('backup')
    .description(
      "Dump the database into a folder with the engine's own program (pg_dump, mariadb-dump or mysqldump), and prove the dump: its rows are those of one moment. Changes nothing in the database.",
    )
    .argument('<directory>', 'the folder for the dump and its document')
    .option(
      '--before <version>',
      'only where a migration to this revision would change something; a recent one is used again while the database is at the same heads',
    )
    .addOption(throughOption())
    .option('--for <what>', 'for whom, such as the UID of a GlanceSchema', '')
    .option('--name <name>', "what the files are called by (default: the database's name)")
    .option('--retain <number>', 'once it is proven, remove older ones for the same beyond so many')
    .option('--timeout <seconds>', 'how long it may take (default: as long as it takes)')
    .addOption(
      new Option('--format <format>', 'of the dump').choices(['compressed', 'plain']).default('compressed'),
    )
    .action(run);
  addReportOption(addConnectionOptions(addLockTimeout(command, '600')));
  return helpWithExitCodes(command, [
    'Done',
    'Usage',
    'RevisionNotFound',
    'DatabaseNewer',
    'DatabaseNotGlance',
    'ConnectionInvalid',
    'BackupFailed',
    'DatabaseUnreachable',
    'LockTimeout',
    'Interrupted',
  ]);
}

async function run(directory: string, flags: BackupFlags): Promise<void> {
  const startedAt = new Date();
  const log = await openRunLog({
    format: 'text',
    verbose: false,
    terminal: false,
    colour: process.stderr.isTTY === true && !process.env.NO_COLOR,
  });
  let target: Position | undefined;
  const outcome: BackupOutcome = await outcomeOf(() => {
    target = flags.before === undefined ? undefined : readTarget(flags.before, flags.through);
    return backUp(directory, flags, target, log);
  });
  log.close();
  finish({
    command: 'backup',
    target,
    startedAt,
    outcome,
    backup: outcome.backup,
    flags: { ...flags, output: 'text' },
    log,
    summary: summarise(outcome, directory),
  });
}

async function backUp(
  directory: string,
  flags: BackupFlags,
  before: Position | undefined,
  log: RunLog,
): Promise<BackupOutcome> {
  const options = {
    folder: directory,
    before,
    takenFor: flags.for,
    name: flags.name,
    retain: flags.retain === undefined ? undefined : readWholeNumber('--retain', flags.retain, 1),
    timeoutSeconds: flags.timeout === undefined ? undefined : readWholeNumber('--timeout', flags.timeout, 1),
    compressed: flags.format === 'compressed',
    lockTimeoutSeconds: readLockTimeout(flags.lockTimeout),
    connection: resolveConnection(flags, process.env),
    events: log,
  };
  return stoppable(async (signal) => {
    // Read only where it is wanted, with what it needs.
    const { backupDatabase } = await import('../../migrator/backup/backup-database.ts');
    return backupDatabase({ ...options, signal });
  });
}

function summarise({ to, backup, again }: BackupOutcome, directory: string): string {
  const at = to === undefined ? 'its beginning' : formatPosition(to);
  if (backup === undefined) {
    return `Database is at ${at}: no backup is needed.`;
  }
  const { file, rows, tables, bytes, takenAt } = backup;
  const what = `${rows} rows of ${tables} tables, ${bytes} bytes`;
  return again === true
    ? `Database is at ${at}: the backup ${directory}/${file} of ${takenAt} still holds (${what}).`
    : `Database is at ${at}: backed up as ${directory}/${file} (${what}).`;
}
