import { withoutUndefined } from '../../glance/without-undefined.ts';
import { parseOptionFile } from './option-file.ts';
import type { ConnectionTarget, Surroundings, TlsMode, TlsOptions } from './target.ts';
import {
  given,
  type OptionNames,
  type Query,
  readPort,
  readTimeout,
  type UrlAddress,
  unusable,
} from './url-query.ts';

/** Options of PyMySQL and mysqlclient. */
export const MYSQL_OPTIONS: OptionNames = {
  known: [
    'connect_timeout',
    'database',
    'db',
    'host',
    'passwd',
    'password',
    'port',
    'read_default_file',
    'read_default_group',
    'ssl',
    'ssl_ca',
    'ssl_capath',
    'ssl_cert',
    'ssl_check_hostname',
    'ssl_cipher',
    'ssl_disabled',
    'ssl_key',
    'ssl_key_password',
    'ssl_mode',
    'ssl_verify_cert',
    'ssl_verify_identity',
    'unix_socket',
    'user',
  ],
  ignored: [
    'auth_plugin_map',
    'autocommit',
    'binary_prefix',
    'bind_address',
    'charset',
    'client_flag',
    'collation',
    'compress',
    'conv',
    'cursorclass',
    'defer_connect',
    'init_command',
    'local_infile',
    'max_allowed_packet',
    'plugin',
    'program_name',
    'read_timeout',
    'server_public_key',
    'sql_mode',
    'use_unicode',
    'write_timeout',
  ],
};

/** The words of MySQL's own client for the same. */
const MYSQL_TLS_MODES: Readonly<Record<string, TlsMode>> = {
  DISABLED: 'disable',
  PREFERRED: 'prefer',
  REQUIRED: 'require',
  VERIFY_CA: 'verify-ca',
  VERIFY_IDENTITY: 'verify-full',
};

/**
 * Reads a URL as SQLAlchemy with PyMySQL does: an option overrides the same in the URL's address,
 * and both override the option file (`read_default_file`), which may bring all of them.
 */
export function readMysql(url: UrlAddress, query: Query, surroundings: Surroundings): ConnectionTarget {
  const option = (name: string): string | undefined => query.get(name)?.at(-1);
  const file = readOptionFile(option('read_default_file'), option('read_default_group'), surroundings);
  const database = option('database') ?? (url.database || option('db') || file.values.get('database'));
  if (database === undefined || database === '') {
    throw unusable('found no database in it. Write mysql://USER:PASSWORD@HOST:PORT/DATABASE.');
  }
  const password =
    (option('password') ?? (url.password || option('passwd') || file.values.get('password'))) || url.password;
  const host =
    option('unix_socket') ??
    file.values.get('socket') ??
    option('host') ??
    (url.host || file.values.get('host') || 'localhost');
  if (host.includes(',') || url.port?.includes(',')) {
    throw unusable(
      'found several hosts, which neither Glance nor the drivers of MySQL can use. Name one host, such as the address of a proxy or a Service.',
    );
  }
  return {
    engine: 'mysql',
    host,
    port: readPort(option('port') ?? (url.port || file.values.get('port')), 3306),
    ...given({ user: option('user') ?? (url.user || file.values.get('user')) }),
    // An empty one is given as such, so that the server can say that it wants one.
    ...withoutUndefined({ password }),
    database,
    tls: readTls(option, file.values),
    connectTimeoutSeconds: readTimeout(option('connect_timeout')),
    ...given({ missingOptionFile: file.missing }),
  };
}

interface OptionFile {
  readonly values: ReadonlyMap<string, string>;
  readonly missing?: string;
}

function readOptionFile(
  path: string | undefined,
  group: string | undefined,
  { readText, home }: Surroundings,
): OptionFile {
  if (path === undefined && group === undefined) {
    return { values: new Map() };
  }
  const place = (path ?? '/etc/my.cnf').replace(/^~(?=\/|$)/, home);
  const text = readText(place);
  return text === undefined
    ? { values: new Map(), missing: place }
    : { values: parseOptionFile(text, group ?? 'client') };
}

function readTls(
  option: (name: string) => string | undefined,
  file: ReadonlyMap<string, string>,
): TlsOptions {
  const authority = given({
    ca: option('ssl_ca') ?? file.get('ssl-ca'),
    caFolder: option('ssl_capath') ?? file.get('ssl-capath'),
  });
  const rest = given({
    cert: option('ssl_cert') ?? file.get('ssl-cert'),
    key: option('ssl_key') ?? file.get('ssl-key'),
    passphrase: option('ssl_key_password') ?? file.get('ssl-password'),
    cipher: option('ssl_cipher') ?? file.get('ssl-cipher'),
  });
  const hasAuthority = Object.keys(authority).length > 0;
  const checksName = readFlag('ssl_check_hostname', option('ssl_check_hostname'));
  const word = option('ssl_mode');
  if (word !== undefined) {
    return { mode: modeOfWord(word), ...authority, ...rest };
  }
  if (isYes(option('ssl_disabled'))) {
    return { mode: 'disable' };
  }
  const verifies = option('ssl_verify_cert');
  const verifiesName = option('ssl_verify_identity');
  if (verifies !== undefined || verifiesName !== undefined) {
    if (verifiesName === undefined && isNo(verifies)) {
      // The authority is there for others: nothing is verified, and so it says nothing here.
      return { mode: 'require', ...rest };
    }
    // PyMySQL verifies by the machine's authorities then, and no name. Any certificate that can be
    // bought would do, so without an authority the name is verified too.
    return {
      mode: isYes(verifiesName) || !hasAuthority ? 'verify-full' : 'verify-ca',
      ...authority,
      ...rest,
    };
  }
  if (hasAuthority) {
    return { mode: checksName === false ? 'verify-ca' : 'verify-full', ...authority, ...rest };
  }
  if (Object.keys(rest).length > 0 || checksName !== undefined) {
    return { mode: 'require', ...rest };
  }
  if (option('ssl') !== undefined) {
    throw unusable(
      "found 'ssl' with none of its other options, with which Glance itself ends. Set ssl_ca to the file of the server's authority, or ssl_check_hostname=false for TLS that verifies nothing.",
    );
  }
  return { mode: 'prefer' };
}

function modeOfWord(word: string): TlsMode {
  const mode = MYSQL_TLS_MODES[word.toUpperCase().replaceAll('-', '_')];
  if (mode === undefined) {
    throw unusable(`found ssl_mode='${word}'. Write one of ${Object.keys(MYSQL_TLS_MODES).join(', ')}.`);
  }
  return mode;
}

/** SQLAlchemy's words for yes and no. */
function readFlag(name: string, text: string | undefined): boolean | undefined {
  if (text === undefined || isYes(text)) {
    return text === undefined ? undefined : true;
  }
  if (!isNo(text)) {
    throw unusable(`found '${name}' with a value that is neither yes nor no. Write true or false.`);
  }
  return false;
}

function isYes(text: string | undefined): boolean {
  return text !== undefined && /^(true|yes|on|y|t|1)$/i.test(text.trim());
}

function isNo(text: string | undefined): boolean {
  return text !== undefined && /^(false|no|off|n|f|0|none)$/i.test(text.trim());
}
