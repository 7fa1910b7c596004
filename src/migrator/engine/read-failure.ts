import { databaseError, describeDatabaseError, isConnectionLoss } from '../errors/database-error.ts';
import { Failure } from '../errors/failure.ts';

/** Why reading a database did not succeed: the connection was lost, or the server refused. */
export function readFailure(error: unknown, address: string): Failure {
  const cause = databaseError(error);
  const what = isConnectionLoss(cause)
    ? `Lost the connection to ${address} while reading`
    : `Cannot read ${address}`;
  return new Failure(
    'DatabaseUnreachable',
    `${what}: ${describeDatabaseError(cause)}. Check the server and the network, then run the same again`,
    { cause: error },
  );
}
