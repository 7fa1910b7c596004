import { expect } from 'chai';
import fc from 'fast-check';
import { readConnectionValue } from '../../../../src/migrator/connection/connection-value.ts';
import { parseConnectionUrl } from '../../../../src/migrator/connection/url.ts';
import { Failure } from '../../../../src/migrator/errors/failure.ts';

const URL = 'mysql+pymysql://glance:hunter2@db/glance?charset=utf8';

describe('a value that should be a connection URL', () => {
  const read: readonly (readonly [string, string])[] = [
    ['a URL', URL],
    ['a URL with space and line ends around', `\n  ${URL}\r\n\n`],
    ['a URL with the mark of UTF-8', `\uFEFF${URL}`],
    ['a URL in double quotes', `"${URL}"\n`],
    ['a URL in single quotes', `'${URL}'`],
    ["mariadb-operator's for openstack-helm", `[database]\nconnection = ${URL}\n`],
    ['with line ends of Windows', `[database]\r\nconnection = ${URL}\r\n`],
    ['the option alone', `connection = ${URL}`],
    ['the option alone, with a colon', `connection: ${URL}`],
    ['the option alone, in quotes', `connection="${URL}"`],
    ['the whole of it in quotes', `"[database]\nconnection = ${URL}"`],
    ["oslo's old name alone", `sql_connection=${URL}`],
    [
      "openstack-helm's whole glance-api.conf",
      `# generated\n[DEFAULT]\ndebug = false\nlog_config_append = /etc/glance/logging.conf\n[database]\nconnection = ${URL}\nmax_retries = -1\n[keystone_authtoken]\npassword = hunter2\n`,
    ],
    [
      "RHOSO's 00-config.conf",
      `[DEFAULT]\nenabled_backends=default_backend:file\n\n[default_backend]\nfilesystem_store_datadir = /var/lib/glance/images\n\n[database]\nconnection=${URL}\nmax_retries=-1\n`,
    ],
  ];
  for (const [name, value] of read) {
    it(`${name}: read`, () => {
      expect(readConnectionValue(value, 'X')).to.deep.equal({ url: URL, parameters: '' });
    });
  }

  it('connection_parameters of a file are read with it', () => {
    const value = `[database]\nconnection = ${URL}\nconnection_parameters = ssl_ca=/ca\n`;
    expect(readConnectionValue(value, 'X')).to.deep.equal({ url: URL, parameters: 'ssl_ca=/ca' });
  });

  const refused: readonly (readonly [string, string, string])[] = [
    [
      'base64 twice',
      Buffer.from(URL).toString('base64'),
      'base64, as of a Secret whose value was encoded twice',
    ],
    [
      'base64 twice, on many lines',
      `${Buffer.from(`[database]\nconnection = ${URL}`)
        .toString('base64')
        .replaceAll(/(.{20})/g, '$1\n')}\n`,
      'base64',
    ],
    ['a Go DSN', 'glance:hunter2@tcp(db.openstack.svc:3306)/glance?timeout=5s', 'a Go DSN'],
    ['JDBC', 'jdbc:mariadb://db:3306/glance?user=glance&password=hunter2', 'a JDBC URL'],
    [
      'keywords of libpq',
      'host=db user=glance password=hunter2 dbname=glance',
      'a list of keywords and values',
    ],
    ['ADO.NET', 'Server=db;Database=glance;Uid=glance;Pwd=hunter2;', 'a list of keywords and values'],
    ['JSON', '{"host": "db", "password": "hunter2"}', 'JSON'],
    ['JSON on lines', '{\n  "password": "hunter2"\n}', 'JSON'],
    ['YAML', 'host: db\npassword: hunter2\n', 'YAML with the parts of a connection'],
    [
      'a manifest',
      'apiVersion: v1\nkind: Secret\nstringData:\n  connection: hunter2\n',
      'a manifest of Kubernetes',
    ],
    ['an environment file', 'DB_HOST=db\nDB_PASSWORD=hunter2\n', 'lines of an environment file'],
    ['an environment file of one line', `export DATABASE_URL=${URL}`, 'lines of an environment file'],
    [
      'a PEM file',
      '-----BEGIN PRIVATE KEY-----\nhunter2\n-----END PRIVATE KEY-----\n',
      'the text of a PEM file',
    ],
    ['a template of Helm', '{{ .Values.hunter2 }}', 'a template that nobody has filled in'],
    ['a template of Flux', '${hunter2}', 'a template that nobody has filled in'],
    ['no name of a server', 'glance:hunter2@db/glance', 'a URL without the name of the database server'],
    ['two lines', `${URL}\nhunter2`, 'it has 2 lines, and is no configuration file'],
    ['a password in words', 'hunter2\nhunter2', 'it has 2 lines'],
    [
      'a file without the option',
      '[DEFAULT]\npassword = hunter2\n',
      "found no 'connection' under [database] in X",
    ],
    ['a file that cannot be parsed', '[database]\nconnection = hunter2\nhunter2', 'in line 3'],
  ];
  for (const [name, value, says] of refused) {
    it(`${name}: refused with what it looks like, and nothing of it`, () => {
      expect(() => readConnectionValue(value, 'X'))
        .to.throw(Failure)
        .that.satisfies(
          (failure: Failure) =>
            failure.reason === 'ConnectionInvalid' &&
            failure.message.includes(says) &&
            failure.message.includes('X') &&
            !/hunter2|\n/.test(failure.message),
        );
    });
  }

  it('shows no piece of a value that is refused, whatever it is made of', () => {
    const pieces = [
      'QXZQ',
      'QXZQ',
      '\n',
      ' ',
      '[',
      ']',
      ':',
      '/',
      '@',
      '=',
      '#',
      '"',
      "'",
      '{',
      '}',
      '$',
      '%0A',
      '://',
    ];
    const words = [
      '[database]\n',
      'connection = ',
      'mysql://',
      'postgresql://',
      'host=',
      'password: ',
      'jdbc:',
      'DB=',
    ];
    const value = fc
      .array(fc.constantFrom(...pieces, ...words), { maxLength: 12 })
      .map((parts) => parts.join(''));
    fc.assert(
      fc.property(value, (text) => {
        let told = '';
        try {
          const { url, parameters } = readConnectionValue(text, 'X');
          parseConnectionUrl(url, parameters);
        } catch (error) {
          if (!(error instanceof Failure)) throw error;
          told = error.message;
        }
        expect(told).to.not.match(/QXZ|\n/);
      }),
      { numRuns: 5000 },
    );
  });
});
