import { connect as connectSocket, isIP, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ConnectionOptions, Connection as DriverConnection, RowDataPacket } from 'mysql2/promise';
import { withoutUndefined } from '../../glance/without-undefined.ts';
import { type ConnectionTarget, describeTarget } from '../connection/target.ts';
import { tlsSetting } from '../connection/tls-mode.ts';
import { mysqlGreeting, onMysqlSocketClosed } from '../engine/driver-internals.ts';
import type { Row } from '../engine/engine.ts';
import { explainNetwork } from '../engine/explain-network.ts';
import { explainTls } from '../engine/explain-tls.ts';
import { keepAlive } from '../engine/keep-alive.ts';
import { readTlsFiles } from '../engine/tls-files.ts';
import { type DatabaseError, databaseError, describeDatabaseError } from '../errors/database-error.ts';
import { Failure } from '../errors/failure.ts';
import { authPlugins } from './authentication.ts';
import { onlyReads, retriedQuery } from './retried-query.ts';
import { settleReader } from './session-settings.ts';

/** An open session and how it was made, for others like it. */
export interface Session {
  readonly options: ConnectionOptions;
  /** `host:port/database`. */
  readonly address: string;
  /** Aborted when the server or the network has ended the connection. */
  readonly lost: AbortSignal;
  query(sql: string, values?: readonly (string | number)[]): Promise<readonly Row[]>;
  /**
   * Another session like this one, for what has to be said to the server while this one or a third
   * is busy.
   */
  another(): Promise<Session>;
  /**
   * Keeps the session while nothing is asked of it, whatever the server's idle limit, and one on
   * the way, say.
   */
  keepAlive(): void;
  /** Says goodbye to the server, but does not wait long for one that is gone. */
  close(): Promise<void>;
}

/**
 * Connects with the plain driver.
 *
 * @throws Failure `DatabaseUnreachable` with the cause, `Usage` for a certificate file that cannot
 *   be read
 */
export async function openSession(target: ConnectionTarget): Promise<Session> {
  const address = describeTarget(target);
  const attempts = tlsAttempts(target);
  for (const [index, ssl] of attempts.entries()) {
    const options: ConnectionOptions = {
      ...(target.host.startsWith('/')
        ? { socketPath: target.host }
        : { host: target.host, port: target.port }),
      ...withoutUndefined({ user: target.user, password: target.password, database: target.database, ssl }),
      authPlugins: authPlugins(target.password ?? '', isTrusted(target, ssl), tlsSetting(target.tls, 'ca')),
      stream: () => openSocket(target),
      charset: 'utf8mb4',
      connectTimeout: target.connectTimeoutSeconds * 1000,
      // Numbers that a JavaScript number cannot hold, and times, come as text.
      supportBigNumbers: true,
      dateStrings: true,
      // No statement is prepared here, and the driver makes room for 16,000 with each connection.
      maxPreparedStatements: 1,
    };
    try {
      return await open(options, address);
    } catch (error) {
      const cause = databaseError(error);
      if (index === attempts.length - 1 || !isAboutTls(cause)) {
        throw new Failure('DatabaseUnreachable', `Cannot connect to ${address}: ${explain(cause, target)}`, {
          cause: error,
        });
      }
    }
  }
  throw new RangeError('no attempt was made');
}

async function open(options: ConnectionOptions, address: string): Promise<Session> {
  const { default: driver } = await import('mysql2/promise');
  const client = await driver.createConnection(options);
  const lost = new AbortController();
  let forget = (): void => undefined;
  let ended: Promise<void> | undefined;
  watch(client, () => lost.abort());
  try {
    await within(
      options.connectTimeout ?? 0,
      settleReader((sql) => client.query(sql), mysqlGreeting(client)),
    );
  } catch (error) {
    client.destroy();
    throw error;
  }
  return {
    options,
    address,
    lost: lost.signal,
    async query(sql, values = []) {
      const ask = () => client.query<RowDataPacket[]>(sql, [...values]);
      const [rows] = await (onlyReads(sql) ? retriedQuery(ask) : ask());
      return Array.isArray(rows) ? rows : [];
    },
    another: () => open(options, address),
    keepAlive() {
      forget = keepAlive(
        () => client.query('DO 0'),
        () => client.destroy(),
      );
    },
    close() {
      forget();
      // The driver answers the first goodbye only, and none that it had to give up.
      ended ??= goodbye(client);
      return ended;
    },
  };
}

/** The first answer belongs to the connection, whose limit the driver holds it to until then. */
async function within(milliseconds: number, answer: Promise<void>): Promise<void> {
  const timer = new AbortController();
  const silence = sleep(milliseconds, 'silent', { signal: timer.signal }).catch(() => undefined);
  const first = await Promise.race([answer, silence]).finally(() => timer.abort());
  if (first === 'silent') {
    throw Object.assign(new Error('no answer to the first statement'), { code: 'ETIMEDOUT' });
  }
}

