import { join } from 'node:path';
import { withoutUndefined } from '../../glance/without-undefined.ts';
import {
  type ConnectionTarget,
  type HostAddress,
  type Surroundings,
  TLS_VERSIONS,
  type TlsOptions,
  type TlsVersion,
} from './target.ts';
import { parseTlsMode } from './tls-mode.ts';
import {
  given,
  type OptionNames,
  type Query,
  readPort,
  readTimeout,
  type UrlAddress,
  unusable,
} from './url-query.ts';

/** Options of libpq, and those of PyMySQL that are understood here too. */
export const POSTGRES_OPTIONS: OptionNames = {
  known: [
    'channel_binding',
    'connect_timeout',
    'dbname',
    'gssencmode',
    'host',
    'hostaddr',
    'options',
    'passfile',
    'password',
    'port',
    'require_auth',
    'requirepeer',
    'service',
    'ssl_ca',
    'ssl_cert',
    'ssl_key',
    'ssl_max_protocol_version',
    'ssl_min_protocol_version',
    'sslcert',
    'sslcertmode',
    'sslcrl',
    'sslcrldir',
    'sslkey',
    'sslmode',
    'sslpassword',
    'sslrootcert',
    'user',
  ],
  ignored: [
    'application_name',
    'charset',
    'client_encoding',
    'fallback_application_name',
    'gssdelegation',
    'gsslib',
    'keepalives',
    'keepalives_count',
    'keepalives_idle',
    'keepalives_interval',
    'krbsrvname',
    'load_balance_hosts',
    'sslcompression',
    'sslnegotiation',
    'sslsni',
    // The host that takes writes is looked for in any case.
    'target_session_attrs',
    'tcp_user_timeout',
  ],
};

/** Debian's and RHEL's place of the socket, which libpq uses where a URL has no host. */
const SOCKET_FOLDER = '/var/run/postgresql';

type Options = ReadonlyMap<string, string>;

/** What libpq takes from the environment where neither URL nor service says it. */
const VARIABLES: Readonly<Record<string, string>> = {
  PGCHANNELBINDING: 'channel_binding',
  PGCONNECT_TIMEOUT: 'connect_timeout',
  PGDATABASE: 'dbname',
  PGGSSENCMODE: 'gssencmode',
  PGHOST: 'host',
  PGHOSTADDR: 'hostaddr',
  PGOPTIONS: 'options',
  PGPASSFILE: 'passfile',
  PGPASSWORD: 'password',
  PGPORT: 'port',
  PGREQUIREAUTH: 'require_auth',
  PGREQUIREPEER: 'requirepeer',
  PGSSLCERT: 'sslcert',
  PGSSLCERTMODE: 'sslcertmode',
  PGSSLCRL: 'sslcrl',
  PGSSLCRLDIR: 'sslcrldir',
  PGSSLKEY: 'sslkey',
  PGSSLMAXPROTOCOLVERSION: 'ssl_max_protocol_version',
  PGSSLMINPROTOCOLVERSION: 'ssl_min_protocol_version',
  PGSSLMODE: 'sslmode',
  PGSSLROOTCERT: 'sslrootcert',
  PGUSER: 'user',
};

/**
 * Reads a URL as SQLAlchemy with psycopg2, and libpq beneath, does: an option overrides the
 * same in the URL's address, both override the named service, and that overrides the environment.
 */
