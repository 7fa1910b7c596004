import { expect } from 'chai';
import mysql from 'mysql2/promise';
import { withoutDialect } from '../../../lab/databases/golden-mysql.ts';
import { startMariaDb, type TestMariaDb } from '../../../lab/databases/mariadb.ts';
import { askMysql, mysqlOptions } from '../../../lab/databases/mysql-client.ts';
import { bundle, runCli, startCli } from '../../../lab/process/bundle.ts';
import { dataCases } from '../../support/cases/data.ts';
import { onlineCases } from '../../support/cases/online.ts';
import { phaseCases } from '../../support/cases/phases.ts';
import { schemaCases } from '../../support/cases/schema.ts';
import { succeeds } from '../../support/db-command.ts';
import { killAtRandom } from '../../support/kill-rounds.ts';
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

    describe('the schema that is left, but for what the two tell differently', () => {
      schemaCases(engine);
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
      const url = await newtonDatabase(engine, 2000);
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
      const url = await newtonDatabase(engine, 2000);
      const blocker = await mysql.createConnection(mysqlOptions(url));
      await blocker.query('START TRANSACTION');
      await blocker.query('SELECT * FROM images LIMIT 1');
      const run = startCli(['db', 'sync', '--verbose'], { DATABASE_CONNECTION: url });
      await run.says('ocata01: ');
      run.kill('SIGTERM');
      const result = await run.done;
      await blocker.end();
      expect(result.code, result.stderr).to.equal(22);
      await succeeds(url, 'sync');
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
