import { Command, Option } from 'commander';
import { CHECK_EXIT_CODES } from '../../contract/failures.ts';
import { PHASES, type Phase } from '../../glance/phase.ts';
import type { NextPhase } from '../../glance/plan.ts';
import { wantedPosition } from '../../glance/position.ts';
import { withoutUndefined } from '../../glance/without-undefined.ts';
import { readNextPhase } from '../../migrator/next-phase.ts';
import type { Outcome } from '../../migrator/outcome.ts';
import { helpWithExitCodes } from '../exit.ts';
import { say } from '../say.ts';
import { outcomeOf } from './attempt.ts';
import { addConnectionOptions, type ConnectionFlags, resolveConnection } from './connection-options.ts';
import { readRevision } from './migration.ts';
import { addOutputOptions, finish, type OutputFlags } from './output.ts';
import { addVersionArgument } from './version-argument.ts';

interface CheckFlags extends ConnectionFlags, OutputFlags {
  readonly schema?: boolean;
  readonly through: Phase;
}

/** The phases that have to be done to be through each. */
const NEEDED: Readonly<Record<Phase, readonly NextPhase[]>> = {
  Expand: ['expand'],
  Migrate: ['expand', 'migrate'],
  Contract: ['expand', 'migrate', 'contract'],
};

/** `glance-schema db check [VERSION]` */
export function dbCheckCommand(): Command {
  const command = new Command('check').description(
    'Say which phase of an upgrade is next: by a sentence, and by the exit code. Changes nothing.',
  );
  command.option('--schema', 'where no phase is next, also compare the schema with that of the revision');
  command.addOption(
    new Option(
      '--through <phase>',
      'how far it has to be: with Expand it ends with 0 as soon as new Glance servers can start',
    )
      .choices(PHASES)
      .default('Contract'),
  );
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
  const outcome = await readFrom(flags, () => {
    revision = readRevision(version);
    return revision;
  });
  finish({
    command: 'check',
    target: revision === undefined ? undefined : wantedPosition(revision, flags.through),
    startedAt,
    outcome,
    flags,
    log: { failed: (_reason, message) => say(message) },
    summary: summarise(outcome.next, flags.through),
    ...withoutUndefined({ next: outcome.next }),
  });
  if (outcome.error === undefined && outcome.next !== undefined) {
    process.exitCode = CHECK_EXIT_CODES[outcome.next];
  }
}

async function readFrom(
  flags: CheckFlags,
  revision: () => string,
): Promise<Outcome & { readonly next?: NextPhase }> {
  return outcomeOf(async () => {
    const wanted = revision();
    const outcome = await readNextPhase(resolveConnection(flags, process.env), wanted, flags.schema === true);
    const { next, ...rest } = outcome;
    return next !== undefined && NEEDED[flags.through].includes(next) ? outcome : rest;
  });
}

/** In the words of glance-manage. */
function summarise(next: NextPhase | undefined, through: Phase): string {
  if (next === undefined) {
    return through === 'Contract'
      ? 'Database is up to date. No upgrades needed.'
      : `Database is up to date through ${through}. No upgrades needed to get there.`;
  }
  return `Your database is not up to date. Your ${next === 'expand' ? 'first' : 'next'} step is to run 'glance-schema db ${next}'.`;
}
