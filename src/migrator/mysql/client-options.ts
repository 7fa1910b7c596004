import { machineAuthorities } from '../backup/machine-authorities.ts';
import type { ConnectionTarget } from '../connection/target.ts';
import type { Session } from './connect.ts';

/** The two families of clients, which call their options for TLS differently. */
export type ClientFamily = 'mariadb' | 'mysql';

/** What a client of MariaDB or MySQL is started with to reach a server. */
export interface ClientAccess {
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

/**
 * By what a client reaches the server of a session of ours, the password by its environment. A
 * phrase where it cannot.
 */
export function clientAccess(
  family: ClientFamily,
  { options }: Pick<Session, 'options'>,
  target: ConnectionTarget,
): ClientAccess | { readonly cannot: string } {
  const tls = tlsOptions(family, options.ssl !== undefined, target);
  if (typeof tls === 'string') {
    return { cannot: tls };
  }
  const where = target.host.startsWith('/')
    ? ['--protocol=socket', `--socket=${target.host}`]
    : ['--protocol=tcp', `--host=${target.host}`, `--port=${target.port}`];
  return {
    args: [
      // No option file is read. It has to be the first.
      '--no-defaults',
      ...where,
      ...(target.user === undefined ? [] : [`--user=${target.user}`]),
      '--default-character-set=utf8mb4',
      ...tls,
    ],
    env: { MYSQL_PWD: target.password ?? '' },
  };
}

/** @param spoken whether our own session speaks TLS. */
function tlsOptions(
  family: ClientFamily,
  spoken: boolean,
  { tls, host }: ConnectionTarget,
): readonly string[] | string {
  const { mode } = tls;
  if (!spoken || host.startsWith('/')) {
    return family === 'mysql' ? ['--ssl-mode=DISABLED'] : ['--skip-ssl'];
  }
  if (tls.passphrase !== undefined) {
    return 'the key of the client certificate has a passphrase, which the client takes from no safe place. Use a key without one.';
  }
  const own = [
    ...(tls.cert === undefined ? [] : [`--ssl-cert=${tls.cert}`, `--ssl-key=${tls.key ?? tls.cert}`]),
    ...(tls.cipher === undefined ? [] : [`--ssl-cipher=${tls.cipher}`]),
  ];
  const named = tls.ca === 'system' ? undefined : tls.ca;
  const hasAuthority = named !== undefined || tls.caFolder !== undefined;
  const verifiesName = mode === 'verify-full';
  if (!verifiesName && mode !== 'verify-ca' && !(mode === 'require' && hasAuthority)) {
    return family === 'mysql'
      ? ['--ssl-mode=REQUIRED', ...own]
      : ['--ssl', '--skip-ssl-verify-server-cert', ...own];
  }
  const ca = hasAuthority ? named : machineAuthorities();
  const authority = [
    ...(ca === undefined ? [] : [`--ssl-ca=${ca}`]),
    ...(tls.caFolder === undefined ? [] : [`--ssl-capath=${tls.caFolder}`]),
  ];
  if (authority.length === 0) {
    return 'there is no file of the authorities that this machine trusts. Name that of the server by ssl_ca or --tls-ca.';
  }
  if (family === 'mysql') {
    return [`--ssl-mode=${verifiesName ? 'VERIFY_IDENTITY' : 'VERIFY_CA'}`, ...authority, ...own];
  }
  if (!verifiesName) {
    return `MariaDB's client cannot verify the server's certificate without its name, as the TLS mode '${mode}' with an authority asks for. Set the mode verify-full, or use MySQL's client.`;
  }
  return ['--ssl', '--ssl-verify-server-cert', ...authority, ...own];
}
