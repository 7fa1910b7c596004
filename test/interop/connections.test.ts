import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { installGlance, type RealGlance } from '../../lab/glance/real-glance.ts';
import { leaveOut } from '../../lab/process/needs.ts';
import { type ConnectionFlags, resolveConnection } from '../../src/cli/db/connection-options.ts';
import { type ConnectionTarget, TLS_MODES, type TlsMode } from '../../src/migrator/connection/target.ts';
import { Failure } from '../../src/migrator/errors/failure.ts';

/**
 * How ours may differ from the real ones: more is verified, so that the mode is this; it is refused
 * in these words; it is read though the real ones refuse it, for this reason; or it is read
 * otherwise, for this reason. Without any it is the same to the letter, or refused by both.
 */
type Difference =
  | { readonly stronger: TlsMode }
  | { readonly refused: string }
  | { readonly lenient: string }
  | { readonly otherwise: string }
  | undefined;

const MY = 'mysql+pymysql://';
const PG = 'postgresql+psycopg2://';

const AT_SIGN = {
  otherwise: "the host 'ss@db' is nobody's: as SQLAlchemy before 1.4 read it, and made by that",
};
const OWN_WORDS = { lenient: "another driver's words for the same" };

/** FOLDER is a folder with the files below. */
const URLS: readonly (readonly [string, Difference?])[] = [
  // The address.
  [`${MY}glance:secret@db/glance`],
  [`${MY}glance:secret@db:3307/glance`],
  [`${MY}glance:secret@192.0.2.10/glance`],
  [`${MY}glance:secret@[fd00::7]/glance`],
  [`${MY}glance:secret@[fd00::7]:3307/glance`],
  [`${MY}glance:secret@db:/glance`, { lenient: 'a port that is left out means the usual one' }],
  [`${MY}glance:secret@/glance`],
  [`${MY}glance@db/glance`],
  [`${MY}glance:@db/glance`],
  [`${MY}glance:p%40ss%2Fw%25rd%3A@db/glance`],
  [`${MY}gl%40nce:secret@db/glance`],
  [`${MY}glance:a+b@db/glance`],
  [`${MY}glance:100%zz@db/glance`],
  [`${MY}glance:a/b?c#d@db/glance`],
  [`${MY}glance:a:b:c@db/glance`],
  [`${MY}glance:secret@db/gl%61nce`],
  [`${MY}glance:secret@db/glance#x`],
  ['mariadb+pymysql://glance:secret@db/glance'],
  [`${MY}glance:p@ss@db/glance`, AT_SIGN],
  [`${MY}glance:secret@db`, { refused: 'found no database in it' }],
  [`${MY}glance:secret@db:port/glance`],
  [`${MY}glance:secret@db:70000/glance`, { refused: 'a port that is no number from 1 to 65535' }],
  [`${MY}glance:secret@a:1,b:1/glance`],
  [`${MY}glance:secret@a,b/glance`, { refused: 'found several hosts' }],
  ['sqlite:////tmp/glance.db', { refused: "found 'sqlite://'" }],
  // MySQL's options.
  [`${MY}glance:secret@db/glance?charset=utf8`],
  [`${MY}glance:secret@db/glance?charset=utf8&charset=utf8`, { lenient: 'the option changes nothing here' }],
  [`${MY}glance:secret@db/glance?unix_socket=/run/mysqld/mysqld.sock`],
  [`${MY}glance:secret@db/glance?host=b`],
  [`${MY}glance:secret@db/glance?user=u&password=p&database=d`],
  [`${MY}glance:secret@db/glance?connect_timeout=3&read_timeout=5&local_infile=1`],
  [`${MY}glance:secret@db/glance?connect_timeout=ten`],
  [`${MY}glance:secret@db/glance?colour=blue`],
  [`${MY}glance:secret@db/glance?colour`],
  [`${MY}glance:secret@db/glance?sslmode=require`],
  [`${MY}glance:secret@db/glance?bind_address=127.0.0.1&program_name=x`],
  // MySQL's TLS.
  [`${MY}glance:secret@db/glance?charset=utf8&ssl_ca=/ca&ssl_key=/k&ssl_cert=/c&ssl_verify_cert`],
  [`${MY}glance:secret@db/glance?ssl_ca=/ca`],
  [`${MY}glance:secret@db/glance?ssl_ca=`],
  [`${MY}glance:secret@db/glance?ssl_ca=%2Fca`],
  [`${MY}glance:secret@db/glance?ssl_ca=/ca&ssl_cert=/c&ssl_key=/k`],
  [`${MY}glance:secret@db/glance?ssl_cert=/c&ssl_key=/k`],
  [`${MY}glance:secret@db/glance?ssl_ca=/ca&ssl_check_hostname=false`],
  [`${MY}glance:secret@db/glance?ssl_ca=/ca&ssl_check_hostname=No`],
  [`${MY}glance:secret@db/glance?ssl_ca=/ca&ssl_check_hostname=true`],
  [`${MY}glance:secret@db/glance?ssl_ca=/ca&ssl_check_hostname=maybe`],
  [`${MY}glance:secret@db/glance?ssl_check_hostname=false`],
  [`${MY}glance:secret@db/glance?ssl_check_hostname=true`],
  [`${MY}glance:secret@db/glance?ssl_capath=/d`],
  [`${MY}glance:secret@db/glance?ssl_ca=/ca&ssl_capath=/d`],
  [`${MY}glance:secret@db/glance?ssl_cipher=AES256-SHA`],
  [`${MY}glance:secret@db/glance?ssl_ca=/ca&ssl_cipher=AES256-SHA`],
  [`${MY}glance:secret@db/glance?ssl`],
  [`${MY}glance:secret@db/glance?ssl=true`],
  [`${MY}glance:secret@db/glance?ssl=on&ssl_ca=/ca`],
  [`${MY}glance:secret@db/glance?charset=utf8&ssl_verify_cert=true&ssl_ca=/ca`, { stronger: 'verify-ca' }],
  [`${MY}glance:secret@db/glance?ssl_verify_cert=true`, { stronger: 'verify-full' }],
  [`${MY}glance:secret@db/glance?ssl_verify_cert=1`, { stronger: 'verify-full' }],
  [`${MY}glance:secret@db/glance?ssl_verify_cert=on`, { stronger: 'verify-full' }],
  [`${MY}glance:secret@db/glance?ssl_verify_cert=false`],
  [`${MY}glance:secret@db/glance?ssl_ca=/ca&ssl_verify_cert=false`],
  [`${MY}glance:secret@db/glance?ssl_ca=/ca&ssl_verify_cert=optional`, { stronger: 'verify-ca' }],
  [`${MY}glance:secret@db/glance?ssl_verify_identity=true`, { stronger: 'verify-full' }],
  [`${MY}glance:secret@db/glance?ssl_verify_identity=false`, { stronger: 'verify-full' }],
  [`${MY}glance:secret@db/glance?ssl_ca=/ca&ssl_verify_identity=true`, { stronger: 'verify-full' }],
  [`${MY}glance:secret@db/glance?ssl_ca=/ca&ssl_verify_identity=false`, { stronger: 'verify-ca' }],
  [`${MY}glance:secret@db/glance?ssl_disabled=true`],
  [`${MY}glance:secret@db/glance?ssl_disabled=true&ssl_ca=/ca`],
  [`${MY}glance:secret@db/glance?ssl_disabled=false`, { stronger: 'prefer' }],
  [`${MY}glance:secret@db/glance?ssl_mode=REQUIRED`, OWN_WORDS],
  [`${MY}glance:secret@db/glance?ssl_mode=sometimes`],
  [`${MY}glance:secret@db/glance?read_default_file=FOLDER/tls.cnf`],
  [`${MY}glance:secret@db/glance?read_default_file=FOLDER/plain.cnf`],
  [`${MY}glance:secret@db/glance?read_default_file=FOLDER/tls.cnf&read_default_group=tripleo`],
  [`${MY}glance:secret@db/glance?read_default_file=FOLDER/tls.cnf&ssl_check_hostname=false`],
  [`${MY}glance:secret@db/glance?read_default_file=FOLDER/tls.cnf&ssl_ca=/other`],
  [`${MY}glance:secret@db/glance?read_default_file=FOLDER/all.cnf`],
  [`${MY}/?read_default_file=FOLDER/all.cnf`],
  [`${MY}glance:secret@db/glance?read_default_file=FOLDER/socket.cnf`],
  [`${MY}glance:secret@db/glance?read_default_file=FOLDER/nowhere.cnf`, { refused: 'there is no such file' }],
  // PostgreSQL's address.
  [`${PG}glance:secret@db/glance`],
  [`${PG}glance:secret@db:5433/glance`],
  [`${PG}glance:secret@[fd00::7]:5433/glance`],
  [`${PG}glance:p%40ss@db/glance`],
  [`${PG}glance:a/b?c#d@db/glance`],
  [`${PG}glance:secret@db/gl%61nce`],
  [`${PG}glance:secret@/glance?host=/run/pg`],
  [`${PG}glance:secret@/glance?host=/run/pg&port=5433`],
  [`${PG}x:y@z:1/w?user=glance&password=secret&dbname=glance&host=db&port=5432`],
  [`${PG}glance@db/glance?password=secret`],
  [`${PG}glance:secret@db/glance?hostaddr=192.0.2.7`],
  [`${PG}glance:secret@db/glance?hostaddr=192.0.2.7,192.0.2.8`, { refused: 'another number of addresses' }],
  ['postgres://glance:secret@db/glance', { lenient: 'the name that Heroku and CloudNativePG write' }],
  // Several hosts.
  [`${PG}glance:secret@/glance?host=a:5432&host=b:5433&target_session_attrs=read-write`],
  [`${PG}glance:secret@/glance?host=a&host=b`],
  [`${PG}glance:secret@/glance?host=a:5433&host=b`],
  [`${PG}glance:secret@/glance?host=a,b&port=5432,5433`],
  [
    `${PG}glance:secret@/glance?host=a,b&port=5433`,
    { lenient: "libpq's form, which SQLAlchemy does not hand on" },
  ],
  [`${PG}glance:secret@a,b/glance`],
  [`${PG}glance:secret@a,b:5433/glance`],
  [`${PG}glance:secret@c:5/glance?host=a&host=b`],
  [`${PG}glance:secret@/glance?host=a:5433`],
  [`${PG}glance:secret@c:5/glance?host=a:5433`],
  [`${PG}glance:secret@[::1]:5/glance?host=a:5433`],
  [`${PG}glance:secret@a:1,b:2/glance`],
  [`${PG}glance:secret@/glance?host=a:1,b:2`, { refused: 'found a port behind a host between commas' }],
  [`${PG}glance:secret@/glance?host=a&host=b&port=1,2`, { lenient: 'the ports of each host are its own' }],
  [`${PG}glance:secret@/glance?host=a,b&port=1,2,3`, { refused: 'another number of ports' }],
  // PostgreSQL's TLS.
  [`${PG}glance:secret@db/glance?sslmode=disable`],
  [`${PG}glance:secret@db/glance?sslmode=allow`],
  [`${PG}glance:secret@db/glance?sslmode=prefer`],
  [`${PG}glance:secret@db/glance?sslmode=require`],
  [`${PG}glance:secret@db/glance?sslmode=require&sslrootcert=/ca`],
  [`${PG}glance:secret@db/glance?sslmode=verify-ca&sslrootcert=/ca`],
  [`${PG}glance:secret@db/glance?sslmode=verify-full&sslrootcert=/ca&sslcert=/c&sslkey=/k&sslcrl=/r`],
  [`${PG}glance:secret@db/glance?sslmode=verify-full`],
  [`${PG}glance:secret@db/glance?sslmode=verify-ca`, { refused: 'with no authority of its own' }],
  [`${PG}glance:secret@db/glance?sslmode=verify-full&sslrootcert=system`],
  [`${PG}glance:secret@db/glance?sslrootcert=system`, { stronger: 'verify-full' }],
  [
    `${PG}glance:secret@db/glance?sslmode=require&sslrootcert=system`,
    { refused: 'Set the mode verify-full' },
  ],
  [`${PG}glance:secret@db/glance?sslmode`],
  [`${PG}glance:secret@db/glance?sslmode=`],
  [`${PG}glance:secret@db/glance?sslmode=sometimes`, { refused: "found sslmode='sometimes'" }],
  [`${PG}glance:secret@db/glance?ssl_ca=/ca`, OWN_WORDS],
  [`${PG}glance:secret@db/glance?sslcrldir=/d`, { refused: 'Name one file by sslcrl' }],
  // PostgreSQL's other options.
  [`${PG}glance:secret@db/glance?options=-csearch_path%3Dglance`],
  [`${PG}glance:secret@db/glance?application_name=x&keepalives=1&client_encoding=utf8`],
  [`${PG}glance:secret@db/glance?charset=utf8`, OWN_WORDS],
  [`${PG}glance:secret@db/glance?colour=blue`],
  [`${PG}glance:secret@db/glance?channel_binding=require`, { refused: 'Set sslmode=verify-full' }],
  [`${PG}glance:secret@db/glance?require_auth=scram-sha-256`, { refused: 'Set sslmode=verify-full' }],
  [`${PG}glance:secret@db/glance?gssencmode=require`, { refused: 'Set sslmode=verify-full' }],
  [`${PG}glance:secret@db/glance?connect_timeout=5&tcp_user_timeout=5`],
  [`${PG}/?service=glance`],
  [`${PG}own@/?service=glance&sslmode=disable`],
  [`${PG}/?service=nowhere`],
  [`${PG}glance@127.0.0.1:1/glance?passfile=FOLDER/passfile`],
  [`${PG}other@127.0.0.1:1/glance?passfile=FOLDER/passfile`],
  [`${PG}glance:own@127.0.0.1:1/glance?passfile=FOLDER/passfile`],
];

