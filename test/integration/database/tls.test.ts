import { expect } from 'chai';
import {
  type Certificates,
  hasOpenssl,
  makeCertificates,
  NO_OPENSSL,
} from '../../../lab/databases/certificates.ts';
import { startPostgres, type TestPostgres } from '../../../lab/databases/postgres.ts';
import { runCli } from '../../../lab/process/bundle.ts';
import { leaveOut } from '../../../lab/process/needs.ts';
import { startTcpProxy } from '../../../lab/process/tcp-proxy.ts';
import type { ConnectionFlags } from '../../../src/cli/db/connection-options.ts';
import { withoutUndefined } from '../../../src/glance/without-undefined.ts';
import { differences, type TlsResult, type TlsServer, tryTls } from '../../support/tls-cases.ts';
import { POSTGRES_TLS_FLAGS, POSTGRES_TLS_FORMS } from '../../support/tls-forms.ts';

const IS_TLS = 'SELECT ssl::int FROM pg_stat_ssl WHERE pid = pg_backend_pid()';

describe('TLS with PostgreSQL', () => {
  let certificates: Certificates;
  let servers: Readonly<Record<TlsServer, TestPostgres>>;

  before(async function () {
    if (!hasOpenssl()) {
      leaveOut(this, NO_OPENSSL);
    }
    certificates = makeCertificates();
    const [right, otherName, expired, noTls] = await Promise.all([
      startPostgres({ certificate: certificates.right }),
      startPostgres({ certificate: certificates.otherName }),
      startPostgres({ certificate: certificates.expired }),
      startPostgres(),
    ]);
    servers = { right, otherCa: right, otherName, expired, noTls };
  });

  after(async () => {
    await Promise.all([...new Set(Object.values(servers ?? {}))].map((server) => server.stop()));
    certificates?.remove();
  });

  function url(server: TlsServer, options: string, host = 'localhost'): string {
    return servers[server].url('postgres').replace('127.0.0.1', host) + options;
  }

  function ca(server: TlsServer): string {
    return server === 'otherCa' ? certificates.otherCa : certificates.ca;
  }

  for (const [options, expected] of POSTGRES_TLS_FORMS) {
    it(`'${options}': ${expected}`, async () => {
      const attempt = (server: TlsServer): Promise<TlsResult> =>
        tryTls(
          {
            connection: url(
              server,
              options
                .replace('CA', ca(server))
                .replace('NONE', certificates.noneRevoked)
                .replace('REVOKED', certificates.rightRevoked),
            ),
          },
          IS_TLS,
        );
      expect(await differences(expected, attempt)).to.deep.equal([]);
    });
  }

  for (const [tlsMode, tlsCa, options, expected] of POSTGRES_TLS_FLAGS) {
    it(`--tls-mode ${tlsMode}${tlsCa ? ' --tls-ca' : ''} over '${options}': ${expected}`, async () => {
      const attempt = (server: TlsServer): Promise<TlsResult> => {
        const given: ConnectionFlags = {
          connection: url(server, options.replace('CA', ca(server))),
          ...withoutUndefined({ tlsMode }),
          ...(tlsCa ? { tlsCa: ca(server) } : {}),
        };
        return tryTls(given, IS_TLS);
      };
      expect(await differences(expected, attempt)).to.deep.equal([]);
    });
  }

  it('an address is looked for in the certificate, not the name of this machine', async () => {
    const options = `?sslmode=verify-full&sslrootcert=${certificates.ca}`;
    expect(await tryTls({ connection: url('otherName', options, '127.0.0.1') }, IS_TLS)).to.equal('tls');
    expect(await tryTls({ connection: url('right', options, '127.0.0.1') }, IS_TLS)).to.equal('refused');
  });

  it("a name beside the address is looked for in the certificate, by both of a run's connections", async () => {
    const named = `?sslmode=verify-full&sslrootcert=${certificates.ca}&hostaddr=127.0.0.1`;
    const connection = url('otherName', named, 'elsewhere.test');
    const done = await runCli(['db', 'sync', 'liberty'], { DATABASE_CONNECTION: connection });
    expect(done.code, done.stderr).to.equal(0);
    expect(await tryTls({ connection: url('right', named, 'elsewhere.test') }, IS_TLS)).to.equal('refused');
  });

  it('a balancer that leads to a server without TLS in between: a whole migration on the one that has it', async () => {
    for (const [index, options] of ['', '?sslmode=require'].entries()) {
      const proxy = await startTcpProxy(
        [servers.right, servers.noTls, servers.noTls].map(({ port }) => port),
      );
      try {
        const connection = url('right', options).replace(`:${servers.right.port}/`, `:${proxy.port}/`);
        const revision = ['mitaka02', 'pike01'][index] ?? '';
        const done = await runCli(['db', 'sync', revision], { DATABASE_CONNECTION: connection });
        expect(done.code, done.stderr).to.equal(0);
      } finally {
        await proxy.stop();
      }
    }
    const untouched = await runCli(['db', 'version'], { DATABASE_CONNECTION: url('noTls', '') });
    expect(untouched.stdout).to.include('Database is empty');
  });

  /** What is said, by the program itself. */
  const sentences: readonly (readonly [TlsServer, string, number, string])[] = [
    ['right', '?sslmode=verify-ca', 17, 'Set sslrootcert or --tls-ca to the file of'],
    ['right', '?sslmode=require&sslrootcert=system', 17, 'Set the mode verify-full'],
    [
      'right',
      '?sslmode=verify-full',
      20,
      'Set sslrootcert or --tls-ca to the file of the authority that signed',
    ],
    [
      'otherName',
      '?sslmode=verify-full&sslrootcert=CA',
      20,
      'a name that the certificate has, or set sslmode=verify-ca',
    ],
    ['expired', '?sslmode=verify-ca&sslrootcert=CA', 20, 'certificate has expired. Renew the certificate'],
    ['right', '?sslmode=verify-ca&sslrootcert=CA&sslcrl=REVOKED', 20, 'Give the server another certificate'],
    ['noTls', '?sslmode=require', 20, 'the server has no TLS'],
    [
      'right',
      '?sslmode=verify-full&sslrootcert=/nowhere',
      17,
      'Cannot read the certificate file /nowhere: ENOENT: no such file or directory. Correct the path',
    ],
  ];
  for (const [server, options, code, says] of sentences) {
    it(`${server} by '${options}': exit ${code}, '${says}'`, async () => {
      const paths = options.replace('CA', ca(server)).replace('REVOKED', certificates.rightRevoked);
      const connection = url(server, paths);
      const result = await runCli(['db', 'version'], { DATABASE_CONNECTION: connection });
      expect(result.code, result.stderr).to.equal(code);
      expect(result.stderr).to.include(says).and.not.include('glance-secret');
    });
  }
});
