import { readFileSync, writeFileSync } from 'node:fs';
import { expect } from 'chai';
import { hasMariaDb, NO_MARIADB, startMariaDb, type TestMariaDb } from '../../../lab/databases/mariadb.ts';
import { leaveOut } from '../../../lab/process/needs.ts';
import { restoreCases } from '../../support/cases/restore.ts';
import { succeeds } from '../../support/db-command.ts';
import { mysqlEngine } from '../../support/mysql-engine.ts';
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
      ({ run, backedUp, restored, refused, content }) => {
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
