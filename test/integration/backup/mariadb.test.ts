import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { expect } from 'chai';
import { hasMariaDb, NO_MARIADB, startMariaDb, type TestMariaDb } from '../../../lab/databases/mariadb.ts';
import { withMysql } from '../../../lab/databases/mysql-client.ts';
import { leaveOut } from '../../../lab/process/needs.ts';
import { endOf } from '../../../lab/process/program-end.ts';
import { backupCases } from '../../support/cases/backup.ts';
import { mysqlEngine } from '../../support/mysql-engine.ts';

describe('db backup on MariaDB', () => {
  let server: TestMariaDb;

  before(async function () {
    if (!hasMariaDb()) leaveOut(this, NO_MARIADB);
    server = await startMariaDb();
  });

  after(() => server?.stop());

  backupCases(
    mysqlEngine(() => server),
    {
      program: 'mariadb-dump',
      oddTables: `CREATE TABLE odd (id integer PRIMARY KEY, t longtext CHARACTER SET utf8mb4, b longblob);
        CREATE TABLE \`An odd \`\`table\`\`, (it)\` (id integer);
        INSERT INTO \`An odd \`\`table\`\`, (it)\` VALUES (1), (2)`,
      oddName: 'An odd `table`, (it)',
      lock: 'LOCK TABLES images WRITE',
      waiting: "SELECT 1 FROM information_schema.PROCESSLIST WHERE STATE LIKE 'Waiting for table%'",
      loseRows: `"$REAL" "$@" | sed '/^INSERT INTO .image_locations/,/;$/d'`,
      lacksRight: /GRANT SELECT, LOCK TABLES, TRIGGER ON `\w+`\.\*/,
      grantRest: (url, reader) => {
        const { username, pathname } = new URL(reader);
        return withMysql(server.adminUrl(new URL(url).pathname.slice(1)), async (client) => {
          await client.query(
            `GRANT SELECT, LOCK TABLES, TRIGGER ON ${pathname.slice(1)}.* TO ${username}@'%'`,
          );
        });
      },
      async restore(url, file, { path, program }) {
        const { hostname, port, username, password, pathname } = new URL(url);
        const args = ['--no-defaults', `--host=${hostname}`, `--port=${port}`, `--user=${username}`];
        const child = spawn(program('mariadb'), [...args, pathname.slice(1)], {
          env: { PATH: path, MYSQL_PWD: password },
        });
        const text = readFileSync(file);
        child.stdin.end(file.endsWith('.gz') ? gunzipSync(text) : text);
        const { code, stderr } = await endOf(child);
        expect(code, stderr).to.equal(0);
      },
      crash: () => server.crash(),
      restart: () => server.restart(),
    },
  );
});
