import { safeMessage } from './safe-message.ts';

/**
 * What the database, the driver or the operating system said, out of whatever a library wrapped it
 * in.
 */
export interface DatabaseError {
  /**
   * An SQLSTATE, a name of MySQL's such as ER_DUP_ENTRY, or one of Node's such as ECONNREFUSED; may
   * be empty.
   */
  readonly code: string;
  /** MySQL's number. */
  readonly number?: number;
  /** Never what a row holds. */
  readonly message: string;
}

/**
 * The innermost error that names the cause. Sequelize keeps it in `original`, umzug in `cause`,
 * Node in `errors`.
 */
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
    /^(08...|57P0[12345]|25P0[34]|ECONNRESET|ECONNREFUSED|ECONNABORTED|EPIPE|ETIMEDOUT|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH|PROTOCOL_CONNECTION_LOST)$/.test(
      error.code,
    ) ||
    CONNECTION_LOSSES.includes(error.number ?? 0) ||
    /connection terminated|connection error and is not queryable|was closed|in closed state|timeout expired/i.test(
      error.message,
    )
  );
}

/**
 * Shutdown; not ready, as of a Galera node without its cluster; killed; trouble with packets on the
 * way; ended as idle, which MariaDB says of a session and of a transaction.
 */
const CONNECTION_LOSSES: readonly number[] = [
  1053, 1047, 1927, 1080, 1152, 1153, 1154, 1155, 1156, 1157, 1158, 1159, 1160, 1161, 1184, 2006, 2013, 4031,
];

/**
 * Whether the same may succeed a little later, with nothing changed: the server lacks connections
 * or memory at the moment, is read-only after a switchover, or an administrator has ended a statement.
 * Whoever migrates then tries again by himself.
 */
export function isRetryable(error: DatabaseError): boolean {
  return (
    isConnectionLoss(error) ||
    isDeadlock(error) ||
    RETRYABLE_STATES.includes(error.code) ||
    RETRYABLE_NUMBERS.includes(error.number ?? 0)
  );
}

/** Source: postgresql.org/docs, PostgreSQL Error Codes. */
const RETRYABLE_STATES: readonly string[] = [
  // Read-only transaction: the server has become a standby.
  '25006',
  // Serialization, and statement completion unknown.
  '40001',
  '40003',
  // Too little memory; too many connections.
  '53200',
  '53300',
  // Object in use; ended by an administrator.
  '55006',
  '57014',
];

/**
 * Source: mariadb.com/docs, MariaDB Error Codes; dev.mysql.com/doc, Server Error Message Reference;
 * proxysql.com/documentation.
 */
const RETRYABLE_NUMBERS: readonly number[] = [
  // Too little memory, too few threads.
  1037, 1038, 1041, 1135,
  // Too many connections: of all, of a user, of a user within an hour.
  1040, 1203, 1226,
  // Read-only: by an option, within a transaction, by the mode of a replica.
  1290, 1792, 1836,
  // Ended by an administrator, or by a limit.
  1317, 1969, 3024,
  // Group replication has rolled it back.
  3100, 3101,
  // A proxy reached no server behind it.
  9001,
];

/** Whether a statement has waited in vain for a lock that another session holds. */
export function isLockTimeout(error: DatabaseError): boolean {
  return error.code === '55P03' || error.number === 1205;
}

/**
 * Whether two sessions have waited for one another and this one was chosen to give way. Galera says
 * it of a late conflict too.
 */
export function isDeadlock(error: DatabaseError): boolean {
  // 1020: a row has changed since the snapshot, which a later MariaDB says instead of going on with
  // the newer row.
  return error.code === '40P01' || error.number === 1213 || error.number === 1020;
}

/**
 * Whether a server forbids GET_LOCK: Percona XtraDB Cluster by its setting, some releases of
 * MariaDB on every node of Galera.
 */
export function isForbiddenLock({ number, message }: DatabaseError): boolean {
  return (
    (number === 1105 && message.includes('pxc_strict_mode')) ||
    (number === 1235 && message.includes('GET_LOCK'))
  );
}

function property(error: Error, name: string): unknown {
  return Object.getOwnPropertyDescriptor(error, name)?.value;
}
