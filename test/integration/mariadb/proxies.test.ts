import { expect } from 'chai';
import mysql from 'mysql2/promise';
import { seedMysqlNewton } from '../../../lab/databases/glance-data-mysql.ts';
import { goldenMysqlSchema, readMysqlSchema } from '../../../lab/databases/golden-mysql.ts';
import { hasMariaDb, NO_MARIADB, startMariaDb, type TestMariaDb } from '../../../lab/databases/mariadb.ts';
import { askMysql, mysqlOptions, withMysql } from '../../../lab/databases/mysql-client.ts';
import {
  type StandInMySqlProxy,
  type StandInMySqlProxyOptions,
  startStandInMySqlProxy,
} from '../../../lab/databases/stand-in-mysql-proxy.ts';
import { bundle, type CliRun, runCli, startCli } from '../../../lab/process/bundle.ts';
import { eventually } from '../../../lab/process/eventually.ts';
import { leaveOut } from '../../../lab/process/needs.ts';

describe('behind a proxy that speaks the protocol itself (a stand-in for ProxySQL)', () => {
  let server: TestMariaDb;
  const proxies: StandInMySqlProxy[] = [];

  before(async function () {
    if (!hasMariaDb()) {
      leaveOut(this, NO_MARIADB);
    }
    bundle();
    server = await startMariaDb();
  });

  afterEach(async () => {
    for (const proxy of proxies.splice(0)) await proxy.stop();
  });

  after(async () => {
    await server?.stop();
  });

  async function newton(name: string): Promise<string> {
    const url = await server.createDatabase(name);
    await seedMysqlNewton(url, { images: 300 });
    return url;
  }

  async function through(url: string, options: StandInMySqlProxyOptions = {}): Promise<string> {
    const proxy = await startStandInMySqlProxy(server.port, options);
    proxies.push(proxy);
    return url.replace(`:${server.port}/`, `:${proxy.port}/`);
  }

  /** Another session that keeps images in use until its connection ends. */
  async function block(url: string): Promise<mysql.Connection> {
    const blocker = await mysql.createConnection(mysqlOptions(url));
    await blocker.query('START TRANSACTION');
    await blocker.query('SELECT * FROM images LIMIT 1');
    return blocker;
  }

  /** How many sessions run the statement. */
  async function running(url: string, statement: string): Promise<number> {
    const rows = await askMysql(
      url.replace('glance:', 'admin:'),
      'SELECT ID FROM information_schema.PROCESSLIST WHERE DB = DATABASE() AND INFO LIKE ? AND ID <> CONNECTION_ID()',
      [`%${statement}%`],
    );
    return rows.length;
  }

  /** A run through a proxy that is in the middle of the UPDATE of ocata01, which takes minutes. */
  async function atWork(url: string, options: StandInMySqlProxyOptions = {}): Promise<CliRun> {
    await askMysql(
      url,
      'CREATE TRIGGER slow BEFORE UPDATE ON images FOR EACH ROW SET NEW.size = NEW.size + SLEEP(0.5)',
    );
    const run = startCli(['db', 'sync'], { DATABASE_CONNECTION: await through(url, options) });
    await eventually(async () => expect(await running(url, 'UPDATE images')).to.equal(1));
    return run;
  }

  async function expectGolden(url: string): Promise<void> {
    const { alembic_version: _, migrate_version: __, ...tables } = (await readMysqlSchema(url)).tables;
    expect(tables).to.deep.equal(goldenMysqlSchema('2024_1_contract01').tables);
  }

  it('all commands do what they do without it', async () => {
    const url = await newton('plain');
    const DATABASE_CONNECTION = await through(url);
    for (const args of [['version'], ['plan'], ['expand', 'ocata01'], ['migrate'], ['sync'], ['check']]) {
      const { code, stderr } = await runCli(['db', ...args], { DATABASE_CONNECTION });
      expect(code, `${args}: ${stderr}`).to.equal(0);
    }
    await expectGolden(url);
  });

  it('one migrator through the proxy and one directly: both use the same lock', async () => {
    const url = await newton('both');
    const blocker = await block(url);
    const first = startCli(['db', 'sync'], { DATABASE_CONNECTION: await through(url) });
    await eventually(async () => expect(await running(url, 'ALTER TABLE images')).to.equal(1));
    const second = startCli(['db', 'sync'], { DATABASE_CONNECTION: url });
    await second.says('waiting for the lock, held by pid');
    await blocker.end();
    for (const { code, stderr } of [await first.done, await second.done]) expect(code, stderr).to.equal(0);
    await expectGolden(url);
  });

  it('SIGTERM ends the statement on the server, and no connection of the proxy: exit 22', async () => {
    const url = await newton('stopped');
    const run = await atWork(url);
    run.kill('SIGTERM');
    const { code, stderr } = await run.done;
    expect(code, stderr).to.equal(22);
    await eventually(async () => expect(await running(url, 'UPDATE images')).to.equal(0));
    expect(stderr).to.not.include('may still be');
    expect(proxies.flatMap(({ answered }) => answered)).to.deep.equal([]);
  });

  it('SIGTERM where no KILL gets through: exit 22 all the same, it says what is left, and the next run ends that', async () => {
    const url = await newton('kept');
    const run = await atWork(url, { takesEveryKill: true });
    run.kill('SIGTERM');
    const { code, stderr } = await run.done;
    expect(code, stderr).to.equal(22);
    expect(stderr).to.match(
      /The server may still be at the statement .* the next run ends it or waits for it/,
    );
    expect(stderr).to.not.include('Rolling back transaction');
    expect(await running(url, 'UPDATE images')).to.equal(1);
    const next = startCli(['db', 'sync', '--lock-timeout', '60'], {
      DATABASE_CONNECTION: await through(url),
    });
    await eventually(async () => expect(await running(url, 'UPDATE images')).to.equal(0));
    await askMysql(url, 'DROP TRIGGER IF EXISTS slow');
    const ended = await next.done;
    expect(ended.code, ended.stderr).to.equal(0);
    await expectGolden(url);
  });

  it('a server that lacks one of the settings, or forbids it: the others are set all the same', async () => {
    const url = await newton('lacking');
    await askMysql(url.replace('glance:', 'admin:'), 'SET GLOBAL tx_read_only = 1');
    const DATABASE_CONNECTION = await through(url, {
      refuse: (sql) =>
        /max_statement_time/.test(sql) || /completion_type = 'NO_CHAIN'$/.test(sql)
          ? { number: 1193, message: "Unknown system variable 'max_statement_time'" }
          : undefined,
    });
    const { code, stderr } = await runCli(['db', 'sync'], { DATABASE_CONNECTION });
    await withMysql(url.replace('glance:', 'admin:'), (client) =>
      client.query('SET SESSION tx_read_only = 0; SET GLOBAL tx_read_only = 0'),
    );
    expect(code, stderr).to.equal(0);
    await expectGolden(url);
  });

  it('a server that greets as MySQL', async () => {
    const other = await startMariaDb({ settings: { version: '8.0.36' } });
    const url = await other.createDatabase('mysql_by_name');
    const { code, stderr } = await runCli(['db', 'sync'], { DATABASE_CONNECTION: url });
    expect(code, stderr).to.equal(0);
    expect(await askMysql(url, 'SELECT version_num FROM alembic_version')).to.deep.equal([
      { version_num: '2024_1_contract01' },
    ]);
    await other.stop();
  });

  for (const [number, setting] of [
    [1105, 'pxc_strict_mode'],
    [1235, 'GET_LOCK'],
  ] as const) {
    it(`a server that forbids GET_LOCK (${number}): refused, nothing changed, and its setting is named`, async () => {
      const url = await newton(`forbidden_${number}`);
      const before = await readMysqlSchema(url);
      const message =
        number === 1105
          ? 'Percona-XtraDB-Cluster prohibits use of GET_LOCK with pxc_strict_mode = ENFORCING'
          : "This version of MariaDB doesn't yet support 'GET_LOCK in cluster (WSREP_ON=ON)'";
      const DATABASE_CONNECTION = await through(url, {
        refuse: (sql) => (/GET_LOCK/.test(sql) ? { number, message } : undefined),
      });
      const { code, stderr } = await runCli(['db', 'sync'], { DATABASE_CONNECTION });
      expect(code, stderr).to.equal(1);
      expect(stderr)
        .to.include(setting)
        .and.to.match(/\. (Set|Upgrade) /);
      expect(await readMysqlSchema(url)).to.deep.equal(before);
    });
  }
});
