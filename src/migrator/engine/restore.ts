import type { Made } from './dump.ts';

/** What a restore goes by of a backup's document, see `backup/document.ts`. */
export interface BackupFacts {
  readonly file: string;
  readonly compressed: boolean;
  /** What made it. */
  readonly client: string;
  /** The version of the server that it is of. */
  readonly server: string;
  readonly heads: readonly string[];
  readonly tables: Readonly<Record<string, number>>;
  readonly others?: readonly string[] | undefined;
  readonly needs?: readonly string[] | undefined;
}

/** A backup that was read and found whole, to be put back. */
export interface RestoreOptions {
  readonly document: BackupFacts;
  /** The path of its dump, for the engine's own programs. */
  readonly path: string;
  /** What it makes in addition to tables, where that was read. */
  readonly made: Made | undefined;
  /** How long a table that another session has locked is waited for. */
  readonly lockTimeoutSeconds: number;
}

/** Somebody else's session in the database. */
export interface OtherSession {
  readonly user: string;
  /** What it calls itself; empty or null where nothing is known. */
  readonly application: string | null;
  /** Absent for a Unix socket. */
  readonly host: string | null;
}

/** Puts a backup back by the engine's own programs; whoever has it holds the lock. */
export interface Restorer {
  /** The sessions of others, as far as this user may see them. */
  others(): Promise<readonly OtherSession[]>;
  /**
   * Removes what is there, puts in what the dump has and compares it with the document.
   *
   * @throws BrokenRestore
   */
  restore(dump: AsyncIterable<Buffer>, signal: AbortSignal): Promise<void>;
}

/** How far a restore that broke off has come. */
export type RestoreState = 'unchanged' | 'unfinished' | 'unknown';

/** A restore that broke off: why, as a phrase, and what that leaves. */
export class BrokenRestore extends Error {
  readonly state: RestoreState;

  constructor(why: string, state: RestoreState, options: { cause?: unknown } = {}) {
    super(why, options);
    this.name = 'BrokenRestore';
    this.state = state;
  }
}
