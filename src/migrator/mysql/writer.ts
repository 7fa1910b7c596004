import type { Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import driver from 'mysql2';
import { type Options, QueryTypes, type Sequelize, type Transaction } from 'sequelize';
import type { Step } from '../../glance/steps.ts';
import { withoutUndefined } from '../../glance/without-undefined.ts';
import { hasTransactionEnded } from '../engine/driver-internals.ts';
import type { Row, StepProgress, Writer, WriterOptions } from '../engine/engine.ts';
import { newSequelize } from '../engine/new-sequelize.ts';
import { reachSameServer } from '../engine/same-server.ts';
import { versionRowChanges } from '../engine/version-rows.ts';
import { databaseError, isDeadlock, isLockTimeout } from '../errors/database-error.ts';
import { Failure } from '../errors/failure.ts';
import { readCatalog } from './catalog.ts';
import type { ClusterLock } from './cluster-lock.ts';
import { isAboutTls, type Session } from './connect.ts';
import { kill, type ServerLock, WRITER_LOCK, WRITER_MARK } from './lock.ts';
import { planSteps } from './plan-steps.ts';
import { retriedQuery } from './retried-query.ts';
import { NO_ROW_LOCK_WAIT } from './row-lock-timeout.ts';
import { settle } from './session-settings.ts';
import { ensureVersionTable } from './version-table.ts';

/** Options that Sequelize has and its types lack. */
interface UntypedOptions extends Options {
  /** Known already: else Sequelize opens a connection to ask. */
  readonly databaseVersion: string;
}

const ROW_LOCK_TIMEOUT_SECONDS = 5;

/**
 * A statement that waits for a table makes all later ones of that table wait behind it: so it waits
 * for a second, lets them pass, and tries again.
 */
const LOCK_TIMEOUTS: readonly string[] = [
  'lock_wait_timeout = 1',
  `innodb_lock_wait_timeout = ${ROW_LOCK_TIMEOUT_SECONDS}`,
];

/** How long the server may take to end a statement that is to be cancelled, in milliseconds. */
const CANCEL_MILLISECONDS = 800;

/** Who has the lock while migrations run. */
export interface LockHolding {
  /** Has the lock, and cancels what runs elsewhere. */
  readonly session: Session;
  readonly lock: ServerLock;
  readonly cluster: ClusterLock | undefined;
}

/** Opens the connection that migrations run on. */
export function openWriter(lock: LockHolding, options: WriterOptions): Writer {
  return new MysqlWriter(lock, options);
}

class MysqlWriter implements Writer {
  readonly #lock: LockHolding;
  readonly #session: Session;
  readonly #options: WriterOptions;
  #sequelize: Sequelize | undefined;
  /**
   * Keeps the one connection of the pool; each statement commits by itself but those of the record.
   */
  #transaction: Transaction | null = null;
  /** The server's number of that connection. */
  #id: number | undefined;
  /** Lets go of that connection without a word to the server. */
  #drop = (): void => undefined;
  #abandoned: string | undefined;
  /** The rows of `alembic_version` when the open migration began. */
  #rows: readonly string[] = [];
  #recording = false;

  constructor(lock: LockHolding, options: WriterOptions) {
    this.#lock = lock;
    this.#session = lock.session;
    this.#options = options;
  }

  get abandoned(): string | undefined {
    return this.#abandoned;
  }

  async begin(rows: readonly string[] | undefined): Promise<void> {
    this.#rows = rows ?? [];
    await this.#connect();
    await ensureVersionTable(
      (sql) => this.query(sql),
      (sql) => this.#changeSchema(sql),
    );
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
      await this.#withLockRetry(
        () => this.#changeSchema(sql),
        (seconds) => {
          progress.waiting?.(table === undefined ? [] : [table], seconds);
        },
      );
      progress.begun?.(begins.filter((step) => !ends.includes(step)));
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
    await this.#holdLock();
    await this.#execute('COMMIT');
    this.#recording = false;
  }

  async query(sql: string, values: Row = {}): Promise<readonly Row[]> {
    const ask = async (): Promise<readonly Row[]> => {
      await this.#connect();
      return this.#pool.query<Row>(this.#marked(sql), {
        type: QueryTypes.SELECT,
        ...(Object.keys(values).length === 0 ? {} : { replacements: { ...values } }),
        transaction: this.#transaction,
      });
    };
    // Of a record, a lost deadlock undoes what was written before the query.
    return this.#recording ? ask() : retriedQuery(ask);
  }

  async change(sql: string, values: Row = {}): Promise<number> {
    await this.#connect();
    const [, result] = await this.#pool.query(this.#marked(sql), {
      ...(Object.keys(values).length === 0 ? {} : { replacements: { ...values } }),
      transaction: this.#transaction,
    });
    return affectedRows(result);
  }

  async changeAndCommit(sql: string, values: Row = {}, lockTimeout?: number): Promise<number> {
    await this.#connect();
    // It counts in seconds: there is nothing between none and one. The caller tries again.
    await this.#execute(
      lockTimeout === undefined
        ? `SET SESSION innodb_lock_wait_timeout = ${ROW_LOCK_TIMEOUT_SECONDS}`
        : NO_ROW_LOCK_WAIT,
    );
    const change = async (): Promise<number> => {
      await this.#holdLock();
      return this.change(sql, values);
    };
    return lockTimeout === undefined ? this.#withLockRetry(change, () => undefined) : change();
  }

  async rollback(): Promise<void> {
    if (this.#recording) {
      this.#recording = false;
      await this.#execute('ROLLBACK').catch(() => undefined);
    }
  }

  cancel(): void {
    if (this.#id === undefined || this.#recording) {
      return;
    }
    const id = this.#id;
    this.#session.query(kill('QUERY', id)).catch(() => undefined);
    // A proxy may keep that to itself, and the session with the lock may be gone.
    const timer = setTimeout(() => {
      if (this.#id !== undefined && !this.#recording) {
        this.#abandoned = `the server may still be at the statement that was to be ended (connection ${id}), and the next run ends it or waits for it`;
        this.#drop();
      }
    }, CANCEL_MILLISECONDS);
    timer.unref();
  }

  drop(): void {
    this.#drop();
  }

  async close(): Promise<void> {
    this.#id = undefined;
    await this.#transaction?.rollback().catch(() => undefined);
    await this.#sequelize?.close().catch(() => undefined);
  }

  /**
   * Waits for others to let go of a table or of rows, again and again; loses no time where nobody
   * has them.
   */
  async #withLockRetry<T>(work: () => Promise<T>, waiting: (seconds: number) => void): Promise<T> {
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

  /**
   * Makes sure of the one connection, with the writer's lock on the server that the first
   * connection is on.
   */
  async #connect(): Promise<void> {
    // When a statement has lost a deadlock, the connection is in the pool.
    if (this.#transaction !== null && !hasTransactionEnded(this.#transaction)) {
      return;
    }
    if (this.#sequelize === undefined) {
      const { sequelize, transaction, id } = await this.#reach();
      this.#sequelize = sequelize;
      this.#transaction = transaction;
      this.#id = id;
      return;
    }
    const { transaction, id, there } = await this.#begin(this.#sequelize);
    this.#transaction = transaction;
    if (id !== this.#id || !there) {
      throw new Failure('DatabaseUnreachable', `Lost the connection to ${this.#session.address}`);
    }
  }

  /** A pool of one connection, which is on the server that has the lock. */
  async #reach(): Promise<{ sequelize: Sequelize; transaction: Transaction; id: number }> {
    const open = async () => {
      const sequelize = this.#open();
      const { transaction, id, there } = await this.#begin(sequelize);
      return {
        connection: { sequelize, transaction, id },
        right: there,
        close: () => closePool(sequelize, transaction),
      };
    };
    const reached = await reachSameServer(this.#session.address, open, isAboutTls);
    if (this.#lock.lock.byName) {
      await this.#lockWriter(reached);
    }
    return reached;
  }

  /**
   * Takes the connection out of its pool: a transaction of Sequelize's keeps it, and nothing is
   * open in it.
   */
  async #begin(sequelize: Sequelize): Promise<{ transaction: Transaction; id: number; there: boolean }> {
    if (this.#session.lost.aborted) {
      throw new Failure('DatabaseUnreachable', `Lost the lock on ${this.#session.address}`);
    }
    const transaction = await sequelize.transaction();
    try {
      await sequelize.query('COMMIT', { transaction, raw: true });
      const [own] = await sequelize.query<Row>(
        `SELECT CONNECTION_ID() AS id, ${this.#lock.lock.there} AS there`,
        { type: QueryTypes.SELECT, transaction },
      );
      return { transaction, id: Number(own?.id), there: Number(own?.there) === 1 };
    } catch (error) {
      await closePool(sequelize, transaction);
      throw error;
    }
  }

  async #lockWriter({ sequelize, transaction }: { sequelize: Sequelize; transaction: Transaction }) {
    const [own] = await sequelize.query<Row>(`SELECT GET_LOCK(${WRITER_LOCK}, 5) AS locked`, {
      type: QueryTypes.SELECT,
      transaction,
    });
    if (Number(own?.locked) !== 1) {
      await closePool(sequelize, transaction);
      throw new Failure(
        'DatabaseUnreachable',
        `Cannot go on with ${this.#session.address}: a statement of an earlier, killed migrator still runs there. Wait for it to end, or kill it, and run the same again`,
      );
    }
  }

  #open(): Sequelize {
    const { stream } = this.#session.options;
    const sequelize = openSequelize(this.#session, () => {
      const socket: Socket = stream();
      this.#drop = () => socket.destroy();
      return socket;
    });
    sequelize.addHook('afterConnect', async (connection: unknown) => {
      if (!isDriverConnection(connection)) {
        throw new RangeError('the driver has another kind of connection');
      }
      await settle((sql) => connection.promise().query(sql), LOCK_TIMEOUTS);
    });
    return sequelize;
  }

  #marked(sql: string): string {
    return this.#lock.lock.byName ? sql : `${sql} ${WRITER_MARK}`;
  }

  get #pool(): Sequelize {
    if (this.#sequelize === undefined) {
      throw new RangeError('nothing is connected yet');
    }
    return this.#sequelize;
  }

  /** A change that is there to stay at once. */
  async #changeSchema(sql: string): Promise<void> {
    await this.#holdLock();
    await this.#execute(sql);
  }

  /**
   * Makes sure that the lock is held still, by the server itself: the connection that has it may be
   * the last to hear of its end, and another migrator may be at work by then.
   */
  async #holdLock(): Promise<void> {
    const [own] = await this.query(`SELECT ${this.#lock.lock.there} AS there`);
    if (Number(own?.there) !== 1) {
      // Nobody else waits for an answer on it, which a silent network never brings.
      void this.#session.close();
      throw new Failure('DatabaseUnreachable', `Lost the lock on ${this.#session.address}`);
    }
    if ((await this.#lock.cluster?.isHeld()) === false) {
      throw new Failure('DatabaseUnreachable', `Lost the lock on the cluster of ${this.#session.address}`);
    }
  }

  async #checkRows(): Promise<void> {
    await this.#holdLock();
    const found = await this.query('SELECT version_num FROM alembic_version');
    const now = found.map((row) => String(row.version_num)).sort();
    if (now.join(', ') !== [...this.#rows].sort().join(', ')) {
      throw this.#movedMeanwhile(now.join(', ') || 'nothing');
    }
  }

  #movedMeanwhile(to: string): Failure {
    return new Failure(
      'MigrationFailed',
      `Cannot go on with ${this.#session.address}: another tool has changed alembic_version to ${to} meanwhile. Let it finish, and run this again.`,
    );
  }

  async #execute(sql: string): Promise<void> {
    await this.#pool.query(this.#marked(sql), { transaction: this.#transaction, raw: true });
  }
}

