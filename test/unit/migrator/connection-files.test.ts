import { expect } from 'chai';
import { parseOptionFile } from '../../../src/migrator/connection/option-file.ts';
import type { ConnectionTarget, Surroundings } from '../../../src/migrator/connection/target.ts';
import { parseConnectionUrl } from '../../../src/migrator/connection/url.ts';

function around(
  files: Readonly<Record<string, string>>,
  environment: Surroundings['environment'] = {},
): Surroundings {
  return { environment, home: '/home/glance', readText: (path) => files[path] };
}

function read(url: string, files: Readonly<Record<string, string>>): ConnectionTarget {
  return parseConnectionUrl(url, '', around(files));
}

describe("MySQL's option file", () => {
  const url = 'mysql+pymysql://glance:secret@db/glance?read_default_file=/etc/my.cnf';

  it("RHOSO's with TLS: chain and name are verified", () => {
    const text = '[client]\nssl-ca=/etc/pki/tls/certs/ca-bundle.crt\nssl=1\n';
    expect(read(url, { '/etc/my.cnf': text }).tls).to.deep.equal({
      mode: 'verify-full',
      ca: '/etc/pki/tls/certs/ca-bundle.crt',
    });
  });

  it("RHOSO's without TLS: as PyMySQL, which ignores ssl", () => {
    expect(read(url, { '/etc/my.cnf': '[client]\nssl=0\n' }).tls).to.deep.equal({ mode: 'prefer' });
  });

  it("TripleO's group is read in place of client", () => {
    const text = '[client]\nssl-ca=/no\n[tripleo]\nssl_ca = "/ca"\nssl_cert=/c\nssl-key: /k\nssl-cipher=X\n';
    const target = read(`${url}&read_default_group=tripleo`, { '/etc/my.cnf': text });
    expect(target.tls).to.deep.equal({ mode: 'verify-full', ca: '/ca', cert: '/c', key: '/k', cipher: 'X' });
  });

  it('a group alone means /etc/my.cnf, and ~ the home folder', () => {
    const target = read('mysql://g@h/d?read_default_group=x', { '/etc/my.cnf': '[x]\nport=3307' });
    expect(target.port).to.equal(3307);
    const own = read('mysql://g@h/d?read_default_file=~/my.cnf', {
      '/home/glance/my.cnf': '[client]\nport=1',
    });
    expect(own.port).to.equal(1);
  });

  it('what the URL has overrides the file', () => {
    const text = '[client]\nuser=u\npassword=p\nhost=h\nport=1\ndatabase=d\nssl-ca=/file\n';
    expect(read(`${url}&ssl_ca=/url`, { '/etc/my.cnf': text })).to.deep.include({
      user: 'glance',
      password: 'secret',
      host: 'db',
      port: 1,
      database: 'glance',
      tls: { mode: 'verify-full', ca: '/url' },
    });
    expect(read('mysql:///?read_default_file=/etc/my.cnf', { '/etc/my.cnf': text })).to.deep.include({
      user: 'u',
      password: 'p',
      host: 'h',
      database: 'd',
    });
  });

  it('its socket is used whatever host the URL names', () => {
    expect(read(url, { '/etc/my.cnf': '[client]\nsocket=/run/m.sock' }).host).to.equal('/run/m.sock');
  });

  it('one that is not there is reported, as nobody knows what it says of TLS', () => {
    expect(read(url, {}).missingOptionFile).to.equal('/etc/my.cnf');
  });

  it('is parsed as Python does', () => {
    const text =
      "!include /x\n[DEFAULT]\na=1\nb=2\n[client]\n# c\n; d\nb = 3 # 4\nPassword='x y'\nno_value\nlong=1\n  2\nempty=\n[other]\na=5\n";
    expect([...parseOptionFile(text, 'client')]).to.deep.equal([
      ['a', '1'],
      ['b', '3 # 4'],
      ['password', 'x y'],
      ['no-value', ''],
      ['long', '1\n2'],
      ['empty', ''],
    ]);
    expect([...parseOptionFile(text, 'nowhere')]).to.deep.equal([
      ['a', '1'],
      ['b', '2'],
    ]);
  });
});

