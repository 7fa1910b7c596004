import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import mysql, { type RowDataPacket } from 'mysql2/promise';
import { makeClientFolder } from '../../../lab/databases/backup-clients.ts';
import { hasGalera, NO_GALERA, startGalera, type TestCluster } from '../../../lab/databases/galera.ts';
import {
  expectedMysqlImages,
  readMysqlImages,
  seedMysqlNewton,
} from '../../../lab/databases/glance-data-mysql.ts';
import { goldenMysqlSchema, readMysqlSchema } from '../../../lab/databases/golden-mysql.ts';
import { findHaProxy, startHaProxy } from '../../../lab/databases/haproxy.ts';
import type { TestMariaDb } from '../../../lab/databases/mariadb.ts';
import { askMysql, mysqlOptions, openMysqlSession, withMysql } from '../../../lab/databases/mysql-client.ts';
import { startStandInMySqlProxy } from '../../../lab/databases/stand-in-mysql-proxy.ts';
import { bundle, runCli, startCli } from '../../../lab/process/bundle.ts';
import { eventually } from '../../../lab/process/eventually.ts';
import { leaveOut } from '../../../lab/process/needs.ts';
import { startTcpProxy } from '../../../lab/process/tcp-proxy.ts';

type Row = Readonly<Record<string, unknown>>;

