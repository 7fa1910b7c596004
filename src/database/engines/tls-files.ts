import { readFileSync } from 'node:fs';
import { databaseError } from '../database-error.ts';
import { Failure } from '../failure.ts';
import type { TlsOptions } from '../url.ts';

/**
 * The PEM texts that TLS is spoken with.
 *
 * @throws Failure `Usage` for a file that cannot be read
 */
export function readTlsFiles(tls: TlsOptions): { ca?: string; cert?: string; key?: string } {
  // `system` is libpq's word for the authorities that the machine trusts, which is also what no file means.
  return {
    ...(tls.ca === undefined || tls.ca === 'system' ? {} : { ca: readPem(tls.ca) }),
    ...(tls.cert === undefined ? {} : { cert: readPem(tls.cert) }),
    ...(tls.key === undefined ? {} : { key: readPem(tls.key) }),
  };
}

function readPem(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw new Failure('Usage', `Cannot read the certificate file ${path}: ${databaseError(error).message}`, {
      cause: error,
    });
  }
}
