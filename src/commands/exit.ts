import type { Command } from 'commander';
import { EXIT_CODES, type ExitReason } from '../api/exit-codes.ts';

const MEANINGS: Readonly<Record<ExitReason, string>> = {
  Done: 'done, or there was nothing to do',
  MigrationFailed: "a migration failed and was rolled back; the message has the database's own error",
  Usage: 'the command line, the URL or a file cannot be understood',
  DowngradeNotSupported: 'the target comes before where the database is',
  RevisionNotFound: 'the target is no revision that this build carries',
  DatabaseNewer: 'the database is past what this build carries',
  DatabaseNotGlance: 'the database is not one of Glance, or its version cannot be believed',
  PartiallyApplied: 'MySQL only: a statement stays and a later one failed',
  DatabaseUnreachable: 'cannot connect, log in or write',
  LockTimeout: 'another migrator has kept the lock for too long',
  Interrupted: 'SIGTERM or SIGINT; what was running was rolled back',
};

/** Adds to a command's help the exit codes that it can end with. */
export function helpWithExitCodes(command: Command, reasons: readonly ExitReason[]): Command {
  const lines = reasons.map((reason) => `  ${String(EXIT_CODES[reason]).padStart(2)}  ${MEANINGS[reason]}`);
  return command.addHelpText('after', `\nExit codes:\n${lines.join('\n')}\n`);
}
