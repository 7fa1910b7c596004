import { MYSQL_OPTIONS, readMysql } from './mysql-url.ts';
import { POSTGRES_OPTIONS, readPostgres } from './postgres-url.ts';
import type { ConnectionTarget, Surroundings } from './target.ts';
import { readQuery, type UrlAddress, unusable } from './url-query.ts';

export type { ConnectionTarget } from './target.ts';

/**
 * SQLAlchemy's own expression, so that what Glance could read is read here: a password may have
 * `/`, `?` and `#` raw.
 *
 * Source: sqlalchemy/engine/url.py, `_parse_url`.
 */
const URL_PATTERN =
  /^(?<name>[\w+]+):\/\/(?:(?<user>[^:/]*)(?::(?<password>[^@]*))?@)?(?:(?:\[(?<ipv6>[^/?]+)\]|(?<ipv4>[^/:?]+))?(?::(?<port>[^/?]*))?)?(?:\/(?<database>[^?]*))?(?:\?(?<query>.*))?$/s;

/** The same with the password as SQLAlchemy before 1.4 read it, up to the last `@`. */
const OLD_URL_PATTERN = new RegExp(URL_PATTERN.source.replace('[^@]*', '[^]*'), 's');

const ALL_OPTIONS: readonly string[] = [MYSQL_OPTIONS, POSTGRES_OPTIONS].flatMap(({ known, ignored }) => [
  ...known,
  ...ignored,
]);

/**
 * Databases that a URL may name and that Glance, or this program, cannot use. Any other name may be
 * a piece of a password, and is not shown.
 */
const OTHER_DATABASES: readonly string[] = [
  'sqlite',
  'oracle',
  'mssql',
  'mongodb',
  'redis',
  'cockroachdb',
  'http',
  'https',
];

const WHAT_TO_WRITE =
  'Write postgresql://USER:PASSWORD@HOST:PORT/DATABASE or mysql://USER:PASSWORD@HOST:PORT/DATABASE.';

/** For those who only parse a URL: no file is there, and no variable. */
const NOTHING_AROUND: Surroundings = { environment: {}, home: '/', readText: () => undefined };

/**
 * Reads a connection URL as SQLAlchemy, and libpq or PyMySQL, would.
 *
 * @param parameters further options, as oslo.db's `connection_parameters` has them
 * @throws Failure `ConnectionInvalid`, which never carries the URL itself: it may hold a password.
 */
export function parseConnectionUrl(
  text: string,
  parameters = '',
  surroundings: Surroundings = NOTHING_AROUND,
): ConnectionTarget {
  const parts = matchUrl(text.trim());
  const address: UrlAddress = {
    host: parts.ipv6 ?? parts.ipv4,
    port: parts.port,
    user: decode(parts.user),
    password: decode(parts.password),
    database: decode(parts.database),
  };
  if ([address.host, address.user, address.database].some((part) => /\p{Cc}/u.test(part ?? ''))) {
    throw unusable(`found a control character in host, user or database. ${WHAT_TO_WRITE}`);
  }
  const query = [parts.query, parameters]
    .filter((options) => options !== undefined && options !== '')
    .join('&');
  const [name = ''] = (parts.name ?? '').split('+');
  switch (name) {
    case 'postgresql':
    case 'postgres':
      return readPostgres(address, readQuery(query, POSTGRES_OPTIONS), surroundings);
    case 'mysql':
    case 'mariadb':
      return readMysql(address, readQuery(query, MYSQL_OPTIONS), surroundings);
    default:
      throw unusable(
        `found ${OTHER_DATABASES.includes(name) ? `'${name}://'` : 'a URL of something else'}. ${WHAT_TO_WRITE}`,
      );
  }
}

type UrlParts = Readonly<Record<string, string | undefined>>;

function matchUrl(text: string): UrlParts {
  if (/[\r\n]/.test(text)) {
    throw unusable(`found more than one line in it. ${WHAT_TO_WRITE}`);
  }
  if (text === '') {
    throw unusable(`found nothing in it. ${WHAT_TO_WRITE}`);
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
    throw unusable(`found no URL that can be read. ${WHAT_TO_WRITE} Percent-encode special characters.`);
  }
  if (readings.length > 1) {
    throw unusable("found more than one '@' in it. Write all but the one before the host as %40.");
  }
  return parts;
}

function behindPassword({ ipv6, ipv4, port, database, query }: UrlParts): readonly (string | undefined)[] {
  return [ipv6, ipv4, port, database, query];
}

/**
 * Whether a reading of a URL with several `@` can be what was meant, with no piece of the password
 * in it.
 */
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

/** Python's `unquote`: what is no percent code stays as it is. */
function decode(text: string | undefined): string | undefined {
  return text?.replace(/(?:%[0-9a-f]{2})+/gi, (codes) =>
    Buffer.from(codes.replaceAll('%', ''), 'hex').toString('utf8'),
  );
}
