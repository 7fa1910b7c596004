import { spawnSync } from 'node:child_process';
import { expect } from 'chai';
import {
  goldenMysqlSchema,
  readMysqlSchema,
  withMysqlAlembicVersion,
} from '../../../lab/databases/golden-mysql.ts';
import { buildMysqlGolden } from '../../../lab/databases/golden-mysql-database.ts';
import { askMysql } from '../../../lab/databases/mysql-client.ts';
import { suiteMariaDb } from '../../../lab/databases/suite-server.ts';
import { findProgram, programEnvironment } from '../../../lab/tools/distribution-packages.ts';
import { approvalCases } from '../../support/cases/approval.ts';
import { phaseCases } from '../../support/cases/phases.ts';
import { succeeds } from '../../support/db-command.ts';
import { mysqlEngine } from '../../support/mysql-engine.ts';

describe('expand, migrate and contract on MariaDB', () => {
  const server = suiteMariaDb();
  const engine = mysqlEngine(server);

  phaseCases(engine);
  approvalCases(engine);

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
