import driver from 'pg';
import { type Options, Sequelize, Transaction } from 'sequelize';
import { Umzug, type UmzugStorage } from 'umzug';
import { headsOf } from '../revision/heads.ts';
import type { Adoption } from '../revision/locate.ts';
import type { Connection } from './connect.ts';
import {
  type DatabaseError,
  databaseError,
  describeDatabaseError,
  isConnectionLoss,
} from './database-error.ts';
import { renderStep } from './engines/postgres.ts';
import { Failure } from './failure.ts';
import { LOCAL_SETTINGS } from './session-settings.ts';
import { describeStep, type Migration, type Step } from './step.ts';

/** What a run tells while it runs. */
export interface RunEvents {
  adopted(adoption: Adoption): void;
  started(migration: Migration): void;
  step(migration: Migration, step: Step, index: number): void;
  /** The migration and its record are committed. */
  applied(migration: Migration, milliseconds: number): void;
}

export interface RunOptions {
  /** The connection that holds the lock; it is used to cancel a statement, and its end ends the run. */
  readonly lock: Connection;
  readonly serverVersion: number;
  /** The schema that the first connection writes to. */
  readonly schema: string | undefined;
  /** The rows of `alembic_version`; absent where the table is not there. */
  readonly rows: readonly string[] | undefined;
  readonly applied: ReadonlySet<string>;
  readonly adopt: Adoption | undefined;
  readonly migrations: readonly Migration[];
  readonly lockTimeoutSeconds: number;
  readonly signal: AbortSignal;
  readonly events: RunEvents;
}

/** Options that Sequelize has and its types lack. */
interface UntypedOptions extends Options {
  /** Known already: else Sequelize opens a connection to ask. */
  readonly databaseVersion: string;
  /** Else the session's zone is set, which a pooler would hand on. */
  readonly keepDefaultTimezone: boolean;
}

interface Context {
  readonly sequelize: Sequelize;
  /** Open while a migration runs, until its record is written. */
  transaction: Transaction | undefined;
  /** The rows that are committed. */
  rows: readonly string[] | undefined;
  readonly applied: Set<string>;
  /** What is being done, for a failure. */
  doing: string | undefined;
  /** The server's process for the open transaction. */
  pid: number | undefined;
  committing: boolean;
}

/** As Alembic makes it. Source: alembic/runtime/migration.py, `MigrationContext._version`. */
const CREATE_VERSION_TABLE =
  'CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL, CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num))';

/**
 * Runs migrations in the order given, each with its record in one transaction. Sequelize is the connection and umzug the
 * loop; the order, the record and the lock are ours.
 *
 * @throws Failure `MigrationFailed`, `DatabaseUnreachable`, `LockTimeout` or `Interrupted`; what was told by
 *   `events.applied` is committed, all else rolled back
 */
export async function runMigrations(options: RunOptions): Promise<void> {
  const sequelize = openSequelize(options);
  const context: Context = {
    sequelize,
    transaction: undefined,
    rows: options.rows,
    applied: new Set(options.applied),
    doing: undefined,
    pid: undefined,
    committing: false,
  };
  const cancel = (): void => {
    if (context.pid !== undefined && !context.committing) {
      options.lock.client.query('SELECT pg_cancel_backend($1)', [context.pid]).catch(() => undefined);
    }
  };
  options.signal.addEventListener('abort', cancel);
  let running: Migration | undefined;
  let started = 0;
  try {
    if (options.adopt !== undefined) {
      await begin(context, options);
      await record(context, options.adopt.heads);
      options.events.adopted(options.adopt);
    }
    const umzug = new Umzug<Context>({
      context,
      logger: undefined,
      storage: versionTableStorage(options),
      migrations: options.migrations.map((migration) => ({
        name: migration.name,
        async up() {
          running = migration;
          started = performance.now();
          options.events.started(migration);
          await begin(context, options);
          await runSteps(migration, context, options);
        },
      })),
    });
    umzug.on('migrated', () => {
      if (running !== undefined) {
        options.events.applied(running, performance.now() - started);
        running = undefined;
      }
    });
    await umzug.up();
  } catch (error) {
    const unknownCommit = context.committing;
    await context.transaction?.rollback().catch(() => undefined);
    throw toFailure(error, { options, context, running, unknownCommit });
  } finally {
    options.signal.removeEventListener('abort', cancel);
    await sequelize.close().catch(() => undefined);
  }
}

