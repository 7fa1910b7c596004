import type { Engine } from '../../glance/steps.ts';
import type { TlsOptions } from '../connection/target.ts';
import { tlsSetting } from '../connection/tls-mode.ts';
import type { DatabaseError } from '../errors/database-error.ts';

/** Why TLS did not come about, and what to do; undefined for an error of something else. */
export function explainTls(error: DatabaseError, tls: TlsOptions, engine: Engine): string | undefined {
  if (!/CERT|TLS|SSL|SELF_SIGNED|SIGNATURE|ALTNAME|CRL/.test(error.code)) {
    return undefined;
  }
  const named = engine === 'postgres' ? `sslmode=${tls.mode}` : `the mode '${tls.mode}'`;
  const remedy = remedyFor(error.message, tls, engine);
  return `TLS failed with ${named}: ${error.message}${remedy === undefined ? '' : `. ${remedy}`}`;
}

/**
 * By the words of OpenSSL and Node, as the driver of MySQL puts a code of its own instead of
 * theirs.
 */
function remedyFor(message: string, tls: TlsOptions, engine: Engine): string | undefined {
  if (/does not match certificate's altnames/.test(message)) {
    const withoutName = engine === 'postgres' ? 'sslmode=verify-ca' : 'ssl_check_hostname=false';
    return `Write the host by a name that the certificate has, or set ${withoutName} where any certificate of the authority will do`;
  }
  if (/self-signed certificate|issuer certificate|verify the first certificate/.test(message)) {
    const authority = engine === 'postgres' ? 'sslrootcert' : 'ssl_ca';
    return `Set ${authority} or ${tlsSetting(tls, 'ca')} to the file of the authority that signed the server's certificate`;
  }
  if (/certificate has expired/.test(message)) {
    return 'Renew the certificate of the server, or of its authority';
  }
  if (/certificate is not yet valid/.test(message)) {
    return 'Correct the clock of this machine, or the certificate of the server';
  }
  if (/certificate revoked/.test(message)) {
    return 'Give the server another certificate';
  }
  if (/CRL/.test(message)) {
    return "Fetch the authority's list of revoked certificates again, or leave sslcrl out";
  }
  return undefined;
}
