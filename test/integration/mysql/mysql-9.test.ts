import { expect } from 'chai';
import mysql from 'mysql2/promise';
import { withoutDialect } from '../../../lab/databases/golden-mysql.ts';
import { mysqlOptions } from '../../../lab/databases/mysql-client.ts';
import { startMysqlRouter, type TestMysqlRouter } from '../../../lab/databases/mysql-router.ts';
import { NO_MYSQL, suiteMysql } from '../../../lab/databases/suite-server.ts';
import { runCli, startCli } from '../../../lab/process/bundle.ts';
import { eventually } from '../../../lab/process/eventually.ts';
import { leaveOut } from '../../../lab/process/needs.ts';
import { findMysqlProgram } from '../../../lab/tools/mysql.ts';
import { dataCases } from '../../support/cases/data.ts';
import { halfWayCases, type OcataScript } from '../../support/cases/half-way.ts';
import { onlineCases } from '../../support/cases/online.ts';
import { phaseCases } from '../../support/cases/phases.ts';
import { schemaCases } from '../../support/cases/schema.ts';
import { db, succeeds } from '../../support/db-command.ts';
import { killAtRandom } from '../../support/kill-rounds.ts';
import { mysqlEngine } from '../../support/mysql-engine.ts';
import { mysqlKillSubject } from '../../support/mysql-kill-subject.ts';
import { upgradeOcataOnline } from '../../support/online-ocata.ts';
import { count, newtonDatabase } from '../../support/test-engine.ts';

/**
 * All cases run on MariaDB, its relative, and on a server that `MYSQLD` names; on MySQL 9 it is a
 * sample.
 */
const sample = process.env.MYSQLD === undefined;

const KILLS = Number(process.env.KILLS ?? (sample ? 5 : 25));

const IMAGES = Number(process.env.ONLINE_IMAGES ?? (sample ? 10_000 : 40_000));

const HALF_WAY: OcataScript = {
  addVisibility: [
    "ALTER TABLE images ADD COLUMN visibility ENUM('private','public','shared','community') NOT NULL DEFAULT 'shared'",
  ],
  dropIndex: 'DROP INDEX ix_images_is_public ON images',
};

describe('MySQL 9 instead of MariaDB', function () {
  this.timeout(1_800_000);
  const server = suiteMysql('mysqld-9');
  const engine = mysqlEngine(server, withoutDialect);

  describe('expand, migrate and contract', () => {
    phaseCases(engine);
  });

  describe('the schema that is left, but for what the two describe differently', () => {
    schemaCases(engine, { sample });
  });

  describe('what another tool has left half-way', () => {
    halfWayCases(engine, HALF_WAY, sample ? { after: [1, 3, 7] } : {});
  });

  describe('the data after db sync', () => {
    dataCases(engine, { sample });
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

  describe('behind MySQL Router', () => {
    let router: TestMysqlRouter | undefined;

    afterEach(async () => {
      await router?.stop();
    });

    for (const shared of [false, true]) {
      const how = shared
        ? 'that shares the connections to the server'
        : 'that gives each client a connection';
      it(`${how}: each command, two at once, and SIGTERM do what they do without it`, async function () {
        const program = findMysqlProgram('mysqlrouter');
        if (program === null) leaveOut(this, NO_MYSQL);
        router = await startMysqlRouter(program, { server: server().port, shared });
        const direct = await newtonDatabase(engine, 2000);
        const url = direct.replace(`:${server().port}/`, `:${router.port}/`);
        const expected = await engine.expectedImages(direct);
        for (const args of [['version'], ['plan'], ['expand', 'ocata01'], ['check', '--schema']]) {
          const { code, stderr } = await runCli(['db', ...args], { DATABASE_CONNECTION: url });
          expect([0, 3, 4], `${args}: ${stderr}`).to.include(code);
        }
        await engine.countWrites(direct, 0.005);
        const stopped = startCli(['db', 'migrate', 'ocata01'], { DATABASE_CONNECTION: url });
        await eventually(async () => expect(await count(engine, direct, 'writes')).to.be.greaterThan(0));
        stopped.kill('SIGTERM');
        const { code, stderr } = await stopped.done;
        expect(code, stderr).to.equal(22);
        expect(stderr).to.not.include('may still be');
        await engine.query(direct, 'DROP TRIGGER written');
        await Promise.all([url, direct].map((each) => succeeds(each, 'sync', 'ocata01')));
        expect(await engine.readImages(direct)).to.deep.equal(expected);
        expect(await db(url, 'diff')).to.deep.include({ code: 0, stderr: '' });
      });
    }
  });

  it('SIGTERM ends the statement that runs, reports what is there and exits 22', async () => {
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
    const subject = await mysqlKillSubject(server(), 2000);
    const half = KILLS * 0.4 - 2;
    const { kills, late, between, states } = await killAtRandom(subject, { kills: KILLS, half, seed });
    process.stdout.write(
      `      ${kills} runs killed at work (${late} kills came too late, made again); ${between} left half done; ${states} different states\n`,
    );
    // About two in three; of few there may be none.
    expect(between, 'half done').to.be.at.least(half);
  });
});
