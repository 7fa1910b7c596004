import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { getCACertificates } from 'node:tls';
import { withoutUndefined } from '../../glance/without-undefined.ts';
import type { TlsOptions, TlsVersion } from '../connection/target.ts';
import { tlsSetting } from '../connection/tls-mode.ts';
import { databaseError } from '../errors/database-error.ts';
import { Failure } from '../errors/failure.ts';

/** What Node's TLS, and so both drivers, take. */
export interface TlsFiles {
  /** Absent where nothing is verified. */
  readonly ca?: string[];
  readonly cert?: string;
  readonly key?: string;
  readonly passphrase?: string;
  readonly crl?: string;
  readonly ciphers?: string;
  readonly minVersion?: TlsVersion;
  readonly maxVersion?: TlsVersion;
}

/** In a Job only what the GlanceSchema names is mounted. */
function authorityRemedy(tls: TlsOptions): string {
  return `Correct the path, or set ${tlsSetting(tls, 'ca')}, which overrides it`;
}

/**
 * What Node would add of itself; a list of ciphers from Python or MySQL is about TLS 1.2 and leaves
 * these alone.
 */
const TLS_1_3_CIPHERS = 'TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256';

/**
 * What TLS is spoken with, read from its files.
 *
 * @throws Failure `ConnectionInvalid` for a file that cannot be read
 */
export function readTlsFiles(tls: TlsOptions): TlsFiles {
  const ca = [
    ...(tls.ca === undefined || tls.ca === 'system' ? [] : [readPem(tls.ca, authorityRemedy(tls))]),
    ...(tls.caFolder === undefined ? [] : readFolder(tls.caFolder, authorityRemedy(tls))),
  ];
  const own = tls.caFolder !== undefined || ca.length > 0;
  return {
    ...(own ? { ca } : verifies(tls) ? { ca: machineAuthorities() } : {}),
    ...(tls.cert === undefined ? {} : { cert: readPem(tls.cert) }),
    // As OpenSSL does where the certificate's file has the key too.
    ...(tls.key === undefined
      ? tls.cert === undefined
        ? {}
        : { key: readPem(tls.cert) }
      : { key: readPem(tls.key) }),
    ...withoutUndefined({ passphrase: tls.passphrase }),
    ...(tls.crl === undefined ? {} : { crl: readPem(tls.crl) }),
    ...(tls.cipher === undefined ? {} : { ciphers: `${tls.cipher}:${TLS_1_3_CIPHERS}` }),
    ...withoutUndefined({ minVersion: tls.minVersion, maxVersion: tls.maxVersion }),
  };
}

function verifies({ mode }: TlsOptions): boolean {
  return mode === 'verify-ca' || mode === 'verify-full';
}

/**
 * Those of the machine, as OpenSSL finds them (SSL_CERT_FILE, SSL_CERT_DIR); Node's own list where
 * it has none.
 */
function machineAuthorities(): string[] {
  const found = getCACertificates('system');
  return found.length > 0 ? found : getCACertificates('default');
}

/** Only files that are named by a hash are read, as by OpenSSL. */
function readFolder(path: string, remedy: string): string[] {
  try {
    const names = readdirSync(path).filter((name) => /^[0-9a-f]{8}\.\d+$/.test(name));
    return names.map((name) => readFileSync(join(path, name), 'utf8'));
  } catch (error) {
    throw unreadable(`the folder of certificates ${path}`, remedy, error);
  }
}

function readPem(path: string, remedy = 'Correct the path, or mount the file'): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw unreadable(`the certificate file ${path}`, remedy, error);
  }
}

function unreadable(what: string, remedy: string, error: unknown): Failure {
  const cause = databaseError(error).message.replace(/, (open|read|scandir).*$/, '');
  return new Failure('ConnectionInvalid', `Cannot read ${what}: ${cause}. ${remedy}.`, { cause: error });
}
