import { Command } from 'commander';
import { exitCodeOf } from '../../contract/failures.ts';
import type { Restored } from '../../migrator/backup/restore-database.ts';
import { Failure } from '../../migrator/errors/failure.ts';
import { helpWithExitCodes } from '../exit.ts';
import { say } from '../say.ts';
import { stoppable } from './attempt.ts';
import { addConnectionOptions, type ConnectionFlags, resolveConnection } from './connection-options.ts';
import { addLockTimeout, readLockTimeout } from './lock-timeout.ts';
import { openRunLog } from './run-log.ts';

interface RestoreFlags extends ConnectionFlags {
  readonly replace?: boolean;
  readonly lockTimeout: string;
}

/** `glance-schema db restore FILE` */
export function dbRestoreCommand(): Command {
  const command = new Command('restore')
    .description(
      "Put a backup of 'db backup' back, with the engine's own programs, once its checksum and all that can be known before were found right. No other session may use the database.",
    )
    .argument('<file>', 'the dump; its document is beside it')
    .option('--replace', 'remove the existing database of Glance; without it only an empty one is taken')
    .action(run);
  addConnectionOptions(addLockTimeout(command, '10'));
  return helpWithExitCodes(command, [
    'Done',
    'Usage',
    'ConnectionInvalid',
    'DatabaseUnreachable',
    'LockTimeout',
    'Interrupted',
    'RestoreRefused',
    'RestoreFailed',
  ]);
}

async function run(file: string, flags: RestoreFlags): Promise<void> {
  const log = await openRunLog({ format: 'text', verbose: false, terminal: false, colour: false });
  try {
    const { restoreDatabase } = await import('../../migrator/backup/restore-database.ts');
    const restored = await stoppable((signal) =>
      restoreDatabase({
        connection: resolveConnection(flags, process.env),
        file,
        replace: flags.replace === true,
        lockTimeoutSeconds: readLockTimeout(flags.lockTimeout),
        signal,
        events: {
          waiting: log.waiting,
          restoring: (what, bytes, total) => say(`${mebibytes(bytes)} of ${mebibytes(total)} ${what}`),
          warning: say,
        },
      }),
    );
    process.stdout.write(summarise(restored, file));
  } catch (error) {
    if (!(error instanceof Failure)) {
      throw error;
    }
    log.failed(error.reason, error.message);
    process.exitCode = exitCodeOf(error.reason);
  } finally {
    log.close();
  }
}

function mebibytes(bytes: number): string {
  return `${(bytes / 2 ** 20).toFixed(1)} MiB`;
}

function summarise({ document, address, at }: Restored, file: string): string {
  const rows = Object.values(document.tables);
  const total = rows.reduce((sum, each) => sum + each, 0);
  const name = 'glanceschema NAME';
  return `${[
    `Database ${address} is at ${at}: restored from ${file} of ${document.takenAt}, ${total} rows of ${rows.length} tables.`,
    'Where a GlanceSchema is of this database, do next:',
    `  1. have it read again: kubectl annotate ${name} --overwrite db.glance.openstack.org/observe="$(date -u +%FT%TZ)"`,
    `  2. set spec.revision to "${document.position.revision}" in Git, or it is migrated again; then set spec.suspend to false`,
    "  3. start Glance of that revision's release",
  ].join('\n')}\n`;
}