export function readPostgres(url: UrlAddress, query: Query, surroundings: Surroundings): ConnectionTarget {
  if (url.port?.includes(',')) {
    throw unusable(
      'found several hosts with ports of their own before the database, which Glance cannot read either. Write postgresql://USER:PASSWORD@/DATABASE?host=A:5432&host=B:5432.',
    );
  }
  const { environment } = surroundings;
  const variables = Object.entries(VARIABLES).flatMap(([variable, name]): [string, string][] =>
    environment[variable] ? [[name, environment[variable]]] : [],
  );
  const options = new Map([
    ...variables,
    ...readService(query.get('service')?.[0] ?? (environment.PGSERVICE || undefined), surroundings),
    ...Object.entries(
      given({ host: url.host, port: url.port, user: url.user, password: url.password, dbname: url.database }),
    ),
    ...[...query].map(([name, values]): [string, string] => [name, values.join(',')]),
  ]);
  const [first, ...others] = readHosts(options, query);
  const user = options.get('user');
  const database = options.get('dbname');
  const hosts = [first, ...others];
  const password =
    options.get('password') ??
    readPassword(options.get('passfile'), hosts, user ?? '', database ?? user ?? '', surroundings) ??
    url.password;
  const tls = readTls(options, surroundings);
  refuseWhatCannotBeAsked(options, tls);
  return {
    engine: 'postgres',
    ...first,
    ...(others.length === 0 ? {} : { others }),
    ...given({ user, database, options: options.get('options') }),
    ...withoutUndefined({ password }),
    tls,
    connectTimeoutSeconds: readTimeout(options.get('connect_timeout')),
  };
}

/** SQLAlchemy's `host=a:5432&host=b:5432`, or libpq's `host=a,b&port=5432,5433`. */
function readHosts(options: Options, query: Query): [HostAddress, ...HostAddress[]] {
  const asked = query.get('host') ?? [];
  const [only = ''] = asked;
  const together = asked.length > 1 || (!query.has('port') && /^[\w.-]*:\d*$/.test(only));
  const hosts = together ? asked : (options.get('host') ?? '').split(',');
  const addresses = options.get('hostaddr')?.split(',') ?? [];
  const names = addresses.length > 0 && !options.has('host') ? addresses : hosts;
  const ports = together ? [] : (options.get('port') ?? '').split(',');
  if (ports.length > 1 && ports.length !== names.length) {
    throw unusable(
      'found another number of ports than of hosts. Write one port for each host, or one for all.',
    );
  }
  if (addresses.length > 0 && addresses.length !== names.length) {
    throw unusable("found another number of addresses in 'hostaddr' than of hosts. Write one for each host.");
  }
  const read = names.map((name, index): HostAddress => {
    const [, host = name, port] = together ? (/^(.*?)(?::(\d*))?$/.exec(name) ?? []) : [];
    if (!together && /^[\w.-]+:\d+$/.test(name)) {
      throw unusable(
        'found a port behind a host between commas. Write host=A:5432&host=B:5432, or host=A,B&port=5432,5432.',
      );
    }
    return {
      host: host.replace(/^\[(.*)\]$/, '$1') || SOCKET_FOLDER,
      port: readPort(together ? port : (ports[index] ?? ports[0]), 5432),
      ...(addresses.length > 0 && options.has('host') ? given({ address: addresses[index] }) : {}),
    };
  });
  const [first, ...others] = read;
  return first === undefined ? [{ host: SOCKET_FOLDER, port: 5432 }] : [first, ...others];
}

/** The options of a service in libpq's `pg_service.conf`. */
function readService(name: string | undefined, { environment, home, readText }: Surroundings): Options {
  if (name === undefined) {
    return new Map();
  }
  const places = [
    environment.PGSERVICEFILE ?? join(home, '.pg_service.conf'),
    join(environment.PGSYSCONFDIR ?? '/etc/postgresql-common', 'pg_service.conf'),
  ];
  for (const place of places) {
    const options = section(readText(place) ?? '', name);
    if (options !== undefined) {
      return options;
    }
  }
  throw unusable(
    `found a service that is in none of ${places.join(', ')}. Mount the file, name it in PGSERVICEFILE, or write host, user and database into the URL.`,
  );
}

function section(text: string, name: string): Options | undefined {
  let found: Map<string, string> | undefined;
  let inside = false;
  for (const line of text.split(/\r?\n/).map((raw) => raw.trim())) {
    if (line.startsWith('[')) {
      if (inside) {
        break;
      }
      inside = line === `[${name}]`;
      found = inside ? new Map() : found;
    } else if (inside && line !== '' && !line.startsWith('#')) {
      const at = line.indexOf('=');
      found?.set(line.slice(0, at), line.slice(at + 1));
    }
  }
  return found;
}

