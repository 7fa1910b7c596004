import { setTimeout as sleep } from 'node:timers/promises';
import driver from 'mysql2';
import { type Options, QueryTypes, Sequelize, type Transaction } from 'sequelize';
import { databaseError, isDeadlock, isLockTimeout } from '../../database-error.ts';
import { Failure } from '../../failure.ts';
import type { Step } from '../../step.ts';
import type { Row, StepProgress, Writer, WriterOptions } from '../engine.ts';
import { CREATE_VERSION_TABLE, versionRowChanges } from '../version-rows.ts';
import { readCatalog } from './catalog.ts';
import type { ClusterLock } from './cluster-lock.ts';
import type { Session } from './connect.ts';
import type { LockNames } from './lock.ts';
import { planSteps } from './plan-steps.ts';
import { NO_ROW_PATIENCE } from './row-patience.ts';

/** Options that Sequelize has and its types lack. */
interface UntypedOptions extends Options {
  /** Known already: else Sequelize opens a connection to ask. */
  readonly databaseVersion: string;
}

const ROW_PATIENCE_SECONDS = 5;

/**
 * A statement that waits for a table makes all later ones of that table wait behind it: so it waits for a second, lets
 * them pass, and tries again.
 */
const SESSION = `SET SESSION sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION', lock_wait_timeout = 1,
  innodb_lock_wait_timeout = ${ROW_PATIENCE_SECONDS}, foreign_key_checks = 1, unique_checks = 1, wait_timeout = 86400`;

/** Opens the connection that migrations run on; `session` holds the lock, and cancels what runs here. */
export function openWriter(
  session: Session,
  names: LockNames,
  cluster: ClusterLock | undefined,
  options: WriterOptions,
): Writer {
  return new MysqlWriter(session, names, cluster, options);
}

class MysqlWriter implements Writer {
  readonly #session: Session;
  readonly #names: LockNames;
  readonly #cluster: ClusterLock | undefined;
  readonly #options: WriterOptions;
  readonly #sequelize: Sequelize;
  /** Keeps the one connection of the pool; each statement commits by itself but those of the record. */
  #transaction: Transaction | null = null;
  /** The server's number of that connection. */
  #id: number | undefined;
  /** The rows of `alembic_version` when the open migration began. */
  #rows: readonly string[] = [];
  #recording = false;

  constructor(session: Session, names: LockNames, cluster: ClusterLock | undefined, options: WriterOptions) {
    this.#cluster = cluster;
    this.#session = session;
    this.#names = names;
    this.#options = options;
    this.#sequelize = openSequelize(session);
  }

  async begin(rows: readonly string[] | undefined): Promise<void> {
    this.#rows = rows ?? [];
    await this.#connect();
    if (rows === undefined) {
      await this.#execute(CREATE_VERSION_TABLE.replace('TABLE', 'TABLE IF NOT EXISTS'));
    }
    await this.#checkRows();
  }

  /** Each statement is committed by itself anyway. */
  async prepare(): Promise<void> {}

