import { readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { expect } from 'chai';
import { hasMariaDb, NO_MARIADB, startMariaDb, type TestMariaDb } from '../../../lab/databases/mariadb.ts';
import { leaveOut } from '../../../lab/process/needs.ts';
import { restoreCases } from '../../support/cases/restore.ts';
import { succeeds } from '../../support/db-command.ts';
import { mysqlEngine } from '../../support/mysql-engine.ts';
import { MARIADB_REFUSED } from '../../support/mysql-kinds.ts';
import { mysqlRestore } from '../../support/mysql-restore.ts';
import { newtonDatabase } from '../../support/test-engine.ts';

describe('db restore on MariaDB', () => {
  let server: TestMariaDb;
  const engine = mysqlEngine(() => server);

  before(async function () {
    if (!hasMariaDb()) leaveOut(this, NO_MARIADB);
    server = await startMariaDb({
      settings: { 'log-bin': 'binlog', log_bin_trust_function_creators: '1' },
    });
  });

  after(() => server?.stop());

  restoreCases(
    engine,
    mysqlRestore(
      'mariadb',
      () => server,
      ({ run, backedUp, restored, refused, content, clients }) => {
        const setting = (value: number): Promise<unknown> =>
          engine.query(server.adminUrl('mysql'), `SET GLOBAL log_bin_trust_function_creators = ${value}`);

        it('triggers become those of who restores, or are refused before the first change', async () => {
          const url = await newtonDatabase(engine, 30);
          await succeeds(server.adminUrl(new URL(url).pathname.slice(1)), 'expand', 'ocata01');
          const file = await backedUp(url);
          const before = await content(url);
          await setting(0);
          try {
            await refused(run(url, 'restore', file, '--replace'), 'Set log_bin_trust_function_creators=1');
            expect(await content(url)).to.deep.equal(before);
          } finally {
            await setting(1);
          }
          await restored(url, file, '--replace');
          expect(await content(url)).to.deep.equal(before);
          expect(
            await engine.query(
              url,
              'SELECT DISTINCT DEFINER AS definer FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = DATABASE()',
            ),
          ).to.deep.equal([{ definer: 'glance@%' }]);
        });

        for (const [what, [statements, says]] of Object.entries(MARIADB_REFUSED)) {
          it(`${what}: no backup is listed that would not bring it back`, async () => {
            const url = await newtonDatabase(engine, 5);
            await engine.query(url, statements);
            await refused(
              run(url, 'backup', dirname(await backedUp(await newtonDatabase(engine, 1)))),
              says,
              19,
            );
          });
        }

        it('the rights that views need are asked for before anything is begun, where there are views', async () => {
          const url = await newtonDatabase(engine, 5);
          const database = new URL(url).pathname.slice(1);
          const admin = server.adminUrl(database);
          await engine.query(admin, "CREATE USER viewless@'%' IDENTIFIED BY 'viewless'");
          const grant = (rights: string): Promise<unknown> =>
            engine.query(admin, `GRANT ${rights} ON ${database}.* TO viewless@'%'`);
          await grant(
            'SELECT, INSERT, UPDATE, DELETE, CREATE, DROP, ALTER, INDEX, REFERENCES, LOCK TABLES, TRIGGER',
          );
          const viewless = Object.assign(new URL(url), { username: 'viewless', password: 'viewless' }).href;
          const without = await backedUp(viewless);
          await restored(viewless, without, '--replace');
          await engine.query(url, 'CREATE VIEW seen AS SELECT id FROM images');
          await refused(
            run(viewless, 'backup', dirname(without)),
            /the user lacks SHOW VIEW, .* GRANT SELECT, LOCK TABLES, TRIGGER, SHOW VIEW ON/,
            19,
          );
          await grant('SHOW VIEW');
          const file = await backedUp(viewless);
          const before = await content(url);
          await refused(run(viewless, 'restore', file, '--replace'), 'Grant CREATE VIEW on the database.');
          expect(await content(url)).to.deep.equal(before);
          await grant('CREATE VIEW');
          await restored(viewless, file, '--replace');
          expect(await content(url)).to.deep.equal(before);
        });

        it('a view that calls a function: no dump has that, and without it nothing is begun', async () => {
          const url = await newtonDatabase(engine, 5);
          const make = `CREATE FUNCTION \`f 1\`() RETURNS integer DETERMINISTIC RETURN 1`;
          await engine.query(url, make);
          await engine.query(url, 'CREATE VIEW calling AS SELECT id, `f 1`() AS f FROM images');
          const file = await backedUp(url);
          const empty = await engine.createDatabase();
          await refused(
            run(empty, 'restore', file),
            'views of the backup call the function f 1, which does not exist',
          );
          expect(await engine.query(empty, 'SHOW TABLES')).to.deep.equal([]);
          await engine.query(empty, make);
          await restored(empty, file);
          await restored(url, file, '--replace');
          expect(await engine.query(url, 'SELECT SUM(f) AS n FROM calling')).to.deep.equal([{ n: '5' }]);
        });

        it('a program that does not come to the database is tried out before anything goes', async () => {
          const url = await newtonDatabase(engine, 5);
          const file = await backedUp(url);
          const before = await content(url);
          clients().replace(
            'mariadb',
            `[ "$1" = --version ] && exec "$REAL" "$@"; for a; do case "$a" in --user=*) a=--user=nobody;; esac; shift; set -- "$@" "$a"; done; exec "$REAL" "$@"`,
          );
          await refused(
            run(url, 'restore', file, '--replace'),
            /mariadb failed: Access denied.* Nothing was changed: the database is as it was before/,
            25,
          );
          expect(await content(url)).to.deep.equal(before);
          await succeeds(url, 'version');
        });

        it('a table that somebody keeps for too long: nothing was changed, and it says so', async () => {
          const url = await newtonDatabase(engine, 5);
          const file = await backedUp(url);
          const before = await content(url);
          // Who may not see all sessions does not see that of an administrator.
          const keeper = await engine.connect(server.adminUrl(new URL(url).pathname.slice(1)));
          await keeper.query('START TRANSACTION');
          await keeper.query('SELECT * FROM images');
          const { stderr } = await refused(
            run(url, 'restore', file, '--replace', '--lock-timeout', '1'),
            'another session has kept a table for longer than --lock-timeout. Nothing was changed',
            25,
          );
          expect(stderr).not.to.include('may be incomplete');
          expect(await content(url)).to.deep.equal(before);
          await succeeds(url, 'version');
          await keeper.end();
          await restored(url, file, '--replace');
          expect(await content(url)).to.deep.equal(before);
        });

        it('a backup of another kind of server, or of a later one, is refused', async () => {
          const url = await newtonDatabase(engine, 5);
          const file = await backedUp(url);
          const about = JSON.parse(readFileSync(`${file}.json`, 'utf8'));
          for (const [from, says] of [
            ['8.0.36', 'the backup is of MySQL (8.0.36), and this server is MariaDB'],
            ['99.1.0-MariaDB', 'and this server is older'],
          ] as const) {
            writeFileSync(`${file}.json`, JSON.stringify({ ...about, server: from }));
            await refused(run(url, 'restore', file, '--replace'), says);
          }
          expect(await engine.query(url, 'SELECT COUNT(*) AS n FROM images')).to.deep.equal([{ n: 5 }]);
        });
      },
    ),
  );
});
