import type { LockHolder } from '../engine/engine.ts';
import type { Session } from './connect.ts';

/**
 * What stands for the database in the names of its locks, as a server has one space of names for
 * all of its databases. The server says which one it is: a URL may spell it otherwise where case
 * does not matter, and a proxy may lead elsewhere.
 */
const DATABASE =
  "LEFT(SHA2(IF(@@lower_case_table_names = 0, COALESCE(DATABASE(), ''), LOWER(COALESCE(DATABASE(), ''))), 256), 16)";

/** Held by the connection that reads; idle, so that it ends as soon as its process does. */
const RUN_LOCK = `CONCAT('glance-schema ', ${DATABASE})`;

/**
 * Held by the connection that migrations run on: it outlives its process while a statement runs.
 */
export const WRITER_LOCK = `CONCAT('glance-schema writer ', ${DATABASE})`;

/** A lock that a session has, or would have. */
export interface ServerLock {
  /** An expression that is true on the server that has the lock. */
  readonly there: string;
  /** Whether it is by GET_LOCK, or by the row of a cluster alone where that is forbidden. */
  readonly byName: boolean;
}

/**
 * Tries the lock that every migrator on this server takes. A migrator that was killed leaves it at
 * once, but the server goes on with the statement that was running, which still has the writer's
 * lock: nobody wants its answer, so it is ended, and the lock is there once it is undone.
 *
 * The server is asked for its number of the session: the one in the greeting may be a proxy's own,
 * and a proxy may answer by itself who asks for the number alone.
 */
export async function tryLock(session: Session): Promise<ServerLock | undefined> {
  const [row] = await session.query(
    `SELECT GET_LOCK(${RUN_LOCK}, 0) AS locked, CONNECTION_ID() AS id, IS_USED_LOCK(${WRITER_LOCK}) AS orphan`,
  );
  if (Number(row?.locked) !== 1) {
    return undefined;
  }
  if (row?.orphan === null || row?.orphan === undefined) {
    return { there: `COALESCE(IS_USED_LOCK(${RUN_LOCK}) = ${Number(row?.id)}, 0)`, byName: true };
  }
  // Another user's session it may not end; then it waits for that.
  await session.query(kill('CONNECTION', Number(row.orphan))).catch(() => undefined);
  return undefined;
}

/**
 * What the writer's statements end with where it can have no lock: so they are known when their
 * client is gone.
 */
export const WRITER_MARK = '/* glance-schema writer */';

/**
 * What stands in for the lock where a cluster forbids GET_LOCK; the cluster's own lock then keeps
 * others out. The server is known by its name and port.
 */
export async function withoutLock(session: Session): Promise<ServerLock> {
  const [row] = await session.query("SELECT CONCAT(@@hostname, ':', @@port) AS server");
  return {
    there: `CONCAT(@@hostname, ':', @@port) = '${String(row?.server).replaceAll("'", "''")}'`,
    byName: false,
  };
}

/** Ends what a killed migrator has left at work on this node; gives whether there was any. */
export async function endMarked(session: Session): Promise<boolean> {
  // In two pieces, so that it does not find those who look for the same.
  const [start, end] = [WRITER_MARK.slice(0, 8), WRITER_MARK.slice(8)];
  const rows = await session.query(
    `SELECT ID AS id FROM information_schema.PROCESSLIST
      WHERE DB = DATABASE() AND ID <> CONNECTION_ID() AND INFO LIKE CONCAT('%', ?, ?)`,
    [start, end],
  );
  for (const { id } of rows) {
    await session.query(kill('CONNECTION', Number(id))).catch(() => undefined);
  }
  return rows.length > 0;
}

/**
 * Ends a session of the server, or what it runs. A proxy takes a plain KILL for its own connection
 * of that number, which is somebody else's; one with brackets it hands on.
 */
export function kill(what: 'CONNECTION' | 'QUERY', id: number): string {
  return `KILL ${what} (${id})`;
}

/** Gives the lock back, however often it was taken. */
export async function unlock(session: Session): Promise<void> {
  let released = 1;
  while (released === 1) {
    const [row] = await session.query(`SELECT RELEASE_LOCK(${RUN_LOCK}) AS released`);
    released = Number(row?.released);
  }
}

/** Who has the lock, if anybody still has. */
export async function lockHolder(session: Session): Promise<LockHolder | undefined> {
  const [row] = await session.query(
    `SELECT used.id, p.HOST AS host,
      DATE_FORMAT(UTC_TIMESTAMP() - INTERVAL p.TIME SECOND, '%Y-%m-%dT%H:%i:%sZ') AS since
    FROM (SELECT COALESCE(NULLIF(IS_USED_LOCK(${RUN_LOCK}), CONNECTION_ID()), IS_USED_LOCK(${WRITER_LOCK})) AS id) used
    LEFT JOIN information_schema.PROCESSLIST p ON p.ID = used.id WHERE used.id IS NOT NULL`,
  );
  return row === undefined
    ? undefined
    : {
        pid: Number(row.id),
        application: 'glance-schema',
        // `10.0.0.7:51234`; another user's session is not shown without the right PROCESS.
        address: typeof row.host === 'string' ? row.host.replace(/:\d+$/, '') : null,
        ...(typeof row.since === 'string' ? { since: row.since } : {}),
      };
}
