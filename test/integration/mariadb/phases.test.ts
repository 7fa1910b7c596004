import { spawnSync } from 'node:child_process';
import { expect } from 'chai';
import type { ResultSetHeader, RowDataPacket } from 'mysql2/promise';
import { databaseError } from '../../../src/database/database-error.ts';
import { runCli } from '../../support/bundle.ts';
import { expectedMysqlImages, readMysqlImages, seedMysqlNewton } from '../../support/glance-data-mysql.ts';
import { goldenMysqlSchema, readMysqlSchema, withMysqlAlembicVersion } from '../../support/golden-mysql.ts';
import { buildMysqlGolden } from '../../support/golden-mysql-database.ts';
import { hasMariaDb, NO_MARIADB, startMariaDb, type TestMariaDb } from '../../support/mariadb.ts';
import { withMysql } from '../../support/mysql-client.ts';
import { leaveOut } from '../../support/needs.ts';

describe('expand, migrate and contract on MariaDB', function () {
  this.timeout(240_000);
  let server: TestMariaDb;
  let count = 0;

  before(async function () {
    if (!hasMariaDb()) {
      leaveOut(this, NO_MARIADB);
    }
    server = await startMariaDb();
  });

  after(async () => {
    await server?.stop();
  });

  async function newton(images = 500): Promise<string> {
    count += 1;
    const url = await server.createDatabase(`phases_${count}`);
    await seedMysqlNewton(url, { images });
    return url;
  }

  function db(url: string, ...args: readonly string[]) {
    return runCli(['db', ...args], { DATABASE_CONNECTION: url });
  }

  async function succeeds(url: string, ...args: readonly string[]): Promise<string> {
    const result = await db(url, ...args);
    expect(result.code, `${args.join(' ')}: ${result.stderr}`).to.equal(0);
    return result.stdout;
  }

  async function ask(url: string, sql: string): Promise<readonly Readonly<Record<string, unknown>>[]> {
    return withMysql(url, async (client) => {
      const [rows] = await client.query<RowDataPacket[]>(sql);
      return rows.map((row) => ({ ...row }));
    });
  }

  /** Where the report of `db version` says that the database is. */
  async function position(url: string): Promise<string> {
    const { to } = JSON.parse(await succeeds(url, 'version', '--output', 'json'));
    return `${to.revision} ${to.phase}`;
  }

  it('go one after the other, tell which is next as glance-manage does, and leave the schema of a sync', async () => {
    const url = await newton();
    const expected = await expectedMysqlImages(url);
    const seen: (readonly [number | null, string])[] = [];
    const check = async (): Promise<void> => {
      seen.push([(await db(url, 'check', 'ocata01')).code, await position(url)]);
    };
    await check();
    await succeeds(url, 'expand', 'ocata01');
    await check();
    expect((await db(url, 'contract')).code, 'contract with rows to move').to.equal(15);
    await succeeds(url, 'migrate');
    await check();
    await succeeds(url, 'contract');
    await check();
    expect(seen).to.deep.equal([
      [3, 'mitaka02 Contract'],
      [4, 'ocata01 Expand'],
      [5, 'ocata01 Migrate'],
      [0, 'ocata01 Contract'],
    ]);
    expect(await readMysqlImages(url)).to.deep.equal(expected);
    const { migrate_version: _, ...tables } = (await readMysqlSchema(url)).tables;
    expect(tables).to.deep.equal(withMysqlAlembicVersion(goldenMysqlSchema('ocata_contract01')).tables);
    expect(await succeeds(url, 'migrate', 'ocata01')).to.include('No migrations needed');
    expect((await db(url, 'migrate')).code, 'with nothing expanded').to.equal(15);
  });

  it('say what runs first with exit 15, and change nothing', async () => {
    const url = await newton();
    const before = await readMysqlSchema(url);
    for (const [args, says] of [
      [['migrate'], "do run 'db expand 2024_1_01' first"],
      [['contract', 'ocata01'], "do run 'db expand ocata01' first"],
    ] as const) {
      const result = await db(url, ...args);
      expect(result.code).to.equal(15);
      expect(result.stderr).to.include(says);
    }
    expect(await readMysqlSchema(url)).to.deep.equal(before);
  });

  it('write each image once, by batches and at once, and none that has its visibility', async () => {
    for (const online of [true, false]) {
      const url = await newton(3000);
      await succeeds(url, 'expand', 'ocata01');
      await withMysql(url, (client) =>
        client.query(`UPDATE images SET visibility = 'community' WHERE NOT is_public AND size % 4096 = 0;
          CREATE TABLE writes (id varchar(36));
          CREATE TRIGGER written AFTER UPDATE ON images FOR EACH ROW INSERT INTO writes VALUES (NEW.id)`),
      );
      const pending = await ask(url, 'SELECT count(*) AS n FROM images WHERE visibility IS NULL');
      await succeeds(url, ...(online ? ['migrate'] : ['sync', 'ocata01']));
      expect(await ask(url, 'SELECT count(*) AS n, count(DISTINCT id) AS ids FROM writes')).to.deep.equal([
        { n: pending[0]?.n, ids: pending[0]?.n },
      ]);
    }
  });

  describe('the triggers while both columns live', () => {
    let url = '';

    before(async () => {
      url = await newton(0);
      await succeeds(url, 'expand', 'ocata01');
    });

    /** What one statement makes of the row: `is_public/visibility`, or its error. */
    async function outcome(statement: string): Promise<string> {
      return withMysql(url, async (client) => {
        await client.query('START TRANSACTION');
        try {
          await client.query<ResultSetHeader>(statement);
        } catch (error) {
          const { sqlState, message } = databaseErrorOf(error);
          return `${sqlState}/${message}`;
        }
        const [[row]] = await client.query<RowDataPacket[]>('SELECT is_public, visibility FROM images');
        await client.query('ROLLBACK');
        return `${row?.is_public}/${row?.visibility}`;
      });
    }

    const REFUSED = '45000/Invalid visibility value';

    for (const [given, expected] of [
      ['is_public NULL, visibility NULL', REFUSED],
      ["is_public true, visibility 'public'", REFUSED],
      ["is_public false, visibility 'public'", REFUSED],
      ['is_public true, visibility NULL', '1/public'],
      ['is_public false, visibility NULL', '0/shared'],
      ["is_public NULL, visibility 'public'", '1/public'],
      ["is_public NULL, visibility 'private'", '0/private'],
      ["is_public NULL, visibility 'shared'", '0/shared'],
      ["is_public NULL, visibility 'community'", '0/community'],
    ] as const) {
      it(`insert of ${given}: ${expected}`, async () => {
        const [isPublic, visibility] = given.replace('is_public ', '').split(', visibility ');
        await withMysql(url, (client) => client.query('DELETE FROM images'));
        expect(
          await outcome(`INSERT INTO images (id, status, created_at, deleted, min_disk, min_ram, is_public, visibility)
            VALUES ('n', 'queued', now(), false, 0, 0, ${isPublic}, ${visibility})`),
        ).to.equal(expected);
      });
    }

    for (const [row, set, expected] of [
      ["false, 'shared'", "name = 'x'", '0/shared'],
      ["false, 'shared'", 'is_public = true', '1/public'],
      ["true, 'public'", 'is_public = false', '0/shared'],
      ["true, 'public'", "visibility = 'private'", '0/private'],
      ["false, 'private'", "visibility = 'public'", '1/public'],
      ["false, 'private'", "visibility = 'community'", '0/community'],
      ["false, 'private'", "is_public = false, visibility = 'public'", '1/public'],
      ["false, 'private'", 'is_public = NULL', REFUSED],
      ["false, 'private'", 'visibility = NULL', REFUSED],
      ["false, 'private'", "is_public = true, visibility = 'public'", REFUSED],
      ['false, NULL', "name = 'x'", '0/null'],
      ['true, NULL', "visibility = 'public'", '1/public'],
    ] as const) {
      it(`update of (${row}) by ${set}: ${expected}`, async () => {
        await insertUnseen(url, row);
        expect(await outcome(`UPDATE images SET ${set} WHERE id = 'u'`)).to.equal(expected);
      });
    }
  });

  describe('db plan', () => {
    it('shows scripts, SQL, locks and rows, and changes nothing', async () => {
      const url = await newton(700);
      const before = await readMysqlSchema(url);
      const text = await succeeds(url, 'plan', 'ocata01');
      expect(text).to.include(
        'from mitaka02 to ocata01: 1 to run, with Glance stopped, adopting migrate_version 44',
      );
      expect(text).to.include('ocata01: writes 700 rows');
      expect(text).to.match(/ on images: /);
      const plan = JSON.parse(
        await succeeds(url, 'plan', 'ocata01', '--through', 'Migrate', '--output', 'json'),
      );
      expect(plan.steps.map((step: { name: string; rows?: number }) => [step.name, step.rows])).to.deep.equal(
        [
          ['alembic_version', undefined],
          ['ocata_expand01', undefined],
          ['ocata_migrate01', 700],
        ],
      );
      expect(plan.online).to.equal(true);
      expect(await readMysqlSchema(url)).to.deep.equal(before);
    });

    for (const [from, to, golden] of [
      ['nothing', [], '2024_1_contract01'],
      ['mitaka02', [], '2024_1_contract01'],
      ['ocata_expand01', [], '2024_1_contract01'],
      ['rocky_contract02', [], '2024_1_contract01'],
      ['mitaka02', ['ocata01', '--through', 'Expand'], 'ocata_expand01'],
    ] as const) {
      it(`its SQL, run by the server's own client from ${from}${to.map((word) => ` ${word}`).join('')}, leaves the schema and the record of the real Glance`, async () => {
        count += 1;
        const name = `planned_${count}`;
        const url = await server.createDatabase(name);
        if (from !== 'nothing') {
          await buildMysqlGolden(url, { schema: from, alembic: [from] });
        }
        const sql = await succeeds(url, 'plan', ...to, '--output', 'sql');
        const client = spawnSync(
          'mariadb',
          ['--no-defaults', `--host=${server.host}`, `--port=${server.port}`, `--user=${server.user}`, name],
          {
            // What goes in batches is shown with signs for the keys.
            input: sql.replace(/^UPDATE [^;]*\(last key\)[^;]*;$/gm, ''),
            encoding: 'utf8',
            env: { PATH: process.env.PATH, MYSQL_PWD: server.password },
          },
        );
        expect(client.status, `${client.stderr}\n${sql}`).to.equal(0);
        expect(await ask(url, 'SELECT * FROM alembic_version')).to.deep.equal([{ version_num: golden }]);
        expect(await readMysqlSchema(url)).to.deep.equal(withMysqlAlembicVersion(goldenMysqlSchema(golden)));
      });
    }
  });

  it('db history lists the chain and where the database is', async () => {
    const url = await newton(0);
    expect(await succeeds(url, 'history')).to.include('x mitaka02');
    await succeeds(url, 'expand', 'pike01');
    const { at, scripts } = JSON.parse(await succeeds(url, 'history', '--output', 'json'));
    expect(at).to.deep.equal({ revision: 'ocata01', phase: 'Migrate' });
    expect(scripts).to.have.length(29);
    expect(scripts.filter((script: { head: boolean }) => script.head)).to.deep.equal([
      { name: 'pike_expand01', revision: 'pike01', kind: 'expand', applied: true, head: true },
    ]);
  });

  it('db version_control stamps what the tables agree with', async () => {
    const url = await server.createDatabase('stamped');
    await buildMysqlGolden(url, { schema: 'rocky_contract02' });
    expect((await db(url, 'sync')).code).to.equal(13);
    for (const wrong of ['liberty', 'pike01', '2024_1_01']) {
      expect((await db(url, 'version_control', wrong)).code, wrong).to.equal(13);
    }
    expect(await succeeds(url, 'version_control', 'rocky02')).to.include(
      'alembic_version says rocky_contract02',
    );
    expect(await readMysqlSchema(url)).to.deep.equal(
      withMysqlAlembicVersion(goldenMysqlSchema('rocky_contract02')),
    );
    expect(await succeeds(url, 'version_control', 'rocky02')).to.include('already');
    await succeeds(url, 'sync');
  });
});

/** What the driver tells of a statement that was refused. */
function databaseErrorOf(error: unknown): { readonly sqlState: unknown; readonly message: string } {
  return error instanceof Error && 'sqlState' in error
    ? { sqlState: error.sqlState, message: error.message }
    : { sqlState: undefined, message: databaseError(error).message };
}

/** One row as it is, without the triggers, which are made again afterwards. */
async function insertUnseen(url: string, row: string): Promise<void> {
  await withMysql(url, async (client) => {
    const bodies: string[] = [];
    for (const name of ['update_visibility', 'insert_visibility']) {
      const [[trigger]] = await client.query<RowDataPacket[]>(`SHOW CREATE TRIGGER ${name}`);
      bodies.push(String(trigger?.['SQL Original Statement']));
      await client.query(`DROP TRIGGER ${name}`);
    }
    await client.query('DELETE FROM images');
    await client.query(`INSERT INTO images (id, status, created_at, deleted, min_disk, min_ram, is_public, visibility)
      VALUES ('u', 'queued', now(), false, 0, 0, ${row})`);
    for (const body of bodies) {
      await client.query(body);
    }
  });
}