function openSequelize(options: RunOptions): Sequelize {
  const { config } = options.lock;
  const settings: UntypedOptions = {
    dialect: 'postgres',
    dialectModule: driver,
    ...(config.host === undefined ? {} : { host: config.host }),
    ...(config.port === undefined ? {} : { port: config.port }),
    ...(config.user === undefined ? {} : { username: config.user }),
    ...(typeof config.password === 'string' ? { password: config.password } : {}),
    ...(config.database === undefined ? {} : { database: config.database }),
    dialectOptions: {
      application_name: config.application_name,
      ssl: config.ssl,
      ...(config.options === undefined ? {} : { options: config.options }),
      keepAlive: true,
      connectionTimeoutMillis: config.connectionTimeoutMillis,
      // A pooler would hand a setting of the session on to others.
      clientMinMessages: 'ignore',
    },
    keepDefaultTimezone: true,
    databaseVersion: `${Math.floor(options.serverVersion / 10000)}.0.0`,
    isolationLevel: Transaction.ISOLATION_LEVELS.READ_COMMITTED,
    pool: { max: 1, min: 0, idle: 3_600_000, acquire: 60_000 },
    logging: false,
  };
  return new Sequelize(settings);
}

/**
 * Umzug's storage on Glance's own version table. umzug runs a migration and logs it in two steps; here the first leaves
 * its transaction open and the second ends it, so that nothing can come between.
 */
function versionTableStorage(options: RunOptions): UmzugStorage<Context> {
  return {
    // Not asked of the table: the plan was made from it, and the guard of each transaction has it unchanged.
    async executed({ context }) {
      return options.migrations
        .filter((migration) => migration.scripts.every((script) => context.applied.has(script)))
        .map((migration) => migration.name);
    },
    async logMigration({ name, context }) {
      const migration = options.migrations.find((candidate) => candidate.name === name);
      for (const script of migration?.scripts ?? []) {
        context.applied.add(script);
      }
      await record(context, headsOf(context.applied));
    },
    async unlogMigration({ name }) {
      throw new Error(`Cannot take '${name}' back: Glance has no downgrades`);
    },
  };
}

/** Opens a migration's transaction and makes sure that the database is where the plan was made from. */
async function begin(context: Context, options: RunOptions): Promise<void> {
  stopIfAsked(options);
  context.doing = 'begin';
  const transaction = await context.sequelize.transaction();
  context.transaction = transaction;
  const [[session]] = await context.sequelize.query(
    'SELECT pg_backend_pid() AS pid, current_schema() AS schema, pg_is_in_recovery() AS replica',
    { transaction },
  );
  context.pid = pidOf(session);
  if (!isSameDatabase(session, options.schema)) {
    throw new Failure(
      'MigrationFailed',
      `Cannot go on with ${options.lock.place}: a second connection reached another server or schema than the first, do name one server`,
    );
  }
  await context.sequelize.query(LOCAL_SETTINGS, { transaction });
  if (context.rows === undefined) {
    context.doing = 'create table alembic_version';
    await context.sequelize.query(CREATE_VERSION_TABLE, { transaction });
    return;
  }
  context.doing = 'lock alembic_version';
  await context.sequelize.query(
    `SET LOCAL lock_timeout = '${options.lockTimeoutSeconds}s'; LOCK TABLE alembic_version IN SHARE ROW EXCLUSIVE MODE; SET LOCAL lock_timeout = 0`,
    { transaction },
  );
  const [found] = await context.sequelize.query('SELECT version_num FROM alembic_version ORDER BY 1', {
    transaction,
  });
  const rows = found.map(versionOf);
  if (rows.join() !== [...context.rows].sort().join()) {
    throw new Failure(
      'MigrationFailed',
      `Cannot go on with ${options.lock.place}: another tool has changed alembic_version to ${rows.join(', ') || 'nothing'} meanwhile, do let it finish and run this again`,
    );
  }
}

async function runSteps(migration: Migration, context: Context, options: RunOptions): Promise<void> {
  for (const [index, step] of migration.steps.entries()) {
    stopIfAsked(options);
    context.doing = describeStep(step);
    options.events.step(migration, step, index);
    await context.sequelize.query(renderStep(step, options.serverVersion).join(';\n'), {
      transaction: context.transaction ?? null,
      raw: true,
    });
  }
  stopIfAsked(options);
}

