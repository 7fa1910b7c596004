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
import type { ConnectionFlags } from '../../../src/cli/db/connection-options.ts';
import { withoutUndefined } from '../../../src/glance/without-undefined.ts';
import {
  differences,
  type Expected,
  type TlsResult,
  type TlsServer,
  tryTls,
} from '../../support/tls-cases.ts';

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

  /**
   * The options of the URL, with CA for the file of the authority, and what comes of each server.
   */
  const forms: readonly (readonly [string, Expected])[] = [
    ['', '++++o'],
    ['?sslmode=disable', 'ooooo'],
    ['?sslmode=disable&sslrootcert=CA', 'ooooo'],
    ['?sslmode=allow', 'ooooo'],
    ['?sslmode=prefer', '++++o'],
    ['?sslmode=require', '++++-'],
    ['?sslmode=require&sslrootcert=CA', '+-+--'],
    ['?sslmode=verify-ca', '-----'],
    ['?sslmode=verify-ca&sslrootcert=CA', '+-+--'],
    ['?sslmode=verify-full', '-----'],
    ['?sslmode=verify-full&sslrootcert=CA', '+----'],
    ['?sslmode=verify-full&sslrootcert=CA&sslcrl=NONE', '+----'],
    ['?sslmode=verify-full&sslrootcert=CA&sslcrl=REVOKED', '-----'],
    ['?sslmode=verify-full&sslrootcert=CA&sslnegotiation=direct', '+----'],
    ['?sslmode=verify-full&sslrootcert=CA&ssl_min_protocol_version=TLSv1.3', '+----'],
    ['?sslrootcert=system', '-----'],
    ['?sslmode=require&sslrootcert=system', '-----'],
    ['?ssl_ca=CA', '+----'],
    ['?hostaddr=127.0.0.1&sslmode=verify-full&sslrootcert=CA', '+----'],
  ];
  for (const [options, expected] of forms) {
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

  /** The flags, which go before what the URL says. */
  const flags: readonly (readonly [string | undefined, boolean, string, Expected])[] = [
    ['disable', false, '?sslmode=verify-full', 'ooooo'],
    ['prefer', false, '?sslmode=verify-full', '++++o'],
    ['require', false, '', '++++-'],
    ['require', true, '', '+-+--'],
    ['verify-ca', false, '', '-----'],
    ['verify-ca', true, '', '+-+--'],
    ['verify-full', false, '', '-----'],
    ['verify-full', true, '', '+----'],
    [undefined, true, '?sslmode=disable', '+----'],
    ['verify-full', false, '?sslrootcert=CA', '+----'],
  ];
  for (const [tlsMode, tlsCa, options, expected] of flags) {
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
