import { type Command, Option } from 'commander';
import { readWholeNumber } from './whole-number.ts';

/** Gives a command the option that says for how long it waits for locks, in seconds. */
export function addLockTimeout(command: Command, seconds: string): Command {
  return command.addOption(
    new Option(
      '--lock-timeout <seconds>',
      'how long to wait for another migrator, and for a table in use',
    ).default(seconds),
  );
}

/**
 * The value of that option.
 *
 * @throws Failure `Usage`
 */
export function readLockTimeout(text: string): number {
  return readWholeNumber('--lock-timeout', text, 0);
}
