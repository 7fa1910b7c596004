import { Command } from 'commander';
import type { Detected } from '../../glance/detect.ts';
import { formatPosition } from '../../glance/position.ts';
import type { Outcome } from '../../migrator/outcome.ts';
import { readDatabase } from '../../migrator/read-database.ts';
import { helpWithExitCodes } from '../exit.ts';
import { onOneLine, say } from '../say.ts';
import { outcomeOf } from './attempt.ts';
import { addConnectionOptions, type ConnectionFlags, resolveConnection } from './connection-options.ts';
import { addExcludeOption, type ExcludeFlags, readExclude } from './drift-options.ts';
import { addOutputOptions, finish, type OutputFlags } from './output.ts';

interface VersionFlags extends ConnectionFlags, OutputFlags, ExcludeFlags {
  readonly drift?: boolean;
}

/** `glance-schema db version` */
export function dbVersionCommand(): Command {
  const command = new Command('version')
    .description('Print where a database is: the rows of alembic_version, one a line. Changes nothing.')
    .option('--drift', 'also compare the schema with what the revision has, and print what differs')
    .action((flags: VersionFlags) => run(flags));
  addExcludeOption(command);
  addOutputOptions(addConnectionOptions(command));
  return helpWithExitCodes(command, [
    'Done',
    'Usage',
    'DatabaseNewer',
    'DatabaseNotGlance',
    'ConnectionInvalid',
    'DatabaseUnreachable',
  ]);
}

async function run(flags: VersionFlags): Promise<void> {
  const startedAt = new Date();
  const outcome = await readFrom(flags);
  finish({
    command: 'version',
    target: undefined,
    startedAt,
    outcome,
    flags,
    log: { failed: (_reason, message) => say(message) },
    summary: [summarise(outcome, outcome.detected), ...driftLines(outcome)]
      .filter((line) => line !== '')
      .join('\n'),
  });
}

async function readFrom(flags: VersionFlags): Promise<Outcome & { readonly detected?: Detected }> {
  return outcomeOf(async () => {
    const exclude = readExclude(flags);
    return readDatabase(resolveConnection(flags, process.env), flags.drift === true ? exclude : undefined);
  });
}

function driftLines({ drift }: Outcome): readonly string[] {
  return [
    ...(drift?.differences ?? []).map((what) => `Drift: ${onOneLine(what)}.`),
    ...(drift?.also ?? []).map((what) => `Also there: ${onOneLine(what)}.`),
  ];
}

/** The heads as glance-manage prints them; a database without any gets a sentence. */
function summarise(outcome: Outcome, detected: Detected | undefined): string {
  if (outcome.heads !== undefined && outcome.heads.length > 0) {
    return outcome.heads.map(onOneLine).join('\n');
  }
  if (detected?.kind === 'empty') {
    return "Database is empty and not under migration control; 'db sync' places it there.";
  }
  return detected?.kind === 'at'
    ? `Database is at ${formatPosition(detected.position)} by ${detected.baseline?.from} and not yet under Alembic's control; 'db sync' places it there.`
    : '';
}
