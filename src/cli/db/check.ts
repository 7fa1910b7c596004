import { Command } from 'commander';
import { CHECK_EXIT_CODES } from '../../contract/failures.ts';
import type { NextPhase } from '../../glance/plan.ts';
import { withoutUndefined } from '../../glance/without-undefined.ts';
import { Failure } from '../../migrator/errors/failure.ts';
import { readNextPhase } from '../../migrator/next-phase.ts';
import type { Outcome } from '../../migrator/outcome.ts';
import { helpWithExitCodes } from '../exit.ts';
import { addConnectionOptions, type ConnectionFlags, resolveConnection } from './connection-options.ts';
import { readRevision } from './migration.ts';
import { addOutputOptions, finish, type OutputFlags } from './output.ts';
import { addVersionArgument } from './version-argument.ts';

interface CheckFlags extends ConnectionFlags, OutputFlags {
  readonly schema?: boolean;
}

/** `glance-schema db check [VERSION]` */
export function dbCheckCommand(): Command {
  const command = new Command('check').description(
    'Say which phase of an upgrade is next: by a sentence, and by the exit code. Changes nothing.',
  );
  command.option('--schema', 'where no phase is next, also compare the schema with that of the revision');
  addVersionArgument(command, 'the revision that is wanted, such as ocata01; without it the newest', run);
  addOutputOptions(addConnectionOptions(command));
  helpWithExitCodes(command, [
    'Done',
    'Usage',
    'RevisionNotFound',
    'DatabaseNewer',
    'DatabaseNotGlance',
    'SchemaDiffers',
    'ConnectionInvalid',
    'DatabaseUnreachable',
  ]);
  return command.addHelpText(
    'after',
    Object.entries(CHECK_EXIT_CODES)
      .map(([phase, code]) => `  ${String(code).padStart(2)}  '${phase}' is next\n`)
      .join('')
      .replace(/\n$/, ''),
  );
}

async function run(version: string | undefined, flags: CheckFlags): Promise<void> {
  const startedAt = new Date();
  let revision: string | undefined;
  const outcome = await look(flags, () => {
    revision = readRevision(version);
    return revision;
  });
  finish({
    command: 'check',
    target: revision === undefined ? undefined : { revision, phase: 'Contract' },
    startedAt,
    outcome,
    flags,
    log: { failed: (_reason, message) => process.stderr.write(`${message}\n`) },
    summary: summarise(outcome.next),
    ...withoutUndefined({ next: outcome.next }),
  });
  if (outcome.error === undefined && outcome.next !== undefined) {
    process.exitCode = CHECK_EXIT_CODES[outcome.next];
  }
}

async function look(
  flags: CheckFlags,
  revision: () => string,
): Promise<Outcome & { readonly next?: NextPhase }> {
  try {
    const wanted = revision();
    return await readNextPhase(resolveConnection(flags, process.env), wanted, flags.schema === true);
  } catch (error) {
    if (error instanceof Failure) {
      return { applied: [], error };
    }
    throw error;
  }
}

/** In the words of glance-manage. */
function summarise(next: NextPhase | undefined): string {
  return next === undefined
    ? 'Database is up to date. No upgrades needed.'
    : `Your database is not up to date. Your ${next === 'expand' ? 'first' : 'next'} step is to run 'glance-schema db ${next}'.`;
}
