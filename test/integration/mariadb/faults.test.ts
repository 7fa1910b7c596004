import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import mysql, { type RowDataPacket } from 'mysql2/promise';
import {
  expectedMysqlImages,
  readMysqlImages,
  seedMysqlNewton,
} from '../../../lab/databases/glance-data-mysql.ts';
import { goldenMysqlSchema, readMysqlSchema } from '../../../lab/databases/golden-mysql.ts';
import { buildMysqlGolden } from '../../../lab/databases/golden-mysql-database.ts';
import { hasMariaDb, NO_MARIADB, startMariaDb, type TestMariaDb } from '../../../lab/databases/mariadb.ts';
import { askMysql, mysqlOptions, withMysql } from '../../../lab/databases/mysql-client.ts';
import { bundle, type CliRun, runCli, startCli } from '../../../lab/process/bundle.ts';
import { eventually } from '../../../lab/process/eventually.ts';
import { leaveOut } from '../../../lab/process/needs.ts';
import { startTcpProxy } from '../../../lab/process/tcp-proxy.ts';
import { NO_ROW_LOCK_WAIT } from '../../../src/migrator/mysql/row-lock-timeout.ts';
import { db } from '../../support/db-command.ts';

const IMAGES = 20_000;

type Row = Readonly<Record<string, unknown>>;

