import { expect } from 'chai';
import { withoutChecks, withoutDialect } from '../../../lab/databases/golden-mysql.ts';
import { suiteMysql } from '../../../lab/databases/suite-server.ts';
import { dataCases } from '../../support/cases/data.ts';
import { schemaCases } from '../../support/cases/schema.ts';
import { db, succeeds } from '../../support/db-command.ts';
import { mysqlEngine } from '../../support/mysql-engine.ts';
import { newtonDatabase } from '../../support/test-engine.ts';

describe('MySQL 8.0.15, which keeps no CHECK, instead of MariaDB', function () {
  this.timeout(600_000);
  const server = suiteMysql('mysqld-8');
  const engine = mysqlEngine(server, (schema) => withoutChecks(withoutDialect(schema)));

  schemaCases(engine, { sample: true });
  dataCases(engine, { sample: true });

  it('db diff finds nothing in what a run leaves, and db plan names what needs a column that goes', async () => {
    const url = await newtonDatabase(engine, 20);
    await engine.query(url, 'ALTER TABLE images ADD COLUMN closed boolean AS (NOT is_public) STORED');
    const { code, stderr } = await db(url, 'sync');
    expect(code, stderr).to.equal(1);
    expect(stderr).to.contain('column images.closed needs images.is_public');
    await engine.query(url, 'ALTER TABLE images DROP COLUMN closed');
    await succeeds(url, 'sync');
    expect(await db(url, 'diff')).to.deep.include({ code: 0, stderr: '' });
  });
});
