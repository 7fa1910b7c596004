import { expect } from 'chai';
import { hasMariaDb, NO_MARIADB, startMariaDb, type TestMariaDb } from '../../../lab/databases/mariadb.ts';
import { bundle } from '../../../lab/process/bundle.ts';
import { leaveOut } from '../../../lab/process/needs.ts';
import { killAtRandom } from '../../support/kill-rounds.ts';
import { mysqlKillSubject } from '../../support/mysql-kill-subject.ts';

/** KILLS=200 for the real number. */
const KILLS = Number(process.env.KILLS ?? 25);

const IMAGES = 2000;

describe('a migrator on MariaDB that is killed anywhere on the way to the newest', function () {
  this.timeout(3_600_000);
  let server: TestMariaDb;

  before(async function () {
    if (!hasMariaDb()) {
      leaveOut(this, NO_MARIADB);
    }
    bundle();
    server = await startMariaDb();
  });

  after(async () => {
    await server?.stop();
  });

  it(`SIGKILL at ${KILLS} random moments: a rerun makes it right, and no row is written twice`, async () => {
    const seed = Number(process.env.SEED ?? Date.now() % 1_000_000);
    process.stdout.write(`      SEED=${seed}\n`);
    const subject = await mysqlKillSubject(server, IMAGES);
    const half = KILLS * 0.4;
    const { kills, late, between, states } = await killAtRandom(subject, { kills: KILLS, half, seed });
    process.stdout.write(
      `      ${kills} runs killed at work (${late} kills came too late, made again); ${between} left half done; ${states} different states\n`,
    );
    expect(between, 'half done').to.be.at.least(half);
    expect(states).to.be.greaterThan(10);
  });
});