function openSequelize({ options }: Session, stream: () => Socket): Sequelize {
  const { host, port, user, password, database, ...rest } = options;
  const settings: UntypedOptions = {
    dialect: 'mysql',
    dialectModule: driver,
    ...withoutUndefined({ host, port, username: user, password, database }),
    dialectOptions: { ...rest, stream },
    databaseVersion: '5.7.0',
    pool: { max: 1, min: 0, idle: 3_600_000, acquire: 60_000 },
    logging: false,
  };
  return newSequelize(settings);
}

/** A pool does not close before it has its connection back. */
async function closePool(sequelize: Sequelize, transaction: Transaction): Promise<void> {
  await transaction.rollback().catch(() => undefined);
  await sequelize.close().catch(() => undefined);
}

function isDriverConnection(
  connection: unknown,
): connection is { promise(): { query(sql: string): Promise<unknown> } } {
  return typeof connection === 'object' && connection !== null && 'promise' in connection;
}

/**
 * Sequelize gives the number itself for an INSERT and an UPDATE, and the driver's answer for the
 * rest.
 */
function affectedRows(result: unknown): number {
  if (typeof result === 'number') {
    return result;
  }
  return typeof result === 'object' && result !== null && 'affectedRows' in result
    ? Number(result.affectedRows)
    : 0;
}
