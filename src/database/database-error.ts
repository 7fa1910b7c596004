import { safeMessage } from './safe-message.ts';

/** What the database, the driver or the operating system said, out of whatever a library wrapped it in. */
export interface DatabaseError {
  /** An SQLSTATE, a name of MySQL's such as ER_DUP_ENTRY, or one of Node's such as ECONNREFUSED; may be empty. */
  readonly code: string;
  /** MySQL's number. */
  readonly number?: number;
  /** Never what a row holds. */
  readonly message: string;
}

/** The innermost error that tells the cause. Sequelize keeps it in `original`, umzug in `cause`, Node in `errors`. */
export function databaseError(error: unknown): DatabaseError {
  if (!(error instanceof Error)) {
    return { code: '', message: String(error) };
  }
  const inner = [
    property(error, 'original'),
    property(error, 'parent'),
    error.cause,
    ...(error instanceof AggregateError ? error.errors : []),
  ].find((candidate) => candidate instanceof Error && candidate !== error);
  if (inner !== undefined) {
    return databaseError(inner);
  }
  const code = property(error, 'code');
  const number = property(error, 'errno');
  return {
    code: typeof code === 'string' ? code : '',
    // Node has a negative one.
    ...(typeof number === 'number' && number > 0 ? { number } : {}),
    message: safeMessage(error),
  };
}

/** The message and the SQLSTATE or number in one line. */
export function describeDatabaseError(error: DatabaseError): string {
  const fact =
    error.number !== undefined
      ? ` (error ${error.number})`
      : /^[0-9A-Z]{5}$/.test(error.code)
        ? ` (SQLSTATE ${error.code})`
        : '';
  return `${error.message}${fact}`.replaceAll(/\s+/g, ' ');
}

/** Whether the connection is gone, or the server with it, rather than a statement having failed. */
export function isConnectionLoss(error: DatabaseError): boolean {
  return (
    /^(08...|57P0[123]|ECONNRESET|ECONNREFUSED|EPIPE|ETIMEDOUT|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|PROTOCOL_CONNECTION_LOST)$/.test(
      error.code,
    ) ||
    // Shutdown; not ready, as of a Galera node without its cluster; killed.
    [1053, 1047, 1927].includes(error.number ?? 0) ||
    /connection terminated|connection error and is not queryable|was closed|in closed state|timeout expired/i.test(
      error.message,
    )
  );
}

/** Whether a statement has waited in vain for a lock that another session holds. */
export function isLockTimeout(error: DatabaseError): boolean {
  return error.code === '55P03' || error.number === 1205;
}

/** Whether two sessions have waited for one another and this one was chosen to give way. Galera says it of a late conflict too. */
export function isDeadlock(error: DatabaseError): boolean {
  return error.code === '40P01' || error.number === 1213;
}

function property(error: Error, name: string): unknown {
  return Object.getOwnPropertyDescriptor(error, name)?.value;
}
