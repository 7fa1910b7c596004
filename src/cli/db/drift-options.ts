import { type Command, Option } from 'commander';
import { DRIFT_PATTERN, LONGEST_DRIFT_PATTERN } from '../../contract/drift-pattern.ts';
import { Failure } from '../../migrator/errors/failure.ts';

/** What `addExcludeOption` leaves. */
export interface ExcludeFlags {
  readonly driftExclude: readonly string[];
}

/** Gives a command the option that names what of the schema is meant to be as it is. */
export function addExcludeOption(command: Command): Command {
  return command.addOption(
    new Option(
      '--drift-exclude <pattern>',
      'leave out the table, the table.column or the index of this name; * is any text, ? any character; may be repeated',
    )
      .default([], 'none')
      .argParser((pattern: string, before: readonly string[]) => [...before, pattern]),
  );
}

/**
 * The patterns that were named.
 *
 * @throws Failure `Usage`
 */
export function readExclude({ driftExclude }: ExcludeFlags): readonly string[] {
  const wrong = driftExclude.find(
    (pattern) => pattern === '' || pattern.length > LONGEST_DRIFT_PATTERN || !DRIFT_PATTERN.test(pattern),
  );
  if (wrong !== undefined) {
    throw new Failure(
      'Usage',
      `Cannot use --drift-exclude '${wrong}': write a name of letters, digits, _, - and ., with ? and at most three * in it, such as 'images.cost_*'`,
    );
  }
  return driftExclude;
}
