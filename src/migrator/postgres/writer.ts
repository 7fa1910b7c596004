import { Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import driver from 'pg';
import { type Options, QueryTypes, type Sequelize, Transaction } from 'sequelize';
import type { Step } from '../../glance/steps.ts';
import { withoutUndefined } from '../../glance/without-undefined.ts';
import type { LockHolder, Row, StepProgress, Writer, WriterOptions } from '../engine/engine.ts';
import { newSequelize } from '../engine/new-sequelize.ts';
import { reachSameServer } from '../engine/same-server.ts';
import { createVersionTable, versionRowChanges } from '../engine/version-rows.ts';
import { databaseError, isDeadlock, isLockTimeout } from '../errors/database-error.ts';
import { Failure } from '../errors/failure.ts';
import { askAsOneself } from './ask.ts';
import { isAboutTls, type Session } from './connect.ts';
import { blockersOf, isLockedBy, type LockHolding, tableHolders } from './lock.ts';
import { literal } from './quoted.ts';
import type { PostgresState } from './read-state.ts';
import { indexName } from './render-step.ts';
import { settings } from './session-settings.ts';
import {
  locksOf,
  offlineStatements,
  onlineStatements,
  remainingSteps,
  type Statement,
  type Statements,
} from './statements.ts';

/** Options that Sequelize has and its types lack. */
interface UntypedOptions extends Options {
  /** Known already: else Sequelize opens a connection to ask. */
  readonly databaseVersion: string;
  /** Else the session's zone is set, which a pooler would hand on. */
  readonly keepDefaultTimezone: boolean;
}

/** How long a waiting lock may hold up those who come after it, in milliseconds. */
const LOCK_TIMEOUT_MILLISECONDS = 150;

/** How long the server may take to end a statement that is to be cancelled, in milliseconds. */
const CANCEL_MILLISECONDS = 800;

/** After how long a wait it is logged who has the table. */
const NAME_HOLDERS_AFTER_SECONDS = 1;

/** How often it is checked whether a statement outside of a transaction waits, in milliseconds. */
const WATCH_MILLISECONDS = 1000;

/** The longest pause between two checks, once builds have waited for our own lock because of them. */
const MOST_WATCH_MILLISECONDS = 16_000;

/** A statement outside of a transaction, and the table that it works on. */
interface Autocommitted {
  readonly statement: string;
  readonly table: Table;
}

/** A table by its name, and by its number, which is the same whatever the search path is. */
interface Table {
  readonly name: string;
  readonly oid: string;
}

/** How it goes with the wait of such a statement. */
interface Wait {
  /** Why it was cancelled by us, once it is. */
  endedBy: Error | undefined;
}

/** What stands for a lock timeout where none can be set. */
class WaitedTooLong extends Error {
  /** As the server has it. */
  readonly code = '55P03';
  override readonly message = 'canceling statement due to lock timeout';
}

/**
 * CREATE INDEX CONCURRENTLY waits for every transaction that has a snapshot when its last phase
 * begins. The lock's transaction was being asked something at that moment, and does not end before
 * the run.
 */
class WaitsForTheLock extends Error {}

/** A pool of one connection. */
interface Pool {
  readonly sequelize: Sequelize;
  /** Lets go of the connection without a word to the server. */
  readonly drop: () => void;
}

/**
 * Opens the connection that migrations run on.
 *
 * @throws Failure `DatabaseUnreachable` where a pooler has no second connection to the server
 */
export async function openWriter(
  lock: LockHolding,
  state: PostgresState,
  options: WriterOptions,
): Promise<Writer> {
  const { session } = lock;
  const pool = openPool(session, state);
  const { sequelize } = pool;
  const timeout = session.config.connectionTimeoutMillis ?? 0;
  const timer = new AbortController();
  // What fails here fails again with the first statement, which reports it.
  const answer = sequelize.authenticate().catch(() => undefined);
  // A pooler lets everybody in and then may have no server connection to give, as the lock has the
  // only one.
  const silence = sleep(timeout, 'silent', { signal: timer.signal }).catch(() => undefined);
  if ((await Promise.race([answer, silence])) === 'silent') {
    // Its socket must not keep the process.
    pool.drop();
    await answer.then(() => sequelize.close()).catch(() => undefined);
    if (!(await isAlive(session, timeout))) {
      throw new Failure(
        'DatabaseUnreachable',
        `Lost the connection to ${session.address}: there was no answer within ${timeout / 1000} s to what was asked, and another connection got none. Check the server and the network, and run the same again.`,
      );
    }
    throw new Failure(
      'DatabaseUnreachable',
      `Cannot change ${session.address}: the connection for the work got no answer within ${timeout / 1000} s though the one for the lock is alive, as behind a pooler with one server connection. Give it two (PgBouncer: default_pool_size).`,
    );
  }
  timer.abort();
  return new PostgresWriter(lock, state, options, pool);
}

async function isAlive({ client }: Session, timeout: number): Promise<boolean> {
  const timer = new AbortController();
  const silence = sleep(timeout, false, { signal: timer.signal }).catch(() => false);
  const answer = client.query('SELECT 1').then(
    () => true,
    () => false,
  );
  return Promise.race([answer, silence]).finally(() => timer.abort());
}

class PostgresWriter implements Writer {
  /** The server ends by itself, and rolls back, what it is at when its client is gone. */
  readonly abandoned = undefined;
  readonly #lock: LockHolding;
  readonly #session: Session;
  readonly #state: PostgresState;
  readonly #options: WriterOptions;
  #pool: Pool;
  /** Whether the connection is known to be on the server that has the lock. */
  #reached = false;
  /** Open while a migration runs, until its record is written. */
  #transaction: Transaction | null = null;
  /** The rows of `alembic_version` when the open migration began. */
  #rows: readonly string[] = [];
  /** The server's process for the open transaction; undefined while it commits. */
  #pid: number | undefined;
  /** What runs outside of a transaction. */
  #autocommitted: Autocommitted | undefined;
  #watchMilliseconds = WATCH_MILLISECONDS;
  /** How long a statement of a transaction waits for a lock, on rows too; 0 would be forever. */
  readonly #lockTimeout: string;

  constructor(lock: LockHolding, state: PostgresState, options: WriterOptions, pool: Pool) {
    this.#lock = lock;
    this.#session = lock.session;
    this.#state = state;
    this.#options = options;
    this.#lockTimeout = options.lockTimeoutSeconds > 0 ? `${options.lockTimeoutSeconds}s` : '1ms';
    this.#pool = pool;
  }

  async begin(rows: readonly string[] | undefined): Promise<void> {
    await this.#open();
    this.#rows = rows ?? [];
    if (rows === undefined) {
      await this.#execute(createVersionTable('postgres'));
      return;
    }
    await this.#execute('LOCK TABLE alembic_version IN SHARE ROW EXCLUSIVE MODE');
    const found = await this.query('SELECT version_num FROM alembic_version ORDER BY 1');
    const now = found.map((row) => String(row.version_num)).join(', ');
    if (now !== [...rows].sort().join(', ')) {
      throw new Failure(
        'MigrationFailed',
        `Cannot go on with ${this.#session.address}: another tool has changed alembic_version to ${now || 'nothing'} meanwhile. Let it finish, and run this again.`,
      );
    }
  }

  async prepare(steps: readonly Step[], progress: StepProgress): Promise<void> {
    for (const unit of this.#statements(steps).before) {
      if (unit.kind === 'autocommit') {
        progress.started(unit.statement.step, numberOf(unit.statement.step, steps));
        await this.#runInAutocommit(unit.statement, progress);
      } else {
        await this.#open();
        await this.#runAll(unit.statements, steps, progress);
        await this.#commit();
      }
    }
  }

  async run(steps: readonly Step[], progress: StepProgress): Promise<void> {
    await this.#runAll(this.#statements(steps).recorded, steps, progress);
  }

  async record(rows: readonly string[]): Promise<void> {
    for (const { sql, values } of versionRowChanges(this.#rows, rows)) {
      await this.change(sql, values);
    }
    await this.#commit();
  }

  async query(sql: string, values: Row = {}): Promise<readonly Row[]> {
    return this.#pool.sequelize.query<Row>(sql, {
      type: QueryTypes.SELECT,
      ...(Object.keys(values).length === 0 ? {} : { replacements: { ...values } }),
      transaction: this.#transaction,
    });
  }

  async change(sql: string, values: Row = {}): Promise<number> {
    const [, result] = await this.#pool.sequelize.query(sql, {
      ...(Object.keys(values).length === 0 ? {} : { replacements: { ...values } }),
      transaction: this.#transaction,
    });
    return rowCount(result);
  }

  async changeAndCommit(sql: string, values: Row = {}, lockTimeout?: number): Promise<number> {
    await this.#open();
    try {
      if (lockTimeout !== undefined) {
        await this.#execute(`SET LOCAL lock_timeout = '${lockTimeout}ms'`);
      }
      const rows = await this.change(sql, values);
      await this.#commit();
      return rows;
    } catch (error) {
      await this.rollback();
      throw error;
    }
  }

  async rollback(): Promise<void> {
    this.#pid = undefined;
    await this.#transaction?.rollback().catch(() => undefined);
    this.#transaction = null;
  }

  cancel(): void {
    const autocommitted = this.#autocommitted && this.#sessionsOf(this.#autocommitted);
    const what =
      this.#pid !== undefined
        ? `SELECT pg_cancel_backend(${this.#pid})`
        : autocommitted && `SELECT pg_cancel_backend(a.pid) ${autocommitted}`;
    if (what === undefined) {
      return;
    }
    askAsOneself(this.#session, what).catch(() => undefined);
    // The session with the lock may be gone, and a role may not be let do that.
    const timer = setTimeout(() => {
      if (this.#pid !== undefined || this.#autocommitted !== undefined) {
        this.#pool.drop();
      }
    }, CANCEL_MILLISECONDS);
    timer.unref();
  }

  drop(): void {
    this.#pool.drop();
  }

  async close(): Promise<void> {
    await this.#pool.sequelize.close().catch(() => undefined);
  }

  /** Opens a transaction where the lock is, free of what was imposed on the session. */
  async #open(): Promise<void> {
    if (this.#reached) {
      const { right } = await this.#begin(this.#pool);
      if (!right) {
        throw new Failure('DatabaseUnreachable', `Lost the lock on ${this.#session.address}`);
      }
      return;
    }
    let pool: Pool | undefined = this.#pool;
    const open = async () => {
      const connection = pool ?? openPool(this.#session, this.#state);
      pool = undefined;
      try {
        const { right } = await this.#begin(connection);
        const transaction = this.#transaction;
        return { connection, right, close: () => closePool(connection, transaction) };
      } catch (error) {
        await closePool(connection, this.#transaction);
        throw error;
      }
    };
    this.#pool = await reachSameServer(this.#session.address, open, isAboutTls);
    this.#reached = true;
  }

  async #begin({ sequelize }: Pool): Promise<{ readonly right: boolean }> {
    const transaction = await sequelize.transaction();
    this.#transaction = transaction;
    const [own] = await sequelize.query<Row>(
      `SELECT pg_backend_pid() AS pid, ${isLockedBy(this.#lock.pid)} AS locked, ${settings('true', this.#lockTimeout)}`,
      { type: QueryTypes.SELECT, transaction },
    );
    const right = own?.locked === true;
    // Elsewhere the number is of another's session.
    this.#pid = right && typeof own.pid === 'number' ? own.pid : undefined;
    return { right };
  }

  async #commit(): Promise<void> {
    await this.#holdLock();
    this.#pid = undefined;
    await this.#transaction?.commit();
    this.#transaction = null;
  }

  /**
   * Makes sure that the lock is held still, by the server itself: the connection that has it may be
   * the last to hear of its end, and another migrator may be at work by then.
   */
  async #holdLock(): Promise<void> {
    const [own] = await this.query(`SELECT ${isLockedBy(this.#lock.pid)} AS locked`);
    if (own?.locked !== true) {
      // Nobody else waits for an answer on it, which a silent network never brings.
      void this.#session.close();
      throw new Failure('DatabaseUnreachable', `Lost the lock on ${this.#session.address}`);
    }
  }

  #statements(steps: readonly Step[]): Statements {
    const render = this.#options.online ? onlineStatements : offlineStatements;
    return render(remainingSteps(steps, this.#state.found.tables), this.#state);
  }

  async #runAll(
    statements: readonly Statement[],
    steps: readonly Step[],
    progress: StepProgress,
  ): Promise<void> {
    const locks = locksOf(statements);
    for (const [index, { step, sql }] of statements.entries()) {
      progress.started(step, numberOf(step, steps));
      if (index === 0 && locks.size > 0) {
        await this.#lockTables(locks, progress);
      }
      await this.#execute(sql.join(';\n'));
    }
  }

  /**
   * Takes the locks of a transaction at its beginning, all or none. Whoever waits for a table makes
   * everybody after him wait too: so it gives up soon, and asks again.
   */
  async #lockTables(locks: ReadonlyMap<string, string>, progress: StepProgress): Promise<void> {
    const statements = [...locks].map(([table, mode]) => `LOCK TABLE ${table} IN ${mode} MODE`);
    await this.#withLockRetry([...locks.keys()], progress, async () => {
      await this.#execute('SAVEPOINT locks');
      try {
        await this.#execute(
          [
            `SET LOCAL lock_timeout = '${LOCK_TIMEOUT_MILLISECONDS}ms'`,
            ...statements,
            `SET LOCAL lock_timeout = '${this.#lockTimeout}'`,
          ].join('; '),
        );
      } catch (error) {
        await this.#execute('ROLLBACK TO SAVEPOINT locks').catch(() => undefined);
        throw error;
      }
    });
  }

  /** Tries again, less and less often, while others have locked what is needed. */
  async #withLockRetry(
    tables: readonly string[],
    progress: StepProgress,
    work: () => Promise<void>,
  ): Promise<void> {
    const started = performance.now();
    for (let attempt = 0; ; attempt += 1) {
      try {
        return await work();
      } catch (error) {
        if (error instanceof WaitsForTheLock) {
          this.#watchMilliseconds = Math.min(2 * this.#watchMilliseconds, MOST_WATCH_MILLISECONDS);
          continue;
        }
        const cause = databaseError(error);
        const waited = (performance.now() - started) / 1000;
        if (!(isLockTimeout(cause) || isDeadlock(cause)) || waited >= this.#options.lockTimeoutSeconds) {
          throw error;
        }
        progress.waiting?.(
          tables,
          waited,
          waited < NAME_HOLDERS_AFTER_SECONDS ? [] : await this.#holdersOf(tables),
        );
        const pause = Math.min(100 * 2 ** attempt, 2000) * (0.5 + Math.random() / 2);
        await sleep(pause, undefined, { signal: this.#options.signal });
      }
    }
  }

  /** Who keeps us waiting, as far as this user may know. */
  async #holdersOf(tables: readonly string[]): Promise<readonly LockHolder[]> {
    return tables.length === 0 ? [] : tableHolders(this.#session, tables, this.#pid ?? 0).catch(() => []);
  }

  async #runInAutocommit({ step, sql, lock }: Statement, progress: StepProgress): Promise<void> {
    if (!this.#reached) {
      await this.#open();
      await this.rollback();
    }
    await this.#withLockRetry(lock === undefined ? [] : [lock.table], progress, async () => {
      const name = lock?.table ?? '';
      // An error comes before its statement has ended on the server, this answer only after that: else
      // what was cancelled a moment ago would be taken for what a killed run has left.
      const [found] = await this.query('SELECT coalesce(CAST(to_regclass(:name) AS oid), 0) AS oid', {
        name,
      });
      const table = { name, oid: String(found?.oid) };
      if (step.do === 'create index') {
        await this.#endLeftBehind(step.index.name, table);
        await this.#dropUnfinished(step.index.name, table, progress);
      } else if (step.do === 'drop index') {
        await this.#endLeftBehind(step.index, table);
      }
      for (const statement of sql) {
        await this.#executeAlone(statement, table, progress);
      }
    });
  }

  /**
   * Runs what is in no transaction: it waits for others without holding up anybody, and is given up
   * when it has waited for too long. No `lock_timeout` is set for that, as a pooler would hand it on.
   */
  async #executeAlone(statement: string, table: Table, progress: StepProgress): Promise<void> {
    await this.#holdLock();
    // From here on a stop finds the statement.
    this.#options.signal.throwIfAborted();
    const alone: Autocommitted = { statement, table };
    this.#autocommitted = alone;
    const ended = new AbortController();
    const wait: Wait = { endedBy: undefined };
    void this.#watchWait(alone, wait, progress, ended.signal);
    try {
      await this.#execute(statement);
    } catch (error) {
      throw this.#options.signal.aborted ? error : (wait.endedBy ?? this.#explainLimit(error));
    } finally {
      this.#autocommitted = undefined;
      ended.abort();
    }
  }

  /** Never throws. */
  async #watchWait(
    alone: Autocommitted,
    wait: Wait,
    progress: StepProgress,
    ended: AbortSignal,
  ): Promise<void> {
    const sessions = this.#sessionsOf(alone);
    const cancel = async (why: Error): Promise<void> => {
      wait.endedBy = why;
      await askAsOneself(this.#session, `SELECT pg_cancel_backend(a.pid) ${sessions}`).catch(() => undefined);
    };
    let since: number | undefined;
    for (;;) {
      await sleep(this.#watchMilliseconds, undefined, { signal: ended }).catch(() => undefined);
      // What is asked now would meet the next statement.
      if (ended.aborted) {
        return;
      }
      const blockers = await blockersOf(this.#session, `SELECT a.pid ${sessions} LIMIT 1`).catch(() => []);
      if (ended.aborted) {
        return;
      }
      if (wait.endedBy !== undefined || blockers.some(({ pid }) => pid === this.#lock.pid)) {
        await cancel(wait.endedBy ?? new WaitsForTheLock());
        continue;
      }
      if (blockers.length === 0) {
        since = undefined;
        continue;
      }
      since ??= performance.now();
      const waited = (performance.now() - since) / 1000;
      try {
        progress.waiting?.([alone.table.name], waited, blockers);
      } catch {
        // It is to stop, which ends the statement already.
        return;
      }
      if (waited >= this.#options.lockTimeoutSeconds) {
        await cancel(new WaitedTooLong());
      }
    }
  }

  /**
   * Sessions of migrators that are at such a statement, of which a part may be `%`, on this table:
   * other schemas have one of the same name. Outside of a transaction a pooler may have sent it to
   * any session.
   */
  #sessionsOf({ statement, table }: Autocommitted): string {
    const { application_name: application = '' } = this.#session.config;
    return `FROM pg_stat_activity a WHERE a.datname = current_database() AND a.usename = session_user
    AND a.application_name = ${literal(application)} AND a.state = 'active' AND a.pid <> pg_backend_pid()
    AND a.query LIKE ${literal(`%${statement}%`)}
    AND EXISTS (SELECT 1 FROM pg_locks l WHERE l.pid = a.pid AND l.relation = ${table.oid})`;
  }

  /**
   * What a statement of its own was ended by, where that is a limit which only a transaction could
   * have lifted.
   */
  #explainLimit(error: unknown): unknown {
    return databaseError(error).code === '57014' && this.#state.pooled && !this.#options.signal.aborted
      ? new Failure(
          'MigrationFailed',
          `Cannot go on with ${this.#session.address}: the server ended '${this.#autocommitted?.statement}' by a statement_timeout, which cannot be lifted through a pooler. Name the server itself, or lift it for this user.`,
          { cause: error },
        )
      : error;
  }

  /**
   * Ends what a killed run has left: its server process may still be at the index for nobody. We
   * have the lock, so no living migrator is. Where it is another user's, it is waited for as
   * anybody else who has the table in use.
   */
  async #endLeftBehind(index: string, table: Table): Promise<void> {
    const sessions = this.#sessionsOf({ statement: `INDEX CONCURRENTLY%${index}`, table });
    await askAsOneself(this.#session, `SELECT pg_terminate_backend(a.pid) ${sessions}`);
  }

  /** A killed run may have left one that is not valid. */
  async #dropUnfinished(index: string, table: Table, progress: StepProgress): Promise<void> {
    const name = indexName(index, table.name, this.#state);
    const [invalid] = await this.query(
      'SELECT 1 AS one FROM pg_index WHERE indexrelid = to_regclass(:name) AND NOT indisvalid',
      { name },
    );
    if (invalid !== undefined) {
      await this.#executeAlone(`DROP INDEX CONCURRENTLY IF EXISTS ${name}`, table, progress);
    }
  }

  /** Several statements at once, of which nothing is asked. */
  async #execute(sql: string): Promise<void> {
    await this.#pool.sequelize.query(sql, { transaction: this.#transaction, raw: true });
  }
}

