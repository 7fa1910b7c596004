import { expect } from 'chai';
import { hasMariaDb, NO_MARIADB, startMariaDb, type TestMariaDb } from '../../../lab/databases/mariadb.ts';
import { loggedStatements } from '../../../lab/databases/mysql-client.ts';
import { leaveOut } from '../../../lab/process/needs.ts';
import { halfWayCases, type OcataScript, statementsOf } from '../../support/cases/half-way.ts';
import { succeeds } from '../../support/db-command.ts';
import { mysqlEngine } from '../../support/mysql-engine.ts';
import { goldenDatabase } from '../../support/test-engine.ts';

const SCRIPT: OcataScript = {
  addVisibility: [
    "ALTER TABLE images ADD COLUMN visibility ENUM('private','public','shared','community') NOT NULL DEFAULT 'shared'",
  ],
  dropIndex: 'DROP INDEX ix_images_is_public ON images',
};

describe('a MariaDB that another tool has left half-way', () => {
  let server: TestMariaDb;
  const engine = mysqlEngine(() => server);

  before(async function () {
    if (!hasMariaDb()) leaveOut(this, NO_MARIADB);
    server = await startMariaDb();
  });

  after(async () => {
    await server?.stop();
  });

  halfWayCases(engine, SCRIPT);

  /** The statements that change something, in the order in which the server got them. */
  async function logged(work: () => Promise<unknown>): Promise<readonly string[]> {
    return (await loggedStatements(server.adminUrl('mysql'), work))
      .map((statement) => statement.replaceAll(/\s+/g, ' ').trim())
      .filter((statement) => /^(CREATE|ALTER|DROP|INSERT|UPDATE|DELETE)\b/.test(statement));
  }

  const statements = statementsOf(SCRIPT);
  for (const ran of [0, ...statements.map((_, index) => index + 1)]) {
    it(`db plan shows what then runs after ${ran} of ${statements.length} statements of ocata01`, async () => {
      const url = await goldenDatabase(engine, { schema: 'mitaka02', alembic: ['mitaka02'] });
      await engine.fillNewton(url, { images: 60 });
      // One that no script makes.
      await engine.query(url, 'DROP INDEX owner_image_idx ON images');
      for (const statement of statements.slice(0, ran)) await engine.query(url, statement);
      const plan = JSON.parse(await succeeds(url, 'plan', '--output', 'json'));
      const planned = plan.steps.flatMap((step: { statements: readonly { sql: string }[] }) =>
        step.statements.map(({ sql }) => sql.replaceAll(/\s+/g, ' ').trim()),
      );
      const approved = ['--plan-hash', plan.hash, '--plan-rows', String(plan.mostRows)];
      const changes = await logged(() => succeeds(url, 'sync', ...approved));
      expect(withoutRecords(changes)).to.deep.equal(withoutRecords(planned));
    });
  }
});

/** The records of empty scripts are written together, and planned one by one. */
function withoutRecords(statements: readonly string[]): readonly string[] {
  return statements.filter((statement) => !statement.includes('alembic_version'));
}
