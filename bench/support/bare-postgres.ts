// The floor of `db version` and of a run with nothing to do: Node, the bare driver, two queries.

import pg from 'pg';

const client = new pg.Client({ connectionString: process.argv[2] });
await client.connect();
await client.query("SELECT to_regclass('alembic_version')");
const { rows } = await client.query('SELECT version_num FROM alembic_version');
process.stdout.write(`${rows.map((row) => row.version_num).join()}\n`);
await client.end();
