import { machineAuthorities } from '../backup/machine-authorities.ts';
import type { ConnectionTarget } from '../connection/target.ts';
import type { Session } from './connect.ts';

/**
 * By what libpq reaches the server, and the database, of a session of ours, in its environment: no
 * argument that others see, and no file. A phrase where it cannot.
 *
 * Source: postgresql.org/docs, libpq, Environment Variables.
 */
export function clientEnvironment(
  { client, config }: Session,
  target: ConnectionTarget,
): { readonly env: Readonly<Record<string, string>> } | { readonly cannot: string } {
  const { tls } = target;
  if (tls.passphrase !== undefined) {
    return {
      cannot:
        'the key of the client certificate has a passphrase, which pg_dump takes from no safe place. Use a key without one.',
    };
  }
  const used =
    [target, ...(target.others ?? [])].find(
      (host) => (host.address ?? host.host) === config.host && host.port === config.port,
    ) ?? target;
  const named = tls.ca === 'system' ? undefined : tls.ca;
  const verifies = tls.mode === 'verify-ca' || tls.mode === 'verify-full';
  const ca = named ?? (verifies ? machineAuthorities() : undefined);
  if (verifies && ca === undefined && !used.host.startsWith('/')) {
    return {
      cannot:
        'there is no file of the authorities that this machine trusts. Name that of the server by sslrootcert or --tls-ca.',
    };
  }
  const values: Readonly<Record<string, string | undefined>> = {
    PGHOST: used.host,
    PGHOSTADDR: used.address,
    PGPORT: String(used.port),
    PGUSER: client.user,
    PGDATABASE: client.database,
    PGPASSWORD: target.password,
    PGPASSFILE: '/nonexistent/pgpass',
    PGOPTIONS: target.options,
    PGCONNECT_TIMEOUT: String(target.connectTimeoutSeconds),
    PGSSLMODE: tls.mode,
    PGSSLROOTCERT: ca,
    PGSSLCERT: tls.cert,
    // As our own driver does where the certificate's file has the key too.
    PGSSLKEY: tls.key ?? tls.cert,
    PGSSLCRL: tls.crl,
    PGSSLMINPROTOCOLVERSION: tls.minVersion,
    PGSSLMAXPROTOCOLVERSION: tls.maxVersion,
    PGGSSENCMODE: 'disable',
  };
  return {
    env: Object.fromEntries(
      Object.entries(values).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])),
    ),
  };
}