/** Variables of libpq, and a URL of this machine. */
const VARIABLES: readonly (readonly [string, Readonly<Record<string, string>>])[] = [
  ['', { PGHOST: '127.0.0.1', PGPORT: '1', PGUSER: 'u', PGPASSWORD: 'p', PGDATABASE: 'd' }],
  [
    'glance:own@127.0.0.1:1/glance',
    { PGHOST: 'x', PGPORT: '2', PGUSER: 'u', PGPASSWORD: 'p', PGDATABASE: 'd' },
  ],
  ['glance@127.0.0.1:1/glance', { PGSSLMODE: 'require', PGSSLROOTCERT: '/ca', PGSSLCRL: '/r' }],
  ['glance@127.0.0.1:1/glance?sslmode=disable', { PGSSLMODE: 'verify-full', PGSSLROOTCERT: '/ca' }],
  ['', { PGSERVICE: 'glance', PGUSER: 'no', PGSSLMODE: 'disable' }],
  ['glance@127.0.0.1:1/glance', { PGPASSFILE: 'FOLDER/passfile' }],
  ['glance@127.0.0.1:1/glance', { PGOPTIONS: '-csearch_path=x' }],
];

const FILES: Readonly<Record<string, string>> = {
  'tls.cnf': '[client]\nssl=1\nssl-ca=/ca\n[tripleo]\nssl=1\nssl_ca = "/tripleo"\nssl-cert: /c\nssl-key=/k\n',
  'plain.cnf': '[client]\nssl=0\n',
  'all.cnf': '[DEFAULT]\nport=3308\n[client]\nuser=u\npassword=p#1 ; x\nhost=h\ndatabase=d\n# c\nno_value\n',
  'socket.cnf': '[client]\nsocket=/run/m.sock\n',
  'pg_service.conf':
    '[other]\nhost=no\n[glance]\n# c\nhost=127.0.0.1\nport=1\nuser=u\npassword=p\ndbname=d\nsslmode=require\n',
  passfile: '# c\n*:*:*:nobody:no\n127.0.0.1:1:glance:glance:with\\:colon\n*:*:*:*:any\n',
};

