import type { ConnectionTarget } from '../connection/target.ts';
import type { DatabaseError } from '../errors/database-error.ts';

/**
 * Says why no connection came about, where the network or the operating system is the cause;
 * undefined for another cause.
 *
 * @param server what should run there, as `PostgreSQL`
 */
export function explainNetwork(
  { code, message }: DatabaseError,
  { connectTimeoutSeconds }: ConnectionTarget,
  server: string,
): string | undefined {
  switch (code) {
    case 'ECONNREFUSED':
      return `the connection was refused. Check the port, and that ${server} runs there.`;
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return 'the host name cannot be resolved. Check it, and the DNS.';
    case 'EHOSTUNREACH':
    case 'ENETUNREACH':
      return 'there is no route to the host. Check it, and the network policies.';
    case 'ENOENT':
    case 'EACCES':
      return `the socket cannot be opened. Check its path, and that ${server} runs there.`;
    case 'ECONNRESET':
    case 'EPIPE':
    case 'PROTOCOL_CONNECTION_LOST':
      return 'the server hung up. Check its log.';
  }
  return code === 'ETIMEDOUT' || /timeout expired|ETIMEDOUT/.test(message)
    ? `no answer within ${connectTimeoutSeconds} s. Check host, port and network policies.`
    : undefined;
}
