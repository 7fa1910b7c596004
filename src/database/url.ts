import { Failure } from './failure.ts';
import type { Engine } from './step.ts';

export const TLS_MODES = ['disable', 'allow', 'prefer', 'require', 'verify-ca', 'verify-full'] as const;

/** How much TLS, in libpq's words. */
export type TlsMode = (typeof TLS_MODES)[number];

/** Where a database is and how to get in, parsed once from what OpenStack calls `connection`. */
export interface ConnectionTarget {
  readonly engine: Engine;
  /** A host name, an address, or a Unix socket: its folder for PostgreSQL, its path for MySQL. */
  readonly host: string;
  readonly port: number;
  /** Absent leaves it to the driver: the user of the operating system. */
  readonly user?: string;
  readonly password?: string;
  /** Absent leaves it to the driver: the user's name. */
  readonly database?: string;
  readonly tls: TlsOptions;
  /** Server settings, as in libpq's `options`. */
  readonly options?: string;
  readonly connectTimeoutSeconds: number;
}

export interface TlsOptions {
  readonly mode: TlsMode;
  /** Path of a PEM file. */
  readonly ca?: string;
  /** Path of a PEM file. */
  readonly cert?: string;
  /** Path of a PEM file. */
  readonly key?: string;
}

const DEFAULT_CONNECT_TIMEOUT_SECONDS = 10;

const DEFAULT_PORTS: Readonly<Record<Engine, number>> = { postgres: 5432, mysql: 3306 };

/** Debian's and RHEL's place of the socket, which libpq uses where a URL has no host. */
const SOCKET_FOLDER = '/var/run/postgresql';

/**
 * SQLAlchemy's own expression, so that what Glance could read is read here: a password may have `/`, `?` and `#` raw.
 *
 * Source: sqlalchemy/engine/url.py, `_parse_url`.
 */
const URL_PATTERN =
  /^(?<name>[\w+]+):\/\/(?:(?<user>[^:/]*)(?::(?<password>[^@]*))?@)?(?:(?:\[(?<ipv6>[^/?]+)\]|(?<ipv4>[^/:?]+))?(?::(?<port>[^/?]*))?)?(?:\/(?<database>[^?]*))?(?:\?(?<query>.*))?$/s;

/** The same with the password as SQLAlchemy before 1.4 read it, up to the last `@`. */
const OLD_URL_PATTERN = new RegExp(URL_PATTERN.source.replace('[^@]*', '[^]*'), 's');

/** Options of libpq that change nothing here: the migrator has its own way, or the option tunes what is not used. */
const IGNORED_OPTIONS: readonly string[] = [
  'application_name',
  'channel_binding',
  'charset',
  'client_encoding',
  'fallback_application_name',
  'gssencmode',
  'keepalives',
  'keepalives_count',
  'keepalives_idle',
  'keepalives_interval',
  'sslcompression',
  'sslsni',
  'target_session_attrs',
  'tcp_user_timeout',
];

const KNOWN_OPTIONS: readonly string[] = [
  'connect_timeout',
  'dbname',
  'host',
  'options',
  'password',
  'port',
  'ssl_ca',
  'ssl_cert',
  'ssl_key',
  'sslcert',
  'sslkey',
  'sslmode',
  'sslrootcert',
  'user',
];

/** Options of PyMySQL and mysqlclient that change nothing here. */
const IGNORED_MYSQL_OPTIONS: readonly string[] = [
  'autocommit',
  'binary_prefix',
  'charset',
  'client_flag',
  'collation',
  'compress',
  'conv',
  'cursorclass',
  'init_command',
  'local_infile',
  'max_allowed_packet',
  'plugin',
  'program_name',
  'read_timeout',
  'sql_mode',
  'use_unicode',
  'write_timeout',
];

const KNOWN_MYSQL_OPTIONS: readonly string[] = [
  'connect_timeout',
  'ssl_ca',
  'ssl_cert',
  'ssl_disabled',
  'ssl_key',
  'ssl_mode',
  'ssl_verify_cert',
  'ssl_verify_identity',
  'unix_socket',
];

const ALL_OPTIONS: readonly string[] = [
  ...KNOWN_OPTIONS,
  ...IGNORED_OPTIONS,
  ...KNOWN_MYSQL_OPTIONS,
  ...IGNORED_MYSQL_OPTIONS,
];

/** The words of MySQL's own client for the same. */
const MYSQL_TLS_MODES: Readonly<Record<string, TlsMode>> = {
  DISABLED: 'disable',
  PREFERRED: 'prefer',
  REQUIRED: 'require',
  VERIFY_CA: 'verify-ca',
  VERIFY_IDENTITY: 'verify-full',
};

/**
 * Reads a connection URL as SQLAlchemy, and libpq or PyMySQL, would.
 *
 * @throws Failure `Usage`, which never carries the URL itself: it may hold a password.
 */
