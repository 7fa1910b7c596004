import type pg from 'pg';
import { withoutUndefined } from '../../glance/without-undefined.ts';
import { type ConnectionTarget, describeTarget } from '../connection/target.ts';
import { tlsSetting } from '../connection/tls-mode.ts';
import { destroyPostgresSocket } from '../engine/driver-internals.ts';
import { explainNetwork } from '../engine/explain-network.ts';
import { explainTls } from '../engine/explain-tls.ts';
import { keepAlive } from '../engine/keep-alive.ts';
import { readTlsFiles } from '../engine/tls-files.ts';
import { type DatabaseError, databaseError, describeDatabaseError } from '../errors/database-error.ts';
import { Failure } from '../errors/failure.ts';

/** An open session and how it was made, for others like it. */
export interface Session {
  readonly client: pg.Client;
  readonly config: pg.ClientConfig;
  /** `host:port/database`. */
  readonly address: string;
  readonly connectTimeoutSeconds: number;
  /** Aborted when the server or the network has ended the connection. */
  readonly lost: AbortSignal;
  /**
   * Keeps the session while nothing is asked of it, whatever the idle limit of a balancer on the
   * way, say.
   */
  keepAlive(): void;
  /** Says goodbye to the server, but does not wait long for one that is gone. */
  close(): Promise<void>;
}

/** The name that the database's own views show for a migrator. */
const APPLICATION_NAME = 'glance-schema';

/**
 * Connects with the plain driver: to the host, or, where the URL names several, to the first of
 * them that takes writes.
 *
 * @throws Failure `DatabaseUnreachable` with the cause, `Usage` for a certificate file that cannot
 *   be read
 */
export async function openSession(target: ConnectionTarget): Promise<Session> {
  const { others = [], ...first } = target;
  if (others.length === 0) {
    return openOne(first);
  }
  const reasons: string[] = [];
  for (const host of [first, ...others]) {
    const { address: _, ...alone } = first;
    const tried = { ...alone, ...host };
    try {
      const session = await openOne(tried);
      if (await takesWrites(session)) {
        return session;
      }
      await session.close();
      reasons.push(`${host.host}:${host.port} is read-only`);
    } catch (error) {
      if (!(error instanceof Failure) || !goesForOneHostOnly(error)) {
        throw error;
      }
      reasons.push(whyNotConnected(tried, error.cause));
    }
  }
  throw new Failure(
    'DatabaseUnreachable',
    `Cannot connect to a host that takes writes: ${reasons.join('; ')}`,
  );
}

/** As libpq, which tries no further host when one has refused the user. */
function goesForOneHostOnly(failure: Failure): boolean {
  return failure.reason === 'DatabaseUnreachable' && !/^(28|3D)/.test(databaseError(failure.cause).code);
}

/** What libpq asks for `target_session_attrs=read-write`; a standby says `on` too. */
async function takesWrites({ client }: Session): Promise<boolean> {
  const { rows } = await client.query<{ transaction_read_only: string }>('SHOW transaction_read_only');
  return rows[0]?.transaction_read_only === 'off';
}

async function openOne(target: ConnectionTarget): Promise<Session> {
  const address = describeTarget(target);
  const attempts = tlsAttempts(target);
  for (const [index, ssl] of attempts.entries()) {
    const config: pg.ClientConfig = {
      host: target.address ?? target.host,
      port: target.port,
      ...withoutUndefined({
        user: target.user,
        password: target.password,
        database: target.database,
        options: target.options,
      }),
      ssl,
      application_name: APPLICATION_NAME,
      connectionTimeoutMillis: target.connectTimeoutSeconds * 1000,
      keepAlive: true,
      keepAliveInitialDelayMillis: 10_000,
    };
    try {
      return {
        ...(await open(config)),
        config,
        address,
        connectTimeoutSeconds: target.connectTimeoutSeconds,
      };
    } catch (error) {
      const cause = databaseError(error);
      if (index === attempts.length - 1 || !isAboutTls(cause)) {
        throw new Failure('DatabaseUnreachable', `Cannot connect to ${whyNotConnected(target, error)}`, {
          cause: error,
        });
      }
    }
  }
  throw new RangeError('no attempt was made');
}

/** `host:port/database: why`. */
function whyNotConnected(target: ConnectionTarget, error: unknown): string {
  return `${describeTarget(target)}: ${explain(databaseError(error), target)}`;
}

