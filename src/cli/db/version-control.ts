import { Command } from 'commander';
import { asFailure } from '../../migrator/errors/failure.ts';
import { migrateDatabase } from '../../migrator/migrate.ts';
import type { Outcome } from '../../migrator/outcome.ts';
import { helpWithExitCodes } from '../exit.ts';
import { addConnectionOptions, type ConnectionFlags, resolveConnection } from './connection-options.ts';
import { readRevision } from './migration.ts';
import { addOutputOptions, finish, type OutputFlags } from './output.ts';
import { openRunLog } from './run-log.ts';
import { addVersionArgument } from './version-argument.ts';

/** `glance-schema db version_control [VERSION]` */
export function dbVersionControlCommand(): Command {
  const command = new Command('version_control').description(
    'Write into alembic_version that a database is at a revision, once it was checked that it is. Only for one whose version table is lost or wrong: sync adopts all others by itself.',
  );
  addVersionArgument(command, 'the revision whose tables the database has; without it liberty', run);
  addOutputOptions(addConnectionOptions(command));
  return helpWithExitCodes(command, [
    'Done',
    'MigrationFailed',
    'Usage',
    'DowngradeNotSupported',
    'RevisionNotFound',
    'DatabaseNewer',
    'DatabaseNotGlance',
    'ConnectionInvalid',
    'DatabaseUnreachable',
    'LockTimeout',
  ]);
}

const LOCK_TIMEOUT_SECONDS = 60;

async function run(version: string | undefined, flags: ConnectionFlags & OutputFlags): Promise<void> {
  const startedAt = new Date();
  const log = await openRunLog({ format: 'text', verbose: false, terminal: false, colour: false });
  let revision: string | undefined;
  const outcome = await attempt(async () => {
    revision = readRevision(version ?? 'liberty');
    return migrateDatabase({
      connection: resolveConnection(flags, process.env),
      goal: { kind: 'stamp', revision },
      lockTimeoutSeconds: LOCK_TIMEOUT_SECONDS,
      signal: new AbortController().signal,
      events: log,
    });
  });
  finish({
    command: 'version_control',
    target: revision === undefined ? undefined : { revision, phase: 'Contract' },
    startedAt,
    outcome,
    flags,
    log,
    summary:
      outcome.baseline === undefined
        ? `Database is at ${revision} already.`
        : `Database is placed at ${revision}: alembic_version says ${outcome.heads?.join(', ')}.`,
  });
}

async function attempt(work: () => Promise<Outcome>): Promise<Outcome> {
  try {
    return await work();
  } catch (error) {
    return { applied: [], error: asFailure(error) };
  }
}
