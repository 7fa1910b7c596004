import { execFile } from 'node:child_process';
import { chmodSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect } from 'chai';
import { makeClientFolder } from '../../../lab/databases/backup-clients.ts';
import {
  type Certificates,
  hasOpenssl,
  makeCertificates,
  NO_OPENSSL,
} from '../../../lab/databases/certificates.ts';
import { withClient } from '../../../lab/databases/images.ts';
import { startPostgres, type TestPostgres } from '../../../lab/databases/postgres.ts';
import { runCliInThread } from '../../../lab/process/cli-threads.ts';
import { leaveOut } from '../../../lab/process/needs.ts';
import { findPostgres } from '../../../lab/tools/distribution-packages.ts';
import { backupCases } from '../../support/cases/backup.ts';
import { postgresEngine } from '../../support/postgres-engine.ts';
import { newtonDatabase } from '../../support/test-engine.ts';

const NO_CLIENTS =
  'PostgreSQL with its clients is not on this machine. Run `make test`, which brings it on Debian and Ubuntu, or install it.';

describe('db backup on PostgreSQL', () => {
  let server: TestPostgres;
  let certificates: Certificates;
  let sockets: string;

  before(async function () {
    const bin = findPostgres();
    if (bin === null) leaveOut(this, NO_CLIENTS);
    if (!hasOpenssl()) leaveOut(this, NO_OPENSSL);
    certificates = makeCertificates();
    sockets = mkdtempSync(join(tmpdir(), 'glance-schema-sockets-'));
    chmodSync(sockets, 0o777);
    server = await startPostgres({
      bin,
      certificate: certificates.right,
      settings: { unix_socket_directories: sockets },
    });
  });

  after(async () => {
    await server?.stop();
    certificates?.remove();
    rmSync(sockets ?? '/nonexistent', { recursive: true, force: true });
  });

  const engine = postgresEngine(() => server);

  backupCases(engine, {
    program: 'pg_dump',
    oddTables: `CREATE TABLE odd (id integer PRIMARY KEY, t text, b bytea);
        CREATE VIEW some_odd AS SELECT id FROM odd WHERE id < 3;
        CREATE MATERIALIZED VIEW kept_odd AS SELECT id FROM odd;
        CREATE TABLE odder (more text) INHERITS (odd);
        INSERT INTO odder (id, more) VALUES (-1, 'x');
        CREATE TABLE parts (id integer) PARTITION BY RANGE (id);
        CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (0) TO (10);
        INSERT INTO parts VALUES (1), (2);
        CREATE TABLE "An odd ""table"". (it)" (id integer);
        INSERT INTO "An odd ""table"". (it)" VALUES (1), (2)`,
    oddDatabase: 'an odd "name" é',
    oddName: 'public.An odd "table". (it)',
    lock: 'BEGIN; LOCK TABLE images IN ACCESS EXCLUSIVE MODE',
    waiting: 'SELECT 1 FROM pg_locks WHERE NOT granted',
    loseRows: '"$REAL" "$@" --exclude-table-data=image_locations',
    tooOld: {
      says: 'pg_dump (PostgreSQL) 9.6.24',
      message: 'and pg_dump is of 9. Use the client of PostgreSQL',
    },
    async ways(url) {
      await withClient(url, (client) =>
        client.query(`CREATE ROLE "odd 'u@ser" LOGIN SUPERUSER PASSWORD 's3cret p@:/?#%''"\\'`),
      );
      const name = new URL(url).pathname;
      const account = `${encodeURIComponent("odd 'u@ser")}:${encodeURIComponent('s3cret p@:/?#%\'"\\')}`;
      const at = (host: string, query: string): string => `postgresql://${account}@${host}${name}${query}`;
      const there = `127.0.0.1:${server.port}`;
      return [
        [at(there, ''), /PGSSLMODE=prefer/],
        [at(there, '?sslmode=disable'), /PGSSLMODE=disable/],
        [
          at(`localhost:${server.port}`, `?sslmode=verify-full&sslrootcert=${certificates.ca}`),
          /PGSSLMODE=verify-full.*PGSSLROOTCERT=|PGSSLROOTCERT=.*PGSSLMODE=verify-full/s,
        ],
        [at('', `?host=${sockets}&port=${server.port}`), new RegExp(`PGHOST=${sockets}`)],
        [at('', `?host=127.0.0.1:1&host=${there}`), new RegExp(`PGPORT=${server.port}`)],
        [at(there, '?options=-csearch_path%3Dpublic'), /PGOPTIONS=-csearch_path=public/],
      ];
    },
    noWay: (url) => [
      `${url}?sslmode=require&sslcert=${certificates.client.cert}&sslkey=${certificates.client.key}&sslpassword=x`,
      'has a passphrase',
    ],
    lacksRight: /pg_dump failed: .*permission denied for sequence/,
    grantRest: (url, reader) =>
      withClient(url, async (client) => {
        await client.query(`GRANT SELECT ON ALL SEQUENCES IN SCHEMA public TO ${new URL(reader).username}`);
      }),
    async restore(url, file, { path, program }) {
      const args = ['--exit-on-error', '--no-owner', '--schema=public', `--dbname=${url}`, file];
      await promisify(execFile)(program('pg_restore'), args, { env: { PATH: path } });
    },
    crash: () => server.crash(),
    restart: () => server.restart(),
  });

  it('a dump that reaches another server, as behind a balancer, is none: it is tried again, or says why', async () => {
    const url = await newtonDatabase(engine, 3);
    const clients = makeClientFolder();
    const folder = mkdtempSync(join(tmpdir(), 'glance-schema-backups-'));
    const backup = () =>
      runCliInThread(['db', 'backup', folder], { DATABASE_CONNECTION: url, PATH: clients.path });
    // Another server knows nothing of the snapshot.
    const elsewhere = `for a; do case "$a" in --snapshot=*) a=--snapshot=00000003-0000001B-7;; esac; shift; set -- "$@" "$a"; done
exec "$REAL" "$@"`;
    try {
      clients.replace(
        'pg_dump',
        `[ -e "$0.$#" ] && exec "$REAL" "$@"; [ $# = 1 ] || touch "$0.$#"\n${elsewhere}`,
      );
      const again = await backup();
      expect(again.code, again.stderr).to.equal(0);
      clients.replace('pg_dump', elsewhere);
      const { code, stderr } = await backup();
      expect(stderr).to.match(
        /the server that has the lock was not reached again by 20 further connections.* Name one server/,
      );
      expect(code).to.equal(20);
      expect(readdirSync(folder)).to.have.length(2);
    } finally {
      clients.remove();
      rmSync(folder, { recursive: true, force: true });
    }
  });
});
