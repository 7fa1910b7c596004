import { type DatabaseError, databaseError, describeDatabaseError } from '../errors/database-error.ts';
import { lastLine } from './client-program.ts';

/**
 * What the engine's own program said of an error of the server, without what rows hold.
 *
 * @param said by psql with VERBOSITY=verbose, or by the client of MariaDB or MySQL
 */
function clientError(said: string): DatabaseError | undefined {
  const postgres = /(?:ERROR|FATAL|PANIC): {1,2}([0-9A-Z]{5}): (.*)/.exec(said);
  if (postgres !== null) {
    return databaseError(Object.assign(new Error(postgres[2]), { code: postgres[1] }));
  }
  const mysql = /^ERROR (\d+) \(([0-9A-Z]{5})\)(?: at line \d+)?: (.*)/m.exec(said);
  return mysql === null
    ? undefined
    : databaseError(Object.assign(new Error(mysql[3]), { errno: Number(mysql[1]), sqlState: mysql[2] }));
}

/** Why a program has failed, as a phrase. */
export function whyClientFailed(program: string, said: string): string {
  const error = clientError(said);
  return `${program} failed: ${error === undefined ? lastLine(said) : describeDatabaseError(error)}`;
}
