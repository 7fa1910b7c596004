import { Failure } from '../errors/failure.ts';

/** What the URL says before its options. */
export interface UrlAddress {
  readonly host: string | undefined;
  readonly port: string | undefined;
  readonly user: string | undefined;
  readonly password: string | undefined;
  readonly database: string | undefined;
}

/** The options of a URL by name. Only `host` and `port` can come more than once. */
export type Query = ReadonlyMap<string, readonly string[]>;

/** The names that a driver knows. */
export interface OptionNames {
  readonly known: readonly string[];
  /**
   * Those that change nothing here: the migrator has its own way, or the option tunes what is not
   * used.
   */
  readonly ignored: readonly string[];
}

const DEFAULT_CONNECT_TIMEOUT_SECONDS = 10;

/**
 * Reads what is behind the `?`. An option without a value counts as not given, as in SQLAlchemy.
 *
 * @throws Failure `ConnectionInvalid` for an option that the driver does not know
 */
export function readQuery(text: string | undefined, { known, ignored }: OptionNames): Query {
  const query = new Map<string, string[]>();
  for (const [key, value] of new URLSearchParams(text ?? '')) {
    // Without a value, and beside a password, it may be a piece of that, which had to be encoded.
    const counts = value !== '' || query.has('password');
    if (counts && !known.includes(key) && !ignored.includes(key)) {
      throw unknownOption(key, [...known, ...ignored], query);
    }
    if (value === '' || !known.includes(key)) {
      continue;
    }
    const before = query.get(key);
    if (before !== undefined && key !== 'host' && key !== 'port') {
      throw unusable(`found the option '${key}' twice. Write it once.`);
    }
    query.set(key, [...(before ?? []), value]);
  }
  return query;
}

function unknownOption(key: string, names: readonly string[], query: Query): Failure {
  const near = names.find((option) => isNear(option, key));
  // Beside a password it may be a piece of that.
  const named =
    near === undefined && query.has('password') ? 'an unknown option' : `the unknown option '${key}'`;
  return unusable(
    `found ${named}. ${near === undefined ? 'The drivers of Glance do not know it either. Remove it.' : `Write '${near}'.`}`,
  );
}

/**
 * The port that a URL names, or the standard one where it names none.
 *
 * @throws UnusableUrl when the text is no port; the message does not quote it.
 */
export function readPort(text: string | undefined, standard: number): number {
  if (text === undefined || text === '') {
    return standard;
  }
  const port = Number(text);
  if (!/^\d+$/.test(text) || port < 1 || port > 65535) {
    // The text may be a piece of a password that had to be encoded, so it is not shown.
    throw unusable('found a port that is no number from 1 to 65535. Percent-encode special characters.');
  }
  return port;
}

/**
 * The seconds that one attempt to connect may take.
 *
 * Source: https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNECT-CONNECT-TIMEOUT
 *
 * @throws UnusableUrl when the text is no whole number.
 */
export function readTimeout(text: string | undefined): number {
  if (text === undefined) {
    return DEFAULT_CONNECT_TIMEOUT_SECONDS;
  }
  if (!/^\d+$/.test(text)) {
    throw unusable(`found connect_timeout='${text}'. Write a number of seconds.`);
  }
  // As in libpq: 0 means that none is wished; the default is kept, for a Job must end.
  return Number(text) || DEFAULT_CONNECT_TIMEOUT_SECONDS;
}

/** Leaves out what is not given, so that a target has no property for it. */
export function given<T extends object>(values: T): { [K in keyof T]?: Exclude<T[K], undefined | ''> } {
  const entries = Object.entries(values).filter(([, value]) => value !== undefined && value !== '');
  return Object.fromEntries(entries) as { [K in keyof T]?: Exclude<T[K], undefined | ''> };
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

/**
 * Why a URL cannot be used, and what to do instead. Never carries the URL itself: it may hold a
 * password.
 */
export class UnusableUrl extends Failure {
  /** What was found and what to do, for who knows where the URL is from. */
  readonly found: string;

  constructor(found: string, subject = 'the connection URL') {
    super('ConnectionInvalid', `Cannot use ${subject}: ${found}`);
    this.found = found;
  }
}

/**
 * The error for a URL that cannot be used.
 *
 * @param found what was found and what to do, as it follows `Cannot use the connection URL:`
 */
export function unusable(found: string): UnusableUrl {
  return new UnusableUrl(found);
}
