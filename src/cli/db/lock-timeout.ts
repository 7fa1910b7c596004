import { type Command, Option } from 'commander';
import { Failure } from '../../migrator/errors/failure.ts';

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
  if (!/^\d{1,6}$/.test(text)) {
    throw new Failure(
      'Usage',
      `Cannot use --lock-timeout '${text}': it is not a number of seconds. Write one, such as 600.`,
    );
  }
  return Number(text);
}