describe('a Galera cluster of three', () => {
  let cluster: TestCluster;
  let first: TestMariaDb;
  let second: TestMariaDb;
  let third: TestMariaDb;

  before(async function () {
    if (!hasGalera()) {
      leaveOut(this, NO_GALERA);
    }
    bundle();
    cluster = await startGalera(3);
    const [one, two, three] = cluster.nodes;
    if (one === undefined || two === undefined || three === undefined) {
      throw new Error('there are not three nodes');
    }
    [first, second, third] = [one, two, three];
  });

  after(async () => {
    await cluster?.stop();
  });

  async function newton(name: string, images: number): Promise<readonly Row[]> {
    const url = await create(name);
    await seedMysqlNewton(url, { images });
    return expectedMysqlImages(url);
  }

  /** A database that is there on every node: until then a node knows none of that name. */
  async function create(name: string): Promise<string> {
    const url = await first.createDatabase(name);
    for (const node of cluster.nodes) {
      await eventually(() => withMysql(node.url(name), (client) => client.query('SELECT 1')));
    }
    return url;
  }

  /**
   * Makes each row of an UPDATE of images on the node take a while as long as the session is there
   * that this gives.
   */
  async function slowDown(node: TestMariaDb, name: string, seconds: number): Promise<mysql.Connection> {
    const blocker = await openMysqlSession(node.url(name));
    await blocker.query("SELECT GET_LOCK('slow', 0)");
    await withMysql(node.adminUrl(name), (client) =>
      client.query(`CREATE TRIGGER slow BEFORE UPDATE ON images FOR EACH ROW
        SET NEW.size = NEW.size + IF(IS_FREE_LOCK('slow'), 0, SLEEP(${seconds}))`),
    );
    return blocker;
  }

  /**
   * What was done on another node is in order on this one, and may still be under way: reads on it
   * wait no longer.
   */
  async function caughtUp(url: string): Promise<void> {
    await withMysql(url, async (client) => {
      await client.query('SET SESSION wsrep_sync_wait = 1');
      await client.query('SELECT COUNT(*) FROM alembic_version');
    });
  }

  async function expectWhole(url: string, expected: readonly Row[]): Promise<void> {
    await caughtUp(url);
    const { alembic_version: _, migrate_version: __, ...tables } = (await readMysqlSchema(url)).tables;
    expect(tables).to.deep.equal(goldenMysqlSchema('2024_1_contract01').tables);
    expect(await heads(url)).to.deep.equal(['2024_1_contract01']);
    expect(await readMysqlImages(url)).to.deep.equal(
      expected.map((image) => ({ ...image, os_hidden: 0, os_hash_algo: null, os_hash_value: null })),
    );
  }

  async function heads(url: string): Promise<readonly string[]> {
    return withMysql(url, async (client) => {
      const [rows] = await client.query<RowDataPacket[]>('SELECT version_num FROM alembic_version');
      return rows.map((row) => String(row.version_num));
    });
  }

  /** Waits until a session on the node runs the statement. */
  async function running(node: TestMariaDb, database: string, statement: string): Promise<void> {
    await eventually(
      async () => {
        const sessions = await sessionsAt(node, database, statement);
        expect(sessions, `who runs ${statement}`).to.have.length.greaterThan(0);
      },
      { everyMilliseconds: 5 },
    );
  }

  /** The numbers of the sessions on the node that run the statement. */
  async function sessionsAt(
    node: TestMariaDb,
    database: string,
    statement: string,
  ): Promise<readonly number[]> {
    return withMysql(node.adminUrl(database), async (client) => {
      const [rows] = await client.query<RowDataPacket[]>(
        `SELECT ID AS id FROM information_schema.PROCESSLIST
          WHERE DB = DATABASE() AND INFO LIKE ? AND ID <> CONNECTION_ID()`,
        [`%${statement}%`],
      );
      return rows.map(({ id }) => Number(id));
    });
  }

  it('one migrator on each node at once: one migrates, the others wait and find it done', async () => {
    const expected = await newton('three', 3000);
    const runs = await Promise.all(
      cluster.nodes.map((node) =>
        runCli(['db', 'sync', '--output', 'json'], { DATABASE_CONNECTION: node.url('three') }),
      ),
    );
    const applied = runs.map((run) => {
      expect(run.code, run.stderr).to.equal(0);
      return JSON.parse(run.stdout).applied.length > 0 ? 1 : 0;
    });
    expect(applied.sort()).to.deep.equal([0, 0, 1]);
    await expectWhole(third.url('three'), expected);
  });

  it('the same from an empty database', async () => {
    await create('empty');
    const runs = await Promise.all(
      cluster.nodes.map((node) =>
        runCli(['db', 'sync', '--output', 'json'], { DATABASE_CONNECTION: node.url('empty') }),
      ),
    );
    for (const run of runs) {
      expect(run.code, run.stderr).to.equal(0);
    }
    await expectWhole(second.url('empty'), []);
  });

  it('through a balancer that leads each connection to the next node: all commands do what they do without it', async () => {
    const proxy = await startTcpProxy(cluster.nodes.map(({ port }) => port));
    const through = (url: string): string => url.replace(`:${first.port}/`, `:${proxy.port}/`);
    for (const round of [1, 2, 3, 4]) {
      const expected = await newton(`spread_${round}`, 300);
      // Who makes triggers on a node of Galera needs SUPER.
      const DATABASE_CONNECTION = through(first.adminUrl(`spread_${round}`));
      for (const args of round % 2 === 0
        ? [['sync']]
        : [['expand', 'ocata01'], ['migrate'], ['contract'], ['sync'], ['check']]) {
        const { code, stderr } = await runCli(['db', ...args], { DATABASE_CONNECTION });
        expect(code, `${args}: ${stderr}`).to.equal(0);
      }
      await expectWhole(second.url(`spread_${round}`), expected);
    }
    await proxy.stop();
  });

  for (const balance of ['leastconn', 'roundrobin', 'source'] as const) {
    it(`through HAProxy, balance ${balance}: a sync and a backup find the node again that has the lock, and a restore goes through`, async function () {
      const program = findHaProxy();
      if (program === null) {
        leaveOut(
          this,
          'HAProxy is not on this machine. Run `make test`, which brings it on Debian and Ubuntu.',
        );
      }
      const proxy = await startHaProxy(program, { servers: cluster.nodes.map(({ port }) => port), balance });
      const expected = await newton(`haproxy_${balance}`, 300);
      const url = first.url(`haproxy_${balance}`).replace(`:${first.port}/`, `:${proxy.port}/`);
      const clients = makeClientFolder();
      const folder = mkdtempSync(join(tmpdir(), 'glance-schema-backups-'));
      const run = async (...args: readonly string[]): Promise<string> => {
        const env = { DATABASE_CONNECTION: url, PATH: clients.path };
        const { code, stdout, stderr } = await runCli(['db', ...args], env);
        expect(code, `${args}: ${stderr}`).to.equal(0);
        return stdout;
      };
      try {
        await run('sync');
        const said = await run('backup', folder);
        await run('restore', /backed up as (\S+) /.exec(said)?.[1] ?? said, '--replace');
      } finally {
        clients.remove();
        rmSync(folder, { recursive: true, force: true });
        await proxy.stop();
      }
      await expectWhole(second.url(`haproxy_${balance}`), expected);
    });
  }

  it('three at once through such a balancer: one migrates, the others wait and find it done', async () => {
    const proxy = await startTcpProxy(cluster.nodes.map(({ port }) => port));
    const expected = await newton('spread', 3000);
    const DATABASE_CONNECTION = first.url('spread').replace(`:${first.port}/`, `:${proxy.port}/`);
    const runs = await Promise.all(
      [1, 2, 3].map(() => runCli(['db', 'sync', '--output', 'json'], { DATABASE_CONNECTION })),
    );
    const applied = runs.map((run) => {
      expect(run.code, run.stderr).to.equal(0);
      return JSON.parse(run.stdout).applied.length > 0 ? 1 : 0;
    });
    expect(applied.sort()).to.deep.equal([0, 0, 1]);
    await proxy.stop();
    await expectWhole(third.url('spread'), expected);
  });

  for (const [number, message] of [
    [1105, 'Percona-XtraDB-Cluster prohibits use of GET_LOCK with pxc_strict_mode = ENFORCING'],
    [1235, "This version of MariaDB doesn't yet support 'GET_LOCK in cluster (WSREP_ON=ON)'"],
  ] as const) {
    it(`nodes that forbid GET_LOCK (${number}): the lock of the cluster alone keeps two apart, and a killed one's statement is ended`, async () => {
      const name = `forbidden_${number}`;
      const expected = await newton(name, 300);
      const proxies = await Promise.all(
        [first, second].map((node) =>
          startStandInMySqlProxy(node.port, {
            refuse: (sql) => (/GET_LOCK/.test(sql) ? { number, message } : undefined),
          }),
        ),
      );
      // A session in a trigger is shown as its definer's, who has to be an administrator on a node
      // of Galera.
      const [one = '', two = ''] = proxies.map(({ port }) =>
        first.adminUrl(name).replace(`:${first.port}/`, `:${port}/`),
      );
      // The UPDATE takes minutes as long as the blocker is there.
      const blocker = await slowDown(first, name, 0.5);
      const run = startCli(['db', 'sync'], { DATABASE_CONNECTION: one });
      await running(first, name, 'UPDATE images');
      const held = await runCli(['db', 'sync', '--lock-timeout', '0'], { DATABASE_CONNECTION: two });
      expect(held.code, held.stderr).to.equal(21);
      const [orphan] = await sessionsAt(first, name, 'UPDATE images');
      run.kill('SIGKILL');
      await run.done;
      const next = startCli(['db', 'sync', '--lock-timeout', '60'], { DATABASE_CONNECTION: one });
      await eventually(async () =>
        expect(await sessionsAt(first, name, 'UPDATE images')).to.not.include(orphan),
      );
      await blocker.end();
      const { code, stderr } = await next.done;
      for (const proxy of proxies) await proxy.stop();
      expect(code, stderr).to.equal(0);
      await withMysql(first.adminUrl(name), (client) => client.query('DROP TRIGGER slow'));
      await expectWhole(second.url(name), expected);
    });
  }

  it('where the default engine has no transactions: the version table has, and nothing is left of the lock', async () => {
    for (const node of cluster.nodes) {
      await withMysql(node.adminUrl(''), (client) =>
        client.query("SET GLOBAL default_storage_engine = 'Aria'"),
      );
    }
    await first.createDatabase('aria');
    const { code, stderr } = await runCli(['db', 'sync'], { DATABASE_CONNECTION: first.url('aria') });
    for (const node of cluster.nodes) {
      await withMysql(node.adminUrl(''), (client) =>
        client.query("SET GLOBAL default_storage_engine = 'InnoDB'"),
      );
    }
    expect(code, stderr).to.equal(0);
    await expectWhole(second.url('aria'), []);
  });

  it('what is refused is found before the lock, which is a write: nothing is left of it', async () => {
    await newton('refused', 10);
    await withMysql(first.url('refused'), (client) =>
      client.query('ALTER TABLE images CHARACTER SET latin1'),
    );
    const before = await readMysqlSchema(first.url('refused'));
    for (const args of [
      ['sync', 'ocata01'],
      ['version_control', 'mitaka02'],
      ['version_control', 'rocky02'],
    ]) {
      const result = await runCli(['db', ...args], { DATABASE_CONNECTION: first.url('refused') });
      expect(result.code, args.join(' ')).to.be.oneOf([1, 13]);
    }
    expect(await readMysqlSchema(first.url('refused'))).to.deep.equal(before);
  });

  it('a node that is behind is waited for: what was done on another before is seen', async () => {
    await newton('behind', 300);
    const expand = await runCli(['db', 'expand', 'ocata01'], {
      DATABASE_CONNECTION: first.adminUrl('behind'),
    });
    expect(expand.code, expand.stderr).to.equal(0);
    await caughtUp(third.url('behind'));
    const holder = await mysql.createConnection(mysqlOptions(third.adminUrl('behind')));
    await holder.query('FLUSH TABLES WITH READ LOCK');
    const migrate = await runCli(['db', 'migrate'], { DATABASE_CONNECTION: first.adminUrl('behind') });
    expect(migrate.code, migrate.stderr).to.equal(0);
    const check = startCli(['db', 'check', 'ocata01'], { DATABASE_CONNECTION: third.url('behind') });
    await Promise.race([check.done, sleep(3000)]);
    await holder.query('UNLOCK TABLES');
    await holder.end();
    const { code, stdout, stderr } = await check.done;
    expect(code, `${stdout}${stderr}`).to.equal(5);
  });

  it('a user who may not take the lock: exit 1 and what the database says', async () => {
    const url = await first.createDatabase('narrow');
    await runCli(['db', 'sync', 'mitaka02'], { DATABASE_CONNECTION: url });
    await withMysql(first.adminUrl('narrow'), (client) =>
      client.query(`CREATE USER narrow@'%' IDENTIFIED BY 'narrow-secret';
        GRANT SELECT ON narrow.* TO narrow@'%'; GRANT ALL ON narrow.images TO narrow@'%'`),
    );
    const { host } = new URL(url);
    const result = await runCli(['db', 'sync'], {
      DATABASE_CONNECTION: `mysql://narrow:narrow-secret@${host}/narrow`,
    });
    expect(result.code, result.stderr).to.equal(1);
    expect(result.stderr).to.match(/^Cannot take the lock on .*: INSERT command denied to user 'narrow'/);
  });

  it('a migrator that is killed on one node frees the others at once', async () => {
    const expected = await newton('killed', 3000);
    // Its UPDATE takes five minutes, which is longer than the next one waits.
    const blocker = await slowDown(first, 'killed', 0.1);
    const run = startCli(['db', 'sync'], { DATABASE_CONNECTION: first.url('killed') });
    await running(first, 'killed', 'UPDATE images');
    const held = await runCli(['db', 'sync', '--lock-timeout', '0'], {
      DATABASE_CONNECTION: second.url('killed'),
    });
    expect(held.code, held.stderr).to.equal(21);
    run.kill('SIGKILL');
    await run.done;
    const rerun = await runCli(['db', 'sync', '--lock-timeout', '120'], {
      DATABASE_CONNECTION: second.url('killed'),
    });
    await blocker.end();
    expect(rerun.code, rerun.stderr).to.equal(0);
    await withMysql(first.adminUrl('killed'), (client) => client.query('DROP TRIGGER slow'));
    await expectWhole(second.url('killed'), expected);
  });

  it('a backup of one node is put back by another, and is there on all', async () => {
    const expected = await newton('put_back', 200);
    const clients = makeClientFolder();
    const folder = mkdtempSync(join(tmpdir(), 'glance-schema-backups-'));
    const run = async (node: TestMariaDb, ...args: readonly string[]): Promise<string> => {
      const env = { DATABASE_CONNECTION: node.adminUrl('put_back'), PATH: clients.path };
      const { code, stdout, stderr } = await runCli(['db', ...args], env);
      expect(code, `${args.join(' ')}: ${stderr}`).to.equal(0);
      return stdout;
    };
    try {
      const said = await run(first, 'backup', folder);
      const file = /backed up as (\S+) /.exec(said)?.[1] ?? said;
      await run(second, 'sync', 'ocata01');
      await run(third, 'restore', file, '--replace');
      expect(await run(first, 'version')).to.include('is at mitaka02');
      await run(second, 'sync');
      await expectWhole(first.url('put_back'), expected);
    } finally {
      clients.remove();
      rmSync(folder, { recursive: true, force: true });
    }
  });

  it('a node that is killed in the middle: exit 20, and the next run finishes on another', async () => {
    const expected = await newton('node', 20_000);
    await slowDown(third, 'node', 0.01);
    const run = startCli(['db', 'sync'], { DATABASE_CONNECTION: third.url('node') });
    await running(third, 'node', 'UPDATE images');
    await third.crash();
    const result = await run.done;
    expect(result.code, result.stderr).to.equal(20);
    const at = performance.now();
    const rerun = await runCli(['db', 'sync'], { DATABASE_CONNECTION: second.url('node') });
    expect(rerun.code, rerun.stderr).to.equal(0);
    process.stdout.write(`      finished ${((performance.now() - at) / 1000).toFixed(1)} s after\n`);
    await withMysql(first.adminUrl('node'), (client) => client.query('DROP TRIGGER slow'));
    await expectWhole(first.url('node'), expected);
  });

  it('a node that has lost its cluster: exit 20, one sentence', async () => {
    await first.createDatabase('cut');
    await second.crash();
    await eventually(async () => {
      const ready = await askMysql(first.adminUrl(''), "SHOW STATUS LIKE 'wsrep_ready'");
      expect(ready[0]?.Value).to.equal('OFF');
    });
    const result = await runCli(['db', 'sync'], { DATABASE_CONNECTION: first.url('cut') });
    expect(result.code, result.stderr).to.equal(20);
    expect(result.stderr).to.match(/the Galera node (has lost its cluster|is not ready)/);
    expect(result.stderr.trim().split('\n')).to.have.length(1);
  });
});