export function parseConnectionUrl(text: string): ConnectionTarget {
  const parts = matchUrl(text.trim());
  const name = parts.name ?? '';
  switch (name.split('+')[0]) {
    case 'postgresql':
    case 'postgres':
      return readPostgres(parts);
    case 'mysql':
    case 'mariadb':
      return readMysql(parts);
    default:
      throw unusable(
        `found '${name}://', do write postgresql://USER:PASSWORD@HOST:PORT/DATABASE or mysql://USER:PASSWORD@HOST:PORT/DATABASE`,
      );
  }
}

type UrlParts = Readonly<Record<string, string | undefined>>;

function readPostgres(parts: UrlParts): ConnectionTarget {
  const query = readQuery(parts.query, KNOWN_OPTIONS, IGNORED_OPTIONS);
  const user = decode(parts.user) ?? query.get('user');
  const password = decode(parts.password) ?? query.get('password');
  const database = query.get('dbname') ?? parts.database;
  const options = query.get('options');
  return {
    engine: 'postgres',
    host: readHost(query.get('host') ?? parts.ipv6 ?? parts.ipv4),
    port: readPort(query.get('port') ?? parts.port, DEFAULT_PORTS.postgres),
    ...(user === undefined || user === '' ? {} : { user }),
    ...(password === undefined ? {} : { password }),
    ...(database === undefined || database === '' ? {} : { database }),
    ...(options === undefined ? {} : { options }),
    tls: readTls(query),
    connectTimeoutSeconds: readTimeout(query.get('connect_timeout')),
  };
}

function readMysql(parts: UrlParts): ConnectionTarget {
  const query = readQuery(parts.query, KNOWN_MYSQL_OPTIONS, IGNORED_MYSQL_OPTIONS);
  const user = decode(parts.user);
  const password = decode(parts.password);
  const { database } = parts;
  if (database === undefined || database === '') {
    throw unusable('found no database in it, do write mysql://USER:PASSWORD@HOST:PORT/DATABASE');
  }
  return {
    engine: 'mysql',
    host: readMysqlHost(query.get('unix_socket') ?? parts.ipv6 ?? parts.ipv4),
    port: readPort(parts.port, DEFAULT_PORTS.mysql),
    ...(user === undefined || user === '' ? {} : { user }),
    ...(password === undefined ? {} : { password }),
    database,
    tls: readMysqlTls(query),
    connectTimeoutSeconds: readTimeout(query.get('connect_timeout')),
  };
}

/** `host:port/database`, what messages call the database. */
export function describeTarget(target: ConnectionTarget): string {
  const host = target.host.includes(':') ? `[${target.host}]` : target.host;
  return `${host}:${target.port}/${target.database ?? target.user ?? ''}`;
}

/**
 * Reads a mode of TLS as a user writes it.
 *
 * @throws Failure `Usage`
 */
export function parseTlsMode(text: string, option: string): TlsMode {
  const mode = TLS_MODES.find((candidate) => candidate === text);
  if (mode === undefined) {
    throw unusable(`found ${option}='${text}', do write one of ${TLS_MODES.join(', ')}`);
  }
  return mode;
}

function matchUrl(text: string): UrlParts {
  if (text === '') {
    throw unusable('found nothing in it');
  }
  const first = URL_PATTERN.exec(text)?.groups;
  if (first !== undefined && behindPassword(first).every((part) => part?.includes('@') !== true)) {
    return first;
  }
  // An @ behind the first one means that the password has one, or the end of the URL.
  const last = OLD_URL_PATTERN.exec(text)?.groups;
  const readings = [first, last?.password === first?.password ? undefined : last].filter(
    (parts) => parts !== undefined && isPlausible(parts, first),
  );
  const [parts] = readings;
  if (parts === undefined) {
    throw unusable(
      'found no URL that can be read, do write postgresql://USER:PASSWORD@HOST:PORT/DATABASE or mysql://... with special characters percent-encoded',
    );
  }
  if (readings.length > 1) {
    throw unusable("found more than one '@' in it, do write all but the one before the host as %40");
  }
  return parts;
}

function behindPassword({ ipv6, ipv4, port, database, query }: UrlParts): readonly (string | undefined)[] {
  return [ipv6, ipv4, port, database, query];
}

/** Whether a reading of a URL with several `@` can be what was meant, with no piece of the password in it. */
function isPlausible(parts: UrlParts, first: UrlParts | undefined): boolean {
  const { ipv6 = '', ipv4 = '', port = '', database = '', query = '' } = parts;
  return (
    /^[0-9a-f:.%]*$/i.test(ipv6) &&
    /^[\w.,-]*$/.test(ipv4) &&
    /^\d*$/.test(port) &&
    !/[@/]/.test(database) &&
    (database !== '' || (first?.database ?? '') === '') &&
    [...new URLSearchParams(query).keys()].every((key) => ALL_OPTIONS.includes(key))
  );
}

