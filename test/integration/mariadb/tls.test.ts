import { writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect } from 'chai';
import {
  type Certificates,
  hasOpenssl,
  makeCertificates,
  NO_OPENSSL,
} from '../../../lab/databases/certificates.ts';
import { hasMariaDb, NO_MARIADB, startMariaDb, type TestMariaDb } from '../../../lab/databases/mariadb.ts';
import { withMysql } from '../../../lab/databases/mysql-client.ts';
import { runCli } from '../../../lab/process/bundle.ts';
import { leaveOut } from '../../../lab/process/needs.ts';
import { startTcpProxy } from '../../../lab/process/tcp-proxy.ts';
import type { ConnectionFlags } from '../../../src/cli/db/connection-options.ts';
import { withoutUndefined } from '../../../src/glance/without-undefined.ts';
import { differences, type TlsResult, type TlsServer, tryTls } from '../../support/tls-cases.ts';
import { MYSQL_TLS_FLAGS, MYSQL_TLS_FORMS } from '../../support/tls-forms.ts';

const IS_TLS =
  "SELECT VARIABLE_VALUE <> '' FROM information_schema.SESSION_STATUS WHERE VARIABLE_NAME = 'Ssl_version'";

describe('TLS with MariaDB', () => {
  let certificates: Certificates;
  let servers: Readonly<Record<TlsServer, TestMariaDb>>;

  before(async function () {
    if (!hasMariaDb()) {
      leaveOut(this, NO_MARIADB);
    }
    if (!hasOpenssl()) {
      leaveOut(this, NO_OPENSSL);
    }
    certificates = makeCertificates();
    const { ca } = certificates;
    const start = ({ cert, key }: { cert: string; key: string }): Promise<TestMariaDb> =>
      startMariaDb({ settings: { 'ssl-ca': ca, 'ssl-cert': cert, 'ssl-key': key } });
    const [right, otherName, expired, noTls] = await Promise.all([
      start(certificates.right),
      start(certificates.otherName),
      start(certificates.expired),
      startMariaDb(),
    ]);
    servers = { right, otherCa: right, otherName, expired, noTls };
    await Promise.all([right, otherName, expired, noTls].map((server) => server.createDatabase('glance')));
  });

  after(async () => {
    await Promise.all([...new Set(Object.values(servers ?? {}))].map((server) => server.stop()));
    certificates?.remove();
  });

  function url(server: TlsServer, options: string, host = 'localhost'): string {
    return servers[server].url('glance').replace('127.0.0.1', host) + options;
  }

  function ca(server: TlsServer): string {
    return server === 'otherCa' ? certificates.otherCa : certificates.ca;
  }

  /** The option file of RHOSO, with the authority that the client has for this server. */
  function optionFile(server: TlsServer): string {
    const path = join(dirname(certificates.ca), `${server}.cnf`);
    writeFileSync(path, `[client]\nssl=1\nssl-ca=${ca(server)}\n[plain]\nssl=0\n`);
    return path;
  }

  for (const [options, expected] of MYSQL_TLS_FORMS) {
    it(`'${options}': ${expected}`, async () => {
      const attempt = (server: TlsServer): Promise<TlsResult> => {
        const paths = options
          .replace('=CA', `=${ca(server)}`)
          .replace('=FOLDER', `=${certificates.caFolder}`)
          .replace('=CERT', `=${certificates.client.cert}`)
          .replace('=KEY', `=${certificates.client.key}`)
          .replace('=OPTIONS', `=${optionFile(server)}`);
        return tryTls({ connection: url(server, paths) }, IS_TLS);
      };
      expect(await differences(expected, attempt)).to.deep.equal([]);
    });
  }

  for (const [tlsMode, tlsCa, options, expected] of MYSQL_TLS_FLAGS) {
    it(`--tls-mode ${tlsMode}${tlsCa ? ' --tls-ca' : ''} over '${options}': ${expected}`, async () => {
      const attempt = (server: TlsServer): Promise<TlsResult> => {
        const given: ConnectionFlags = {
          connection: url(server, options.replace('=CA', `=${ca(server)}`)),
          ...withoutUndefined({ tlsMode }),
          ...(tlsCa ? { tlsCa: ca(server) } : {}),
        };
        return tryTls(given, IS_TLS);
      };
      expect(await differences(expected, attempt)).to.deep.equal([]);
    });
  }

  it('an address is looked for in the certificate, not the name of this machine', async () => {
    const options = `?ssl_ca=${certificates.ca}`;
    expect(await tryTls({ connection: url('otherName', options, '127.0.0.1') }, IS_TLS)).to.equal('tls');
    expect(await tryTls({ connection: url('right', options, '127.0.0.1') }, IS_TLS)).to.equal('refused');
  });

  it('a user who must show a certificate, as with openstack-helm: a whole migration, and not without', async () => {
    await withMysql(servers.right.adminUrl('glance'), async (admin) => {
      await admin.query("CREATE USER certified@'%' IDENTIFIED BY 'glance-secret' REQUIRE X509");
      await admin.query("GRANT ALL PRIVILEGES ON `%`.* TO certified@'%'");
    });
    const { client, ca: authority } = certificates;
    const connection = url('right', '').replace('glance:', 'certified:');
    const helm = `?charset=utf8&ssl_ca=${authority}&ssl_key=${client.key}&ssl_cert=${client.cert}&ssl_verify_cert`;
    const done = await runCli(['db', 'sync', 'ocata01'], { DATABASE_CONNECTION: connection + helm });
    expect(done.code, done.stderr).to.equal(0);
    const without = await runCli(['db', 'version'], {
      DATABASE_CONNECTION: `${connection}?ssl_ca=${authority}`,
    });
    expect(without.code).to.equal(20);
    expect(without.stderr).to.include("the server refused user 'certified'");
  });

  it('a balancer that leads to a server without TLS in between: a whole migration on the one that has it', async () => {
    const { right, noTls } = servers;
    await Promise.all([right, noTls].map((server) => server.createDatabase('balanced')));
    for (const [index, options] of ['', '?ssl_mode=REQUIRED'].entries()) {
      const proxy = await startTcpProxy([right, noTls, noTls].map(({ port }) => port));
      try {
        const connection = right.url('balanced').replace(`:${right.port}/`, `:${proxy.port}/`) + options;
        const revision = ['mitaka02', 'pike01'][index] ?? '';
        const done = await runCli(['db', 'sync', revision], { DATABASE_CONNECTION: connection });
        expect(done.code, done.stderr).to.equal(0);
      } finally {
        await proxy.stop();
      }
    }
    const untouched = await runCli(['db', 'version'], { DATABASE_CONNECTION: noTls.url('balanced') });
    expect(untouched.stdout).to.include('Database is empty');
  });

  /** What is said, by the program itself. */
  const sentences: readonly (readonly [TlsServer, string, number, string])[] = [
    ['right', '?ssl_mode=VERIFY_CA', 17, 'Set ssl_ca or --tls-ca to the file of'],
    ['right', '?ssl=true', 17, "found 'ssl' with none of its other options"],
    ['right', '?read_default_file=/nowhere', 17, 'set --tls-mode or --tls-ca'],
    ['right', '?ssl_verify_cert=true', 20, 'Set ssl_ca or --tls-ca to the file of the authority that signed'],
    ['otherName', '?ssl_ca=CA', 20, 'a name that the certificate has, or set ssl_check_hostname=false'],
    ['expired', '?ssl_ca=CA&ssl_check_hostname=false', 20, 'certificate has expired. Renew the certificate'],
    ['noTls', '?ssl_mode=REQUIRED', 20, 'the server has no TLS'],
    [
      'right',
      '?ssl_ca=/nowhere',
      17,
      'Cannot read the certificate file /nowhere: ENOENT: no such file or directory. Correct the path',
    ],
    ['right', '?ssl_capath=/nowhere', 17, 'Cannot read the folder of certificates /nowhere'],
  ];
  for (const [server, options, code, says] of sentences) {
    it(`${server} by '${options}': exit ${code}, '${says}'`, async () => {
      const connection = url(server, options.replace('=CA', `=${ca(server)}`));
      const result = await runCli(['db', 'version'], { DATABASE_CONNECTION: connection });
      expect(result.code, result.stderr).to.equal(code);
      expect(result.stderr).to.include(says).and.not.include('glance-secret');
    });
  }
});
