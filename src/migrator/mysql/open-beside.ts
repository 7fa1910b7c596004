import { reachSameServer } from '../engine/same-server.ts';
import { isAboutTls, type Session } from './connect.ts';
import type { ServerLock } from './lock.ts';

/**
 * Another session on the server that has the lock.
 *
 * @param session the one that took the lock
 * @throws Failure `DatabaseUnreachable` when only other servers answer
 */
export function openBeside(session: Session, { there }: ServerLock): Promise<Session> {
  const open = async () => {
    const connection = await session.another();
    const [row] = await connection.query(`SELECT ${there} AS there`);
    return { connection, right: Number(row?.there) === 1, close: () => connection.close() };
  };
  return reachSameServer(session.address, open, isAboutTls);
}
