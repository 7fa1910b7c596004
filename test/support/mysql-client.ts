import mysql from 'mysql2/promise';

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
