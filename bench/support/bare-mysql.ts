// The floor of `db version` and of a run with nothing to do: Node, the bare driver, two queries.

import mysql, { type RowDataPacket } from 'mysql2/promise';

const client = await mysql.createConnection({ uri: process.argv[2] ?? '' });
await client.query("SHOW TABLES LIKE 'alembic_version'");
const [rows] = await client.query<RowDataPacket[]>('SELECT version_num FROM alembic_version');
process.stdout.write(`${rows.map((row) => row.version_num).join()}\n`);
await client.end();
