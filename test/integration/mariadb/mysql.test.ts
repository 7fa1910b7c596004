import { expect } from 'chai';
import mysql from 'mysql2/promise';
import { REVISIONS } from '../../../src/revision/revisions.ts';
import { SCRIPTS } from '../../../src/revision/scripts.ts';
import { bundle, runCli, startCli } from '../../support/bundle.ts';
import { dataCases } from '../../support/cases/data.ts';
import { onlineCases } from '../../support/cases/online.ts';
import { phaseCases } from '../../support/cases/phases.ts';
import { seedMysqlNewton } from '../../support/glance-data-mysql.ts';
import {
  goldenMysqlSchema,
  type MysqlSchema,
  readMysqlSchema,
  withMysqlAlembicVersion,
  withoutDialect,
} from '../../support/golden-mysql.ts';
import { headOf } from '../../support/golden-names.ts';
import { killAtRandom } from '../../support/kill-rounds.ts';
import { startMariaDb, type TestMariaDb } from '../../support/mariadb.ts';
import { askMysql, mysqlOptions } from '../../support/mysql-client.ts';
import { mysqlEngine } from '../../support/mysql-engine.ts';
import { mysqlKillSubject } from '../../support/mysql-kill-subject.ts';
import { upgradeOcataOnline } from '../../support/online-ocata.ts';
import { newtonDatabase } from '../../support/test-engine.ts';

/** The path of a `mysqld`, or of a script that runs one: Debian has none, so this runs only where it is named. */
const MYSQLD = process.env.MYSQLD;

const KILLS = Number(process.env.KILLS ?? 25);

const IMAGES = Number(process.env.ONLINE_IMAGES ?? 40_000);

if (MYSQLD !== undefined) {
  describe(`MySQL in the place of MariaDB (${MYSQLD})`, function () {
    this.timeout(1_800_000);
    let server: TestMariaDb;
    let count = 0;

    before(async () => {
      bundle();
      server = await startMariaDb({ mysqld: MYSQLD });
      const [{ version } = { version: '' }] = await askMysql(server.url(''), 'SELECT VERSION() AS version');
      process.stdout.write(`      ${version}\n`);
    });

    after(async () => {
      await server?.stop();
    });

    const engine = mysqlEngine(() => server, withoutDialect);

    describe('expand, migrate and contract', () => {
      phaseCases(engine);
    });

    async function database(): Promise<string> {
      count += 1;
      return server.createDatabase(`mysql_${count}`);
    }

    async function db(url: string, ...args: readonly string[]): Promise<void> {
      const result = await runCli(['db', ...args], { DATABASE_CONNECTION: url });
      expect(result.code, `${args.join(' ')}: ${result.stderr}`).to.equal(0);
    }

    /** The schema of MariaDB's golden file, but for what the two tell differently. */
    async function expectAt(
      url: string,
      golden: string,
      heads: readonly string[],
      extra: MysqlSchema['tables'] = {},
    ): Promise<void> {
      const { tables, ...rest } = withMysqlAlembicVersion(goldenMysqlSchema(golden));
      expect(withoutDialect(await readMysqlSchema(url)), golden).to.deep.equal(
        withoutDialect({ ...rest, tables: { ...tables, ...extra } }),
      );
      expect(await askMysql(url, 'SELECT * FROM alembic_version ORDER BY 1')).to.deep.equal(
        [...heads].sort().map((version_num) => ({ version_num })),
      );
    }

    for (const { name } of REVISIONS) {
      it(`from empty to ${name} is the real Glance's on MariaDB`, async () => {
        const url = await database();
        await db(url, 'sync', name);
        await expectAt(url, headOf(name), [headOf(name)]);
      });
    }

    it('is that of each script, all expands first and then all contracts', async () => {
      const url = await database();
      await db(url, 'sync', 'mitaka02');
      for (const { name, revision } of SCRIPTS.filter(({ kind }) => kind === 'expand')) {
        await db(url, 'expand', revision);
        await expectAt(url, name, [name]);
      }
      await db(url, 'migrate');
      await db(url, 'contract');
      await expectAt(url, '2024_1_contract01', ['2024_1_contract01']);
    });

    describe('the data after db sync', () => {
      dataCases(engine);
    });

    onlineCases(engine);

    it(`${IMAGES} images with nodes of Glance at work: no query fails, and each row agrees with itself until contract`, async () => {
      const url = await newtonDatabase(engine, IMAGES);
      await upgradeOcataOnline({ engine, url, images: IMAGES });
    });

    it('three at once: one migrates, the others wait and find it done, all exit 0', async () => {
      const url = await database();
      await seedMysqlNewton(url, { images: 2000 });
      const runs = await Promise.all(
        [1, 2, 3].map(() => runCli(['db', 'sync', '--output', 'json'], { DATABASE_CONNECTION: url })),
      );
      const applied = runs.map((run) => {
        expect(run.code, run.stderr).to.equal(0);
        return JSON.parse(run.stdout).applied.length > 0 ? 1 : 0;
      });
      expect(applied.sort()).to.deep.equal([0, 0, 1]);
    });

    it('SIGTERM ends the statement that runs, tells what is there and exits 22', async () => {
      const url = await database();
      await seedMysqlNewton(url, { images: 2000 });
      const blocker = await mysql.createConnection(mysqlOptions(url));
      await blocker.query('START TRANSACTION');
      await blocker.query('SELECT * FROM images LIMIT 1');
      const run = startCli(['db', 'sync', '--verbose'], { DATABASE_CONNECTION: url });
      await run.says('ocata01: ');
      run.kill('SIGTERM');
      const result = await run.done;
      await blocker.end();
      expect(result.code, result.stderr).to.equal(22);
      await db(url, 'sync');
    });

    it(`SIGKILL at ${KILLS} random moments: a rerun makes it right, and no row is written twice`, async () => {
      const seed = Number(process.env.SEED ?? Date.now() % 1_000_000);
      process.stdout.write(`      SEED=${seed}\n`);
      const subject = await mysqlKillSubject(server, 2000);
      const { late, between, states } = await killAtRandom(subject, KILLS, seed);
      process.stdout.write(
        `      ${KILLS} runs killed at work (${late} kills came too late, made again); ${between} left half done; ${states} different states\n`,
      );
      expect(between, 'half done').to.be.at.least(KILLS * 0.4);
    });
  });
}
