import mysql, { type RowDataPacket } from 'mysql2/promise';

/** The parts of a URL as OpenStack writes it, for the driver. */
export function mysqlOptions(url: string): mysql.ConnectionOptions {
  const { hostname, port, username, password, pathname } = new URL(url);
  return {
    host: hostname,
    port: Number(port),
    user: username,
    password,
    ...(pathname.length > 1 ? { database: pathname.slice(1) } : {}),
    dateStrings: true,
    supportBigNumbers: true,
    // No statement is prepared here, and the driver makes room for 16,000 with each connection.
    maxPreparedStatements: 1,
  };
}

/** Runs `work` on a connection that is closed in the end. */
export async function withMysql<T>(url: string, work: (client: mysql.Connection) => Promise<T>): Promise<T> {
  const client = await mysql.createConnection({ ...mysqlOptions(url), multipleStatements: true });
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

/** Opens a connection whose server may go away: that throws nothing, and the next query fails. */
export async function openMysqlSession(url: string): Promise<mysql.Connection> {
  const session = await mysql.createConnection(mysqlOptions(url));
  session.on('error', () => undefined);
  return session;
}

/**
 * Runs SQL on a connection of its own, with `?` for the values, and gives the rows if there are
 * any.
 */
export async function askMysql(
  url: string,
  sql: string,
  values: readonly unknown[] = [],
): Promise<readonly Readonly<Record<string, unknown>>[]> {
  return withMysql(url, async (client) =>
    plainRows((await client.query<RowDataPacket[]>(sql, [...values]))[0]),
  );
}

/**
 * The statements that a server got from all clients while `work` was done, in that order.
 *
 * @param admin the URL of a user who may set global variables.
 */
export async function loggedStatements(
  admin: string,
  work: () => Promise<unknown>,
): Promise<readonly string[]> {
  await askMysql(admin, "SET GLOBAL log_output = 'TABLE'");
  await askMysql(admin, 'TRUNCATE mysql.general_log');
  await askMysql(admin, 'SET GLOBAL general_log = 1');
  await work();
  await askMysql(admin, 'SET GLOBAL general_log = 0');
  const rows = await askMysql(
    admin,
    `SELECT CONVERT(argument USING utf8mb4) AS statement FROM mysql.general_log WHERE command_type = 'Query'`,
  );
  return rows.map(({ statement }) => String(statement));
}

/**
 * Rows that compare as objects do: the driver's are of a class of its own, and a statement without
 * rows gives a header.
 */
export function plainRows(result: readonly RowDataPacket[]): readonly Readonly<Record<string, unknown>>[] {
  return Array.isArray(result) ? result.map((row) => ({ ...row })) : [];
}
