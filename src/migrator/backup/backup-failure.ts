import {
  databaseError,
  describeDatabaseError,
  isLockTimeout,
  isRetryable,
} from '../errors/database-error.ts';
import { Failure } from '../errors/failure.ts';
import { lastLine } from './client-program.ts';

/** A sentence of the form "Cannot back up WHAT: WHY". */
export function cannotBackUp(address: string, why: string, cause?: unknown): Failure {
  return new Failure('BackupFailed', `Cannot back up ${address}: ${why}`, { cause });
}

/** What a session of ours was refused, as a failure of the backup. */
export function asBackupFailure(error: unknown, address: string): Failure {
  if (error instanceof Failure) {
    return error;
  }
  const cause = databaseError(error);
  if (isLockTimeout(cause)) {
    return cannotBackUp(
      address,
      'another session has kept a lock on a table for longer than --lock-timeout. Wait for it, or end it, and run the same again.',
      error,
    );
  }
  return isRetryable(cause)
    ? new Failure('DatabaseUnreachable', `Cannot back up ${address}: ${describeDatabaseError(cause)}`, {
        cause: error,
      })
    : cannotBackUp(address, describeDatabaseError(cause), error);
}

/** What a client says of a server that is gone, or has no connection left. */
const GONE =
  /server closed the connection|connection to server .* failed|could not connect|terminating connection|Lost connection|gone away|Can't connect|Too many connections|shutting down|starting up/i;

/** What it says of a table that another session keeps. */
const LOCKED = /lock timeout|Lock wait timeout/i;

/** Why the engine's own program has failed, by what it said. */
export function clientFailure(program: string, said: string, address: string): Failure {
  const why = `${program} failed: ${lastLine(said)}`;
  if (LOCKED.test(said)) {
    return cannotBackUp(
      address,
      `another session has kept a lock on a table for longer than --lock-timeout (${why}). Wait for it, or end it, and run the same again.`,
    );
  }
  return GONE.test(said)
    ? new Failure('DatabaseUnreachable', `Cannot back up ${address}: ${why}`)
    : cannotBackUp(address, why);
}

/** That the engine's own program is not on this machine. */
export function noClient(names: readonly string[], address: string): Failure {
  return cannotBackUp(
    address,
    `found no ${names.join(' or ')} on PATH. Install it, or run an image that has it: spec.backup.image names one, and the Dockerfile's target with-clients builds one.`,
  );
}