/** Writes the heads and commits. */
async function record(context: Context, heads: readonly string[]): Promise<void> {
  const transaction = context.transaction ?? null;
  const before = context.rows ?? [];
  const gone = before.filter((row) => !heads.includes(row));
  const come = heads.filter((head) => !before.includes(head));
  context.doing = 'write alembic_version';
  if (gone.length > 0) {
    await context.sequelize.query('DELETE FROM alembic_version WHERE version_num IN (:gone)', {
      replacements: { gone },
      transaction,
    });
  }
  if (come.length > 0) {
    await context.sequelize.query(
      `INSERT INTO alembic_version (version_num) VALUES ${come.map(() => '(?)').join(', ')}`,
      { replacements: [...come], transaction },
    );
  }
  context.doing = 'commit';
  context.committing = true;
  await context.transaction?.commit();
  context.committing = false;
  context.transaction = undefined;
  context.pid = undefined;
  context.rows = heads;
}

function stopIfAsked(options: RunOptions): void {
  if (options.signal.aborted) {
    throw new Failure('Interrupted', 'stopped');
  }
  if (options.lock.lost.aborted) {
    throw new Failure('DatabaseUnreachable', 'lost the lock');
  }
}

interface FailureContext {
  readonly options: RunOptions;
  readonly context: Context;
  readonly running: Migration | undefined;
  /** The connection may have broken with the commit on its way. */
  readonly unknownCommit: boolean;
}

function toFailure(thrown: unknown, { options, context, running, unknownCommit }: FailureContext): Failure {
  const place = options.lock.place;
  const name = running?.name ?? 'the adoption';
  const inner = innermostFailure(thrown);
  const error = databaseError(thrown);
  const details = { cause: thrown, ...(running === undefined ? {} : { migration: running.name }) };
  const outcome = `${name} was rolled back, ${committed(context)}`;
  if (inner !== undefined && inner.reason === 'MigrationFailed') {
    return inner;
  }
  if (unknownCommit && isConnectionLoss(error)) {
    return new Failure(
      'DatabaseUnreachable',
      `Lost the connection to ${place} while ${name} was committed: ${describeDatabaseError(error)}; whether it is done is not known, do run the same again, which does nothing twice`,
      details,
    );
  }
  if (options.signal.aborted) {
    return new Failure('Interrupted', `Stopped ${place} as asked: ${outcome}`, details);
  }
  if (options.lock.lost.aborted || inner?.reason === 'DatabaseUnreachable' || isConnectionLoss(error)) {
    return new Failure(
      'DatabaseUnreachable',
      `Lost the connection to ${place} during ${name}${inner === undefined ? `: ${describeDatabaseError(error)}` : ''}; ${outcome}`,
      details,
    );
  }
  if (error.code === '55P03') {
    return new Failure(
      'LockTimeout',
      `Cannot run ${name} on ${place}: another session has kept alembic_version locked for ${options.lockTimeoutSeconds} s; ${outcome}`,
      details,
    );
  }
  return new Failure(
    'MigrationFailed',
    `Cannot run ${name} on ${place}: ${failedStep(context, error)}; ${outcome}`,
    details,
  );
}

function failedStep(context: Context, error: DatabaseError): string {
  return `'${context.doing ?? 'start'}' failed with ${describeDatabaseError(error)}`;
}

function committed(context: Context): string {
  const rows = context.rows ?? [];
  return rows.length === 0 ? 'the database is as it was' : `the database is at ${rows.join(', ')}`;
}

function innermostFailure(error: unknown): Failure | undefined {
  if (error instanceof Failure) {
    return error;
  }
  return error instanceof Error ? innermostFailure(error.cause) : undefined;
}

function pidOf(row: unknown): number | undefined {
  return typeof row === 'object' && row !== null && 'pid' in row && typeof row.pid === 'number'
    ? row.pid
    : undefined;
}

/** A balancer may send one connection here and the next one there. */
function isSameDatabase(row: unknown, schema: string | undefined): boolean {
  return (
    typeof row === 'object' &&
    row !== null &&
    'schema' in row &&
    row.schema === (schema ?? null) &&
    'replica' in row &&
    row.replica === false
  );
}

function versionOf(row: unknown): string {
  return typeof row === 'object' && row !== null && 'version_num' in row ? String(row.version_num) : '';
}
