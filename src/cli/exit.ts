import { type Command, CommanderError } from 'commander';
import { type ExitReason, exitCodeOf, exitMeaning } from '../contract/failures.ts';
import { Failure } from '../migrator/errors/failure.ts';
import { say } from './say.ts';

/** Adds to a command's help the exit codes that it can end with. */
export function helpWithExitCodes(command: Command, reasons: readonly ExitReason[]): Command {
  const lines = reasons.map((reason) => {
    const { exitCode, meaning } = exitMeaning(reason);
    return `  ${String(exitCode).padStart(2)}  ${meaning}`;
  });
  return command.addHelpText('after', `\nExit codes:\n${lines.join('\n')}\n`);
}

/** Says an error that nobody below has caught, in one line, and gives the exit code for it. */
export function endWith(error: unknown): number {
  if (error instanceof CommanderError) {
    // commander has said it already; help and version are no errors.
    return error.exitCode === 0 ? exitCodeOf('Done') : exitCodeOf('Usage');
  }
  say(error instanceof Error ? error.message : String(error));
  return exitCodeOf(error instanceof Failure ? error.reason : 'MigrationFailed');
}
