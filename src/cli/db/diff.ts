import { Command, Option } from 'commander';
import { exitCodeOf } from '../../contract/failures.ts';
import type { Phase } from '../../glance/phase.ts';
import { withoutUndefined } from '../../glance/without-undefined.ts';
import { type DatabaseDiff, diffDatabase } from '../../migrator/diff-database.ts';
import { Failure } from '../../migrator/errors/failure.ts';
import { helpWithExitCodes } from '../exit.ts';
import { onOneLine, say } from '../say.ts';
import { addConnectionOptions, type ConnectionFlags, resolveConnection } from './connection-options.ts';
import { addExcludeOption, type ExcludeFlags, readExclude } from './drift-options.ts';
import { readTarget, throughOption } from './migration.ts';
import { addVersionArgument } from './version-argument.ts';

interface DiffFlags extends ConnectionFlags, ExcludeFlags {
  readonly through: Phase;
  readonly output: 'text' | 'sql' | 'json';
  readonly drift?: boolean;
}

/** `glance-schema db diff [VERSION]` */
export function dbDiffCommand(): Command {
  const command = new Command('diff')
    .description(
      'Compare the schema with that of a revision: columns, indexes and keys that are missing or different, and the SQL that fixes them. What a database has in addition is left out. Changes nothing.',
    )
    .addOption(throughOption())
    .option(
      '--drift',
      "as drift counts it: a column that is not Glance's is a difference, what a script that has begun leaves is none, and other tables and indexes are named",
    )
    .addOption(
      new Option('--output <format>', 'of the differences on stdout')
        .choices(['text', 'sql', 'json'])
        .default('text'),
    );
  addExcludeOption(command);
  addVersionArgument(
    command,
    'the revision to compare with, such as ocata01; without it the one it is at',
    run,
  );
  addConnectionOptions(command);
  return helpWithExitCodes(command, [
    'Done',
    'Usage',
    'RevisionNotFound',
    'DatabaseNewer',
    'DatabaseNotGlance',
    'SchemaDiffers',
    'ConnectionInvalid',
    'DatabaseUnreachable',
  ]);
}

async function run(version: string | undefined, flags: DiffFlags): Promise<void> {
  const { diff, error } = await make(version, flags);
  if (error !== undefined || diff === undefined) {
    process.exitCode = exitCodeOf(error?.reason ?? 'MigrationFailed');
    say(error?.message ?? 'Cannot compare');
    return;
  }
  process.exitCode = diff.differences.length === 0 ? exitCodeOf('Done') : exitCodeOf('SchemaDiffers');
  process.stdout.write(FORMATS[flags.output](flags.output === 'json' ? diff : readable(diff)));
}

async function make(version: string | undefined, flags: DiffFlags): ReturnType<typeof diffDatabase> {
  try {
    const target = version === undefined ? undefined : readTarget(version, flags.through);
    const exclude = readExclude(flags);
    return await diffDatabase(
      resolveConnection(flags, process.env),
      target,
      flags.drift === true ? exclude : undefined,
    );
  } catch (error) {
    if (error instanceof Failure) {
      return { error };
    }
    throw error;
  }
}

/**
 * For people, and for a client that takes what is behind `--` as a comment: names of a database may
 * have line breaks in them.
 */
function readable(diff: DatabaseDiff): DatabaseDiff {
  return {
    ...diff,
    ...withoutUndefined({ also: diff.also?.map(onOneLine) }),
    differences: diff.differences.map(({ what, sql, caution, ...rest }) => ({
      ...rest,
      what: onOneLine(what),
      sql: caution === undefined ? sql : sql.map(onOneLine),
      ...withoutUndefined({ caution: caution && onOneLine(caution) }),
    })),
  };
}

const FORMATS: Readonly<Record<DiffFlags['output'], (diff: DatabaseDiff) => string>> = {
  text: (diff) =>
    `${[
      heading(diff),
      ...diff.differences.flatMap(({ what, sql, caution }) => [
        `  ${what}`,
        ...(caution === undefined ? [] : [`      -- ${warning(caution)}`]),
        ...sql.map((each) => `      ${each.replaceAll('\n', '\n      ')};`),
      ]),
      ...(diff.also ?? []).map((what) => `  also there: ${what}`),
    ].join('\n')}\n`,
  sql: (diff) =>
    `${[
      `-- ${heading(diff)}`,
      ...diff.differences.flatMap(({ what, sql, caution }) => [
        `-- ${what}`,
        ...(caution === undefined
          ? sql.map((each) => `${each};`)
          : // Whoever runs all of it must not lose what he has not read.
            [`-- ${warning(caution)}`, ...sql.map((each) => `-- ${each.replaceAll('\n', '\n-- ')};`)]),
      ]),
      ...(diff.also ?? []).map((what) => `-- also there: ${what}`),
    ].join('\n')}\n`,
  json: (diff) => `${JSON.stringify(diff, undefined, 2)}\n`,
};

function warning(caution: string): string {
  return `Check the rows first: this ${caution}. Take a backup, then run it by hand.`;
}

function heading({ database, engine, revision, differences }: DatabaseDiff): string {
  const count = differences.length;
  const found =
    count === 0
      ? 'nothing is missing or different'
      : `${count} ${count === 1 ? 'difference' : 'differences'}`;
  return `${database} (${engine}) compared with ${revision}: ${found}`;
}
