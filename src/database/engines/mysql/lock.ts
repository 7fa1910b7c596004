import { createHash } from 'node:crypto';
import type { LockHolder } from '../engine.ts';
import type { Session } from './connect.ts';

/** The names of a database's locks; a server has one space of names for all of its databases. */
export interface LockNames {
  /** Held by the connection that looks; idle, so that it ends as soon as its process does. */
  readonly run: string;
  /** Held by the connection that migrations run on: it outlives its process while a statement runs. */
  readonly writer: string;
}

export function lockNames(database: string): LockNames {
  const hash = createHash('sha256').update(database).digest('hex').slice(0, 16);
  return { run: `glance-schema ${hash}`, writer: `glance-schema writer ${hash}` };
}

/**
 * Tries the lock that every migrator on this server takes. A migrator that was killed leaves it at once, but the server
 * goes on with the statement that was running, which still has the writer's lock: nobody wants its answer, so it is
 * ended, and the lock is there once it is undone.
 */
export async function tryLock(session: Session, names: LockNames): Promise<boolean> {
  const [row] = await session.query('SELECT GET_LOCK(?, 0) AS locked, IS_USED_LOCK(?) AS orphan', [
    names.run,
    names.writer,
  ]);
  if (Number(row?.locked) !== 1) {
    return false;
  }
  if (row?.orphan === null || row?.orphan === undefined) {
    return true;
  }
  // Another user's session it may not end; then it waits for that.
  await session.query(`KILL ${Number(row.orphan)}`).catch(() => undefined);
  return false;
}

/** Gives the lock back, however often it was taken. */
export async function unlock(session: Session, names: LockNames): Promise<void> {
  let released = 1;
  while (released === 1) {
    const [row] = await session.query('SELECT RELEASE_LOCK(?) AS released', [names.run]);
    released = Number(row?.released);
  }
}

/** Who has the lock, if anybody still has. */
export async function lockHolder(session: Session, names: LockNames): Promise<LockHolder | undefined> {
  const [row] = await session.query(
    `SELECT used.id, p.HOST AS host,
      DATE_FORMAT(UTC_TIMESTAMP() - INTERVAL p.TIME SECOND, '%Y-%m-%dT%H:%i:%sZ') AS since
    FROM (SELECT COALESCE(NULLIF(IS_USED_LOCK(?), CONNECTION_ID()), IS_USED_LOCK(?)) AS id) used
    LEFT JOIN information_schema.PROCESSLIST p ON p.ID = used.id WHERE used.id IS NOT NULL`,
    [names.run, names.writer],
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
