import { expect } from 'chai';
import fc from 'fast-check';
import { type ConnectionTarget, describeTarget } from '../../../../src/migrator/connection/target.ts';
import { parseConnectionUrl } from '../../../../src/migrator/connection/url.ts';
import { Failure } from '../../../../src/migrator/errors/failure.ts';

const PLAIN: ConnectionTarget = {
  engine: 'postgres',
  host: 'db',
  port: 5432,
  user: 'glance',
  password: 'secret',
  database: 'glance',
  tls: { mode: 'prefer' },
  connectTimeoutSeconds: 10,
};

const MYSQL: ConnectionTarget = {
  engine: 'mysql',
  host: 'db',
  port: 3306,
  user: 'glance',
  password: 'secret',
  database: 'glance',
  tls: { mode: 'prefer' },
  connectTimeoutSeconds: 10,
};

describe('a connection URL of MySQL', () => {
  const rows: readonly (readonly [string, string, Partial<ConnectionTarget>])[] = [
    ['plain', 'mysql://glance:secret@db/glance', {}],
    ['with a driver', 'mysql+pymysql://glance:secret@db/glance?charset=utf8', {}],
    ["with MariaDB's name", 'mariadb+pymysql://glance:secret@db:3307/glance', { port: 3307 }],
    ['with an IPv6 host', 'mysql://glance:secret@[fd00::7]/glance', { host: 'fd00::7' }],
    ['with no host', 'mysql://glance:secret@/glance', { host: 'localhost' }],
    ['with a socket', 'mysql://glance:secret@/glance?unix_socket=/run/m.sock', { host: '/run/m.sock' }],
    ['with percent codes', 'mysql://glance:p%40ss%2F@db/glance', { password: 'p@ss/' }],
    [
      'with an authority, by which PyMySQL verifies chain and name',
      'mysql+pymysql://glance:secret@db/glance?ssl_ca=/ca&ssl_cert=/c&ssl_key=/k',
      { tls: { mode: 'verify-full', ca: '/ca', cert: '/c', key: '/k' } },
    ],
    [
      "openstack-helm's, whose ssl_verify_cert has no value and so is not there",
      'mysql+pymysql://glance:secret@db/glance?charset=utf8&ssl_ca=/ca&ssl_key=/k&ssl_cert=/c&ssl_verify_cert',
      { tls: { mode: 'verify-full', ca: '/ca', cert: '/c', key: '/k' } },
    ],
    [
      "OpenStack-Ansible's",
      'mysql+pymysql://glance:secret@db/glance?charset=utf8&ssl_verify_cert=true&ssl_ca=/ca',
      { tls: { mode: 'verify-ca', ca: '/ca' } },
    ],
    [
      "metal3's, whose ssl says nothing beside the authority",
      'mysql+pymysql://glance:secret@db/glance?charset=utf8&ssl=on&ssl_ca=/ca',
      { tls: { mode: 'verify-full', ca: '/ca' } },
    ],
    [
      'with the machine as the authority, so that the name is verified too',
      'mysql+pymysql://glance:secret@db/glance?ssl_verify_cert=true',
      { tls: { mode: 'verify-full' } },
    ],
    [
      'with an authority and no name',
      'mysql+pymysql://glance:secret@db/glance?ssl_ca=/ca&ssl_check_hostname=false',
      { tls: { mode: 'verify-ca', ca: '/ca' } },
    ],
    [
      'with the name that is not to be checked, and nothing else',
      'mysql+pymysql://glance:secret@db/glance?ssl_check_hostname=false',
      { tls: { mode: 'require' } },
    ],
    [
      'with a folder of authorities',
      'mysql+pymysql://glance:secret@db/glance?ssl_capath=/d',
      { tls: { mode: 'verify-full', caFolder: '/d' } },
    ],
    [
      'with a list of ciphers',
      'mysql+pymysql://glance:secret@db/glance?ssl_cipher=AES256-SHA',
      { tls: { mode: 'require', cipher: 'AES256-SHA' } },
    ],
    [
      'with a certificate of its own only',
      'mysql+pymysql://glance:secret@db/glance?ssl_cert=/c&ssl_key=/k',
      { tls: { mode: 'require', cert: '/c', key: '/k' } },
    ],
    [
      'with an authority that is not to be checked',
      'mysql+pymysql://glance:secret@db/glance?ssl_ca=/ca&ssl_verify_cert=false',
      { tls: { mode: 'require' } },
    ],
    [
      'with ssl_verify_identity=false, which PyMySQL takes for a wish to verify',
      'mysql+pymysql://glance:secret@db/glance?ssl_ca=/ca&ssl_verify_identity=false',
      { tls: { mode: 'verify-ca', ca: '/ca' } },
    ],
    [
      "with MySQL's own word and an authority",
      'mysql://glance:secret@db/glance?ssl_mode=REQUIRED&ssl_ca=/ca',
      { tls: { mode: 'require', ca: '/ca' } },
    ],
    ['with options that have no value', 'mysql://glance:secret@db/glance?ssl_ca=&ssl&ssl_verify_cert', {}],
    [
      'with options that override the address',
      'mysql://x:y@z/w?host=db&user=glance&password=secret&database=glance',
      {},
    ],
    ['with percent codes in the database', 'mysql://glance:secret@db/gl%61nce', {}],
    [
      'with the name to be checked',
      'mysql+pymysql://glance:secret@db/glance?ssl_ca=/ca&ssl_verify_identity=true',
      { tls: { mode: 'verify-full', ca: '/ca' } },
    ],
    [
      "with MySQL's own word",
      'mysql://glance:secret@db/glance?ssl_mode=VERIFY_IDENTITY',
      { tls: { mode: 'verify-full' } },
    ],
    ['without TLS', 'mysql://glance:secret@db/glance?ssl_disabled=true', { tls: { mode: 'disable' } }],
    ['with a timeout', 'mysql://glance:secret@db/glance?connect_timeout=3', { connectTimeoutSeconds: 3 }],
    ['with what changes nothing', 'mysql://glance:secret@db/glance?charset=utf8mb4&local_infile=1', {}],
  ];
  for (const [name, url, expected] of rows) {
    it(name, () => {
      expect(parseConnectionUrl(url)).to.deep.equal({ ...MYSQL, ...expected });
    });
  }
});

