import type { Command } from 'commander';
import { EXIT_CODES, EXIT_MEANINGS, type ExitReason } from '../api/exit-codes.ts';

/** Adds to a command's help the exit codes that it can end with. */
export function helpWithExitCodes(command: Command, reasons: readonly ExitReason[]): Command {
  const lines = reasons.map(
    (reason) => `  ${String(EXIT_CODES[reason]).padStart(2)}  ${EXIT_MEANINGS[reason]}`,
  );
  return command.addHelpText('after', `\nExit codes:\n${lines.join('\n')}\n`);
}
