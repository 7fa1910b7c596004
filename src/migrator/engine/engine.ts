import type { Difference, FoundTable } from '../../glance/compare.ts';
import type { Found } from '../../glance/detect.ts';
import type { Engine as EngineName, Migration, Step } from '../../glance/steps.ts';
import type { ConnectionTarget } from '../connection/url.ts';
import type { Dumper, DumpOptions } from './dump.ts';
import type { RestoreOptions, Restorer } from './restore.ts';

/** A kind of database, behind which everything that differs between them is. */
export interface Engine {
  /**
   * Connects with the plain driver; sequelize and umzug are not loaded.
   *
   * @throws Failure `DatabaseUnreachable` with the cause, `Usage` for a certificate file that
   *   cannot be read
   */
  connect(target: ConnectionTarget): Promise<Connection>;
}

/** The first connection of a run: it reads, and it holds the lock. */
export interface Connection {
  /** `host:port/database`. */
  readonly address: string;
  /** Aborted when the server or the network has ended the connection. */
  readonly lost: AbortSignal;
  /**
   * Reads tables, columns and the rows of both version tables, in at most two round trips.
   *
   * @throws Failure `DatabaseUnreachable`
   */
  readState(): Promise<DatabaseState>;
  /** Asks something, and leaves no lock on what it read. */
  query(sql: string): Promise<readonly Row[]>;
  /**
   * Takes the lock if nobody has it, until the connection is closed; a killed migrator blocks
   * nobody.
   */
  tryLock(): Promise<boolean>;
  /** Who has the lock; undefined when it is free by now. */
  lockHolder(): Promise<LockHolder | undefined>;
  /** Says goodbye to the server, but does not wait long for one that is gone. */
  close(): Promise<void>;
}

/** A row that a query gave. */
export type Row = Readonly<Record<string, unknown>>;

/** Another session that holds the lock. */
export interface LockHolder {
  /** The server's number of the session: a process on PostgreSQL, a connection on MySQL. */
  readonly pid: number;
  /** What it calls itself; null, or empty, where it does not, or this user may not know. */
  readonly application: string | null;
  /** Null for a Unix socket, or where this user may not know. */
  readonly address: string | null;
  /** When it got the lock, as RFC 3339; null or absent where this user may not know. */
  readonly since?: string | null;
}

/** What is read of a database at once, and what can be done from there. */
export interface DatabaseState {
  readonly engine: EngineName;
  readonly found: Found;
  /**
   * Whether a migration is one transaction with its record. Without that the database may also be
   * found in the middle of one.
   */
  readonly transactional: boolean;
  /**
   * Says before the first change what the last one would fail on; changes nothing.
   *
   * @throws Failure `DatabaseUnreachable` where nothing can be written, `MigrationFailed` where
   *   something cannot be done
   */
  preflight(migrations: readonly Migration[]): Promise<void>;
  /**
   * Reads what these tables are made of: columns, indexes and keys. A table that is not there is
   * left out.
   *
   * @throws Failure `DatabaseUnreachable`
   */
  readTables(names: readonly string[]): Promise<ReadonlyMap<string, FoundTable>>;
  /**
   * The triggers among these that make every write of their table fail, as their definer is gone.
   * Writes a row and rolls that back where another user has made them.
   */
  findBrokenTriggers(names: ReadonlySet<string>): Promise<ReadonlySet<string>>;
  /**
   * What hangs on a column or a table that these steps drop, so that the server would refuse to
   * drop it: a phrase for each.
   *
   * @throws Failure `DatabaseUnreachable`
   */
  findObstacles(steps: readonly Step[]): Promise<readonly string[]>;
  /** The SQL that makes a difference go away on this server, in order. */
  repairStatements(difference: Difference): readonly string[];
  /**
   * What is left to do of each of these scripts on this server, one after the other. Reads, and
   * changes nothing.
   */
  statements(
    scripts: readonly (readonly Step[])[],
    online: boolean,
  ): Promise<readonly (readonly PlannedStatement[])[]>;
  /** Opens the connection that migrations run on. What it needs is loaded only then. */
  openWriter(options: WriterOptions): Promise<Writer>;
  /**
   * Which database it is, whatever it is called.
   *
   * @throws Failure `DatabaseUnreachable`
   */
  identify(): Promise<string>;
  /**
   * Finds the engine's own program for a dump, and a session beside it. Whoever asks has the lock.
   *
   * @throws Failure `BackupFailed` where there is no such program, or it cannot do it
   */
  openDumper(options: DumpOptions): Promise<Dumper>;
  /**
   * Finds the engine's own programs for a restore, and whether it can be done. Whoever asks has the
   * lock.
   *
   * @throws Failure `RestoreRefused`
   */
  openRestorer(options: RestoreOptions): Promise<Restorer>;
}

