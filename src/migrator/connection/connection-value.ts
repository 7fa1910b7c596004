import { Failure } from '../errors/failure.ts';
import { type ConfiguredConnection, readDatabaseConnection } from './oslo-config.ts';

/**
 * Reads a value that should be a connection URL and that, in what deployments hand over, may as
 * well be a configuration file of Glance, a piece of one, or in quotes.
 *
 * @param name what messages call the place that the value is from
 * @throws Failure `ConnectionInvalid`, which says what the value looks like and shows nothing of it
 */
export function readConnectionValue(value: string, name: string): ConfiguredConnection {
  const text = withoutQuotes(value.replace(/^\uFEFF/, '').trim());
  if (text === '') {
    throw unusable(name, `it is empty. ${WRITE_A_URL}`);
  }
  const lines = text.split(/\r?\n/).filter((line) => line.trim() !== '');
  if (lines.some((line) => /^(\[[\w.-]+\]\s*$|(sql_)?connection\s*[=:])/i.test(line))) {
    return readDatabaseConnection([{ path: name, text, section: 'database' }]);
  }
  const looksLike = LIKENESSES.find(({ is }) => is(text));
  if (looksLike !== undefined) {
    throw unusable(name, `it looks like ${looksLike.name}. ${looksLike.remedy}`);
  }
  if (lines.length > 1) {
    throw unusable(name, `it has ${lines.length} lines, and is no configuration file. ${WRITE_A_URL}`);
  }
  return { url: text, parameters: '' };
}

const WRITE_A_URL =
  'Write a URL such as mysql://USER:PASSWORD@HOST:PORT/DATABASE or postgresql://USER:PASSWORD@HOST:PORT/DATABASE, or a file with [database] connection.';

interface Likeness {
  readonly name: string;
  readonly is: (text: string) => boolean;
  readonly remedy: string;
}

/** What people hand over in place of a URL; the first that fits is named. */
const LIKENESSES: readonly Likeness[] = [
  {
    name: 'base64, as of a Secret whose value was encoded twice',
    is: (text) =>
      /^[A-Za-z0-9+/\s]{16,}={0,2}$/.test(text) && /:\/\/|connection|\[database\]|@tcp\(/.test(decoded(text)),
    remedy: 'Encode it once, or put it under stringData as it is.',
  },
  {
    name: 'a template that nobody has filled in',
    is: (text) => /^(\{\{.*\}\}|\$\{.*\}|\$\(.*\))$/s.test(text),
    remedy: `Let the tool that makes the Secret put the value in its place. ${WRITE_A_URL}`,
  },
  {
    name: 'a Go DSN, which mariadb-operator writes by default',
    is: (text) => /@(tcp|tcp6|unix)\([^)]*\)\//.test(text) && !text.includes('://'),
    remedy:
      "Write mysql://USER:PASSWORD@HOST:PORT/DATABASE; with mariadb-operator, set the Connection's spec.secretTemplate.format to that.",
  },
  {
    name: 'a JDBC URL',
    is: (text) => /^jdbc:/i.test(text),
    remedy: `Glance reads no such URL. ${WRITE_A_URL}`,
  },
  {
    name: 'the text of a PEM file',
    is: (text) => text.startsWith('-----BEGIN '),
    remedy: `Name the key of the Secret that has the URL. ${WRITE_A_URL}`,
  },
  {
    name: 'JSON',
    is: (text) => /^[{[]\s*["{[\]}]/.test(text),
    remedy: WRITE_A_URL,
  },
  {
    name: 'a manifest of Kubernetes',
    is: (text) => /^apiVersion:\s/m.test(text) && /^kind:\s/m.test(text),
    remedy: `Apply the manifest, and hand over what is in it. ${WRITE_A_URL}`,
  },
  {
    name: 'a list of keywords and values, as libpq and ADO.NET take it',
    is: (text) =>
      /^\s*(host|hostaddr|server|data source|user|user id|uid|dbname|database|port)\s*=/i.test(text),
    remedy: WRITE_A_URL,
  },
  {
    name: 'YAML with the parts of a connection',
    is: (text) => /^\s*(host|hostname|username|user|password|database|dbname|port|uri|url):\s/m.test(text),
    remedy: WRITE_A_URL,
  },
  {
    name: 'lines of an environment file',
    is: (text) => /^(export\s+)?[A-Z][A-Z0-9_]*=/m.test(text) && !/^\w+:\/\//.test(text),
    remedy: WRITE_A_URL,
  },
  {
    name: 'a URL without the name of the database server before it',
    is: (text) => /^(\/\/)?[^\s/]*@[^\s@]+\/[^\s]*$/.test(text) && !text.includes('://'),
    remedy: WRITE_A_URL,
  },
];

function decoded(text: string): string {
  return Buffer.from(text, 'base64').toString('latin1');
}

function withoutQuotes(text: string): string {
  return /^(["']).*\1$/s.test(text) && text.length > 1 ? text.slice(1, -1).trim() : text;
}

function unusable(name: string, cause: string): Failure {
  return new Failure('ConnectionInvalid', `Cannot read a connection from ${name}: ${cause}`);
}
