import { spawnSync } from 'node:child_process';
import { expect } from 'chai';
import { phaseCases } from '../../support/cases/phases.ts';
import { succeeds } from '../../support/db-command.ts';
import { goldenMysqlSchema, readMysqlSchema, withMysqlAlembicVersion } from '../../support/golden-mysql.ts';
import { buildMysqlGolden } from '../../support/golden-mysql-database.ts';
import { askMysql } from '../../support/mysql-client.ts';
import { mysqlEngine } from '../../support/mysql-engine.ts';
import { suiteMariaDb } from '../../support/suite-server.ts';
import { findProgram, programEnvironment } from '../../tools/distribution-packages.ts';

describe('expand, migrate and contract on MariaDB', () => {
  const server = suiteMariaDb();
  const engine = mysqlEngine(server);

  phaseCases(engine);

  for (const [from, to, golden] of [
    ['nothing', [], '2024_1_contract01'],
    ['mitaka02', [], '2024_1_contract01'],
    ['ocata_expand01', [], '2024_1_contract01'],
    ['rocky_contract02', [], '2024_1_contract01'],
    ['mitaka02', ['ocata01', '--through', 'Expand'], 'ocata_expand01'],
  ] as const) {
    it(`the SQL of db plan, run by the server's own client from ${from}${to.map((word) => ` ${word}`).join('')}, leaves the schema and the record of the real Glance`, async () => {
      const name = ['planned', from, ...to.slice(0, 1)].join('_');
      const url = await engine.createDatabase(name);
      if (from !== 'nothing') {
        await buildMysqlGolden(url, { schema: from, alembic: [from] });
      }
      const sql = await succeeds(url, 'plan', ...to, '--output', 'sql');
      const { host, port, user, password } = server();
      const client = spawnSync(
        findProgram('mariadb') ?? 'mariadb',
        ['--no-defaults', `--host=${host}`, `--port=${port}`, `--user=${user}`, name],
        {
          // What goes in batches is shown with signs for the keys.
          input: sql.replace(/^UPDATE [^;]*\(last key\)[^;]*;$/gm, ''),
          encoding: 'utf8',
          env: { ...programEnvironment(), MYSQL_PWD: password },
        },
      );
      expect(client.status, `${client.stderr}\n${sql}`).to.equal(0);
      expect(await askMysql(url, 'SELECT * FROM alembic_version')).to.deep.equal([{ version_num: golden }]);
      expect(await readMysqlSchema(url)).to.deep.equal(withMysqlAlembicVersion(goldenMysqlSchema(golden)));
    });
  }
});