/**
 * Configuration: its files by name, in the order in which they are given; a name that ends with `/`
 * is a folder.
 */
interface Configuration {
  readonly name: string;
  readonly files: Readonly<Record<string, string>>;
  readonly given: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  readonly difference?: Difference;
}

const A = `${MY}glance:secret@a/glance`;
const B = `${MY}glance:secret@b/glance`;

function one(name: string, text: string, difference?: Difference): Configuration {
  return { name, files: { 'x.conf': text }, given: ['x.conf'], ...(difference ? { difference } : {}) };
}

const CONFIGURATIONS: readonly Configuration[] = [
  one('plain', `[database]\nconnection = ${A}\n`),
  one('with a colon', `[database]\nconnection: ${A}\n`),
  one('with line ends of Windows', `[database]\r\nconnection = ${A}\r\n`),
  one('in double quotes', `[database]\nconnection = "${A}"\n`),
  one('in single quotes', `[database]\nconnection = '${A}'\n`),
  one('in capitals', `[DATABASE]\nconnection = ${A}\n`),
  one('in two cases', `[Database]\nconnection = ${A}\n[database]\nconnection = ${B}\n`),
  one('twice', `[database]\nconnection = ${A}\nconnection = ${B}\n`),
  one('with an option in capitals', `[database]\nConnection = ${A}\n`),
  one('in another section', `[databases]\nconnection = ${A}\n`),
  one('in a section with spaces', `[ database ]\nconnection = ${A}\n`),
  one('behind a header with a comment', `[database] # x=y\nconnection = ${A}\n`),
  one('before any section', `connection = ${A}\n`),
  one('with a comment before its continuation', `[database]\nconnection = ${A}\n# c\n  ?x=y\n`),
  one('with an empty line before its continuation', `[database]\nconnection = ${A}\n\n  ?x=y\n`),
  one('with a list before it', `[DEFAULT]\nx = 1,\n  2\n[database]\nconnection = ${A}\n`),
  one('with a line that is nothing', `[database]\nnothing\nconnection = ${A}\n`),
  one(
    'with connection_parameters',
    `[database]\nconnection = ${A}?charset=utf8\nconnection_parameters = ssl_ca=/ca\n`,
  ),
  one(
    'with connection_parameters alone',
    `[database]\nconnection = ${A}\nconnection_parameters = ssl_ca=/ca&connect_timeout=3\n`,
  ),
  one(
    'with a value of another option',
    `[database]\nslave_connection = h\nconnection = ${MY}u:p@$slave_connection/d\n`,
  ),
  one(
    'with a value of another section',
    `[database]\nslave_connection = h\nconnection = ${MY}u:p@\${database.slave_connection}/d\n`,
  ),
  one('with a dollar sign', `[database]\nconnection = ${MY}u:p$$w@h/d\n`),
  one('with a dollar sign behind a backslash', `[database]\nconnection = ${MY}u:p\\$slave_connection@h/d\n`),
  one('with an unknown name', `[database]\nconnection = ${MY}u:p$w@h/d\n`, {
    lenient: 'a password with a dollar sign can mean only itself',
  }),
  one("under today's name only", `[DEFAULT]\nsql_connection = ${A}\n`, {
    lenient: 'the name that older oslo.db read',
  }),
  one('nowhere', '[database]\nmax_retries = -1\n'),
  one('empty', '[database]\nconnection =\n'),
  {
    name: 'in two files',
    files: { 'a.conf': `[database]\nconnection = ${A}`, 'b.conf': `[database]\nconnection = ${B}` },
    given: ['b.conf', 'a.conf'],
  },
  {
    name: 'in a folder',
    files: {
      'd/2.conf': `[database]\nconnection = ${B}`,
      'd/1.conf': `[database]\nconnection = ${A}`,
      'd/3.txt': 'x',
    },
    given: ['d/'],
  },
  {
    name: 'in a folder behind a file',
    files: { 'x.conf': `[database]\nconnection = ${A}`, 'd/1.conf': `[database]\nconnection = ${B}` },
    given: ['x.conf', 'd/'],
  },
  {
    name: 'in a file behind a folder',
    files: { 'x.conf': `[database]\nconnection = ${A}`, 'd/1.conf': `[database]\nconnection = ${B}` },
    given: ['d/', 'x.conf'],
  },
  {
    name: 'in the environment before the file',
    files: { 'x.conf': `[database]\nconnection = ${A}` },
    given: ['x.conf'],
    environment: { OS_DATABASE__CONNECTION: B },
  },
  { name: 'in the environment alone', files: {}, given: [], environment: { OS_DATABASE__CONNECTION: B } },
  {
    name: 'in the environment, empty',
    files: { 'x.conf': `[database]\nconnection = ${A}` },
    given: ['x.conf'],
    environment: { OS_DATABASE__CONNECTION: '' },
  },
  {
    name: 'with parameters in the environment',
    files: { 'x.conf': `[database]\nconnection = ${A}` },
    given: ['x.conf'],
    environment: { OS_DATABASE__CONNECTION_PARAMETERS: 'ssl_ca=/ca' },
  },
  { name: 'in a file that is not there', files: {}, given: ['nowhere.conf'] },
  { name: 'in a folder that is not there', files: {}, given: ['nowhere/'] },
];

