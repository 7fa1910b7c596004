import { Command, Option } from 'commander';
import { exitCodeOf } from '../../contract/failures.ts';
import { formatPosition } from '../../glance/position.ts';
import { SCRIPTS } from '../../glance/revisions.ts';
import { asFailure } from '../../migrator/errors/failure.ts';
import { readDatabase } from '../../migrator/read-database.ts';
import { helpWithExitCodes } from '../exit.ts';
import { say } from '../say.ts';
import { addConnectionOptions, type ConnectionFlags, resolveConnection } from './connection-options.ts';

interface HistoryFlags extends ConnectionFlags {
  readonly output: 'text' | 'json';
}

/** `glance-schema db history` */
export function dbHistoryCommand(): Command {
  const command = new Command('history')
    .description(
      'List every revision script, oldest first, and which of them the database has had. Changes nothing.',
    )
    .addOption(
      new Option('--output <format>', 'of the list on stdout').choices(['text', 'json']).default('text'),
    )
    .action((flags: HistoryFlags) => run(flags));
  addConnectionOptions(command);
  return helpWithExitCodes(command, [
    'Done',
    'Usage',
    'DatabaseNewer',
    'DatabaseNotGlance',
    'ConnectionInvalid',
    'DatabaseUnreachable',
  ]);
}

async function run(flags: HistoryFlags): Promise<void> {
  const { detected, heads = [], error } = await readFrom(flags);
  if (error !== undefined) {
    process.exitCode = exitCodeOf(error.reason);
    say(error.message);
    return;
  }
  const applied: ReadonlySet<string> = detected?.kind === 'at' ? detected.applied : new Set();
  const at = detected?.kind === 'at' ? detected.position : null;
  const scripts = SCRIPTS.map((script) => ({
    name: script.name,
    revision: script.revision,
    kind: script.kind,
    applied: applied.has(script.name),
    head: heads.includes(script.name),
  }));
  if (flags.output === 'json') {
    process.stdout.write(`${JSON.stringify({ at, heads, scripts }, undefined, 2)}\n`);
    return;
  }
  const lines = scripts.map(
    (script) =>
      `${script.applied ? 'x' : ' '} ${script.name.padEnd(20)} ${script.revision.padEnd(10)} ${script.kind}${script.head ? '  <- head' : ''}`,
  );
  process.stdout.write(
    `${[...lines, `at ${at === null ? 'nothing: the database is empty' : formatPosition(at)}`].join('\n')}\n`,
  );
}

async function readFrom(flags: ConnectionFlags): ReturnType<typeof readDatabase> {
  try {
    return await readDatabase(resolveConnection(flags, process.env));
  } catch (error) {
    return { applied: [], error: asFailure(error) };
  }
}
