import type { Transform } from 'node:stream';

/** How many rows each table has; PostgreSQL's have the schema before them. */
export type RowCounts = ReadonlyMap<string, number>;

/** What the engine's own program makes of a database, and what is needed to prove it. */
export interface Dumper {
  /** What makes it, such as `pg_dump (PostgreSQL) 15.4`. */
  readonly client: string;
  /** The server's version in its own words. */
  readonly server: string;
  /** How a dump's file ends, such as `.dump`. */
  readonly ending: string;
  /** What the tables take on the server, in bytes, without indexes. */
  readonly tableBytes: number;
  /** What there is in addition to tables with rows, where a restore has to know. */
  readonly others?: readonly string[];
  /** What has to be there before a restore, as no dump has it. */
  readonly needs?: readonly string[];
  /**
   * Begins a dump of one snapshot.
   *
   * @throws Failure `BackupFailed`, `DatabaseUnreachable`
   */
  start(): Promise<StartedDump>;
  close(): Promise<void>;
}

/** A dump under way. */
export interface StartedDump {
  /** When its snapshot was taken. */
  readonly takenAt: Date;
  /** What the program writes. */
  readonly output: AsyncIterable<Buffer>;
  /** What that goes through on the way to the file, if anything. */
  readonly encoder: Transform | undefined;
  /** The rows of the same snapshot, counted by another session. */
  readonly counts: Promise<DumpContent>;
  /** How the program has ended: what it said, where it has failed. Never rejects. */
  readonly ended: Promise<{ readonly ok: boolean; readonly said: string }>;
  /** Reads what the program writes, as whoever restores it would. */
  readonly reader: DumpReader;
}

/** Reads a dump while it is written. */
export interface DumpReader {
  /** Resolves once more may come. */
  write(chunk: Buffer): Promise<void>;
  /**
   * After the last piece.
   *
   * @throws Failure `BackupFailed` where it cannot be read
   */
  end(): Promise<DumpContent & { readonly complete: boolean }>;
}

/** What is in a dump, or in the snapshot that it is of. */
export interface DumpContent {
  readonly rows: RowCounts;
  /** How many of what the engine may leave out without a word, or not let everybody make again. */
  readonly made?: Made;
}

/** What a dump of MariaDB or MySQL makes in addition to tables and their rows. */
export interface Made {
  readonly triggers: number;
  readonly views: number;
}

/** How a dump is to be made. */
export interface DumpOptions {
  readonly compressed: boolean;
  /** How long a table that another session has locked is waited for. */
  readonly lockTimeoutSeconds: number;
  /** Aborted to stop it, wherever it is. */
  readonly signal: AbortSignal;
}