/** The place of a step; one that stands in for what is left of another has that one's column. */
function numberOf(step: Step, steps: readonly Step[]): number {
  const column = 'column' in step ? step.column : undefined;
  return steps.findIndex(
    (each) => each === step || (typeof column === 'object' && 'column' in each && each.column === column),
  );
}

/** A pool does not close before it has its connection back. */
async function closePool({ sequelize }: Pool, transaction: Transaction | null): Promise<void> {
  await transaction?.rollback().catch(() => undefined);
  await sequelize.close().catch(() => undefined);
}

function openPool(session: Session, state: PostgresState): Pool {
  let socket: Socket | undefined;
  const sequelize = openSequelize(session, state, () => {
    socket = new Socket();
    return socket;
  });
  sequelize.addHook('afterConnect', async (connection: unknown) => {
    if (!(connection instanceof driver.Client)) {
      throw new RangeError('the driver has another kind of connection');
    }
    // Through a pooler it is for each transaction to do that.
    if (!state.pooled) {
      await connection.query(`SELECT ${settings('false')}`);
    }
  });
  return { sequelize, drop: () => socket?.destroy() };
}

function openSequelize({ config }: Session, state: PostgresState, stream: () => Socket): Sequelize {
  const settings: UntypedOptions = {
    dialect: 'postgres',
    dialectModule: driver,
    ...withoutUndefined({ host: config.host, port: config.port, username: config.user }),
    ...(typeof config.password === 'string' ? { password: config.password } : {}),
    ...withoutUndefined({ database: config.database }),
    dialectOptions: {
      application_name: config.application_name,
      ssl: config.ssl,
      ...withoutUndefined({ options: config.options }),
      keepAlive: true,
      stream,
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
  return newSequelize(settings);
}

function rowCount(result: unknown): number {
  return typeof result === 'object' && result !== null && 'rowCount' in result ? Number(result.rowCount) : 0;
}