describe("libpq's files", () => {
  const service =
    '# c\n[other]\nhost=no\n[glance]\nhost=db\nport=5433\nuser=u\nsslmode=verify-full\n[glance]\nuser=no\n';

  it('a service brings what the URL does not say', () => {
    const url = 'postgresql://glance:secret@/glance?service=glance';
    expect(read(url, { '/home/glance/.pg_service.conf': service })).to.deep.include({
      host: 'db',
      port: 5433,
      user: 'glance',
      tls: { mode: 'verify-full' },
    });
  });

  it("a service is looked for in the named file, in the home folder, then in the machine's", () => {
    const url = 'postgresql:///glance?service=glance';
    const places: readonly (readonly [Surroundings['environment'], string])[] = [
      [{ PGSERVICEFILE: '/s' }, '/s'],
      [{}, '/home/glance/.pg_service.conf'],
      [{ PGSYSCONFDIR: '/sys' }, '/sys/pg_service.conf'],
    ];
    for (const [environment, path] of places) {
      const target = parseConnectionUrl(url, '', around({ [path]: service }, environment));
      expect(target.host, path).to.equal('db');
    }
  });

  it('a password file gives the password of the first host that it has', () => {
    const text =
      '# db:5432:glance:glance:comment\nx:*:*:*:no\nb:5432:glance:*:with\\:colon\\\\\n*:*:*:glance:any\n';
    const url = (host: string): string => `postgresql://glance@${host}/glance?passfile=/p`;
    expect(read(url('b'), { '/p': text }).password).to.equal('with:colon\\');
    expect(read(url('c'), { '/p': text }).password).to.equal('any');
    expect(read(url('c').replace('glance@', 'nobody@'), { '/p': text }).password).to.equal(undefined);
    expect(read(url('b').replace('glance@', 'glance:own@'), { '/p': text }).password).to.equal('own');
    expect(read(url('b'), {}).password).to.equal(undefined);
  });

  it('a home folder that is closed has nothing, as in a container', () => {
    const closed: Surroundings = {
      environment: {},
      home: '/root',
      readText: () => {
        throw new Error('EACCES');
      },
    };
    expect(parseConnectionUrl('postgresql://g@h/d', '', closed).tls).to.deep.equal({ mode: 'prefer' });
  });

  it("libpq's variables bring what neither URL nor service says", () => {
    const environment = {
      PGSERVICE: 'glance',
      PGUSER: 'no',
      PGPASSWORD: 'secret',
      PGSSLMODE: 'disable',
      PGSSLROOTCERT: '/ca',
      PGSSLCERT: '',
    };
    const files = { '/home/glance/.pg_service.conf': service };
    expect(parseConnectionUrl('postgresql:///glance', '', around(files, environment))).to.deep.include({
      user: 'u',
      password: 'secret',
      database: 'glance',
      tls: { mode: 'verify-full', ca: '/ca' },
    });
    const target = parseConnectionUrl(
      'postgresql://g:own@h/d',
      '',
      around({}, { ...environment, PGSERVICE: '' }),
    );
    expect(target).to.deep.include({ user: 'g', password: 'own', tls: { mode: 'disable', ca: '/ca' } });
  });

  it('certificates in the home folder are used where the URL names none, as by libpq', () => {
    const own = (name: string): string => `/home/glance/.postgresql/${name}`;
    const files = Object.fromEntries(
      ['root.crt', 'root.crl', 'postgresql.crt', 'postgresql.key'].map((name) => [own(name), 'x']),
    );
    expect(read('postgresql://g@h/d?sslmode=require', files).tls).to.deep.equal({
      mode: 'require',
      ca: own('root.crt'),
      crl: own('root.crl'),
      cert: own('postgresql.crt'),
      key: own('postgresql.key'),
    });
    expect(
      read('postgresql://g@h/d?sslrootcert=/ca&sslcert=/c&sslkey=/k&sslcrl=/r', files).tls,
    ).to.deep.equal({
      mode: 'prefer',
      ca: '/ca',
      crl: '/r',
      cert: '/c',
      key: '/k',
    });
  });
});
