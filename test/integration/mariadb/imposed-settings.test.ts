import { expect } from 'chai';
import mysql from 'mysql2/promise';
import {
  expectedMysqlImages,
  readMysqlImages,
  seedMysqlNewton,
} from '../../../lab/databases/glance-data-mysql.ts';
import { goldenMysqlSchema, readMysqlSchema } from '../../../lab/databases/golden-mysql.ts';
import { buildMysqlGolden } from '../../../lab/databases/golden-mysql-database.ts';
import { hasMariaDb, NO_MARIADB, startMariaDb, type TestMariaDb } from '../../../lab/databases/mariadb.ts';
import { askMysql, withMysql } from '../../../lab/databases/mysql-client.ts';
import { bundle } from '../../../lab/process/bundle.ts';
import { leaveOut } from '../../../lab/process/needs.ts';
import { db } from '../../support/db-command.ts';
import { documentedSettings } from '../../support/documented-settings.ts';

/**
 * What a server's administrator may set for every session, by name and value; and `init_connect`,
 * which a session of a user without SUPER begins with. The table of docs/operations.md names the
 * same.
 */
const IMPOSED: readonly (readonly [string, string])[] = [
  ['max_statement_time', '0.1'],
  ['default_storage_engine', 'Aria'],
  ['default_storage_engine', 'MyISAM'],
  ['sql_mode', "'ANSI_QUOTES,PIPES_AS_CONCAT,IGNORE_SPACE'"],
  ['sql_mode', "'NO_BACKSLASH_ESCAPES'"],
  ['sql_mode', "'PAD_CHAR_TO_FULL_LENGTH'"],
  ['sql_mode', "'TRADITIONAL,NO_ZERO_IN_DATE,NO_ZERO_DATE'"],
  ['sql_mode', "'ORACLE'"],
  ['sql_mode', "''"],
  ['autocommit', '0'],
  ['completion_type', "'CHAIN'"],
  ['completion_type', "'RELEASE'"],
  ['tx_isolation', "'SERIALIZABLE'"],
  ['tx_isolation', "'READ-UNCOMMITTED'"],
  ['tx_read_only', '1'],
  ['foreign_key_checks', '0'],
  ['unique_checks', '0'],
  ['check_constraint_checks', '0'],
  ['lock_wait_timeout', '1'],
  ['innodb_lock_wait_timeout', '1'],
  ['wait_timeout', '1'],
  ['idle_transaction_timeout', '1'],
  ['idle_write_transaction_timeout', '1'],
  ['idle_readonly_transaction_timeout', '1'],
  ['sql_safe_updates', '1'],
  ['sql_select_limit', '1'],
  ['max_join_size', '1'],
  ['sql_auto_is_null', '1'],
  ['alter_algorithm', "'INSTANT'"],
  ['alter_algorithm', "'NOCOPY'"],
  ['explicit_defaults_for_timestamp', '0'],
  ['time_zone', "'-08:00'"],
  ['character_set_server', "'latin1'"],
  ['innodb_strict_mode', '0'],
  ['group_concat_max_len', '4'],
  ['div_precision_increment', '0'],
  ['old_mode', "''"],
  ['init_connect', `'SET autocommit=0'`],
  ['init_connect', `'SET NAMES latin1, sql_mode="ANSI_QUOTES", completion_type="RELEASE"'`],
];

/** Those of MySQL alone, and a limit of users that has a test of its own. */
const ELSEWHERE: readonly string[] = [
  'max_execution_time',
  'old_alter_table',
  'sql_require_primary_key',
  'sql_generate_invisible_primary_key',
  'MAX_STATEMENT_TIME',
];