async function goodbye(client: DriverConnection): Promise<void> {
  const said = new AbortController();
  const silence = sleep(2000, undefined, { signal: said.signal }).catch(() => undefined);
  await Promise.race([client.end().catch(() => undefined), silence]);
  said.abort();
  client.destroy();
}

/** Ours, so that a connection can be let go of whose other end is silent, at any point. */
function openSocket({ host, port, tls }: ConnectionTarget): Socket {
  if (host.startsWith('/')) {
    return connectSocket(host);
  }
  const socket = connectSocket({ host, port, keepAlive: true, keepAliveInitialDelay: 10_000, noDelay: true });
  // The driver hands TLS no name for an address, and Node then checks the certificate for
  // `localhost`. It takes the name that the socket has before that.
  return tls.mode === 'verify-full' && isIP(host) !== 0 ? Object.assign(socket, { _host: host }) : socket;
}

function watch(client: DriverConnection, onEnd: () => void): void {
  client.on('error', onEnd);
  onMysqlSocketClosed(client, onEnd);
}

/**
 * What MySQL's own client would try in turn for each mode; undefined is a connection without TLS.
 */
function tlsAttempts(target: ConnectionTarget): readonly (ConnectionOptions['ssl'] | undefined)[] {
  const { mode } = target.tls;
  if (target.host.startsWith('/') || mode === 'disable') {
    return [undefined];
  }
  const files = readTlsFiles(target.tls);
  const unverified = { ...files, rejectUnauthorized: false };
  switch (mode) {
    case 'allow':
      return [undefined, unverified];
    case 'prefer':
      return [unverified, undefined];
    case 'require':
      // As libpq: an authority that is named is also asked.
      return [
        files.ca === undefined ? unverified : { ...files, rejectUnauthorized: true, verifyIdentity: false },
      ];
    case 'verify-ca':
      return [{ ...files, rejectUnauthorized: true, verifyIdentity: false }];
    case 'verify-full':
      return [{ ...files, rejectUnauthorized: true, verifyIdentity: true }];
  }
}

/** Whether it is certain by now who is at the other end. */
function isTrusted(target: ConnectionTarget, ssl: ConnectionOptions['ssl']): boolean {
  return target.host.startsWith('/') || (typeof ssl === 'object' && ssl.rejectUnauthorized === true);
}

/** Whether the other kind of connection, with or without TLS, may be let in. */
export function isAboutTls(error: DatabaseError): boolean {
  return error.code === 'HANDSHAKE_NO_SSL_SUPPORT' || error.number === 3159;
}

function explain(error: DatabaseError, target: ConnectionTarget): string {
  const user = `user '${target.user ?? ''}'`;
  switch (error.number) {
    case 1045:
      return target.password === undefined
        ? `the server asks for the password of ${user}, and the connection has none. Add it`
        : `the server refused ${user} or the password: ${describeDatabaseError(error)}. Correct the password, or grant the user access from this host`;
    case 1698:
    case 1251:
      return `${user} is not let in: ${describeDatabaseError(error)}`;
    case 1044:
      return `${user} may not use the database '${target.database ?? ''}'. Grant it the rights.`;
    case 1049:
      return 'there is no such database. Create it first.';
    case 1040:
    case 1203:
    case 1226:
      return `the server has no connection left: ${describeDatabaseError(error)}. Close some, or raise max_connections or the limit of the user`;
    case 1129:
    case 1130:
      return `the server lets no connection in from this host: ${describeDatabaseError(error)}. Grant the user access from it; if the host is blocked, unblock it (FLUSH HOSTS on MariaDB)`;
    case 1047:
      return 'the Galera node has lost its cluster and serves nothing. Name another node, or repair the cluster.';
    case 1053:
      return 'the server is shutting down. Wait until it is back.';
    case 3159:
      return `the server accepts only connections with TLS. Ask for it: set ${tlsSetting(target.tls, 'mode')} to require`;
  }
  const plugin = /using unknown plugin ([\w-]+)/.exec(error.message)?.[1];
  if (plugin !== undefined) {
    return `the server lets ${user} in by the plugin '${plugin}' only, which is not known here. Create a user with mysql_native_password, caching_sha2_password or ed25519 for it`;
  }
  switch (error.code) {
    case 'AUTH_SWITCH_PLUGIN_ERROR':
      return error.message;
    case 'HANDSHAKE_NO_SSL_SUPPORT':
      return `the server has no TLS, and the mode '${target.tls.mode}' asks for it. Turn TLS on at the server, or set ${tlsSetting(target.tls, 'mode')} to prefer`;
  }
  return (
    explainNetwork(error, target, 'MariaDB or MySQL') ??
    explainTls(error, target.tls, 'mysql') ??
    describeDatabaseError(error)
  );
}
