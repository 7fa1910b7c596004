import { readFailure } from '../engine/read-failure.ts';
import { ask } from './ask.ts';
import type { Session } from './connect.ts';

/**
 * The cluster, which its standbys share, and the database within it. Where the cluster's number may
 * not be asked for, the database stands for itself.
 */
const IDENTITY = `
SELECT CASE WHEN has_function_privilege('pg_catalog.pg_control_system()', 'EXECUTE')
    THEN (SELECT system_identifier FROM pg_catalog.pg_control_system())::text ELSE '' END
  || '/' || (SELECT oid FROM pg_database WHERE datname = current_database()) AS identity`;

/**
 * Which database it is, whatever it is called, and whichever host of it answers.
 *
 * @throws Failure `DatabaseUnreachable`
 */
export async function identify(session: Session): Promise<string> {
  try {
    const [row] = await ask(session, IDENTITY);
    return String(row?.identity);
  } catch (error) {
    throw readFailure(error, session.address);
  }
}