describe('what a MariaDB imposes on a session', () => {
  let server: TestMariaDb;
  let databases = 0;

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

  /** Has a variable as it is to be for every new session, while `work` runs. */
  async function imposed<T>(name: string, value: string, work: () => Promise<T>): Promise<T> {
    const [before] = await askMysql(server.adminUrl(''), `SELECT @@GLOBAL.${name} AS value`);
    await withMysql(server.adminUrl(''), (client) => client.query(`SET GLOBAL ${name} = ${value}`));
    try {
      return await work();
    } finally {
      await withMysql(server.adminUrl(''), async (client) => {
        await client.query(
          "SET SESSION sql_mode = '', autocommit = 1, completion_type = 0, tx_read_only = 0",
        );
        // The largest numbers come as texts.
        const old = String(before?.value ?? 'NULL');
        const plain = /^(NULL|\d+(\.\d+)?)$/.test(old);
        await client.query(`SET GLOBAL ${name} = ${plain ? old : mysql.escape(old)}`);
      });
    }
  }

  async function run(url: string, ...args: string[]): Promise<string> {
    // What cannot have a table must not keep the test forever.
    const patience = ['version', 'check'].includes(args[0] ?? '') ? [] : ['--lock-timeout', '20'];
    const { code, stdout, stderr } = await db(url, ...args, ...patience);
    return `${args.join(' ')}: ${code}${code === 0 ? '' : ` ${stderr}${stdout}`}`;
  }

  it('the settings in docs/operations.md are those that this file imposes', () => {
    const told = documentedSettings('MariaDB and MySQL').filter(({ outcome }) =>
      /^(set for ours|harmless)/.test(outcome),
    );
    expect([...new Set(IMPOSED.map(([name]) => name))].sort()).to.deep.equal(
      told
        .flatMap(({ names }) => names)
        .filter((name) => !ELSEWHERE.includes(name))
        .sort(),
    );
  });

  for (const [name, value] of IMPOSED) {
    it(`${name} = ${value}: reads, the phases and a sync do what they do without`, async () => {
      databases += 1;
      const url = await server.createDatabase(`imposed_${databases}`);
      const empty = await server.createDatabase(`empty_${databases}`);
      await seedMysqlNewton(url, { images: 60 });
      const expected = await expectedMysqlImages(url);
      if (name === 'max_statement_time') {
        await withMysql(url, (client) =>
          client.query(`CREATE TRIGGER slow BEFORE UPDATE ON images FOR EACH ROW
            SET NEW.size = NEW.size + SLEEP(0.005)`),
        );
      }
      const ended = await imposed(name, value, async () => [
        await run(url, 'version'),
        await run(url, 'expand', 'ocata01'),
        await run(url, 'migrate'),
        await run(url, 'sync'),
        await run(url, 'check'),
        await run(empty, 'sync'),
      ]);
      expect(ended).to.deep.equal([
        'version: 0',
        'expand ocata01: 0',
        'migrate: 0',
        'sync: 0',
        'check: 0',
        'sync: 0',
      ]);
      await withMysql(url, (client) => client.query('DROP TRIGGER IF EXISTS slow'));
      for (const database of [url, empty]) {
        const {
          migrate_version: _,
          alembic_version: __,
          ...tables
        } = (await readMysqlSchema(database)).tables;
        expect(tables).to.deep.equal(goldenMysqlSchema('2024_1_contract01').tables);
        expect(
          await askMysql(
            database,
            "SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE() AND ENGINE <> 'InnoDB'",
          ),
          'tables without transactions',
        ).to.deep.equal([]);
      }
      expect(await readMysqlImages(url)).to.deep.equal(
        expected.map((image) => ({ ...image, os_hidden: 0, os_hash_algo: null, os_hash_value: null })),
      );
    });
  }

  it('an alembic_version that another tool made without transactions gets them with the next record', async () => {
    const url = await server.createDatabase('versions');
    await buildMysqlGolden(url, { schema: 'mitaka01', alembic: ['mitaka01'] });
    await withMysql(url, (client) => client.query('ALTER TABLE alembic_version ENGINE=Aria'));
    expect(await run(url, 'sync', 'mitaka02')).to.equal('sync mitaka02: 0');
    expect(
      await askMysql(
        url,
        `SELECT ENGINE AS engine, version_num FROM information_schema.TABLES, alembic_version
          WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = 'alembic_version'`,
      ),
    ).to.deep.equal([{ engine: 'InnoDB', version_num: 'mitaka02' }]);
  });

  it("a user's own MAX_STATEMENT_TIME", async () => {
    const url = await server.createDatabase('limited');
    await seedMysqlNewton(url, { images: 60 });
    await withMysql(server.adminUrl('limited'), async (client) => {
      await client.query(`CREATE TRIGGER slow BEFORE UPDATE ON images FOR EACH ROW
        SET NEW.size = NEW.size + SLEEP(0.005)`);
      await client.query("CREATE USER limited IDENTIFIED BY 'x' WITH MAX_STATEMENT_TIME 0.1");
      await client.query('GRANT ALL ON limited.* TO limited');
    });
    expect(await run(url.replace(/\/\/[^@]*@/, '//limited:x@'), 'sync')).to.equal('sync: 0');
  });

  it('enforce_storage_engine: refused before the first change, with its name', async () => {
    const url = await server.createDatabase('enforced');
    const ended = await imposed('enforce_storage_engine', 'Aria', () => run(url, 'sync'));
    expect(ended).to.match(
      /^sync: 1 Cannot change .*enforce_storage_engine.*\. Set enforce_storage_engine to /,
    );
    expect((await readMysqlSchema(url)).tables).to.deep.equal({});
  });
});
