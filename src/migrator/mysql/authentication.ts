import type { AuthPlugin } from 'mysql2';

/**
 * How users log in whose way the driver does not know: those of MariaDB's ed25519, and those of PAM
 * and LDAP, whose password the server wants as it is.
 *
 * @param trusted whether the server has shown by a certificate that it is the right one, or is on
 *   this machine
 * @param authority what messages call the setting of the server's authority
 */
export function authPlugins(
  password: string,
  trusted: boolean,
  authority = '--tls-ca',
): Record<string, AuthPlugin> {
  // To anyone in between it would be given away, where the other ways give away nothing.
  const clear: AuthPlugin = () => async () => {
    if (!trusted) {
      throw new Error(
        `the server wants the password in clear, as for a user of PAM, and has not shown by a certificate that it is the right one. Set ssl_ca or ${authority} to the file of the server's authority`,
      );
    }
    return Buffer.from(`${password}\0`, 'utf8');
  };
  return {
    client_ed25519: () => async (challenge) => {
      const { signEd25519 } = await import('./ed25519.ts');
      return signEd25519(challenge.subarray(0, 32), password);
    },
    dialog: clear,
    mysql_clear_password: clear,
  };
}
