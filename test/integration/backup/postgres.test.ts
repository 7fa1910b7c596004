import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { withClient } from '../../../lab/databases/images.ts';
import { startPostgres, type TestPostgres } from '../../../lab/databases/postgres.ts';
import { leaveOut } from '../../../lab/process/needs.ts';
import { findPostgres } from '../../../lab/tools/distribution-packages.ts';
import { backupCases } from '../../support/cases/backup.ts';
import { postgresEngine } from '../../support/postgres-engine.ts';

const NO_CLIENTS =
  'PostgreSQL with its clients is not on this machine. Run `make test`, which brings it on Debian and Ubuntu, or install it.';

describe('db backup on PostgreSQL', () => {
  let server: TestPostgres;

  before(async function () {
    const bin = findPostgres();
    if (bin === null) leaveOut(this, NO_CLIENTS);
    server = await startPostgres({ bin });
  });

  after(() => server?.stop());

  backupCases(
    postgresEngine(() => server),
    {
      program: 'pg_dump',
      oddTables: `CREATE TABLE odd (id integer PRIMARY KEY, t text, b bytea);
        CREATE TABLE "An odd ""table"". (it)" (id integer);
        INSERT INTO "An odd ""table"". (it)" VALUES (1), (2)`,
      oddName: 'public.An odd "table". (it)',
      lock: 'BEGIN; LOCK TABLE images IN ACCESS EXCLUSIVE MODE',
      waiting: 'SELECT 1 FROM pg_locks WHERE NOT granted',
      loseRows: '"$REAL" "$@" --exclude-table-data=image_locations',
      tooOld: {
        says: 'pg_dump (PostgreSQL) 9.6.24',
        message: 'and pg_dump is of 9. Use the client of PostgreSQL',
      },
      lacksRight: /pg_dump failed: .*permission denied for sequence/,
      grantRest: (url, reader) =>
        withClient(url, async (client) => {
          await client.query(`GRANT SELECT ON ALL SEQUENCES IN SCHEMA public TO ${new URL(reader).username}`);
        }),
      async restore(url, file, { path, program }) {
        const args = ['--exit-on-error', '--no-owner', '--schema=public', `--dbname=${url}`, file];
        await promisify(execFile)(program('pg_restore'), args, { env: { PATH: path } });
      },
      crash: () => server.crash(),
      restart: () => server.restart(),
    },
  );
});
