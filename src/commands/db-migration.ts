import { Command, Option } from 'commander';
import { Failure } from '../database/failure.ts';
import { migrateDatabase, type Outcome } from '../database/migrate.ts';
import { formatPosition, type Position } from '../revision/position.ts';
import { explainUnresolved, resolveRevision } from '../revision/resolve.ts';
import { addConnectionOptions, type ConnectionFlags, resolveConnection } from './connection-options.ts';
import { helpWithExitCodes } from './exit.ts';
import { addOutputOptions, finish, type OutputFlags } from './output.ts';
import { openRunLog, type RunLog } from './run-log.ts';

interface MigrationFlags extends ConnectionFlags, OutputFlags {
  readonly lockTimeout: string;
  readonly logFormat: 'text' | 'json';
  readonly verbose?: boolean;
}

/** `db sync` and `db upgrade`, which differ only in what they do with an empty database. */
export function migrationCommand(name: 'sync' | 'upgrade', description: string): Command {
  const command = new Command(name)
    .description(description)
    .argument('[version]', 'the revision to go to, such as ocata01; without it the newest of this build')
    .option('--lock-timeout <seconds>', 'how long to wait for another migrator', '600')
    .addOption(
      new Option('--log-format <format>', 'of what is told on stderr')
        .choices(['text', 'json'])
        .default('text'),
    )
    .option('--verbose', 'tell each step')
    .action((version: string | undefined, flags: MigrationFlags) => run(name, version, flags));
  addOutputOptions(addConnectionOptions(command));
  return helpWithExitCodes(command, [
    'Done',
    'MigrationFailed',
    'Usage',
    'DowngradeNotSupported',
    'RevisionNotFound',
    'DatabaseNewer',
    'DatabaseNotGlance',
    'DatabaseUnreachable',
    'LockTimeout',
    'Interrupted',
  ]);
}

async function run(
  command: 'sync' | 'upgrade',
  version: string | undefined,
  flags: MigrationFlags,
): Promise<void> {
  const startedAt = new Date();
  const log = await openRunLog({
    format: flags.logFormat,
    verbose: flags.verbose === true,
    terminal: process.stderr.isTTY === true,
    colour: process.stderr.isTTY === true && !process.env.NO_COLOR,
  });
  let target: Position | undefined;
  const outcome = await attempt(async () => {
    target = readTarget(version);
    return migrate(command, target, flags, log);
  });
  log.close();
  finish({ command, target, startedAt, outcome, flags, log, summary: summarise(outcome) });
}

async function migrate(
  command: 'sync' | 'upgrade',
  target: Position,
  flags: MigrationFlags,
  log: RunLog,
): Promise<Outcome> {
  const connection = resolveConnection(flags, process.env);
  const lockTimeoutSeconds = readSeconds(flags.lockTimeout);
  const stop = new AbortController();
  const onSignal = (): void => stop.abort();
  // Once only: a second signal ends the process in the usual way.
  process.once('SIGTERM', onSignal).once('SIGINT', onSignal);
  try {
    return await migrateDatabase({
      connection,
      target,
      command,
      lockTimeoutSeconds,
      signal: stop.signal,
      events: log,
    });
  } finally {
    process.removeListener('SIGTERM', onSignal).removeListener('SIGINT', onSignal);
  }
}

function readTarget(version: string | undefined): Position {
  const resolved = resolveRevision(version);
  if (resolved.kind !== 'revision') {
    throw new Failure(
      'RevisionNotFound',
      `Cannot upgrade to '${version}': ${explainUnresolved(version ?? '', resolved)}`,
    );
  }
  return { revision: resolved.revision, phase: 'Contract' };
}

function readSeconds(text: string): number {
  if (!/^\d{1,6}$/.test(text)) {
    throw new Failure('Usage', `Cannot use --lock-timeout '${text}': do write a number of seconds`);
  }
  return Number(text);
}

async function attempt(work: () => Promise<Outcome>): Promise<Outcome> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof Failure) {
      return { applied: [], error };
    }
    throw error;
  }
}

function summarise(outcome: Outcome): string {
  const at = outcome.to === undefined ? '' : formatPosition(outcome.to);
  if (outcome.applied.length === 0 && outcome.adoption === undefined) {
    return `Database is up to date at ${at}. No migrations needed.`;
  }
  const seconds = outcome.applied.reduce((sum, script) => sum + script.milliseconds, 0) / 1000;
  const names = outcome.applied.map((script) => script.name).join(', ');
  return names === ''
    ? `Database is at ${at}: adopted from ${outcome.adoption?.from}, nothing to run.`
    : `Database is at ${at}: applied ${names} in ${seconds.toFixed(2)} s.`;
}
