/**
 * The exit codes of `glance-schema db ...`, part of the API: the Job's pod failure policy and people's scripts act on
 * them. 3, 4 and 5 are those of `db check`, as of `glance-manage db check`.
 */
export const EXIT_CODES = {
  /** Done, or there was nothing to do. */
  Done: 0,
  /** A migration failed; the message carries the database's own error. */
  MigrationFailed: 1,
  /** The command line, or a file that it names, cannot be understood. */
  Usage: 2,
  /** The target comes before where the database is. */
  DowngradeNotSupported: 10,
  /** The target is no revision that this build carries. */
  RevisionNotFound: 11,
  /** The database is past what this build carries. */
  DatabaseNewer: 12,
  /** Neither alembic_version nor migrate_version can place the database. */
  DatabaseNotGlance: 13,
  /** MySQL and MariaDB only: a statement was applied that cannot be rolled back, and a later one failed. */
  PartiallyApplied: 14,
  /** A phase was asked for before the one that must come first; nothing was changed. */
  OutOfOrder: 15,
  /** Done, but the schema is not that of the revision: somebody else has changed it. The report lists what differs. */
  SchemaDiffers: 16,
  /** What should be a connection to a database cannot be read as one. */
  ConnectionInvalid: 17,
  /** Cannot connect, authenticate or write, or the server has ended what ran: the same may go well later. */
  DatabaseUnreachable: 20,
  /** Another migrator has kept the lock for longer than was asked to wait. */
  LockTimeout: 21,
  /** SIGTERM or SIGINT; what was running was rolled back, on MySQL but for its steps that were done. */
  Interrupted: 22,
} as const;

export type ExitReason = keyof typeof EXIT_CODES;

/** Why a command did not do what it was asked. */
export type FailureReason = Exclude<ExitReason, 'Done'>;

/** What each code says to a person, for the help of the commands and for the reference. */
export const EXIT_MEANINGS: Readonly<Record<ExitReason, string>> = {
  Done: 'done, or there was nothing to do',
  MigrationFailed: "a migration failed and was rolled back; the message has the database's own error",
  Usage: 'the command line, or a file that it names, cannot be understood',
  DowngradeNotSupported: 'the target comes before where the database is',
  RevisionNotFound: 'the target is no revision that this build carries',
  DatabaseNewer: 'the database is past what this build carries',
  DatabaseNotGlance: 'the database is not one of Glance, or its version cannot be believed',
  PartiallyApplied:
    'MySQL only: a statement failed and those before it stay; a rerun goes on from there once the cause is corrected',
  OutOfOrder: 'expand, migrate or contract was asked for before what must come first; the message names that',
  SchemaDiffers:
    'at the revision, but the schema is not what the revision has; the message says what differs, db diff how to mend it',
  ConnectionInvalid:
    'what should be the connection cannot be read as one, or names a file that is not there; the message says what it looks like',
  DatabaseUnreachable:
    'cannot connect, log in or write, or the server has ended it; the same may go well later',
  LockTimeout: 'another migrator has kept the lock for too long',
  Interrupted:
    'SIGTERM or SIGINT; what was running was rolled back, on MySQL but for its steps that were done',
};

/** The codes that another attempt cannot better: a Job ends on the first of these. */
export const FINAL_EXIT_CODES: readonly number[] = [
  EXIT_CODES.Usage,
  EXIT_CODES.DowngradeNotSupported,
  EXIT_CODES.RevisionNotFound,
  EXIT_CODES.DatabaseNewer,
  EXIT_CODES.DatabaseNotGlance,
  EXIT_CODES.PartiallyApplied,
  EXIT_CODES.OutOfOrder,
  EXIT_CODES.SchemaDiffers,
  EXIT_CODES.ConnectionInvalid,
];

/** What `db check` ends with when a phase is next, as `glance-manage db check` does. */
export const CHECK_EXIT_CODES = { expand: 3, migrate: 4, contract: 5 } as const;