describe('a connection URL', () => {
  const rows: readonly (readonly [string, string, Partial<ConnectionTarget>])[] = [
    ['plain', 'postgresql://glance:secret@db/glance', {}],
    ['with a driver', 'postgresql+psycopg2://glance:secret@db/glance', {}],
    ['with the old name', 'postgres://glance:secret@db:5433/glance', { port: 5433 }],
    ['with space around', '  postgresql://glance:secret@db/glance\n', {}],
    ['with an empty port', 'postgresql://glance:secret@db:/glance', {}],
    [
      'with an IPv6 host',
      'postgresql://glance:secret@[fd00::7]:5433/glance',
      { host: 'fd00::7', port: 5433 },
    ],
    [
      'with percent codes',
      'postgresql://gl%40nce:p%40ss%2Fw%25rd%3A@db/glance',
      { user: 'gl@nce', password: 'p@ss/w%rd:' },
    ],
    ['with a code beyond ASCII', 'postgresql://glance:%C3%A4%E2%82%AC@db/glance', { password: 'ä€' }],
    ['with what is no percent code', 'postgresql://glance:100%zz%4@db/glance', { password: '100%zz%4' }],
    ['with a plus, which is no space', 'postgresql://glance:a+b@db/glance', { password: 'a+b' }],
    ['with raw odd characters', 'postgresql://glance:a/b?c#d[e]:f@db/glance', { password: 'a/b?c#d[e]:f' }],
    ['with a raw @, as before SQLAlchemy 1.4', 'postgresql://glance:p@ss@db/glance', { password: 'p@ss' }],
    [
      'with a raw @ and what ends a host after it',
      'postgresql://glance:abc@def?ghi@db/glance',
      { password: 'abc@def?ghi' },
    ],
    [
      'with a raw @ and a / after it',
      'postgresql://glance:p@ss/word@db:5433/glance?sslmode=disable',
      { password: 'p@ss/word', port: 5433, tls: { mode: 'disable' } },
    ],
    ['with a raw @ in the user', 'postgresql://glance@site:secret@db/glance', { user: 'glance@site' }],
    ['with a raw @ and no database', 'postgresql://glance:p@ss@db?dbname=glance', { password: 'p@ss' }],
    ['with a raw @ in an option', 'postgresql://glance@db/glance?password=p@ss', { password: 'p@ss' }],
    [
      'with a raw @ in a setting',
      'postgresql://glance:secret@db/glance?options=-crole%3Da@b',
      { options: '-crole=a@b' },
    ],
    ['with an empty password', 'postgresql://glance:@db/glance', { password: '' }],
    [
      'with sslmode',
      'postgresql://glance:secret@db/glance?sslmode=verify-full',
      { tls: { mode: 'verify-full' } },
    ],
    [
      'with certificates',
      'postgresql://glance:secret@db/glance?sslmode=verify-ca&sslrootcert=/ca&sslcert=/c&sslkey=%2Fk',
      { tls: { mode: 'verify-ca', ca: '/ca', cert: '/c', key: '/k' } },
    ],
    [
      "with PyMySQL's word",
      'postgresql://glance:secret@db/glance?ssl_ca=/ca',
      { tls: { mode: 'verify-full', ca: '/ca' } },
    ],
    [
      "with libpq's name for the machine's authorities",
      'postgresql://glance:secret@db/glance?sslrootcert=system',
      { tls: { mode: 'verify-full', ca: 'system' } },
    ],
    [
      'with all that libpq knows of TLS',
      'postgresql://glance:secret@db/glance?sslmode=require&sslrootcert=/ca&sslcrl=/r&sslcert=/c&sslkey=/k&sslpassword=x&ssl_min_protocol_version=TLSv1.3&ssl_max_protocol_version=tlsv1.3&sslnegotiation=direct',
      {
        tls: {
          mode: 'require',
          ca: '/ca',
          cert: '/c',
          key: '/k',
          passphrase: 'x',
          crl: '/r',
          minVersion: 'TLSv1.3',
          maxVersion: 'TLSv1.3',
        },
      },
    ],
    [
      'with a certificate that is not to be shown',
      'postgresql://glance:secret@db/glance?sslcertmode=disable&sslcert=/c',
      {},
    ],
    [
      'with options that override the address',
      'postgresql://x:y@z:1/w?host=db&port=5432&user=glance&password=secret&dbname=glance',
      {},
    ],
    ['with percent codes in the database', 'postgresql://glance:secret@db/gl%61nce', {}],
    [
      'with an address beside the name',
      'postgresql://glance:secret@db/glance?hostaddr=192.0.2.7',
      { address: '192.0.2.7' },
    ],
    ['with an address alone', 'postgresql://glance:secret@/glance?hostaddr=192.0.2.7', { host: '192.0.2.7' }],
    [
      "with Patroni's hosts",
      'postgresql://glance:secret@/glance?host=db:5433&host=b&host=c:5434&target_session_attrs=read-write',
      {
        port: 5433,
        others: [
          { host: 'b', port: 5432 },
          { host: 'c', port: 5434 },
        ],
      },
    ],
    [
      "with libpq's hosts",
      'postgresql://glance:secret@/glance?host=db,b&port=5432,5433',
      { others: [{ host: 'b', port: 5433 }] },
    ],
    [
      'with hosts in its address and one port',
      'postgresql://glance:secret@db,b:5433/glance',
      { port: 5433, others: [{ host: 'b', port: 5433 }] },
    ],
    [
      'with one host and its port as an option',
      'postgresql://glance:secret@/glance?host=db:5433',
      { port: 5433 },
    ],
    [
      'with one host and its port as an option, before those of the address',
      'postgresql://glance:secret@c:5/glance?host=db:5433',
      { port: 5433 },
    ],
    [
      'with demands that a certificate answers',
      'postgresql://glance:secret@db/glance?sslmode=verify-full&channel_binding=require&require_auth=scram-sha-256',
      { tls: { mode: 'verify-full' } },
    ],
    [
      'with a socket',
      'postgresql://glance:secret@/glance?host=/run/pg&port=5433',
      { host: '/run/pg', port: 5433 },
    ],
    ['with no host', 'postgresql://glance:secret@/glance', { host: '/var/run/postgresql' }],
    [
      'with a timeout',
      'postgresql://glance:secret@db/glance?connect_timeout=3',
      { connectTimeoutSeconds: 3 },
    ],
    ['with no timeout', 'postgresql://glance:secret@db/glance?connect_timeout=0', {}],
    [
      'with settings',
      'postgresql://glance:secret@db/glance?options=-csearch_path%3Dglance',
      { options: '-csearch_path=glance' },
    ],
    [
      'with what changes nothing',
      'postgresql://glance:secret@db/glance?charset=utf8&application_name=x&keepalives=1',
      {},
    ],
    ['with the password as an option', 'postgresql://glance@db/glance?password=secret', {}],
  ];
  for (const [name, url, expected] of rows) {
    it(name, () => {
      expect(parseConnectionUrl(url)).to.deep.equal({ ...PLAIN, ...expected });
    });
  }

  it('may have neither user nor database', () => {
    const { user, password, database, ...rest } = PLAIN;
    expect([user, password, database]).to.deep.equal(['glance', 'secret', 'glance']);
    expect(parseConnectionUrl('postgresql://db')).to.deep.equal(rest);
  });

  const wrong: readonly (readonly [string, string, string])[] = [
    ['nothing', '', 'found nothing in it'],
    ['no URL', 'hunter2', 'found no URL that can be read'],
    ['a second line', 'mysql://g:x@db/g\nhunter2', 'found more than one line in it'],
    ['a control character', 'mysql://g:hunter2@db/g%0Ahunter2', 'found a control character'],
    ['a database of another kind', 'sqlite:///glance.db?x=hunter2', "found 'sqlite://'"],
    [
      'a name that may be a password',
      'hunter2://glance',
      'found a URL of something else. Write postgresql://',
    ],
    ['MySQL without a database', 'mysql://glance:hunter2@db', 'found no database in it'],
    [
      'a mode of MySQL that is none',
      'mysql://g:hunter2@db/g?ssl_mode=on',
      "found ssl_mode='on'. Write one of",
    ],
    ["PostgreSQL's word for MySQL", 'mysql://g:hunter2@db/g?sslmode=require', "Write 'ssl_mode'"],
    ['a port that is none', 'postgresql://glance:x@db:hunter2/glance', 'found a port that is no number'],
    ['a port out of range', 'postgresql://glance:hunter2@db:70000/glance', 'found a port that is no number'],
    ['a mode of TLS that is none', 'postgresql://glance:hunter2@db/glance?sslmode=on', "found sslmode='on'"],
    [
      'a typing error',
      'postgresql://glance:hunter2@db/glance?ssl_mode=require',
      "found the unknown option 'ssl_mode'. Write 'sslmode'.",
    ],
    ['a letter too few', 'postgresql://glance:hunter2@db/glance?sslrootcrt=/ca', "Write 'sslrootcert'"],
    [
      'an option of nobody',
      'postgresql://glance:hunter2@db/glance?colour=blue',
      "found the unknown option 'colour'. The drivers of Glance do not know it either. Remove it.",
    ],
    [
      'an option twice',
      'postgresql://glance:hunter2@db/glance?sslmode=require&sslmode=disable',
      "found the option 'sslmode' twice",
    ],
    ['two readings', 'postgresql://glance:abc@db?options=hunter2@b/glance', "found more than one '@' in it"],
    ['a database with an @', 'postgresql://glance:hunter2@db/gl@nce', 'found no URL that can be read'],
    ['a user with a /', 'postgresql://gl/ance:hunter2@db/glance', 'found no URL that can be read'],
    [
      'an option that may be a piece of a password',
      'postgresql://glance@db/glance?password=hun&hunter2',
      'found an unknown option. The drivers',
    ],
    ['several hosts of MySQL', 'mysql://glance:hunter2@a:1,b:1/glance', 'found several hosts'],
    ['several hosts of MySQL without ports', 'mysql://glance:hunter2@a,b/glance', 'Name one host'],
    [
      'ports of their own',
      'postgresql://g:hunter2@a:1,b:2/g',
      'Write postgresql://USER:PASSWORD@/DATABASE?host=A:5432',
    ],
    [
      'ports between commas',
      'postgresql://g:hunter2@/g?host=a:1,b:2',
      'found a port behind a host between commas',
    ],
    ['more ports than hosts', 'postgresql://g:hunter2@/g?host=a,b&port=1,2,3', 'another number of ports'],
    [
      'more addresses than hosts',
      'postgresql://g:hunter2@/g?host=a&hostaddr=1,2',
      'another number of addresses',
    ],
    ['ssl alone', 'mysql://g:hunter2@db/g?ssl=true', 'with which Glance itself ends. Set ssl_ca'],
    ['a flag that is none', 'mysql://g:hunter2@db/g?ssl_check_hostname=maybe', 'neither yes nor no'],
    ['a TLS that is none', 'postgresql://g:hunter2@db/g?ssl_min_protocol_version=9', 'Write one of these'],
    [
      'a demand that cannot be made',
      'postgresql://g:hunter2@db/g?channel_binding=require',
      'Set sslmode=verify-full',
    ],
    ['GSS', 'postgresql://g:hunter2@db/g?gssencmode=require', 'found gssencmode=require'],
    ['a folder of revoked ones', 'postgresql://g:hunter2@db/g?sslcrldir=/d', 'Name one file by sslcrl'],
    [
      'a service that is nowhere',
      'postgresql://g:hunter2@db/g?service=x',
      'found a service that is in none of',
    ],
    [
      'a timeout in words',
      'postgresql://glance:hunter2@db/glance?connect_timeout=ten',
      "found connect_timeout='ten'",
    ],
  ];
  for (const [name, url, expected] of wrong) {
    it(`refuses ${name}, and never shows a password`, () => {
      expect(() => parseConnectionUrl(url))
        .to.throw(Failure)
        .that.satisfies(
          (failure: Failure) =>
            failure.reason === 'ConnectionInvalid' &&
            failure.message.includes(expected) &&
            !failure.message.includes('hunter2'),
        );
    });
  }

  it('gives back any user and password that were percent-encoded', () => {
    const text = fc.string({ minLength: 1, unit: 'grapheme' }).filter((value) => value.isWellFormed());
    fc.assert(
      fc.property(text, text, (user, password) => {
        const url = `postgresql://${encodeURIComponent(user)}:${encodeURIComponent(password)}@db/glance`;
        expect(parseConnectionUrl(url)).to.deep.include({ user, password, host: 'db' });
      }),
    );
  });

  it('never shows a password, whatever is wrong with it', () => {
    fc.assert(
      fc.property(fc.string({ minLength: 6 }), (password) => {
        let message = '';
        try {
          message = describeTarget(parseConnectionUrl(`postgresql://glance:${password}@db:5432/glance`));
        } catch (error) {
          message = error instanceof Failure ? error.message : String(error);
        }
        expect(message.includes(password) && password.trim().length > 5).to.equal(false);
      }),
    );
  });

  it('has the password whole or is refused, and shows no piece of it, whatever raw characters it has', () => {
    const raw = fc
      .array(
        fc.constantFrom('Q', 'X', 'Z', 'QXZQ', '@', '/', '?', '#', ':', '&', '=', '%', '+', '[', ']', '@XZ:'),
      )
      .map((pieces) => pieces.join(''));
    const before = fc.constantFrom('postgresql://glance:', 'mysql://glance:', 'postgresql://glance@site:');
    const after = fc.constantFrom(
      '@db:5432/glance',
      '@db/glance?sslmode=off',
      '@db/glance?nope=1',
      '@/glance',
      '@[::1]/glance',
    );
    fc.assert(
      fc.property(before, raw, after, (start, password, end) => {
        let told = '';
        try {
          const target = parseConnectionUrl(`${start}${password}${end}`);
          told = describeTarget(target);
          expect(target.password).to.equal(password);
        } catch (error) {
          if (!(error instanceof Failure)) throw error;
          told = error.message;
        }
        const pieces = Array.from({ length: Math.max(0, password.length - 3) }, (_, at) =>
          password.slice(at, at + 4),
        );
        expect(pieces.filter((piece) => told.includes(piece))).to.deep.equal([]);
      }),
      { numRuns: 5000 },
    );
  });

  it('is called by host, port and database', () => {
    expect(describeTarget(parseConnectionUrl('postgresql://glance:secret@[::1]/glance'))).to.equal(
      '[::1]:5432/glance',
    );
  });
});
