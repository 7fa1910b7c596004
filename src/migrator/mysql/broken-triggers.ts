import { databaseError } from '../errors/database-error.ts';
import type { Session } from './connect.ts';

/** The server's number for a definer that is no user any more. */
const NO_SUCH_DEFINER = 1449;

/**
 * Those for a right that a user, here the definer, does not have: on a table, on a column, on a
 * routine.
 */
const DENIED: readonly number[] = [1142, 1143, 1370];

/**
 * The triggers among these that make every write of their table fail. A trigger runs with the
 * rights of its definer, the user that made it: when that user is dropped, or loses its rights,
 * nobody can write. The users of a server are not for everybody to read, so one row is written as
 * it is, and rolled back.
 */
export async function findBrokenTriggers(
  session: Session,
  names: ReadonlySet<string>,
): Promise<ReadonlySet<string>> {
  const rows = await session.query(
    `SELECT TRIGGER_NAME AS name, EVENT_OBJECT_TABLE AS tab, DEFINER AS definer FROM information_schema.TRIGGERS
      WHERE EVENT_OBJECT_SCHEMA = DATABASE() AND DEFINER <> CURRENT_USER()`,
  );
  const others = rows.filter(({ name }) => names.has(String(name)));
  const [first] = others;
  if (first === undefined) {
    return new Set();
  }
  // Somebody who has the row locked writes, and so can.
  await session.query('SET SESSION innodb_lock_wait_timeout = 1');
  const [user = ''] = String(first.definer).split('@');
  // Each fires the triggers of its event; the second then fails, as the row is there.
  for (const write of [
    `UPDATE ${first.tab} SET id = id ORDER BY id LIMIT 1`,
    `INSERT INTO ${first.tab} SELECT * FROM ${first.tab} ORDER BY id LIMIT 1`,
  ]) {
    await session.query('START TRANSACTION');
    try {
      await session.query(write);
    } catch (error) {
      const { number = 0, message } = databaseError(error);
      if (number === NO_SUCH_DEFINER || (DENIED.includes(number) && message.includes(`'${user}'@`))) {
        return new Set(others.map(({ name }) => String(name)));
      }
    } finally {
      await session.query('ROLLBACK');
    }
  }
  return new Set();
}