describe('a migrator or a MariaDB that is killed', () => {
  let server: TestMariaDb;
  let folder = '';

  before(async function () {
    if (!hasMariaDb()) {
      leaveOut(this, NO_MARIADB);
    }
    bundle();
    server = await startMariaDb();
    folder = mkdtempSync(join(tmpdir(), 'glance-schema-mariadb-faults-'));
  });

  after(async () => {
    rmSync(folder, { recursive: true, force: true });
    await server?.stop();
  });

  /** A database of Newton in which each write of an image or a location leaves a trace. */
  async function newton(name: string, images: number): Promise<string> {
    await withMysql(server.url(''), (client) => client.query(`DROP DATABASE IF EXISTS ${name}`));
    const url = await server.createDatabase(name);
    await seedMysqlNewton(url, { images });
    await withMysql(url, (client) =>
      client.query(`CREATE TABLE writes (tab varchar(20), id varchar(36));
        CREATE TRIGGER written_images AFTER UPDATE ON images FOR EACH ROW INSERT INTO writes VALUES ('images', NEW.id);
        CREATE TRIGGER written_locations AFTER UPDATE ON image_locations FOR EACH ROW
          INSERT INTO writes VALUES ('locations', NEW.id)`),
    );
    return url;
  }

  /** Another session that keeps a table in use until its connection ends. */
  async function block(url: string, table: string): Promise<mysql.Connection> {
    const blocker = await mysql.createConnection(mysqlOptions(url));
    await blocker.query('START TRANSACTION');
    await blocker.query(`SELECT * FROM ${table} LIMIT 1`);
    return blocker;
  }

  /** Waits until a session runs the statement, and gives its number. */
  async function running(url: string, statement: string, run?: CliRun): Promise<number> {
    const found = withMysql(url.replace('glance:', 'admin:'), (client) =>
      eventually(
        async () => {
          const [rows] = await client.query<RowDataPacket[]>(
            `SELECT ID AS id FROM information_schema.PROCESSLIST WHERE DB = DATABASE() AND INFO LIKE ? AND ID <> CONNECTION_ID()`,
            [`%${statement}%`],
          );
          if (rows[0] === undefined) throw new Error(`the migrator never ran ${statement}`);
          return Number(rows[0].id);
        },
        { everyMilliseconds: 3 },
      ),
    );
    return found.catch(async ({ message }: Error) => {
      run?.kill('SIGKILL');
      throw new Error(`${message}: ${(await run?.done)?.stderr}`);
    });
  }

  async function expectWhole(url: string, expected: readonly Row[], where: string): Promise<void> {
    const schema = await readMysqlSchema(url);
    const { alembic_version: _, writes: __, migrate_version: ___, ...tables } = schema.tables;
    expect(tables, where).to.deep.equal(goldenMysqlSchema('2024_1_contract01').tables);
    expect(
      schema.triggers.map(({ name }) => name),
      where,
    ).to.deep.equal(['written_images', 'written_locations']);
    expect(await askMysql(url, 'SELECT * FROM alembic_version'), where).to.deep.equal([
      { version_num: '2024_1_contract01' },
    ]);
    expect(await readMysqlImages(url), where).to.deep.equal(
      expected.map((image) => ({ ...image, os_hidden: 0, os_hash_algo: null, os_hash_value: null })),
    );
    const twice = await askMysql(
      url,
      'SELECT tab, id, count(*) AS n FROM writes GROUP BY 1, 2 HAVING n > 1 LIMIT 3',
    );
    expect(twice, `${where}: rows written twice`).to.deep.equal([]);
    const written = await askMysql(url, 'SELECT tab, count(*) AS n FROM writes GROUP BY 1 ORDER BY 1');
    expect(written, where).to.deep.equal([
      { tab: 'images', n: expected.length },
      { tab: 'locations', n: Math.floor(expected.length / 3) },
    ]);
  }

  it('SIGKILL at each statement of an empty database: a rerun completes it', async () => {
    const url = await server.createDatabase('empty');
    // The table of which the creation is held up forever; the process is killed before it.
    for (const table of ['image_members', 'metadef_objects', 'artifact_tags']) {
      await withMysql(url, (client) => client.query('DROP DATABASE empty; CREATE DATABASE empty'));
      const run = startCli(['db', 'sync', '--verbose'], { DATABASE_CONNECTION: url });
      await run.says(`create table ${table}`);
      run.kill('SIGKILL');
      await run.done;
      const rerun = await runCli(['db', 'sync'], { DATABASE_CONNECTION: url });
      expect(rerun.code, rerun.stderr).to.equal(0);
      const { alembic_version: _, ...tables } = (await readMysqlSchema(url)).tables;
      expect(tables).to.deep.equal(goldenMysqlSchema('2024_1_contract01').tables);
    }
  });

  it('a contract that is killed between two DROPs: the rows of later revisions are still to be moved, and a sync moves them', async () => {
    const url = await newton('dropping', 300);
    for (const args of [
      ['sync', 'ocata01'],
      ['expand', '2024_1_01'],
    ]) {
      const run = await runCli(['db', ...args], { DATABASE_CONNECTION: url });
      expect(run.code, run.stderr).to.equal(0);
    }
    const blocker = await block(url, 'artifact_blobs');
    const run = startCli(['db', 'contract', 'pike01'], { DATABASE_CONNECTION: url });
    await running(url, 'DROP TABLE artifact_blobs', run);
    run.kill('SIGKILL');
    await run.done;
    await blocker.end();
    const contract = await runCli(['db', 'contract', '--lock-timeout', '20'], { DATABASE_CONNECTION: url });
    expect(contract.code, contract.stderr).to.equal(15);
    expect(contract.stderr).to.include("rows of train01 are still to be moved. Run 'db migrate");
    const sync = await runCli(['db', 'sync'], { DATABASE_CONNECTION: url });
    expect(sync.code, sync.stderr).to.equal(0);
    expect(sync.stdout).to.include('pike_contract01').and.to.include('train_migrate01');
    expect(
      await askMysql(url, `SELECT id FROM image_locations WHERE meta_data LIKE BINARY '%"backend":%'`),
    ).to.deep.equal([]);
  });

  it('ocata01 that is ended between its last statement and its record: an expand records it', async () => {
    const url = await server.createDatabase('unrecorded');
    await buildMysqlGolden(url, { schema: 'ocata_contract01', alembic: ['mitaka02'] });
    const run = await runCli(['db', 'expand', 'pike01'], { DATABASE_CONNECTION: url });
    expect(run.code, run.stderr).to.equal(0);
    const heads = await askMysql(url, 'SELECT version_num FROM alembic_version ORDER BY 1');
    expect(heads).to.deep.equal([{ version_num: 'ocata_contract01' }, { version_num: 'pike_expand01' }]);
  });

  it('triggers that another tool has left behind: a contract or a sync drops them', async () => {
    for (const [name, phase] of [
      ['left_sync', 'sync'],
      ['left_contract', 'contract'],
    ] as const) {
      const url = await server.createDatabase(name);
      await buildMysqlGolden(url, { schema: 'ocata_contract01', alembic: ['ocata_contract01'] });
      const whole = await readMysqlSchema(url);
      await withMysql(url, (client) =>
        client.query(`CREATE TRIGGER insert_visibility BEFORE INSERT ON images FOR EACH ROW SET NEW.name = NEW.name;
          CREATE TRIGGER update_visibility BEFORE UPDATE ON images FOR EACH ROW SET NEW.name = NEW.name`),
      );
      const check = await runCli(['db', 'check', 'ocata01'], { DATABASE_CONNECTION: url });
      expect(check.code, check.stderr).to.equal(5);
      const run = await runCli(['db', phase, 'ocata01'], { DATABASE_CONNECTION: url });
      expect(run.code, run.stderr).to.equal(0);
      expect(run.stdout).to.include('applied left_triggers');
      expect(await readMysqlSchema(url)).to.deep.equal(whole);
      const again = await runCli(['db', phase, 'ocata01'], { DATABASE_CONNECTION: url });
      expect(again.stdout).to.include('No migrations needed');
    }
  });

  it('a statement that fails: exit 14, what is there and what is not; the next run goes on', async () => {
    const url = await newton('failing', 300);
    const expected = await expectedMysqlImages(url);
    // Somebody's key needs an index that the last statement of ocata01 recreates.
    await withMysql(url, (client) =>
      client.query(`ALTER TABLE images ADD COLUMN base varchar(36) CHARACTER SET utf8mb3, ADD INDEX visibility_image_idx (base),
        ADD CONSTRAINT in_the_way FOREIGN KEY (base) REFERENCES images (id)`),
    );
    const report = join(folder, 'failing.json');
    const result = await runCli(['db', 'sync', '--report', report], { DATABASE_CONNECTION: url });
    expect(result.code, result.stderr).to.equal(14);
    expect(result.stderr).to.match(
      /'add column images.visibility and drop column images.is_public and create index visibility_image_idx on images' failed with Cannot drop index 'visibility_image_idx': needed in a foreign key constraint \(error 1553\); ocata01 is partly applied \(done: 'drop index ix_images_is_public on images'; begun: 'add column images.visibility'; not done: 'drop column images.is_public', 'create index visibility_image_idx on images'\); alembic_version says mitaka02\. Correct what made it fail, then run the same again/,
    );
    const written = JSON.parse(readFileSync(report, 'utf8'));
    expect(written.error).to.deep.include({ reason: 'PartiallyApplied', migration: 'ocata01' });
    expect(written.heads).to.deep.equal(['mitaka02']);
    expect(
      (await askMysql(url, 'SELECT is_public FROM images LIMIT 1')).length,
      'is_public is there',
    ).to.equal(1);
    await withMysql(url, (client) =>
      client.query(
        'ALTER TABLE images DROP FOREIGN KEY in_the_way, DROP INDEX visibility_image_idx, DROP COLUMN base',
      ),
    );
    const rerun = await runCli(['db', 'sync'], { DATABASE_CONNECTION: url });
    expect(rerun.code, rerun.stderr).to.equal(0);
    await expectWhole(url, expected, 'after the failure');
  });

  it('is_public that a failed glance-manage has dropped: each command refuses with the number of images, nothing changed', async () => {
    const url = await server.createDatabase('lost');
    await buildMysqlGolden(url, { schema: 'ocata_expand01', alembic: ['ocata_expand01'] });
    await withMysql(url, (client) =>
      client.query(`DROP TRIGGER insert_visibility; DROP TRIGGER update_visibility;
        ALTER TABLE images DROP COLUMN is_public;
        INSERT INTO images (id, status, created_at, deleted, min_disk, min_ram)
          VALUES ('a', 'active', now(), 0, 0, 0), ('b', 'active', now(), 0, 0, 0)`),
    );
    const before = await readMysqlSchema(url);
    // An expand has nothing to do here, and is the first of the phases.
    for (const command of ['expand', 'migrate', 'contract', 'sync', 'check', 'plan', 'version']) {
      const result = await db(url, command);
      expect(result.code, `${command}: ${result.stderr}`).to.equal(13);
      expect(result.stderr).to.include('images.is_public is gone and 2 rows have no visibility');
    }
    expect(await readMysqlSchema(url)).to.deep.equal(before);
  });

  it('a row that an old node writes in the middle of ocata01 is not lost: the last statement fails, a rerun fills it', async () => {
    const url = await newton('late', 2000);
    const blocker = await block(url, 'image_members');
    // The UPDATE goes through; the last ALTER waits for the table, and a row comes in meanwhile.
    await blocker.query('SELECT * FROM images LIMIT 1');
    const run = startCli(['db', 'sync', 'ocata01'], { DATABASE_CONNECTION: url });
    await running(url, 'ALTER TABLE images', run);
    await withMysql(url, (client) =>
      client.query(`INSERT INTO images (id, status, created_at, deleted, min_disk, min_ram, is_public)
        VALUES ('late', 'active', now(), 0, 0, 0, 1)`),
    );
    await blocker.end();
    const result = await run.done;
    const rerun = await runCli(['db', 'sync', 'ocata01'], { DATABASE_CONNECTION: url });
    expect([result.code, rerun.code], `${result.stderr}\n${rerun.stderr}`).to.deep.equal([result.code, 0]);
    expect(await askMysql(url, "SELECT visibility FROM images WHERE id = 'late'")).to.deep.equal([
      { visibility: 'public' },
    ]);
  });

  it('SIGTERM ends the statement that runs, reports what is there and exits 22 at once', async () => {
    const url = await newton('stopped', 2000);
    const blocker = await block(url, 'images');
    const run = startCli(['db', 'sync'], { DATABASE_CONNECTION: url });
    await running(url, 'ALTER TABLE images', run);
    run.kill('SIGTERM');
    // As long as the blocker is there the statement does not end by itself.
    const result = await run.done;
    await blocker.end();
    expect(result.code, result.stderr).to.equal(22);
    expect(result.stderr).to.include('nothing of ocata01 was applied, the database is at mitaka02');
  });

  it('a server that goes in the middle: exit 20, and after its return a rerun makes it right', async () => {
    const url = await newton('gone', IMAGES);
    const expected = await expectedMysqlImages(url);
    const run = startCli(['db', 'sync'], { DATABASE_CONNECTION: url });
    await running(url, 'UPDATE images', run);
    await server.crash();
    const result = await run.done;
    await server.restart();
    expect(result.code, result.stderr).to.equal(20);
    expect(result.stderr).to.match(/Lost the connection to .* during ocata01.*Run the same again/);
    const rerun = await runCli(['db', 'sync'], { DATABASE_CONNECTION: url });
    expect(rerun.code, rerun.stderr).to.equal(0);
    await expectWhole(url, expected, 'after the crash');
  });

  it('the session with the lock ended by an administrator: it stops before the next statement', async () => {
    const url = await newton('lock_lost', 2000);
    const blocker = await block(url, 'images');
    const run = startCli(['db', 'sync'], { DATABASE_CONNECTION: url });
    await running(url, 'ALTER TABLE images', run);
    await withMysql(server.adminUrl('lock_lost'), async (client) => {
      const [rows] = await client.query<RowDataPacket[]>(
        `SELECT ID AS id FROM information_schema.PROCESSLIST WHERE DB = 'lock_lost' AND USER = 'glance' AND COMMAND = 'Sleep'`,
      );
      const ids = rows.map(({ id }) => id).filter((id) => id !== blocker.threadId);
      for (const id of ids) await client.query(`KILL ${id}`);
      await eventually(async () => {
        const left = await client.query<RowDataPacket[]>(
          'SELECT ID FROM information_schema.PROCESSLIST WHERE ID IN (?)',
          [ids],
        );
        expect(left[0], 'the sessions are gone').to.deep.equal([]);
      });
    });
    await blocker.end();
    const result = await run.done;
    expect(result.code, result.stderr).to.equal(20);
    expect(await askMysql(url, 'SELECT * FROM alembic_version')).to.deep.equal([{ version_num: 'mitaka02' }]);
  });

  it('the shortest wait for a locked row is one that a server of another make takes too', async () => {
    // MySQL is not at hand: this server says that it is one.
    const other = await startMariaDb({ settings: { version: '8.0.36' } });
    const patience = [];
    for (const url of [server.url(''), other.url('')]) {
      patience.push(
        await withMysql(url, async (client) => {
          await client.query(`SET SESSION sql_mode = 'STRICT_ALL_TABLES'; ${NO_ROW_LOCK_WAIT}`);
          const [rows] = await client.query<RowDataPacket[]>('SELECT @@innodb_lock_wait_timeout AS seconds');
          return rows[0]?.seconds;
        }),
      );
    }
    await other.stop();
    expect(patience).to.deep.equal([0, 1]);
  });

  describe('the lock', () => {
    it('three at once: one migrates, the others wait and find it done, all exit 0', async () => {
      const url = await newton('three', 2000);
      const expected = await expectedMysqlImages(url);
      const runs = await Promise.all(
        [1, 2, 3].map(() => runCli(['db', 'sync', '--output', 'json'], { DATABASE_CONNECTION: url })),
      );
      const applied = runs.map((run) => {
        expect(run.code, run.stderr).to.equal(0);
        return JSON.parse(run.stdout).applied.length > 0 ? 1 : 0;
      });
      expect(applied.sort()).to.deep.equal([0, 0, 1]);
      await expectWhole(url, expected, 'after three');
    });

    it('says who holds it, and gives up after the time given with exit 21', async () => {
      const url = await newton('held', 2000);
      const blocker = await block(url, 'images');
      const first = startCli(['db', 'sync'], { DATABASE_CONNECTION: url });
      await running(url, 'ALTER TABLE images', first);
      const second = await runCli(['db', 'sync', '--lock-timeout', '0'], { DATABASE_CONNECTION: url });
      expect(second.code, second.stderr).to.equal(21);
      expect(second.stderr).to.match(
        /longer than 0 s \(pid \d+, glance-schema, from 127\.0\.0\.1, since \d{4}-/,
      );
      await blocker.end();
      expect((await first.done).code).to.equal(0);
    });

    it("outlives the server's idle limit, and a balancer's", async () => {
      const impatient = await startMariaDb({ settings: { wait_timeout: '3' } });
      const proxy = await startTcpProxy(impatient.port, { idleLimit: 15_000 });
      const url = await impatient.createDatabase('idle');
      await seedMysqlNewton(url, { images: 300 });
      const blocker = await block(url, 'images');
      await blocker.query('SET SESSION wait_timeout = 600');
      const through = url.replace(`:${impatient.port}/`, `:${proxy.port}/`);
      const run = startCli(['db', 'sync'], { DATABASE_CONNECTION: through });
      await running(url, 'ALTER TABLE images', run);
      await Promise.race([sleep(22_000), run.done]);
      const second = await runCli(['db', 'sync', '--lock-timeout', '0'], { DATABASE_CONNECTION: url });
      await blocker.end();
      const result = await run.done;
      await proxy.stop();
      await impatient.stop();
      expect([result.code, second.code], `${result.stderr}${second.stderr}`).to.deep.equal([0, 21]);
    });

    it('of a killed migrator goes although the server is busy with its statement, which is ended', async () => {
      const url = await newton('orphan', IMAGES);
      const expected = await expectedMysqlImages(url);
      // Makes the UPDATE take minutes as long as the blocker is there.
      await withMysql(url, (client) =>
        client.query(`CREATE TRIGGER slow BEFORE UPDATE ON images FOR EACH ROW
          SET NEW.size = NEW.size + IF(IS_FREE_LOCK('slow'), 0, SLEEP(0.01))`),
      );
      const blocker = await mysql.createConnection(mysqlOptions(url));
      await blocker.query("SELECT GET_LOCK('slow', 0)");
      const first = startCli(['db', 'sync'], { DATABASE_CONNECTION: url });
      const orphan = await running(url, 'UPDATE images', first);
      first.kill('SIGKILL');
      await first.done;
      const second = startCli(['db', 'sync'], { DATABASE_CONNECTION: url });
      await eventually(async () => {
        const left = await askMysql(
          server.adminUrl('orphan'),
          `SELECT ID FROM information_schema.PROCESSLIST WHERE ID = ${orphan}`,
        );
        expect(left, 'the session with the statement').to.deep.equal([]);
      });
      await blocker.end();
      const result = await second.done;
      expect(result.code, result.stderr).to.equal(0);
      await withMysql(url, (client) => client.query('DROP TRIGGER slow'));
      await expectWhole(url, expected, 'after the orphan');
    });

    it('without the lock too, a database that another tool has migrated meanwhile is left alone', async () => {
      const url = await server.createDatabase('moved');
      await buildMysqlGolden(url, { schema: 'mitaka01', alembic: ['mitaka01'] });
      const blocker = await block(url, 'metadef_resource_types');
      await blocker.query(
        "INSERT INTO metadef_resource_types (name, protected, created_at) VALUES ('OS::Nova::Instance', 1, now())",
      );
      const run = startCli(['db', 'sync', 'mitaka02'], { DATABASE_CONNECTION: url });
      await running(url, 'UPDATE metadef_resource_types', run);
      await withMysql(url, (client) => client.query("UPDATE alembic_version SET version_num = 'mitaka02'"));
      await blocker.end();
      const result = await run.done;
      expect(result.code, result.stderr).to.equal(1);
      expect(result.stderr).to.include('another tool has changed alembic_version to mitaka02 meanwhile');
    });
  });
});