/** What both are reduced to. */
type Reading = Readonly<Record<string, string>>;

const SCRIPT = fileURLToPath(new URL('connections.py', import.meta.url));

describe('connections as the real SQLAlchemy, PyMySQL, psycopg2 and oslo.config read them', () => {
  let folder = '';
  let real: RealReaders;
  const ownFolder = process.env.HOME;

  before(async function () {
    const glance = await installGlance().catch((error: Error) => leaveOut(this, error.message));
    folder = mkdtempSync(join(tmpdir(), 'glance-schema-connections-'));
    write(folder, FILES);
    chmodSync(join(folder, 'passfile'), 0o600);
    // libpq's own files there are those of nobody.
    process.env.HOME = folder;
    real = startReaders(glance, { PGSERVICEFILE: join(folder, 'pg_service.conf'), HOME: folder });
  });

  after(() => {
    real?.stop();
    if (ownFolder !== undefined) process.env.HOME = ownFolder;
    rmSync(folder, { recursive: true, force: true });
  });

  it(`${URLS.length} URLs`, async () => {
    expect(URLS.length).to.be.at.least(100);
    const found: string[] = [];
    for (const [row, difference] of URLS) {
      const url = row.replace('FOLDER', folder);
      const theirs = readAnswer(await real.ask({ url, environment: {} }));
      const ours = read({ connection: url }, { PGSERVICEFILE: join(folder, 'pg_service.conf') });
      found.push(...compare(row, theirs, ours, difference));
    }
    expect(found).to.deep.equal([]);
  });

  it(`${VARIABLES.length} URLs with variables of libpq`, async () => {
    const found: string[] = [];
    for (const [address, variables] of VARIABLES) {
      const environment = Object.fromEntries(
        Object.entries(variables).map(([name, value]) => [name, value.replace('FOLDER', folder)]),
      );
      const url = `${PG}${address}`;
      const theirs = readAnswer(await real.ask({ url, environment }));
      const ours = read(
        { connection: url },
        { PGSERVICEFILE: join(folder, 'pg_service.conf'), ...environment },
      );
      found.push(...compare(`${url} ${JSON.stringify(variables)}`, theirs, ours, undefined));
    }
    expect(found).to.deep.equal([]);
  });

  it(`${CONFIGURATIONS.length} configurations`, async () => {
    expect(CONFIGURATIONS.length).to.be.at.least(20);
    const found: string[] = [];
    for (const [index, { name, files, given, environment = {}, difference }] of CONFIGURATIONS.entries()) {
      const place = join(folder, String(index));
      mkdirSync(place);
      write(place, files);
      const sources = given.map((each) => ({
        kind: each.endsWith('/') ? ('folder' as const) : ('file' as const),
        path: join(place, each),
      }));
      const args = sources.flatMap(({ kind, path }) => [
        kind === 'file' ? '--config-file' : '--config-dir',
        path,
      ]);
      const theirs = readAnswer(await real.ask({ arguments: args, environment }));
      const ours = read(sources.length === 0 ? {} : { configFile: sources }, environment);
      found.push(...compare(name, theirs, ours, difference));
    }
    expect(found).to.deep.equal([]);
  });
});