/**
 * The password that libpq's password file has for one of the hosts:
 * `host:port:database:user:password`, `*` for any.
 */
function readPassword(
  path: string | undefined,
  hosts: readonly HostAddress[],
  user: string,
  database: string,
  { readText }: Surroundings,
): string | undefined {
  if (path === undefined) {
    return undefined;
  }
  const lines = (readText(path) ?? '').split(/\r?\n/).filter((line) => !line.startsWith('#'));
  for (const { host, port } of hosts) {
    const wanted = [host === SOCKET_FOLDER ? 'localhost' : host, String(port), database, user];
    for (const line of lines) {
      const fields = (line.match(/(?:\\.|[^:\\])*(?::|$)/g) ?? []).map((field) =>
        field.replace(/:$/, '').replaceAll(/\\(.)/g, '$1'),
      );
      if (wanted.every((value, index) => fields[index] === '*' || fields[index] === value)) {
        return fields[4];
      }
    }
  }
  return undefined;
}

function readTls(options: Options, { home, readText }: Surroundings): TlsOptions {
  const own = (name: string): string | undefined => {
    const path = join(home, '.postgresql', name);
    return isThere(path, readText) ? path : undefined;
  };
  const word = options.get('sslmode');
  const ca = options.get('sslrootcert') ?? options.get('ssl_ca') ?? own('root.crt');
  const cert =
    options.get('sslcertmode') === 'disable'
      ? undefined
      : (options.get('sslcert') ?? options.get('ssl_cert') ?? own('postgresql.crt'));
  const named = options.get('sslkey') ?? options.get('ssl_key');
  // `ssl_ca` is PyMySQL's, which then verifies chain and name; `sslrootcert=system` is libpq's for
  // the same.
  const standard = options.has('ssl_ca') || ca === 'system' ? 'verify-full' : 'prefer';
  return {
    mode: word === undefined ? standard : parseTlsMode(word, 'sslmode'),
    ...given({
      ca,
      cert,
      key: named ?? (cert === undefined ? undefined : own('postgresql.key')),
      passphrase: options.get('sslpassword'),
      crl: options.get('sslcrl') ?? own('root.crl'),
      minVersion: readTlsVersion('ssl_min_protocol_version', options),
      maxVersion: readTlsVersion('ssl_max_protocol_version', options),
    }),
  };
}

/**
 * The home folder may be that of another user, as in a container: what cannot be read there is not
 * there.
 */
function isThere(path: string, readText: Surroundings['readText']): boolean {
  try {
    return readText(path) !== undefined;
  } catch {
    return false;
  }
}

function readTlsVersion(name: string, options: Options): TlsVersion | undefined {
  const text = options.get(name);
  const version = TLS_VERSIONS.find((candidate) => candidate.toLowerCase() === text?.toLowerCase());
  if (text !== undefined && version === undefined) {
    throw unusable(`found '${name}' with another value than ${TLS_VERSIONS.join(', ')}. Write one of these.`);
  }
  return version;
}

/**
 * What libpq can demand of a server and the driver here cannot: with less than that nothing is
 * connected to.
 */
function refuseWhatCannotBeAsked(options: Options, tls: TlsOptions): void {
  const found = [
    ...(options.get('gssencmode') === 'require' ? ['gssencmode=require'] : []),
    ...(options.has('requirepeer') ? ['requirepeer'] : []),
    ...(options.has('sslcrldir') ? ['sslcrldir'] : []),
    ...(options.get('channel_binding') === 'require' && tls.mode !== 'verify-full'
      ? ['channel_binding=require']
      : []),
    ...(options.has('require_auth') && tls.mode !== 'verify-full' ? ['require_auth'] : []),
  ];
  const [first] = found;
  if (first === undefined) {
    return;
  }
  throw unusable(
    `found ${first}, which cannot be demanded of the server from here. ${
      first === 'sslcrldir'
        ? 'Name one file by sslcrl.'
        : 'Set sslmode=verify-full, which makes sure of the server by its certificate, and leave it out of the URL that is given here.'
    }`,
  );
}
