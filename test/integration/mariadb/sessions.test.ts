import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import mysql from 'mysql2/promise';
import {
  expectedMysqlImages,
  readMysqlImages,
  seedMysqlNewton,
} from '../../../lab/databases/glance-data-mysql.ts';
import { goldenMysqlSchema, readMysqlSchema } from '../../../lab/databases/golden-mysql.ts';
import { hasMariaDb, NO_MARIADB, startMariaDb, type TestMariaDb } from '../../../lab/databases/mariadb.ts';
import { askMysql, mysqlOptions, withMysql } from '../../../lab/databases/mysql-client.ts';
import { bundle, runCli, startCli } from '../../../lab/process/bundle.ts';
import { eventually } from '../../../lab/process/eventually.ts';
import { leaveOut } from '../../../lab/process/needs.ts';

describe('sessions of a MariaDB', () => {
  let server: TestMariaDb;
  let folder = '';

  before(async function () {
    if (!hasMariaDb()) {
      leaveOut(this, NO_MARIADB);
    }
    bundle();
    server = await startMariaDb();
    folder = mkdtempSync(join(tmpdir(), 'glance-schema-mariadb-sessions-'));
  });

  after(async () => {
    rmSync(folder, { recursive: true, force: true });
    await server?.stop();
  });

  async function newton(name: string): Promise<string> {
    const url = await server.createDatabase(name);
    await seedMysqlNewton(url, { images: 300 });
    return url;
  }

  async function admin(sql: string): Promise<void> {
    await withMysql(server.adminUrl(''), (client) => client.query(sql));
  }

  it('no connection left for the work: exit 20, nothing changed, and a rerun does it', async () => {
    const url = await newton('single');
    const before = await readMysqlSchema(url);
    await admin(`CREATE USER single IDENTIFIED BY 'x' WITH MAX_USER_CONNECTIONS 1;
      GRANT ALL ON single.* TO single`);
    const user = url.replace(/\/\/[^@]*@/, '//single:x@');
    const first = await runCli(['db', 'sync'], { DATABASE_CONNECTION: user });
    expect(first.code, first.stderr).to.equal(20);
    expect(first.stderr).to.include('(error 1226)');
    expect(await readMysqlSchema(url)).to.deep.equal(before);
    await admin('ALTER USER single WITH MAX_USER_CONNECTIONS 10');
    const second = await runCli(['db', 'sync'], { DATABASE_CONNECTION: user });
    expect(second.code, second.stderr).to.equal(0);
  });

  it('a server that becomes a replica in the middle: exit 20, what is there, and after another switchover a rerun ends it', async () => {
    const url = await newton('switched');
    const expected = await expectedMysqlImages(url);
    const blocker = await mysql.createConnection(mysqlOptions(url));
    await blocker.query('START TRANSACTION');
    await blocker.query('SELECT * FROM images LIMIT 1');
    const run = startCli(['db', 'sync'], { DATABASE_CONNECTION: url });
    await eventually(async () => {
      const rows = await askMysql(
        server.adminUrl('switched'),
        "SELECT ID FROM information_schema.PROCESSLIST WHERE DB = 'switched' AND INFO LIKE 'ALTER TABLE images%'",
      );
      expect(rows).to.have.length(1);
    });
    // Takes no table before it, as a switchover would not either.
    await admin('SET GLOBAL read_only = 1');
    await blocker.end();
    const { code, stderr } = await run.done;
    await admin('SET GLOBAL read_only = 0');
    expect(code, stderr).to.equal(20);
    expect(stderr).to.include('(error 1290)');
    const rerun = await runCli(['db', 'sync'], { DATABASE_CONNECTION: url });
    expect(rerun.code, rerun.stderr).to.equal(0);
    const { alembic_version: _, migrate_version: __, ...tables } = (await readMysqlSchema(url)).tables;
    expect(tables).to.deep.equal(goldenMysqlSchema('2024_1_contract01').tables);
    expect(await readMysqlImages(url)).to.deep.equal(
      expected.map((image) => ({ ...image, os_hidden: 0, os_hash_algo: null, os_hash_value: null })),
    );
  });

  it('SIGTERM where nobody can look into the table any more: exit 22, while others have it still', async () => {
    const url = await newton('kept');
    for (const phase of ['expand', 'migrate']) {
      const { code, stderr } = await runCli(['db', phase, 'ocata01'], { DATABASE_CONNECTION: url });
      expect(code, stderr).to.equal(0);
    }
    const [blocker, next] = [
      await mysql.createConnection(mysqlOptions(url)),
      await mysql.createConnection(mysqlOptions(url)),
    ];
    const waiting = (statement: string): Promise<void> =>
      eventually(async () => {
        const rows = await askMysql(
          server.adminUrl('kept'),
          "SELECT ID FROM information_schema.PROCESSLIST WHERE DB = 'kept' AND STATE LIKE 'Waiting for table%' AND INFO LIKE ?",
          [`${statement}%`],
        );
        expect(rows).to.have.length(1);
      });
    await blocker.query('START TRANSACTION');
    await blocker.query('SELECT * FROM images LIMIT 1');
    const run = startCli(['db', 'contract'], { DATABASE_CONNECTION: url });
    await waiting('DROP TRIGGER');
    next.query('LOCK TABLES images WRITE').catch(() => undefined);
    await waiting('LOCK TABLES');
    run.kill('SIGTERM');
    const { code, stderr } = await run.done;
    next.destroy();
    await blocker.end();
    expect(code, stderr).to.equal(22);
    expect(stderr).to.match(/Stopped .* as asked: /);
  });

  for (const number of [1290, 1836, 1792, 1317, 1040, 1226, 3101, 9001]) {
    it(`error ${number} after statements that stay: exit 20, what is there, and the promise that a rerun goes on`, async () => {
      const url = await newton(`later_${number}`);
      await withMysql(url, (client) =>
        client.query(`CREATE TRIGGER refuse BEFORE UPDATE ON images FOR EACH ROW
          SIGNAL SQLSTATE 'HY000' SET MYSQL_ERRNO = ${number}, MESSAGE_TEXT = 'not now'`),
      );
      const { code, stderr } = await runCli(['db', 'sync'], { DATABASE_CONNECTION: url });
      expect(code, stderr).to.equal(20);
      expect(stderr).to.match(
        /at the moment: .*'drop index ix_images_is_public .*Run the same again: it goes on/,
      );
      await withMysql(url, (client) => client.query('DROP TRIGGER refuse'));
      const rerun = await runCli(['db', 'sync'], { DATABASE_CONNECTION: url });
      expect(rerun.code, rerun.stderr).to.equal(0);
    });
  }

  it('what a row holds is reported by no failure: not on stderr, not in the report; a lasting failure promises nothing', async () => {
    const url = await newton('values');
    await withMysql(url, (client) =>
      client.query(`CREATE TRIGGER refuse BEFORE UPDATE ON images FOR EACH ROW
        SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'no swift://tenant:hunter2@keystone here'`),
    );
    const report = join(folder, 'values.json');
    const run = await runCli(['db', 'sync', '--report', report], { DATABASE_CONNECTION: url });
    expect(run.code, run.stderr).to.equal(14);
    expect(run.stderr).to.include('a trigger or a function refused it (error 1644)');
    expect(run.stderr).to.include('Correct what made it fail, then run the same again');
    expect(run.stderr).to.match(/begun: 'add column images.visibility'/);
    expect(run.stdout + run.stderr + readFileSync(report, 'utf8')).to.not.include('hunter2');
  });

  it('a name of the database in another case, where the server knows no case: the lock is the same', async () => {
    const folded = await startMariaDb({ settings: { lower_case_table_names: '1' } });
    try {
      const url = await folded.createDatabase('glance');
      await seedMysqlNewton(url, { images: 300 });
      const blocker = await mysql.createConnection(mysqlOptions(url));
      await blocker.query('START TRANSACTION');
      await blocker.query('SELECT * FROM images LIMIT 1');
      const first = startCli(['db', 'sync'], { DATABASE_CONNECTION: url });
      await eventually(async () => {
        const rows = await askMysql(
          folded.adminUrl('glance'),
          "SELECT ID FROM information_schema.PROCESSLIST WHERE INFO LIKE 'ALTER TABLE images%'",
        );
        expect(rows).to.have.length(1);
      });
      const second = startCli(['db', 'sync'], { DATABASE_CONNECTION: url.replace(/glance$/, 'GLANCE') });
      await second.says('waiting for the lock, held by pid');
      await blocker.end();
      for (const { code, stderr } of [await first.done, await second.done]) expect(code, stderr).to.equal(0);
    } finally {
      await folded.stop();
    }
  });
});
