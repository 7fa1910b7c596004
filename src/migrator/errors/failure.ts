import type { FailureReason } from '../../contract/failures.ts';
import { databaseError, describeDatabaseError, isRetryable } from './database-error.ts';

/**
 * Why a command could not do what it was asked, in one sentence for a person; never holds a
 * password.
 */
export class Failure extends Error {
  readonly reason: FailureReason;
  /** The migration that was running, if one was. */
  readonly migration: string | undefined;

  constructor(reason: FailureReason, message: string, options: { cause?: unknown; migration?: string } = {}) {
    super(message, { cause: options.cause });
    this.name = 'Failure';
    this.reason = reason;
    this.migration = options.migration;
  }
}

/** What was thrown, as a failure; what was not foreseen is a failed migration. */
export function asFailure(error: unknown): Failure {
  if (error instanceof Failure) {
    return error;
  }
  const cause = databaseError(error);
  return new Failure(
    isRetryable(cause) ? 'DatabaseUnreachable' : 'MigrationFailed',
    `Stopped by an unexpected error: ${describeDatabaseError(cause)}. Run 'db version' to see where the database is, then run the same again`,
    { cause: error },
  );
}
