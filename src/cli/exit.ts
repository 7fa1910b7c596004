import { type Command, CommanderError } from 'commander';
import { EXIT_CODES, EXIT_MEANINGS, type ExitReason } from '../contract/exit-codes.ts';
import { Failure } from '../migrator/errors/failure.ts';

/** Adds to a command's help the exit codes that it can end with. */
export function helpWithExitCodes(command: Command, reasons: readonly ExitReason[]): Command {
  const lines = reasons.map(
    (reason) => `  ${String(EXIT_CODES[reason]).padStart(2)}  ${EXIT_MEANINGS[reason]}`,
  );
  return command.addHelpText('after', `\nExit codes:\n${lines.join('\n')}\n`);
}

/** Says an error that nobody below has caught, in one line, and gives the exit code for it. */
export function endWith(error: unknown): number {
  if (error instanceof CommanderError) {
    // commander has said it already; help and version are no errors.
    return error.exitCode === 0 ? EXIT_CODES.Done : EXIT_CODES.Usage;
  }
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  return EXIT_CODES[error instanceof Failure ? error.reason : 'MigrationFailed'];
}
