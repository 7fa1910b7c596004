import type { Phase } from '../glance/phase.ts';
import type { FailureReason } from './failures.ts';

/** The commands that leave a report. */
export const REPORTED_COMMANDS = [
  'sync',
  'upgrade',
  'expand',
  'migrate',
  'contract',
  'check',
  'plan',
  'backup',
  'version',
  'version_control',
] as const;

/**
 * What `glance-schema db ... --report FILE` leaves: the whole result of one run, as the Job hands
 * it to the operator by its pod's termination message. At most 4,096 bytes of JSON, which is what a
 * kubelet keeps.
 *
 * Source: kubernetes.io/docs/tasks/debug/debug-application/determine-reason-pod-failure.
 */
export interface MigrationReport {
  readonly version: 1;
  readonly command: (typeof REPORTED_COMMANDS)[number];
  /**
   * The revision that was asked for, resolved; null where the command takes none or it could not be
   * resolved.
   */
  readonly target: ReportedPosition | null;
  /** Where the database was before; null when it was empty or was not read. */
  readonly from: ReportedPosition | null;
  /** Where the database is now; null when it is empty or was not read. */
  readonly to: ReportedPosition | null;
  /** The rows of `alembic_version` as they are now, sorted; null when the database was not read. */
  readonly heads: readonly string[] | null;
  /** True when a database of the old tool was brought under Alembic's control by this run. */
  readonly adopted: boolean;
  /**
   * The revision scripts that this run committed and the data migrations in which it moved rows, in
   * order.
   */
  readonly applied: readonly AppliedScript[];
  /** How far a data migration came that did not end; absent when none was left like that. */
  readonly progress?: ReportedProgress | undefined;
  /**
   * What comes next, as `db check` says it; absent when nothing does, or another command reports.
   */
  readonly next?: 'expand' | 'migrate' | 'contract' | undefined;
  /**
   * What this run completed of the schema, such as an index that was missing; absent when nothing.
   */
  readonly repaired?: readonly string[] | undefined;
  /**
   * What of the schema is not that of the revision; absent when it was not compared, or nothing
   * is. At most ten.
   */
  readonly differences?: readonly string[] | undefined;
  /**
   * What drift there is: before a run that it has stopped, else after it; absent when it was not checked
   * for it. At most ten of each.
   */
  readonly drift?: ReportedDrift | undefined;
  /** What `db plan` found: what a run would do; absent of other commands. */
  readonly plan?: ReportedPlan | undefined;
  /** The backup that `db backup` made, or an earlier one which still holds; absent where none is needed. */
  readonly backup?: ReportedBackup | undefined;
  /** RFC 3339, UTC. */
  readonly startedAt: string;
  readonly finishedAt: string;
  readonly error: ReportedError | null;
}

/** What a run would do, in so few words that a report can hold it; the log has all of it. */
export interface ReportedPlan {
  /** SHA-256 of all that would run, by which the plan is approved. */
  readonly hash: string;
  /** What would run, in order: scripts, data migrations, what brings the database under version control or completes it. */
  readonly steps: readonly string[];
  /** How many rows it would write. */
  readonly rows: number;
  /** How many it may write before it counts as another plan. */
  readonly mostRows: number;
  /** The locks that it takes of tables in use; the last of them says how many are left out. */
  readonly locks: readonly string[];
  /** What is in the way of the run; the last of them says how many are left out. */
  readonly warnings: readonly string[];
}

/** How a schema is not that of its revision, and what it has in addition. */
export interface ReportedDrift {
  /** What is missing, different, or a column that is not Glance's. */
  readonly differences: readonly string[];
  /** Tables and indexes that are not Glance's, and not wrong. */
  readonly also: readonly string[];
}

/** A backup that is proven: its rows were counted, and are those of one snapshot of the database. */
export interface ReportedBackup {
  /** The name of its file in the folder. */
  readonly file: string;
  /** Its length. */
  readonly bytes: number;
  /** Of the file, in hex. */
  readonly sha256: string;
  /** Where the database was. */
  readonly position: ReportedPosition;
  readonly tables: number;
  /** Of all tables. */
  readonly rows: number;
  /** RFC 3339, UTC: when its snapshot was taken. */
  readonly takenAt: string;
}

/** A revision, and how far through its phases the database is. */
export interface ReportedPosition {
  readonly revision: string;
  readonly phase: Phase;
}

/** A script that was run and committed, with how long it took. */
export interface AppliedScript {
  readonly name: string;
  /** Wall time in milliseconds, commit included. */
  readonly milliseconds: number;
  /** How many rows a data migration moved; absent for a revision script. */
  readonly rows?: number | undefined;
}

/** How far a data migration has come. */
export interface ReportedProgress {
  readonly migration: string;
  /** Rows. */
  readonly done: number;
  readonly total: number;
}

/** Why a run failed. */
export interface ReportedError {
  readonly reason: FailureReason;
  /** One sentence, with the database's own error where there is one; never a password. */
  readonly message: string;
  /** The revision script that was running, if one was. */
  readonly migration: string | null;
}
