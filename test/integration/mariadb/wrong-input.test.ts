import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import type { GoldenOptions } from '../../../lab/databases/golden-database.ts';
import { readMysqlSchema } from '../../../lab/databases/golden-mysql.ts';
import { buildMysqlGolden } from '../../../lab/databases/golden-mysql-database.ts';
import { hasMariaDb, NO_MARIADB, startMariaDb, type TestMariaDb } from '../../../lab/databases/mariadb.ts';
import { withMysql } from '../../../lab/databases/mysql-client.ts';
import { runCli } from '../../../lab/process/bundle.ts';
import { leaveOut } from '../../../lab/process/needs.ts';

/** One wrong input: what is run, how it ends, and a piece of the one sentence that is said. */
interface WrongUrl {
  readonly name: string;
  readonly url: string;
  readonly args?: readonly string[];
  readonly code: number;
  readonly says: string;
}

describe('wrong input with MariaDB', () => {
  let server: TestMariaDb;
  let silent: Server;
  let folder = '';
  let url = '';

  before(async function () {
    if (!hasMariaDb()) {
      leaveOut(this, NO_MARIADB);
    }
    server = await startMariaDb({ settings: { log_bin: 'binlog', server_id: '1' } });
    url = await server.createDatabase('glance');
    await buildMysqlGolden(server.adminUrl('glance'), { schema: 'mitaka02', alembic: ['mitaka02'] });
    folder = mkdtempSync(join(tmpdir(), 'glance-schema-mariadb-input-'));
    silent = createServer();
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
  });

  after(async () => {
    if (folder !== '') {
      rmSync(folder, { recursive: true });
    }
    silent?.close();
    await server?.stop();
  });

  function wrongUrls(): readonly WrongUrl[] {
    const address = silent.address();
    const deaf = typeof address === 'object' && address !== null ? address.port : 0;
    const lower = ['db', 'sync', 'mitaka01'];
    return [
      {
        name: 'no server',
        url: 'mysql://g:hunter2@127.0.0.1:1/glance',
        code: 20,
        says: 'the connection was refused. Check the port, and that MariaDB or MySQL runs there.',
      },
      {
        name: 'no such host',
        url: 'mysql://g:hunter2@no.invalid/glance',
        code: 20,
        says: 'the host name cannot be resolved',
      },
      {
        name: 'a silent server',
        url: `mysql://g:hunter2@127.0.0.1:${deaf}/glance?connect_timeout=1`,
        code: 20,
        says: 'no answer within 1 s',
      },
      {
        name: 'a wrong password',
        url: url.replace('glance-secret', 'hunter2'),
        code: 20,
        says: "the server refused user 'glance' or the password",
      },
      {
        name: 'no password',
        url: url.replace(':glance-secret', ''),
        code: 20,
        says: "asks for the password of user 'glance'",
      },
      {
        name: 'no such database',
        url: server.url('nope'),
        code: 20,
        says: 'there is no such database',
      },
      { name: 'no database', url: 'mysql://g:hunter2@127.0.0.1/', code: 17, says: 'found no database in it' },
      {
        name: 'a socket that is not there',
        url: 'mysql://g:hunter2@/glance?unix_socket=/nowhere/s',
        code: 20,
        says: 'the socket cannot be opened',
      },
      {
        name: 'TLS where there is none',
        url,
        args: ['db', 'version', '--tls-mode', 'verify-full'],
        code: 20,
        says: "the server has no TLS, and the mode 'verify-full' asks for it",
      },
      {
        name: 'an authority that is not there',
        url: `${url}?ssl_ca=${folder}/ca`,
        code: 17,
        says: 'Cannot read the certificate file',
      },
      {
        name: 'an option of PostgreSQL',
        url: `${url}?sslmode=require`,
        code: 17,
        says: "Write 'ssl_mode'",
      },
      {
        name: 'a lower target',
        url,
        args: lower,
        code: 10,
        says: "the database is already at 'mitaka02', which is later",
      },
    ];
  }

  it('in the URL: one sentence each, its exit code, nothing changed, no password', async () => {
    const before = await readMysqlSchema(url);
    const failures: string[] = [];
    for (const row of wrongUrls()) {
      const result = await runCli(row.args ?? ['db', 'sync'], { DATABASE_CONNECTION: row.url });
      const one = result.stderr.trim().split('\n').length === 1;
      const secret = /hunter2|glance-secret|\n {4}at /.test(result.stderr + result.stdout);
      if (result.code !== row.code || !result.stderr.includes(row.says) || !one || secret) {
        failures.push(`${row.name}: exit ${result.code}, ${result.stderr}`);
      }
    }
    expect(failures).to.deep.equal([]);
    expect(await readMysqlSchema(url)).to.deep.equal(before);
  });

  /**
   * The name, what is built, what is done to it then, arguments, exit code, a piece of the
   * sentence.
   */
  type WrongDatabase = readonly [
    string,
    GoldenOptions | undefined,
    string,
    readonly string[],
    number,
    string,
  ];
  const MITAKA02: GoldenOptions = { schema: 'mitaka02', alembic: ['mitaka02'] };
  const databases: readonly WrongDatabase[] = [
    [
      'from before Liberty',
      { schema: 'ocata_era__liberty', migrate: 37 },
      '',
      [],
      13,
      'migrate_version says 37, which is before Liberty (42)',
    ],
    [
      'Glance without a version table',
      { schema: 'mitaka02' },
      '',
      [],
      13,
      'no version in alembic_version or migrate_version',
    ],
    [
      "another project's",
      undefined,
      'CREATE TABLE instances (id int)',
      [],
      13,
      "tables that are not Glance's (instances)",
    ],
    [
      'Liberty and something later without a record',
      { schema: 'ocata_contract01', alembic: [] },
      '',
      [],
      13,
      "Glance's tables are there",
    ],
    [
      'a stamp that lies',
      { schema: 'ocata_era__mitaka02', migrate: 45 },
      '',
      [],
      13,
      'but images.visibility is missing',
    ],
    [
      'half a revision that does not follow',
      { schema: 'ocata_contract01', alembic: ['mitaka01'] },
      '',
      [],
      13,
      'images.visibility exists',
    ],
    [
      'one of a release to come',
      { schema: '2024_1_contract01', alembic: ['2031_1_expand01'] },
      '',
      [],
      12,
      "newer than '2024_1_01'",
    ],
    [
      'in Latin letters',
      MITAKA02,
      'ALTER TABLE metadef_tags CONVERT TO CHARACTER SET latin1',
      [],
      1,
      'the table metadef_tags has the collation latin1_swedish_ci and Glance writes UTF-8',
    ],
    [
      "a user's without the right to alter",
      MITAKA02,
      "GRANT SELECT, INSERT, UPDATE, DELETE ON $db.* TO low@'%' IDENTIFIED BY 'hunter2'",
      ['low'],
      1,
      'Grant CREATE, DROP, ALTER, INDEX, REFERENCES on the database',
    ],
    [
      "a user's who may make no triggers",
      MITAKA02,
      "GRANT ALL ON $db.* TO triggers@'%' IDENTIFIED BY 'hunter2'; REVOKE TRIGGER ON $db.* FROM triggers@'%'",
      ['triggers', 'expand'],
      1,
      'Grant TRIGGER on the database',
    ],
    [
      'on a server with a binary log that trusts no triggers',
      MITAKA02,
      '',
      ['glance', 'expand'],
      1,
      'log_bin_trust_function_creators=1',
    ],
  ];
  for (const [index, [name, options, statements, [user, phase], code, says]] of databases.entries()) {
    it(`a database that is ${name}: exit ${code}, nothing changed, a report`, async () => {
      const database = `database_${index}`;
      const owner = await server.createDatabase(database);
      const admin = server.adminUrl(database);
      if (options !== undefined) {
        await buildMysqlGolden(admin, options);
      }
      if (statements !== '') {
        await withMysql(admin, (client) => client.query(statements.replaceAll('$db', database)));
      }
      const target =
        user === undefined || user === 'glance'
          ? owner
          : owner.replace('glance:glance-secret', `${user}:hunter2`);
      const before = await readMysqlSchema(admin);
      const report = join(folder, `report-${index}`);
      const result = await runCli(['db', phase ?? 'sync', '--report', report], {
        DATABASE_CONNECTION: target,
      });
      expect(result.code, result.stderr).to.equal(code);
      expect(result.stderr).to.include(says);
      expect(result.stderr.trim().split('\n')).to.have.length(1);
      expect(result.stderr).to.not.include('hunter2');
      expect(await readMysqlSchema(admin)).to.deep.equal(before);
      const written = JSON.parse(readFileSync(report, 'utf8'));
      expect(written.error.message).to.equal(result.stderr.trim());
      expect(written.applied).to.deep.equal([]);
    });
  }

  it("a table in Latin letters that is nobody's but the administrator's is none of Glance's: it is migrated", async () => {
    const own = await server.createDatabase('copied');
    await buildMysqlGolden(own, MITAKA02);
    await withMysql(own, (client) => client.query('CREATE TABLE images_bak (id int) CHARACTER SET latin1'));
    const result = await runCli(['db', 'sync'], { DATABASE_CONNECTION: own });
    expect(result.code, result.stderr).to.equal(0);
  });

  it('a read-only server: exit 20, nothing changed', async () => {
    await withMysql(server.adminUrl('glance'), (client) => client.query('SET GLOBAL read_only = 1'));
    const result = await runCli(['db', 'sync'], { DATABASE_CONNECTION: url });
    await withMysql(server.adminUrl('glance'), (client) => client.query('SET GLOBAL read_only = 0'));
    expect(result.code, result.stderr).to.equal(20);
    expect(result.stderr).to.include('the server is read-only, as a replica is. Name the primary.');
  });

  it('the way by a Unix socket, and a database without migrations, work', async () => {
    const { pathname } = new URL(url);
    const socket = `mysql+pymysql://${server.user}:${server.password}@${pathname}?unix_socket=${server.socket}&charset=utf8`;
    const result = await runCli(['db', 'version'], { DATABASE_CONNECTION: socket });
    expect(result).to.deep.include({ code: 0, stdout: 'mitaka02\n', stderr: '' });
  });
});
