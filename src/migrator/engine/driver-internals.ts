// What the drivers have and do not publish. Nothing else in the product reads a private field of a
// library; the tests of this file fail when one is gone.

/**
 * Ends a connection of `pg` at once; it has no other way to let go of a socket whose other end is
 * silent.
 *
 * Source: pg 8, lib/client.js and lib/connection.js.
 */
export function destroyPostgresSocket(client: object): void {
  field(field(client, 'connection'), 'stream', isStream).destroy();
}

/**
 * The number of the server's process that `pg` got when it connected; a pooler makes one up.
 *
 * Source: pg 8, lib/client.js, _handleBackendKeyData.
 */
export function postgresBackend(client: object): number | undefined {
  const id: unknown = Reflect.get(client, 'processID');
  return typeof id === 'number' ? id : undefined;
}

/**
 * The version that the other end has greeted `mysql2` with; a proxy may have made it up. Empty
 * where none is known.
 *
 * Source: mysql2 3, lib/base/connection.js, _handshakePacket.
 */
export function mysqlGreeting(client: object): string {
  const greeting: unknown = Reflect.get(field(client, 'connection'), '_handshakePacket');
  return isObject(greeting) ? String(Reflect.get(greeting, 'serverVersion') ?? '') : '';
}

/**
 * Calls `onClose` when the socket of a connection of `mysql2` is closed: its promise wrapper hands
 * on errors only, and not the end of a connection that is idle.
 *
 * Source: mysql2 3, lib/promise/connection.js and lib/base/connection.js.
 */
export function onMysqlSocketClosed(client: object, onClose: () => void): void {
  field(field(client, 'connection'), 'stream', isStream).once('close', onClose);
}

/**
 * Whether a transaction of Sequelize has been committed or rolled back. Sequelize ends one by
 * itself when a statement loses a deadlock.
 *
 * Source: sequelize 6, lib/transaction.js, and lib/dialects/mariadb and mysql, query.js.
 */
export function hasTransactionEnded(transaction: object): boolean {
  return Reflect.get(transaction, 'finished') !== undefined;
}

interface Stream {
  destroy(): void;
  once(event: 'close', listener: () => void): void;
}

function isStream(value: object): value is Stream {
  return (
    typeof Reflect.get(value, 'destroy') === 'function' && typeof Reflect.get(value, 'once') === 'function'
  );
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}

/** @throws RangeError when the library has no such field any more */
function field<T extends object = object>(
  of: object,
  name: string,
  is: (value: object) => value is T = (value): value is T => isObject(value),
): T {
  const value: unknown = Reflect.get(of, name);
  if (!isObject(value) || !is(value)) {
    throw new RangeError(`the driver has no field '${name}' any more`);
  }
  return value;
}
