import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { expect } from 'chai';
import { type ClientFolder, makeClientFolder } from '../../../lab/databases/backup-clients.ts';
import {
  type Certificates,
  hasOpenssl,
  makeCertificates,
  NO_OPENSSL,
} from '../../../lab/databases/certificates.ts';
import { hasMariaDb, NO_MARIADB, startMariaDb, type TestMariaDb } from '../../../lab/databases/mariadb.ts';
import { askMysql } from '../../../lab/databases/mysql-client.ts';
import type { CliResult } from '../../../lab/process/bundle.ts';
import { runCliInThread } from '../../../lab/process/cli-threads.ts';
import { leaveOut } from '../../../lab/process/needs.ts';
import { startTcpProxy } from '../../../lab/process/tcp-proxy.ts';
import { backupCases } from '../../support/cases/backup.ts';
import { succeeds } from '../../support/db-command.ts';
import { mysqlBackup } from '../../support/mysql-backup.ts';
import { mysqlEngine } from '../../support/mysql-engine.ts';
import { newtonDatabase } from '../../support/test-engine.ts';

describe('db backup on MariaDB', () => {
  let server: TestMariaDb;
  let certificates: Certificates;

  before(async function () {
    if (!hasMariaDb()) leaveOut(this, NO_MARIADB);
    if (!hasOpenssl()) leaveOut(this, NO_OPENSSL);
    certificates = makeCertificates();
    const { ca, right } = certificates;
    server = await startMariaDb({ settings: { 'ssl-ca': ca, 'ssl-cert': right.cert, 'ssl-key': right.key } });
  });

  after(async () => {
    await server?.stop();
    certificates?.remove();
  });

  const engine = mysqlEngine(() => server);

  backupCases(
    engine,
    mysqlBackup(
      'mariadb-dump',
      () => server,
      () => certificates.ca,
    ),
  );

  describe('of one server among several', () => {
    let other: TestMariaDb;
    let clients: ClientFolder;
    let folder: string;

    before(async () => {
      other = await startMariaDb();
      clients = makeClientFolder();
      folder = mkdtempSync(join(tmpdir(), 'glance-schema-backups-'));
      for (const [each, name] of [
        [server, 'one'],
        [other, 'another'],
      ] as const) {
        const url = await each.createDatabase('balanced');
        await engine.seedNewton(url, { images: 30 });
        await askMysql(url, `UPDATE images SET owner = 'of ${name}'`);
      }
    });

    after(async () => {
      await other?.stop();
      clients?.remove();
      rmSync(folder ?? '/nonexistent', { recursive: true, force: true });
    });

    const backup = (url: string): Promise<CliResult> =>
      runCliInThread(['db', 'backup', folder], { DATABASE_CONNECTION: url, PATH: clients.path });

    /** What a backup says of which server it is, and what it has. */
    async function made(url: string): Promise<{ readonly identity: string; readonly text: string }> {
      const { code, stdout, stderr } = await backup(url);
      expect(code, stderr).to.equal(0);
      const file = join(folder, /backed up as .*\/(\S+) \(/.exec(stdout)?.[1] ?? stdout);
      const { identity } = JSON.parse(readFileSync(`${file}.json`, 'utf8'));
      return { identity, text: gunzipSync(readFileSync(file)).toString() };
    }

    it('a balancer that leads to each in turn: the dump is of the server that has the lock', async () => {
      const direct = await made(server.url('balanced'));
      expect(direct.text).to.include('of one');
      const ports = [server.port, other.port];
      // Each of them has the lock, without TLS and, as one of them has none, with it.
      for (const [turn, options] of [
        [ports, '?ssl_disabled=true'],
        [ports.toReversed(), '?ssl_disabled=true'],
        [ports, ''],
      ] as const) {
        const proxy = await startTcpProxy(turn);
        try {
          const url = server.url('balanced').replace(`:${server.port}/`, `:${proxy.port}/`);
          const { identity, text } = await made(url + options);
          const isFirst = turn[0] === server.port;
          expect(identity === direct.identity).to.equal(isFirst);
          expect(text)
            .to.include(isFirst ? 'of one' : 'of another')
            .and.not.include(isFirst ? 'of another' : 'of one');
        } finally {
          await proxy.stop();
        }
      }
    });

    it('a dump that never reaches the server that has the lock is none, and it says why', async () => {
      const before = readdirSync(folder);
      clients.replace(
        'mariadb-dump',
        `for a; do case "$a" in --port=*) a=--port=${other.port};; esac; shift; set -- "$@" "$a"; done
exec "$REAL" "$@"`,
      );
      const { code, stderr } = await backup(server.url('balanced'));
      clients.replace('mariadb-dump', 'exec "$REAL" "$@"');
      expect(stderr).to.match(
        /the server that has the lock was not reached again by 20 further connections.* Name one server/,
      );
      expect(code).to.equal(20);
      expect(readdirSync(folder)).to.deep.equal(before);
    });
  });

  it('triggers whose definer is gone are recreated by a migration: there is a backup before that', async () => {
    const url = await newtonDatabase(engine, 3);
    const admin = server.adminUrl('mysql');
    await askMysql(admin, "CREATE OR REPLACE USER expander@'%' IDENTIFIED BY 'glance-secret'");
    await askMysql(admin, "GRANT ALL PRIVILEGES ON *.* TO expander@'%'");
    await succeeds(url.replace('//glance:', '//expander:'), 'expand', 'ocata01');
    const clients = makeClientFolder();
    const folder = mkdtempSync(join(tmpdir(), 'glance-schema-backups-'));
    const backup = async (): Promise<string> => {
      const { code, stdout, stderr } = await runCliInThread(
        ['db', 'backup', folder, '--before', 'ocata01', '--through', 'Expand'],
        { DATABASE_CONNECTION: url, PATH: clients.path },
      );
      expect(code, stderr).to.equal(0);
      return stdout;
    };
    try {
      expect(await backup()).to.include('no backup is needed');
      await askMysql(admin, "DROP USER expander@'%'");
      expect(await backup()).to.include('backed up as');
      expect(await succeeds(url, 'expand', 'ocata01')).to.include('remade_triggers');
      expect(await backup()).to.include('no backup is needed');
    } finally {
      clients.remove();
      rmSync(folder, { recursive: true, force: true });
    }
  });
});
