import type { Command } from 'commander';
import { Failure } from '../../migrator/errors/failure.ts';

interface VersionFlags {
  readonly version?: string;
}

/**
 * Gives a command the revision that it is about, as `glance-manage db` takes it: as an argument, or
 * as `--version`.
 *
 * @throws Failure `Usage`, out of `run`, when both are given and differ
 */
export function addVersionArgument<Flags extends object>(
  command: Command,
  description: string,
  run: (version: string | undefined, flags: Flags) => Promise<void>,
): Command {
  return command
    .argument('[version]', description)
    .option('--version <version>', 'the same, as glance-manage takes it')
    .action((argument: string | undefined, flags: Flags & VersionFlags) =>
      run(oneOf(argument, flags.version), flags),
    );
}

function oneOf(argument: string | undefined, option: string | undefined): string | undefined {
  if (argument !== undefined && option !== undefined && argument !== option) {
    throw new Failure(
      'Usage',
      `Cannot choose between the version '${argument}' and --version '${option}'. Give one of them.`,
    );
  }
  return argument ?? option;
}
