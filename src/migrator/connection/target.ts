import type { Engine } from '../../glance/steps.ts';

/**
 * The modes of TLS, from none to a certificate that fits the host, in libpq's words.
 *
 * Source: https://www.postgresql.org/docs/current/libpq-ssl.html#LIBPQ-SSL-SSLMODE-STATEMENTS
 */
export const TLS_MODES = ['disable', 'allow', 'prefer', 'require', 'verify-ca', 'verify-full'] as const;

/** How much TLS, in libpq's words. */
export type TlsMode = (typeof TLS_MODES)[number];

/** Where a database is and how to get in, parsed once from what OpenStack calls `connection`. */
export interface ConnectionTarget extends HostAddress {
  readonly engine: Engine;
  /**
   * Further hosts of the same database, one of which may be the one that takes writes; PostgreSQL
   * only.
   */
  readonly others?: readonly HostAddress[];
  /** Absent leaves it to the driver: the user of the operating system. */
  readonly user?: string;
  readonly password?: string;
  /** Absent leaves it to the driver: the user's name. */
  readonly database?: string;
  readonly tls: TlsOptions;
  /** Server settings, as in libpq's `options`. */
  readonly options?: string;
  readonly connectTimeoutSeconds: number;
  /**
   * The path of MySQL's option file that the URL names and that is not there: nobody knows what it
   * says of TLS.
   */
  readonly missingOptionFile?: string;
}

/** One of the hosts that are tried in turn. */
export interface HostAddress {
  /** A host name, an address, or a Unix socket: its folder for PostgreSQL, its path for MySQL. */
  readonly host: string;
  readonly port: number;
  /** Where to connect to; `host` is then only the name that the certificate must have. */
  readonly address?: string;
}

/** How the connection is encrypted, and by what the server is known; all files are PEM. */
export interface TlsOptions {
  readonly mode: TlsMode;
  /**
   * Whether it is the Job of a GlanceSchema, whose fields override what the URL says; otherwise
   * the command line does.
   */
  readonly fromGlanceSchema?: true;
  /** Path of a PEM file, or `system` for the authorities that the machine trusts. */
  readonly ca?: string;
  /** Path of a folder of PEM files, named by their hashes as OpenSSL wants them. */
  readonly caFolder?: string;
  /** Path of a PEM file. */
  readonly cert?: string;
  /** Path of a PEM file. */
  readonly key?: string;
  /** What the key is encrypted with. */
  readonly passphrase?: string;
  /** Path of a PEM file with the certificates that were revoked. */
  readonly crl?: string;
  /** OpenSSL's list of ciphers. */
  readonly cipher?: string;
  readonly minVersion?: TlsVersion;
  readonly maxVersion?: TlsVersion;
}

/**
 * The versions of TLS that a URL can ask for, in libpq's words.
 *
 * Source:
 * https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNECT-SSL-MIN-PROTOCOL-VERSION
 */
export const TLS_VERSIONS = ['TLSv1', 'TLSv1.1', 'TLSv1.2', 'TLSv1.3'] as const;

/** A version of TLS; Node and OpenSSL take the same words. */
export type TlsVersion = (typeof TLS_VERSIONS)[number];

/** What a URL may point to apart from the database: files, and variables of the environment. */
export interface Surroundings {
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** The user's home folder. */
  readonly home: string;
  /** The text of a file; undefined where there is none. */
  readText(path: string): string | undefined;
}

/** `host:port/database`, what messages call the database. */
export function describeTarget(target: ConnectionTarget): string {
  const host = target.host.includes(':') ? `[${target.host}]` : target.host;
  return `${host}:${target.port}/${target.database ?? target.user ?? ''}`;
}