function write(place: string, files: Readonly<Record<string, string>>): void {
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(place, name)), { recursive: true });
    writeFileSync(join(place, name), text);
  }
}

interface RealReaders {
  ask(request: object): Promise<Readonly<Record<string, unknown>>>;
  stop(): void;
}

function startReaders(glance: RealGlance, env: Readonly<Record<string, string>>): RealReaders {
  const child: ChildProcessByStdio<Writable, Readable, null> = spawn(glance.program('python'), [SCRIPT], {
    env: { PATH: process.env.PATH, PYTHONWARNINGS: 'ignore', ...env },
    stdio: ['pipe', 'pipe', 'ignore'],
  });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return {
    async ask(request) {
      child.stdin.write(`${JSON.stringify(request)}\n`);
      const line = await lines.next();
      if (line.done) throw new Error(`Cannot ask the real readers: ${SCRIPT} ended`);
      return JSON.parse(line.value);
    },
    stop: () => child.stdin.end(),
  };
}

/** What the real ones answered, in our words. */
function readAnswer(answer: Readonly<Record<string, unknown>>): Reading | string {
  const text = (name: string, standard = ''): string => String(answer[name] ?? standard);
  if (answer.error !== undefined) {
    return text('error');
  }
  if (answer.engine === 'mysql') {
    const { mode, capath, ...files } = Object(answer.tls);
    return withoutEmpty({
      host: text('host'),
      port: text('port'),
      user: text('user'),
      password: text('password'),
      database: text('database'),
      mode,
      caFolder: capath,
      ...files,
    });
  }
  const hosts = text('host').split(',');
  const ports = text('port').split(',');
  return withoutEmpty({
    host: hosts.join(','),
    port: hosts.map((_, index) => ports[index] || (ports.length === 1 && ports[0]) || '5432').join(','),
    address: text('hostaddr'),
    user: text('user'),
    password: text('password'),
    database: text('dbname'),
    options: text('options'),
    mode: text('sslmode', 'prefer'),
    ca: text('sslrootcert'),
    cert: text('sslcert'),
    key: text('sslkey'),
    crl: text('sslcrl'),
  });
}

