import { Command } from 'commander';
import { exitCodeOf } from '../../contract/failures.ts';
import { printable } from '../../contract/printable.ts';
import type { Restored } from '../../migrator/backup/restore-database.ts';
import { Failure } from '../../migrator/errors/failure.ts';
import { helpWithExitCodes } from '../exit.ts';
import { addConnectionOptions, type ConnectionFlags, resolveConnection } from './connection-options.ts';
import { openRunLog } from './run-log.ts';

interface RestoreFlags extends ConnectionFlags {
  readonly replace?: boolean;
  readonly lockTimeout: string;
}

/** `glance-schema db restore FILE` */
export function dbRestoreCommand(): Command {
  const command = new Command('restore')
    .description(
      "Put a backup of 'db backup' back, with the engine's own programs, once its checksum and all that can be known before were found right. Nobody else may be in the database.",
    )
    .argument('<file>', 'the dump; its document is beside it')
    .option('--replace', 'remove the database of Glance that is there; without it only an empty one is taken')
    .option('--lock-timeout <seconds>', 'how long to wait for another migrator, and for a table in use', '10')
    .action(run);
  addConnectionOptions(command);
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
  const stop = new AbortController();
  const onSignal = (): void => stop.abort();
  // Once only: a second signal ends the process in the usual way.
  process.once('SIGTERM', onSignal).once('SIGINT', onSignal);
  try {
    const { restoreDatabase } = await import('../../migrator/backup/restore-database.ts');
    const restored = await restoreDatabase({
      connection: resolveConnection(flags, process.env),
      file,
      replace: flags.replace === true,
      lockTimeoutSeconds: readSeconds(flags.lockTimeout),
      signal: stop.signal,
      events: {
        waiting: log.waiting,
        restoring: (what, bytes, total) => say(`${mebibytes(bytes)} of ${mebibytes(total)} ${what}`),
        warning: say,
      },
    });
    process.stdout.write(summarise(restored, file));
  } catch (error) {
    if (!(error instanceof Failure)) {
      throw error;
    }
    log.failed(error.reason, error.message);
    process.exitCode = exitCodeOf(error.reason);
  } finally {
    process.removeListener('SIGTERM', onSignal).removeListener('SIGINT', onSignal);
    log.close();
  }
}

function say(message: string): void {
  process.stderr.write(`${printable(message, 4096)}\n`);
}

function readSeconds(text: string): number {
  if (!/^\d{1,6}$/.test(text)) {
    throw new Failure('Usage', `Cannot use --lock-timeout '${text}': do write a number of seconds`);
  }
  return Number(text);
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
