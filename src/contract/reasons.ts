/**
 * How one reason of the condition `Ready` reads in the three conditions, and what it asks of a
 * person.
 */
export interface ReasonMeaning {
  readonly ready: 'True' | 'False' | 'Unknown';
  /** Which of the two abnormal conditions is present beside Ready; the other is absent. */
  readonly also: 'Reconciling' | 'Stalled' | undefined;
  /** Whether its Event is a warning: a person has to see to it. */
  readonly warns: boolean;
  /** The verb of the kubectl plugin that helps on from it, if one does. */
  readonly verb?: 'retry' | 'observe' | 'resume' | 'approve';
  readonly meaning: string;
  readonly doThis: string;
}

/**
 * Every reason of the condition `Ready`, part of the API. Conditions follow kstatus: `Reconciling`
 * and `Stalled` are present only while they are true.
 *
 * Source: github.com/kubernetes-sigs/cli-utils, pkg/kstatus.
 */
export const REASONS = {
  UpToDate: {
    ready: 'True',
    also: undefined,
    warns: false,
    meaning: 'The database is at the wanted revision and phase.',
    doThis: 'Nothing.',
  },
  MigrationPending: {
    ready: 'False',
    also: 'Reconciling',
    warns: false,
    meaning: 'A migration is about to start, or waits for its next attempt.',
    doThis: 'Wait; the message says when the next attempt is.',
  },
  OutsideWindow: {
    ready: 'False',
    also: 'Reconciling',
    warns: false,
    meaning: 'A migration is due, and `spec.window` is closed.',
    doThis: 'Wait; the message says when the window opens. To migrate before that, remove `spec.window`.',
  },
  AwaitingApproval: {
    ready: 'False',
    also: undefined,
    warns: false,
    verb: 'approve',
    meaning: '`spec.approval` is `Manual`, and the plan of the migration has not been approved.',
    doThis:
      'Read the plan in the log of the Job that the message names; then approve it by `kubectl glanceschema approve`, or by its hash in `spec.approvedPlan`.',
  },
  WaitingForRollOut: {
    ready: 'False',
    also: 'Reconciling',
    warns: false,
    meaning:
      'The database is expanded and its rows are moved; contract waits for the workloads of `spec.contractAfter`.',
    doThis:
      'Roll out what the message names, or correct it there. To contract without waiting, remove `spec.contractAfter`.',
  },
  MigrationRunning: {
    ready: 'False',
    also: 'Reconciling',
    warns: false,
    meaning: 'A Job is at work on the database.',
    doThis: 'Wait; the message says how far a long one is, and `kubectl logs job/NAME` shows it at work.',
  },
  Observing: {
    ready: 'False',
    also: 'Reconciling',
    warns: false,
    meaning: 'A Job that only reads is reading the database.',
    doThis: 'Wait.',
  },
  Suspended: {
    ready: 'Unknown',
    also: undefined,
    warns: false,
    verb: 'resume',
    meaning: '`spec.suspend` is true: no migration is started.',
    doThis: 'Set `spec.suspend` to false to go on.',
  },
  DowngradeNotSupported: {
    ready: 'False',
    also: 'Stalled',
    warns: true,
    verb: 'observe',
    meaning: 'The wanted revision comes before the one that the database is at. Nothing was changed.',
    doThis:
      'Name the recorded revision or a later one; or restore a backup, then set the annotation `observe`.',
  },
  RevisionNotFound: {
    ready: 'False',
    also: 'Stalled',
    warns: true,
    meaning: 'The wanted revision is not one that this operator supports, or none is named.',
    doThis: 'Name one of those that the message lists, or upgrade the operator.',
  },
  WindowInvalid: {
    ready: 'False',
    also: 'Stalled',
    warns: true,
    meaning: '`spec.window` cannot be read, or never opens. Nothing is migrated.',
    doThis: 'Correct the field that the message names.',
  },
  DatabaseNewer: {
    ready: 'False',
    also: 'Stalled',
    warns: true,
    meaning: 'The database is past what this operator supports. Nothing was changed.',
    doThis: 'Upgrade the operator. Its new version tries again by itself.',
  },
  DatabaseUnreachable: {
    ready: 'False',
    also: 'Reconciling',
    warns: true,
    verb: 'retry',
    meaning: 'The Job cannot connect to the database, log in or write, or the server ended its session.',
    doThis: 'Fix what the message names; the operator tries again by itself.',
  },
  ConnectionInvalid: {
    ready: 'False',
    also: 'Reconciling',
    warns: true,
    verb: 'retry',
    meaning: "The Secret's value cannot be read as a connection. The database was not asked.",
    doThis:
      'Correct the value of the key that the message names; the operator tries again by itself, or at once with the annotation `retry`.',
  },
  DatabaseNotGlance: {
    ready: 'False',
    also: 'Stalled',
    warns: true,
    verb: 'retry',
    meaning:
      "The database is not Glance's, a restore of it has not ended, or its version table is lost or contradicts its tables. Nothing was changed.",
    doThis:
      'Do what the message says: name the right database in the Secret, finish the restore, or correct the version table. Then set the annotation `retry`.',
  },
  SchemaDrift: {
    ready: 'False',
    also: 'Reconciling',
    warns: true,
    verb: 'retry',
    meaning:
      '`spec.drift.beforeMigration` is `Block`, and the schema is not what its revision has. Nothing was changed.',
    doThis:
      'Run `glance-schema db diff --drift` to see every difference and the SQL that fixes it, or list intended differences in `spec.drift.exclude`. The operator retries by itself; to retry at once, set the annotation `retry`.',
  },
  BackupFailed: {
    ready: 'False',
    also: 'Reconciling',
    warns: true,
    verb: 'retry',
    meaning: 'The backup before the migration could not be taken or proven. Nothing was migrated.',
    doThis:
      'Fix what the message names; the operator tries again by itself, or at once with the annotation `retry`.',
  },
  SecretNotReady: {
    ready: 'False',
    also: 'Reconciling',
    warns: true,
    meaning: 'The Secret, or its key, is missing, so that the pod cannot start.',
    doThis: 'Create what the message names; the pod starts by itself.',
  },
  MigrationFailed: {
    ready: 'False',
    also: 'Stalled',
    warns: true,
    verb: 'retry',
    meaning:
      'A migration failed and is not retried by itself. The message says what state the database is in.',
    doThis: 'Fix what the message names, then set the annotation `retry` or change the spec.',
  },
  PartiallyApplied: {
    ready: 'False',
    also: 'Stalled',
    warns: true,
    verb: 'retry',
    meaning:
      'MySQL and MariaDB only: a statement was applied that cannot be rolled back, and a later one failed.',
    doThis: 'Fix what the message names, then set the annotation `retry`: the next run continues.',
  },
  JobBlocked: {
    ready: 'False',
    also: 'Reconciling',
    warns: true,
    meaning:
      'The Job cannot go on: image, quota, scheduling, a Job that is suspended, a node that does not answer.',
    doThis: 'Fix what the message names. It usually quotes the kubelet, the scheduler or the API server.',
  },
} as const satisfies Readonly<Record<string, ReasonMeaning>>;

/** The reason of the condition `Ready`, by which scripts and alerts know the state. */
export type Reason = keyof typeof REASONS;

/** One of the reasons above; undefined for one of a newer operator. */
export function knownReason(reason: string | undefined): Reason | undefined {
  return Object.keys(REASONS).find((known): known is Reason => known === reason);
}

/** What is known of a reason; undefined for one of a newer operator. */
export function reasonMeaning(reason: string | undefined): ReasonMeaning | undefined {
  const known = knownReason(reason);
  return known === undefined ? undefined : REASONS[known];
}
