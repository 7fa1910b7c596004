/** All that is known of one way in which a command can fail. */
export interface FailureMeaning {
  /**
   * What `glance-schema db ...` ends with; part of the API: the Job's pod failure policy and
   * people's scripts act on it.
   */
  readonly exitCode: number;
  /** What it says to a person, for the help of the commands and for the reference. */
  readonly meaning: string;
  /** Whether another pod of the same Job is started after it. */
  readonly retriedInJob: boolean;
  /**
   * Whether another Job follows once this one has ended: after a while, with another image of the
   * operator, or only when a person asks.
   */
  readonly nextJob: 'with backoff' | 'by another image' | 'when asked';
  /** Whether the history keeps it: a refusal or a missing connection is no migration. */
  readonly inHistory: boolean;
  /** Whether it refuses what is wanted, without having changed anything. */
  readonly refusal: boolean;
}

/**
 * Every way in which a command of `glance-schema db` can fail. The exit codes, the pod failure
 * policy, the decisions of the operator, the metrics, `--help` and the reference derive from this
 * table.
 */
export const FAILURES = {
  MigrationFailed: {
    exitCode: 1,
    meaning:
      "a migration failed; the message has the database's own error and says what state the database is in",
    retriedInJob: true,
    nextJob: 'when asked',
    inHistory: true,
    refusal: false,
  },
  Usage: {
    exitCode: 2,
    meaning: 'the command line, or a file that it names, cannot be understood',
    retriedInJob: false,
    nextJob: 'with backoff',
    inHistory: false,
    refusal: false,
  },
  DowngradeNotSupported: {
    exitCode: 10,
    meaning: 'the target comes before where the database is',
    retriedInJob: false,
    nextJob: 'when asked',
    inHistory: false,
    refusal: true,
  },
  RevisionNotFound: {
    exitCode: 11,
    meaning: 'the target is no revision that this version supports',
    retriedInJob: false,
    nextJob: 'by another image',
    inHistory: false,
    refusal: true,
  },
  DatabaseNewer: {
    exitCode: 12,
    meaning: 'the database is past the latest revision that this version supports',
    retriedInJob: false,
    nextJob: 'by another image',
    inHistory: false,
    refusal: true,
  },
  DatabaseNotGlance: {
    exitCode: 13,
    meaning: "the database is not Glance's, or its version table contradicts its tables",
    retriedInJob: false,
    nextJob: 'when asked',
    inHistory: false,
    refusal: true,
  },
  PartiallyApplied: {
    exitCode: 14,
    meaning:
      'MySQL and MariaDB only: a statement failed and those before it stay; a rerun goes on from there once the cause is corrected',
    retriedInJob: false,
    nextJob: 'when asked',
    inHistory: true,
    refusal: false,
  },
  OutOfOrder: {
    exitCode: 15,
    meaning: 'expand, migrate or contract was asked for before what must come first; the message names that',
    retriedInJob: false,
    nextJob: 'with backoff',
    inHistory: false,
    refusal: false,
  },
  SchemaDiffers: {
    exitCode: 16,
    meaning:
      'at the revision, but the schema is not what the revision has; the message says what differs, db diff how to correct it',
    retriedInJob: false,
    nextJob: 'with backoff',
    inHistory: false,
    refusal: false,
  },
  ConnectionInvalid: {
    exitCode: 17,
    meaning:
      'what should be the connection cannot be read as one, or names a file that does not exist; the message says what it looks like',
    retriedInJob: false,
    nextJob: 'with backoff',
    inHistory: false,
    refusal: false,
  },
  PlanChanged: {
    exitCode: 18,
    meaning:
      'with --plan-hash: what would run is not the plan that was approved; nothing was changed, and the message says what differs',
    retriedInJob: false,
    nextJob: 'with backoff',
    inHistory: false,
    refusal: false,
  },
  BackupFailed: {
    exitCode: 19,
    meaning: 'no backup could be made or proven, so that nothing was migrated; the message says why',
    retriedInJob: false,
    nextJob: 'with backoff',
    inHistory: false,
    refusal: false,
  },
  DatabaseUnreachable: {
    exitCode: 20,
    meaning: 'cannot connect, log in or write, or the server ended the session; a later attempt may succeed',
    retriedInJob: true,
    nextJob: 'with backoff',
    inHistory: false,
    refusal: false,
  },
  LockTimeout: {
    exitCode: 21,
    meaning: 'another migrator held the lock, or another session a table, for longer than --lock-timeout',
    retriedInJob: true,
    nextJob: 'with backoff',
    inHistory: false,
    refusal: false,
  },
  Interrupted: {
    exitCode: 22,
    meaning:
      'stopped by SIGTERM or SIGINT; what was running was rolled back (on MySQL and MariaDB finished steps remain)',
    retriedInJob: true,
    nextJob: 'with backoff',
    inHistory: true,
    refusal: false,
  },
  SchemaDrift: {
    exitCode: 23,
    meaning:
      'with --drift block: the schema is not what its revision has; nothing was changed, and the message says what differs',
    retriedInJob: false,
    nextJob: 'with backoff',
    inHistory: false,
    refusal: false,
  },
  RestoreRefused: {
    exitCode: 24,
    meaning:
      'db restore will not put this backup into this database; nothing was changed, and the message says why',
    retriedInJob: false,
    nextJob: 'with backoff',
    inHistory: false,
    refusal: false,
  },
  RestoreFailed: {
    exitCode: 25,
    meaning: 'db restore broke off; the message says what state the database is in',
    retriedInJob: false,
    nextJob: 'with backoff',
    inHistory: false,
    refusal: false,
  },
} as const satisfies Readonly<Record<string, FailureMeaning>>;

/** Why a command did not do what it was asked. */
export type FailureReason = keyof typeof FAILURES;

/** `Done`, or why not. */
export type ExitReason = 'Done' | FailureReason;

/** What the exit code of a command that did what it was asked says. */
const DONE = { exitCode: 0, meaning: 'done, or there was nothing to do' } as const;

/** What is known of a failure by its name; undefined for one that this version does not know. */
export function failureMeaning(reason: string | undefined): FailureMeaning | undefined {
  const known: Readonly<Record<string, FailureMeaning>> = FAILURES;
  return reason !== undefined && Object.hasOwn(known, reason) ? known[reason] : undefined;
}

/** The exit code of a command that ended so. */
export function exitCodeOf(reason: ExitReason): number {
  return exitMeaning(reason).exitCode;
}

/** The exit code of a command that ended so, and what it says to a person. */
export function exitMeaning(reason: ExitReason): Pick<FailureMeaning, 'exitCode' | 'meaning'> {
  return reason === 'Done' ? DONE : FAILURES[reason];
}

/** Every way in which a command can end. */
export const EXIT_REASONS: readonly ExitReason[] = ['Done', ...failureReasons()];

/** Those for which `is` holds. */
export function failureReasons(is: (meaning: FailureMeaning) => boolean = () => true): FailureReason[] {
  return Object.keys(FAILURES).filter(
    (name): name is FailureReason => name in FAILURES && is(FAILURES[name as FailureReason]),
  );
}

/** The codes after which no other pod of the same Job is started. */
export const FINAL_EXIT_CODES: readonly number[] = failureReasons(({ retriedInJob }) => !retriedInJob).map(
  exitCodeOf,
);

/** What `db check` ends with when a phase is next, as `glance-manage db check` does. */
export const CHECK_EXIT_CODES = { expand: 3, migrate: 4, contract: 5 } as const;