/** A statement as a plan shows it. */
export interface PlannedStatement {
  readonly sql: string;
  /** Whether it is committed by itself, and not together with the record of its script. */
  readonly autocommit: boolean;
  /** What it takes of a table that is in use; absent where that is nothing. */
  readonly lock?: { readonly table: string; readonly mode: string; readonly effect: string };
}

/** How a writer treats those that use the database at the same time. */
export interface WriterOptions {
  /**
   * Whether Glance servers may be at work on the tables: then nothing may hold them up for long.
   */
  readonly online: boolean;
  /** How long a statement waits for a lock that another session holds. */
  readonly lockTimeoutSeconds: number;
  /** Aborted to stop a writer that waits by itself; `cancel` stops the statement that runs. */
  readonly signal: AbortSignal;
}

/**
 * The connection that migrations run on, one after the other: begin, run, record. `:name` in SQL
 * stands for a value.
 */
export interface Writer {
  /**
   * Opens a migration, and makes sure that `alembic_version` still has the rows that the plan was
   * made from. Absent rows mean that there is no such table: it is made.
   *
   * @throws Failure `MigrationFailed` where the database is not what the plan was made from
   */
  begin(rows: readonly string[] | undefined): Promise<void>;
  /**
   * Runs what of these steps cannot wait for the transaction with the record, or must not be in it;
   * before `begin`, and safe to repeat.
   */
  prepare(steps: readonly Step[], progress: StepProgress): Promise<void>;
  /**
   * Runs steps in order. Where the engine cannot roll back, those that the catalog shows as done
   * are left out.
   */
  run(steps: readonly Step[], progress: StepProgress): Promise<void>;
  /**
   * Makes the rows of `alembic_version` these and commits, in one with the steps where the engine
   * can.
   */
  record(rows: readonly string[]): Promise<void>;
  /** Asks something, in the open migration or outside of any. */
  query(sql: string, values?: Row): Promise<readonly Row[]>;
  /**
   * Changes rows, in the open migration or, outside of any, committed by itself; gives their
   * number.
   */
  change(sql: string, values?: Row): Promise<number>;
  /**
   * Changes rows in a transaction of its own, outside of any migration; gives their number.
   *
   * @param lockTimeout how long to wait for a row that another session has locked, in milliseconds;
   *   absent means `lockTimeoutSeconds`
   */
  changeAndCommit(sql: string, values?: Row, lockTimeout?: number): Promise<number>;
  /** Undoes what is not committed. Never throws. */
  rollback(): Promise<void>;
  /**
   * Ends the statement that runs, unless it is the commit; where the server does not, lets go of
   * the connection within a second.
   */
  cancel(): void;
  /** Lets go of the connection at once, without a word to the server. */
  drop(): void;
  /**
   * What the server may still be at though the connection was let go of; undefined where that is
   * nothing.
   */
  readonly abandoned: string | undefined;
  /** Never throws. */
  close(): Promise<void>;
}

/** What a writer reports of the steps that it runs. */
export interface StepProgress {
  /** A step begins; what this throws stops the run before it. */
  started(step: Step, index: number): void;
  /**
   * A step is there to stay, whatever comes: it was run, or was found done. Never reported by an
   * engine that can roll back.
   */
  kept?(step: Step): void;
  /** A part of these is there to stay, and not all of it yet. */
  begun?(steps: readonly Step[]): void;
  /** One statement works on these steps, some of which may have been reported as started before. */
  together?(steps: readonly Step[]): void;
  /** These have no meaning on this engine: nothing is to be done for them. */
  meaningless?(steps: readonly Step[]): void;
  /**
   * Tables are in use by others, some of whom may be known, and asked for again; what this throws
   * ends the wait.
   */
  waiting?(tables: readonly string[], seconds: number, holders?: readonly LockHolder[]): void;
}
