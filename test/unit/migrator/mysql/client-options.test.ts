import { expect } from 'chai';
import { parseConnectionUrl } from '../../../../src/migrator/connection/url.ts';
import { clientAccess } from '../../../../src/migrator/mysql/client-options.ts';

describe('how a client of MariaDB or MySQL is told of TLS', () => {
  const access = (family: 'mariadb' | 'mysql', query: string, tls = true) => {
    const target = parseConnectionUrl(`mysql://u:p@host/glance${query}`, '', {
      environment: {},
      home: '/nonexistent',
      readText: () => undefined,
    });
    const found = clientAccess(family, { options: tls ? { ssl: {} } : {} }, target);
    return 'cannot' in found ? found.cannot : found.args.filter((arg) => arg.includes('ssl')).join(' ');
  };

  for (const [query, mariadb, mysql] of [
    ['', '--ssl --skip-ssl-verify-server-cert', '--ssl-mode=REQUIRED'],
    ['?ssl_ca=/ca', '--ssl --ssl-verify-server-cert --ssl-ca=/ca', '--ssl-mode=VERIFY_IDENTITY --ssl-ca=/ca'],
    ['?ssl_mode=VERIFY_CA&ssl_ca=/ca', "MariaDB's client cannot verify", '--ssl-mode=VERIFY_CA --ssl-ca=/ca'],
    ['?ssl_mode=REQUIRED&ssl_ca=/ca', "MariaDB's client cannot verify", '--ssl-mode=VERIFY_CA --ssl-ca=/ca'],
    [
      '?ssl_mode=REQUIRED&ssl_cert=/c&ssl_key=/k&ssl_cipher=x',
      '--ssl --skip-ssl-verify-server-cert --ssl-cert=/c --ssl-key=/k --ssl-cipher=x',
      '--ssl-mode=REQUIRED --ssl-cert=/c --ssl-key=/k --ssl-cipher=x',
    ],
    ['?ssl_cert=/c&ssl_key_password=x', 'has a passphrase', 'has a passphrase'],
  ] as const) {
    it(`'${query}'`, () => {
      expect(access('mariadb', query)).to.include(mariadb);
      expect(access('mysql', query)).to.include(mysql);
    });
  }

  it('where our own session speaks none', () => {
    expect(access('mariadb', '', false)).to.equal('--skip-ssl');
    expect(access('mysql', '', false)).to.equal('--ssl-mode=DISABLED');
  });
});
