import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { expect } from 'chai';
import type { TestMariaDb } from '../../lab/databases/mariadb.ts';
import { withMysql } from '../../lab/databases/mysql-client.ts';
import { endOf } from '../../lab/process/program-end.ts';
import type { BackupSubject } from './cases/backup.ts';

/**
 * @param server gives the server, which need not be there yet.
 * @param ca gives the file of the authority of its certificate, in the same way.
 */
export function mysqlBackup(
  program: 'mariadb-dump' | 'mysqldump',
  server: () => TestMariaDb,
  ca: () => string = () => '',
): BackupSubject {
  return {
    program,
    oddTables: `CREATE TABLE odd (id integer PRIMARY KEY, t longtext CHARACTER SET utf8mb4, b longblob);
      CREATE TRIGGER written BEFORE INSERT ON odd FOR EACH ROW BEGIN
        -- Dump completed
        SET NEW.t = NEW.t;
      END;
      CREATE VIEW some_odd AS SELECT id FROM odd WHERE id < 3;
      CREATE TABLE \`An odd \`\`table\`\`, (it)\` (id integer);
      INSERT INTO \`An odd \`\`table\`\`, (it)\` VALUES (1), (2)`,
    oddDatabase: 'an-odd$name',
    oddName: 'An odd `table`, (it)',
    lock: 'LOCK TABLES images WRITE',
    waiting: "SELECT 1 FROM information_schema.PROCESSLIST WHERE STATE LIKE 'Waiting for table%'",
    loseRows: `"$REAL" "$@" | sed '/^INSERT INTO .image_locations/,/;$/d'`,
    async ways(url) {
      const name = new URL(url).pathname;
      await withMysql(server().adminUrl('mysql'), async (client) => {
        await client.query(`CREATE USER "odd 'u@ser"@'%' IDENTIFIED BY 's3cret p@:/?#%\\'"\\\\'`);
        await client.query(`GRANT ALL ON *.* TO "odd 'u@ser"@'%'`);
      });
      const account = `${encodeURIComponent("odd 'u@ser")}:${encodeURIComponent('s3cret p@:/?#%\'"\\')}`;
      const at = (query: string, host = '127.0.0.1'): string =>
        `mysql://${account}@${host}:${server().port}${name}${query}`;
      return [
        [at(''), /--ssl --skip-ssl-verify-server-cert/],
        [at('?ssl_disabled=true'), /--skip-ssl/],
        [at(`?ssl_ca=${ca()}`, 'localhost'), /--ssl --ssl-verify-server-cert --ssl-ca=/],
        [at(`?unix_socket=${server().socket}`), /--protocol=socket --socket=/],
      ];
    },
    noWay: (url) => [`${url}?ssl_ca=${ca()}&ssl_check_hostname=false`, "MariaDB's client cannot verify"],
    lacksRight: /GRANT SELECT, LOCK TABLES, TRIGGER ON `\w+`\.\*/,
    grantRest: (url, reader) => {
      const { username, pathname } = new URL(reader);
      return withMysql(server().adminUrl(new URL(url).pathname.slice(1)), async (client) => {
        await client.query(`GRANT SELECT, LOCK TABLES, TRIGGER ON ${pathname.slice(1)}.* TO ${username}@'%'`);
      });
    },
    async restore(url, file, clients) {
      const { hostname, port, username, password, pathname } = new URL(url);
      const args = ['--no-defaults', `--host=${hostname}`, `--port=${port}`, `--user=${username}`];
      const child = spawn(
        clients.program(program === 'mysqldump' ? 'mysql' : 'mariadb'),
        [...args, pathname.slice(1)],
        {
          env: { PATH: clients.path, MYSQL_PWD: password },
        },
      );
      const text = readFileSync(file);
      child.stdin.end(file.endsWith('.gz') ? gunzipSync(text) : text);
      const { code, stderr } = await endOf(child);
      expect(code, stderr).to.equal(0);
    },
    crash: () => server().crash(),
    restart: () => server().restart(),
  };
}
