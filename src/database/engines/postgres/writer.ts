import driver from 'pg';
import { type Options, QueryTypes, Sequelize, Transaction } from 'sequelize';
import { Failure } from '../../failure.ts';
import type { Step } from '../../step.ts';
import type { Row, StepProgress, Writer, WriterOptions } from '../engine.ts';
import { versionRowChanges } from '../version-rows.ts';
import type { Session } from './connect.ts';
import type { PostgresState } from './read-state.ts';
import { renderStep } from './render-step.ts';
import { LOCAL_SETTINGS } from './session-settings.ts';

/** Options that Sequelize has and its types lack. */
interface UntypedOptions extends Options {
  /** Known already: else Sequelize opens a connection to ask. */
  readonly databaseVersion: string;
  /** Else the session's zone is set, which a pooler would hand on. */
  readonly keepDefaultTimezone: boolean;
}

/** As Alembic makes it. Source: alembic/runtime/migration.py, `MigrationContext._version`. */
const CREATE_VERSION_TABLE =
  'CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL, CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num))';

/** Opens the connection that migrations run on; `session` holds the lock, and cancels what runs here. */
export function openWriter(session: Session, state: PostgresState, options: WriterOptions): Writer {
  return new PostgresWriter(session, state, options);
}

class PostgresWriter implements Writer {
  readonly #session: Session;
  readonly #state: PostgresState;
  readonly #options: WriterOptions;
  readonly #sequelize: Sequelize;
  /** Open while a migration runs, until its record is written. */
  #transaction: Transaction | null = null;
  /** The rows of `alembic_version` when the open migration began. */
  #rows: readonly string[] = [];
  /** The server's process for the open transaction; undefined while it commits. */
  #pid: number | undefined;

  constructor(session: Session, state: PostgresState, options: WriterOptions) {
    this.#session = session;
    this.#state = state;
    this.#options = options;
    this.#sequelize = openSequelize(session, state);
  }

  async begin(rows: readonly string[] | undefined): Promise<void> {
    this.#rows = rows ?? [];
    this.#transaction = await this.#sequelize.transaction();
    const [own] = await this.query(
      'SELECT pg_backend_pid() AS pid, current_schema() AS schema, pg_is_in_recovery() AS replica',
    );
    this.#pid = typeof own?.pid === 'number' ? own.pid : undefined;
    // A balancer may send one connection here and the next one there.
    if (own?.schema !== (this.#state.schema ?? null) || own.replica !== false) {
      throw new Failure(
        'MigrationFailed',
        `Cannot go on with ${this.#session.place}: a second connection reached another server or schema than the first, do name one server`,
      );
    }
    await this.#execute(LOCAL_SETTINGS);
    if (rows === undefined) {
      await this.#execute(CREATE_VERSION_TABLE);
      return;
    }
    await this.#execute(
      `SET LOCAL lock_timeout = '${this.#options.lockTimeoutSeconds}s'; LOCK TABLE alembic_version IN SHARE ROW EXCLUSIVE MODE; SET LOCAL lock_timeout = 0`,
    );
    const found = await this.query('SELECT version_num FROM alembic_version ORDER BY 1');
    const now = found.map((row) => String(row.version_num)).join(', ');
    if (now !== [...rows].sort().join(', ')) {
      throw new Failure(
        'MigrationFailed',
        `Cannot go on with ${this.#session.place}: another tool has changed alembic_version to ${now || 'nothing'} meanwhile, do let it finish and run this again`,
      );
    }
  }

  async run(steps: readonly Step[], progress: StepProgress): Promise<void> {
    for (const [index, step] of steps.entries()) {
      progress.started(step, index);
      await this.#execute(renderStep(step, this.#state.serverVersion).join(';\n'));
    }
  }

  async record(rows: readonly string[]): Promise<void> {
    for (const { sql, values } of versionRowChanges(this.#rows, rows)) {
      await this.change(sql, values);
    }
    this.#pid = undefined;
    await this.#transaction?.commit();
    this.#transaction = null;
  }

  async query(sql: string, values: Row = {}): Promise<readonly Row[]> {
    return this.#sequelize.query<Row>(sql, {
      type: QueryTypes.SELECT,
      replacements: { ...values },
      transaction: this.#transaction,
    });
  }

  async change(sql: string, values: Row = {}): Promise<number> {
    const [, result] = await this.#sequelize.query(sql, {
      replacements: { ...values },
      transaction: this.#transaction,
    });
    return rowCount(result);
  }

  async rollback(): Promise<void> {
    this.#pid = undefined;
    await this.#transaction?.rollback().catch(() => undefined);
    this.#transaction = null;
  }

  cancel(): void {
    if (this.#pid !== undefined) {
      this.#session.client.query('SELECT pg_cancel_backend($1)', [this.#pid]).catch(() => undefined);
    }
  }

  async close(): Promise<void> {
    await this.#sequelize.close().catch(() => undefined);
  }

  /** Several statements at once, of which nothing is asked. */
  async #execute(sql: string): Promise<void> {
    await this.#sequelize.query(sql, { transaction: this.#transaction, raw: true });
  }
}

function openSequelize({ config }: Session, state: PostgresState): Sequelize {
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
    databaseVersion: `${Math.floor(state.serverVersion / 10000)}.0.0`,
    isolationLevel: Transaction.ISOLATION_LEVELS.READ_COMMITTED,
    pool: { max: 1, min: 0, idle: 3_600_000, acquire: 60_000 },
    logging: false,
  };
  return new Sequelize(settings);
}

function rowCount(result: unknown): number {
  return typeof result === 'object' && result !== null && 'rowCount' in result ? Number(result.rowCount) : 0;
}