async function open(
  config: pg.ClientConfig,
): Promise<Pick<Session, 'client' | 'lost' | 'keepAlive' | 'close'>> {
  const { default: driver } = await import('pg');
  // The driver hides the client's key in the object that it is given, and the writer, which copies
  // it, would have none.
  const ssl = typeof config.ssl === 'object' ? { ...config.ssl } : config.ssl;
  const client = oneAtATime(new driver.Client({ ...config, ssl }));
  const lost = new AbortController();
  let forget = (): void => undefined;
  client.on('error', () => lost.abort());
  client.on('end', () => lost.abort());
  try {
    await client.connect();
  } catch (error) {
    // Where it is the driver that gives up, the socket is still open and would keep the process.
    destroyPostgresSocket(client);
    throw error;
  }
  return {
    client,
    lost: lost.signal,
    keepAlive() {
      forget = keepAlive(
        // A SELECT takes a snapshot, and an index that is built concurrently may then wait for the end
        // of this transaction. SHOW takes none.
        () => client.query('SHOW transaction_isolation'),
        () => destroyPostgresSocket(client),
      );
    },
    async close() {
      forget();
      const timer = setTimeout(() => destroyPostgresSocket(client), 2000);
      await client.end().catch(() => undefined);
      clearTimeout(timer);
    },
  };
}

/**
 * A client that is asked something only when it has answered what it was asked before: the driver
 * warns of anything else, and will refuse it.
 */
function oneAtATime(client: pg.Client): pg.Client {
  const { query } = client;
  let before: Promise<unknown> = Promise.resolve();
  const next = (...asked: readonly unknown[]): Promise<unknown> => {
    const answer = before.then((): unknown => Reflect.apply(query, client, asked));
    before = answer.catch(() => undefined);
    return answer;
  };
  return Object.assign(client, { query: next });
}

/** What libpq would try in turn for each `sslmode`. */
function tlsAttempts(target: ConnectionTarget): readonly (false | NonNullable<pg.ClientConfig['ssl']>)[] {
  const { mode } = target.tls;
  if (target.host.startsWith('/') || mode === 'disable') {
    return [false];
  }
  const files = {
    ...readTlsFiles(target.tls),
    // The driver would take the address for the name.
    ...(target.address === undefined ? {} : { host: target.host, servername: target.host }),
  };
  const unverified = { ...files, rejectUnauthorized: false };
  // It is the chain that is verified, not the name.
  const chain = { ...files, checkServerIdentity: () => undefined };
  switch (mode) {
    case 'allow':
      return [false, unverified];
    case 'prefer':
      return [unverified, false];
    case 'require':
      return [files.ca === undefined ? unverified : chain];
    case 'verify-ca':
      return [chain];
    case 'verify-full':
      return [files];
  }
}

/** Whether the other kind of connection, with or without TLS, may be let in. */
export function isAboutTls(error: DatabaseError): boolean {
  return error.code === '28000' || /does not support SSL|SSL connection/i.test(error.message);
}

function explain(error: DatabaseError, target: ConnectionTarget): string {
  const user = `user '${target.user ?? ''}'`;
  switch (error.code) {
    case '28P01':
      return `the server refused the password of ${user}. Correct it in the connection; check also that the user exists`;
    case '28000':
      return `the server does not let ${user} in: ${error.message}. Check pg_hba.conf and the user`;
    case '3D000':
      return 'there is no such database. Create it first.';
    case '42501':
      return `${user} has no right to connect: ${error.message}. Grant CONNECT on the database`;
    case '53300':
      return `the server has no connection left: ${error.message}. Close some, or raise max_connections or the limit of the user`;
    case '57P03':
      return `the server is not ready: ${error.message}`;
  }
  if (/client password must be a string|no password/i.test(error.message)) {
    return `the server asks for the password of ${user}, and the connection has none. Add it`;
  }
  if (
    /^Received unexpected \w+ message|unknown message code|error establishing an SSL connection/.test(
      error.message,
    )
  ) {
    return 'what answers there is no PostgreSQL. Check host and port, and that the URL begins with the kind of the database.';
  }
  if (/does not support SSL/i.test(error.message)) {
    return `the server has no TLS, and sslmode=${target.tls.mode} asks for it. Turn TLS on at the server, or set ${tlsSetting(target.tls, 'mode')} to prefer`;
  }
  return (
    explainNetwork(error, target, 'PostgreSQL') ??
    explainTls(error, target.tls, 'postgres') ??
    describeDatabaseError(error)
  );
}