  async run(steps: readonly Step[], progress: StepProgress): Promise<void> {
    if (steps.length === 0) {
      return;
    }
    const catalog = await readCatalog(steps, (sql) => this.query(sql));
    const { operations, found, empty } = planSteps(steps, catalog);
    const numberOf = (step: Step): number => steps.indexOf(step);
    progress.meaningless?.(empty);
    for (const step of found) {
      progress.kept?.(step);
    }
    for (const { sql, table, begins, ends } of operations) {
      for (const step of begins) {
        progress.started(step, numberOf(step));
      }
      progress.together?.([...new Set([...ends, ...begins])]);
      await this.#patiently(
        () => this.#execute(sql),
        (seconds) => {
          progress.waiting?.(table === undefined ? [] : [table], seconds);
        },
      );
      for (const step of ends) {
        progress.kept?.(step);
      }
    }
  }

  async record(rows: readonly string[]): Promise<void> {
    await this.#execute('START TRANSACTION');
    this.#recording = true;
    await this.#checkRows();
    for (const { sql, values } of versionRowChanges(this.#rows, rows)) {
      const changed = await this.change(sql, values);
      if (changed === 0) {
        throw this.#movedMeanwhile('something else');
      }
    }
    await this.#execute('COMMIT');
    this.#recording = false;
  }

  async query(sql: string, values: Row = {}): Promise<readonly Row[]> {
    await this.#connect();
    return this.#sequelize.query<Row>(sql, {
      type: QueryTypes.SELECT,
      ...(Object.keys(values).length === 0 ? {} : { replacements: { ...values } }),
      transaction: this.#transaction,
    });
  }

  async change(sql: string, values: Row = {}): Promise<number> {
    await this.#connect();
    const [, result] = await this.#sequelize.query(sql, {
      ...(Object.keys(values).length === 0 ? {} : { replacements: { ...values } }),
      transaction: this.#transaction,
    });
    return affectedRows(result);
  }

  async changeAlone(sql: string, values: Row = {}, patience?: number): Promise<number> {
    await this.#connect();
    // It counts in seconds: at once or with patience, there is nothing between. Who calls tries again.
    await this.#execute(
      patience === undefined
        ? `SET SESSION innodb_lock_wait_timeout = ${ROW_PATIENCE_SECONDS}`
        : NO_ROW_PATIENCE,
    );
    return patience === undefined
      ? this.#patiently(
          () => this.change(sql, values),
          () => undefined,
        )
      : this.change(sql, values);
  }

  async rollback(): Promise<void> {
    if (this.#recording) {
      this.#recording = false;
      await this.#execute('ROLLBACK').catch(() => undefined);
    }
  }

  cancel(): void {
    if (this.#id !== undefined && !this.#recording) {
      this.#session.query(`KILL QUERY ${this.#id}`).catch(() => undefined);
    }
  }

  async close(): Promise<void> {
    this.#id = undefined;
    await this.#transaction?.rollback().catch(() => undefined);
    await this.#sequelize.close().catch(() => undefined);
  }

  /** Waits for others to let go of a table or of rows, again and again; loses no time where nobody has them. */
  async #patiently<T>(work: () => Promise<T>, waiting: (seconds: number) => void): Promise<T> {
    const started = performance.now();
    for (;;) {
      try {
        return await work();
      } catch (error) {
        const cause = databaseError(error);
        const seconds = (performance.now() - started) / 1000;
        if (!(isLockTimeout(cause) || isDeadlock(cause)) || seconds > this.#options.lockTimeoutSeconds) {
          throw error;
        }
        waiting(Math.round(seconds));
      }
      await sleep(200 + Math.random() * 300, undefined, { signal: this.#options.signal });
      await this.#connect();
    }
  }

  /** Makes sure of the one connection, with the writer's lock on the server that the first connection is on. */
  async #connect(): Promise<void> {
    // Sequelize ends its transaction when a statement loses a deadlock; the connection is in the pool then.
    if (this.#transaction !== null && Reflect.get(this.#transaction, 'finished') === undefined) {
      return;
    }
    this.#transaction = await this.#sequelize.transaction();
    await this.#execute('COMMIT');
    const [own] = await this.#sequelize.query<Row>(
      'SELECT CONNECTION_ID() AS id, IS_USED_LOCK(:run) AS run, GET_LOCK(:writer, 5) AS writer, DATABASE() AS db',
      { type: QueryTypes.SELECT, replacements: { ...this.#names }, transaction: this.#transaction },
    );
    if (Number(own?.run ?? 0) !== this.#session.id || Number(own?.writer) !== 1) {
      throw new Failure(
        'MigrationFailed',
        `Cannot go on with ${this.#session.place}: a second connection reached another server than the first, or the lock is gone, do name one server`,
      );
    }
    const id = Number(own?.id);
    if (this.#id !== undefined && this.#id !== id) {
      throw new Failure('DatabaseUnreachable', `Lost the connection to ${this.#session.place}`);
    }
    this.#id = id;
    await this.#execute(SESSION);
  }

  async #checkRows(): Promise<void> {
    if ((await this.#cluster?.isHeld()) === false) {
      throw new Failure('DatabaseUnreachable', `Lost the lock on the cluster of ${this.#session.place}`);
    }
    const found = await this.query('SELECT version_num FROM alembic_version');
    const now = found.map((row) => String(row.version_num)).sort();
    if (now.join(', ') !== [...this.#rows].sort().join(', ')) {
      throw this.#movedMeanwhile(now.join(', ') || 'nothing');
    }
  }

  #movedMeanwhile(to: string): Failure {
    return new Failure(
      'MigrationFailed',
      `Cannot go on with ${this.#session.place}: another tool has changed alembic_version to ${to} meanwhile, do let it finish and run this again`,
    );
  }

  async #execute(sql: string): Promise<void> {
    await this.#sequelize.query(sql, { transaction: this.#transaction, raw: true });
  }
}

function openSequelize({ options }: Session): Sequelize {
  const { host, port, user, password, database, ...rest } = options;
  const settings: UntypedOptions = {
    dialect: 'mysql',
    dialectModule: driver,
    ...(host === undefined ? {} : { host }),
    ...(port === undefined ? {} : { port }),
    ...(user === undefined ? {} : { username: user }),
    ...(password === undefined ? {} : { password }),
    ...(database === undefined ? {} : { database }),
    dialectOptions: rest,
    databaseVersion: '5.7.0',
    pool: { max: 1, min: 0, idle: 3_600_000, acquire: 60_000 },
    logging: false,
  };
  return new Sequelize(settings);
}

/** Sequelize gives the number itself for an INSERT and an UPDATE, and the driver's answer for the rest. */
function affectedRows(result: unknown): number {
  if (typeof result === 'number') {
    return result;
  }
  return typeof result === 'object' && result !== null && 'affectedRows' in result
    ? Number(result.affectedRows)
    : 0;
}
