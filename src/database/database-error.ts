/** What PostgreSQL, the driver or the operating system said, out of whatever a library wrapped it in. */
export interface DatabaseError {
  /** An SQLSTATE, or a code of Node's such as ECONNREFUSED; empty where there is none. */
  readonly code: string;
  readonly message: string;
  readonly detail?: string;
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
  const detail = property(error, 'detail');
  return {
    code: typeof code === 'string' ? code : '',
    message: error.message || (typeof code === 'string' ? code : error.name),
    ...(typeof detail === 'string' && detail !== '' ? { detail } : {}),
  };
}

/** The message, the detail and the SQLSTATE in one line. */
export function describeDatabaseError(error: DatabaseError): string {
  const facts = [
    ...(error.detail === undefined ? [] : [error.detail.replace(/\.$/, '')]),
    ...(/^[0-9A-Z]{5}$/.test(error.code) ? [`SQLSTATE ${error.code}`] : []),
  ];
  const text = facts.length === 0 ? error.message : `${error.message} (${facts.join('; ')})`;
  return text.replaceAll(/\s+/g, ' ');
}

/** Whether the connection is gone, or the server with it, rather than a statement having failed. */
export function isConnectionLoss(error: DatabaseError): boolean {
  return (
    /^(08...|57P0[123]|ECONNRESET|ECONNREFUSED|EPIPE|ETIMEDOUT|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH)$/.test(
      error.code,
    ) ||
    /connection terminated|connection error and is not queryable|was closed|timeout expired/i.test(
      error.message,
    )
  );
}

function property(error: Error, name: string): unknown {
  return Object.getOwnPropertyDescriptor(error, name)?.value;
}
