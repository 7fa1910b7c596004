import { existsSync, readFileSync } from 'node:fs';
import { expect } from 'chai';
import { goldenMysqlSchema, readMysqlSchema } from '../../../lab/databases/golden-mysql.ts';
import { withMysql } from '../../../lab/databases/mysql-client.ts';
import { suiteMariaDb } from '../../../lab/databases/suite-server.ts';
import { schemaCases } from '../../support/cases/schema.ts';
import { succeeds } from '../../support/db-command.ts';
import { mysqlEngine } from '../../support/mysql-engine.ts';

describe('the schema that db sync leaves on MariaDB', () => {
  const engine = mysqlEngine(suiteMariaDb());

  schemaCases(engine);

  it('is that of the version which SECURITY.md names, on Debian 12', async () => {
    const url = await engine.createDatabase();
    const [rows] = await withMysql(url, (client) => client.query('SELECT VERSION() AS version'));
    const policy = readFileSync(new URL('../../../SECURITY.md', import.meta.url), 'utf8');
    const [, named = ''] = /^\| MariaDB \| (\d+\.\d+), the one of Debian 12 \|$/m.exec(policy) ?? [];
    const system = existsSync('/etc/os-release') ? readFileSync('/etc/os-release', 'utf8') : '';
    const expected = /^VERSION_CODENAME=bookworm$/m.test(system) ? `"${named}.` : '-MariaDB';
    expect(named).to.match(/\d/);
    expect(JSON.stringify(rows)).to.contain(expected);
  });

  it('has the golden triggers after db expand, and none after db contract', async () => {
    const url = await engine.createDatabase();
    await succeeds(url, 'sync', 'mitaka02');
    for (const [phase, golden] of [
      ['expand', 'ocata_expand01'],
      ['migrate', 'ocata_expand01'],
      ['contract', 'ocata_contract01'],
    ] as const) {
      await succeeds(url, phase, 'ocata01');
      expect(await engine.readSchema(url), phase).to.deep.equal(engine.goldenSchema(golden));
    }
  });

  it('is made in a database of utf8mb4, tables as Glance has them', async () => {
    const url = await engine.createDatabase('four_bytes');
    await withMysql(url, (client) => client.query('ALTER DATABASE four_bytes CHARACTER SET utf8mb4'));
    await succeeds(url, 'sync');
    const { alembic_version: _, ...tables } = (await readMysqlSchema(url)).tables;
    expect(tables).to.deep.equal(goldenMysqlSchema('2024_1_contract01').tables);
  });
});
