import { expect } from 'chai';
import { type ConnectionFlags, resolveConnection } from '../../src/cli/db/connection-options.ts';
import { connect } from '../../src/migrator/connect.ts';
import { Failure } from '../../src/migrator/errors/failure.ts';

/**
 * The servers that each form of a URL is tried against; of `otherCa` only the authority that the
 * client has is another.
 */
export const SERVERS = ['right', 'otherCa', 'otherName', 'expired', 'noTls'] as const;

export type TlsServer = (typeof SERVERS)[number];

/** What came of an attempt: a connection with TLS, one without, or none. */
export type TlsResult = 'tls' | 'plain' | 'refused';

/**
 * For each of the servers `+` for TLS, `o` for a connection without, `-` for none.
 */
export type Expected = string;

/** What each sign stands for. */
export const RESULTS: Readonly<Record<string, TlsResult>> = { '+': 'tls', o: 'plain', '-': 'refused' };

/**
 * Connects as a command does, in this process, and asks the server whether it is spoken to by TLS.
 */
export async function tryTls(flags: ConnectionFlags, isTls: string): Promise<TlsResult> {
  let connection: Awaited<ReturnType<typeof connect>>;
  try {
    connection = await connect(resolveConnection(flags, {}));
  } catch (error) {
    expect(error).to.be.instanceOf(Failure);
    return 'refused';
  }
  try {
    const [row = {}] = await connection.query(isTls);
    return Number(Object.values(row)[0]) === 1 ? 'tls' : 'plain';
  } finally {
    await connection.close();
  }
}

/** One form against all servers: which results were other than expected. */
export async function differences(
  expected: Expected,
  attempt: (server: TlsServer) => Promise<TlsResult>,
): Promise<readonly string[]> {
  const results = await Promise.all(SERVERS.map(attempt));
  return SERVERS.flatMap((server, index) => {
    const wanted = RESULTS[expected[index] ?? ''];
    return results[index] === wanted ? [] : [`${server}: ${results[index]}, not ${wanted}`];
  });
}