function readQuery(
  text: string | undefined,
  known: readonly string[],
  ignored: readonly string[],
): ReadonlyMap<string, string> {
  const query = new Map<string, string>();
  for (const [key, value] of new URLSearchParams(text ?? '')) {
    if (query.has(key)) {
      throw unusable(`found the option '${key}' twice, do write it once`);
    }
    if (known.includes(key)) {
      query.set(key, value);
    } else if (!ignored.includes(key)) {
      const near = [...known, ...ignored].find((option) => isNear(option, key));
      // Beside a password it may be a piece of that.
      const named =
        near === undefined && query.has('password') ? 'an unknown option' : `the unknown option '${key}'`;
      throw unusable(`found ${named}, do ${near === undefined ? 'remove it' : `write '${near}'`}`);
    }
  }
  return query;
}

function readHost(text: string | undefined): string {
  if (text === undefined || text === '') {
    return SOCKET_FOLDER;
  }
  return oneHost(text);
}

/** PyMySQL goes to localhost by TCP where no socket is named. */
function readMysqlHost(text: string | undefined): string {
  return text === undefined || text === '' ? 'localhost' : oneHost(text);
}

function oneHost(text: string): string {
  if (text.includes(',')) {
    throw unusable('found several hosts, do name the one to write to');
  }
  return text;
}

function readPort(text: string | undefined, standard: number): number {
  if (text === undefined || text === '') {
    return standard;
  }
  const port = Number(text);
  if (!/^\d+$/.test(text) || port < 1 || port > 65535) {
    // The text may be a piece of a password that had to be encoded, so it is not shown.
    throw unusable('found a port that is no number from 1 to 65535, do percent-encode special characters');
  }
  return port;
}

function readTls(query: ReadonlyMap<string, string>): TlsOptions {
  const mode = query.get('sslmode');
  const ca = query.get('sslrootcert') ?? query.get('ssl_ca');
  const cert = query.get('sslcert') ?? query.get('ssl_cert');
  const key = query.get('sslkey') ?? query.get('ssl_key');
  return {
    // `ssl_ca` is PyMySQL's: there a CA alone means that the server must show a certificate of it.
    mode: mode === undefined ? (query.has('ssl_ca') ? 'verify-ca' : 'prefer') : parseTlsMode(mode, 'sslmode'),
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
  };
}

function readMysqlTls(query: ReadonlyMap<string, string>): TlsOptions {
  const ca = query.get('ssl_ca');
  const cert = query.get('ssl_cert');
  const key = query.get('ssl_key');
  return {
    mode: mysqlTlsMode(query),
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
  };
}

function mysqlTlsMode(query: ReadonlyMap<string, string>): TlsMode {
  const word = query.get('ssl_mode');
  if (word !== undefined) {
    const mode = MYSQL_TLS_MODES[word.toUpperCase().replaceAll('-', '_')];
    if (mode === undefined) {
      throw unusable(`found ssl_mode='${word}', do write one of ${Object.keys(MYSQL_TLS_MODES).join(', ')}`);
    }
    return mode;
  }
  if (isYes(query.get('ssl_disabled'))) {
    return 'disable';
  }
  if (isYes(query.get('ssl_verify_identity'))) {
    return 'verify-full';
  }
  // As in PyMySQL: an authority alone means that the server must show a certificate of it.
  if (isYes(query.get('ssl_verify_cert')) || (query.has('ssl_ca') && !query.has('ssl_verify_cert'))) {
    return 'verify-ca';
  }
  return ['ssl_ca', 'ssl_cert', 'ssl_key'].some((option) => query.has(option)) ? 'require' : 'prefer';
}

function isYes(text: string | undefined): boolean {
  return text !== undefined && /^(true|1|yes|on)$/i.test(text);
}

function readTimeout(text: string | undefined): number {
  if (text === undefined) {
    return DEFAULT_CONNECT_TIMEOUT_SECONDS;
  }
  if (!/^\d+$/.test(text)) {
    throw unusable(`found connect_timeout='${text}', do write a number of seconds`);
  }
  // As in libpq: 0 means that none is wished; the default is kept, for a Job must end.
  return Number(text) || DEFAULT_CONNECT_TIMEOUT_SECONDS;
}

/** Python's `unquote`: what is no percent code stays as it is. */
function decode(text: string | undefined): string | undefined {
  return text?.replace(/(?:%[0-9a-f]{2})+/gi, (codes) =>
    Buffer.from(codes.replaceAll('%', ''), 'hex').toString('utf8'),
  );
}

/** Whether two words differ by little: one letter more, less or other, or in `_` and case. */
function isNear(a: string, b: string): boolean {
  const [x, y] = [a, b].map((word) => word.toLowerCase().replaceAll(/[_-]/g, ''));
  if (x === undefined || y === undefined || Math.abs(x.length - y.length) > 1) {
    return false;
  }
  let start = 0;
  while (start < x.length && x[start] === y[start]) {
    start += 1;
  }
  return [
    [1, 1],
    [0, 1],
    [1, 0],
  ].some(([dx = 0, dy = 0]) => x.slice(start + dx) === y.slice(start + dy));
}

function unusable(cause: string): Failure {
  return new Failure('Usage', `Cannot use the connection URL: ${cause}`);
}