function read(flags: ConnectionFlags, environment: Readonly<Record<string, string>>): Reading | Failure {
  let target: ConnectionTarget;
  try {
    target = resolveConnection(flags, environment);
  } catch (error) {
    if (error instanceof Failure && ['ConnectionInvalid', 'Usage'].includes(error.reason)) {
      return error;
    }
    throw error;
  }
  const { tls, others = [] } = target;
  const hosts = [target, ...others];
  return withoutEmpty({
    host: hosts.map(({ host }) => host).join(','),
    port: hosts.map(({ port }) => port).join(','),
    address: hosts.map(({ address = '' }) => address).join(','),
    // PyMySQL tells the user of the operating system itself; our driver takes it later.
    user: target.user ?? (target.engine === 'mysql' ? userInfo().username : ''),
    password: target.password ?? '',
    database: target.database ?? '',
    options: target.options ?? '',
    ...Object.fromEntries(Object.entries(tls).map(([name, value]) => [name, String(value)])),
  });
}

function withoutEmpty(values: Readonly<Record<string, string | undefined>>): Reading {
  return Object.fromEntries(
    Object.entries(values).filter((entry): entry is [string, string] => !/^,*$/.test(entry[1] ?? '')),
  );
}

/** What is other than expected, in a line. */
function compare(
  name: string,
  theirs: Reading | string,
  ours: Reading | Failure,
  difference: Difference,
): readonly string[] {
  const seen = `${name}: theirs ${JSON.stringify(theirs)}, ours ${ours instanceof Failure ? ours.message : JSON.stringify(ours)}`;
  if (ours instanceof Failure) {
    const expected = difference !== undefined && 'refused' in difference ? difference.refused : undefined;
    const leaks = /secret|with:colon/.test(ours.message);
    const isRight = expected === undefined ? typeof theirs === 'string' : ours.message.includes(expected);
    return isRight && !leaks ? [] : [seen];
  }
  if (typeof theirs === 'string') {
    return difference !== undefined && 'lenient' in difference ? [] : [seen];
  }
  if (difference !== undefined && 'otherwise' in difference) {
    return [];
  }
  const stronger = difference !== undefined && 'stronger' in difference ? difference.stronger : undefined;
  const { ca: theirCa, ...theirRest } = theirs;
  // Where PyMySQL verifies by the machine's authorities, ours does by the one that the URL names.
  const expected =
    stronger === undefined ? theirs : { ...theirRest, mode: stronger, ...(ours.ca ? { ca: ours.ca } : {}) };
  const rank = (mode = ''): number => TLS_MODES.indexOf(mode as TlsMode);
  const isSame = JSON.stringify(sorted(expected)) === JSON.stringify(sorted(ours));
  const isWeaker = rank(ours.mode) < rank(theirs.mode);
  const isDeclared = difference === undefined || stronger !== undefined;
  return isSame && !isWeaker && isDeclared ? [] : [seen];
}

function sorted(reading: Reading): readonly (readonly [string, string])[] {
  return Object.entries(reading).sort(([a], [b]) => a.localeCompare(b));
}
