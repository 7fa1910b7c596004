import type { Row } from '../engine/engine.ts';
import { databaseError } from '../errors/database-error.ts';
import type { Session } from './connect.ts';

/** The server's numbers for a view of its catalog, and for a column, that it does not have. */
const NO_SUCH_VIEW = 1109;
const NO_SUCH_COLUMN = 1054;

/** A CHECK of a table. */
export interface Check {
  readonly table: string;
  readonly name: string;
  /** As the catalog has it: `` `deleted` in (0,1) ``. */
  readonly clause: string;
}

/** MariaDB names a check within its table, and its catalog has the table. */
const OF_MARIADB = `SELECT TABLE_NAME AS tab, CONSTRAINT_NAME AS name, CHECK_CLAUSE AS clause
  FROM information_schema.CHECK_CONSTRAINTS WHERE CONSTRAINT_SCHEMA = DATABASE() AND TABLE_NAME IN`;

/** MySQL names it within its database, and has the table in another view. */
const OF_MYSQL = `SELECT TABLE_NAME AS tab, CONSTRAINT_NAME AS name, CHECK_CLAUSE AS clause
  FROM information_schema.CHECK_CONSTRAINTS c JOIN information_schema.TABLE_CONSTRAINTS t USING (CONSTRAINT_NAME)
  WHERE c.CONSTRAINT_SCHEMA = DATABASE() AND t.CONSTRAINT_SCHEMA = DATABASE() AND TABLE_NAME IN`;

/**
 * The checks of these tables. MySQL before 8.0.16 and MariaDB before 10.2 take a CHECK without
 * keeping it, and have no view of them.
 */
export async function readChecks(session: Session, tables: readonly string[]): Promise<readonly Check[]> {
  const these = `(${tables.map((table) => `'${table}'`).join(', ')})`;
  const rows = await session
    .query(`${OF_MARIADB} ${these}`)
    .catch((error: unknown) =>
      databaseError(error).number === NO_SUCH_COLUMN
        ? session.query(`${OF_MYSQL} ${these}`)
        : Promise.reject(error),
    )
    .catch((error: unknown): readonly Row[] => {
      if (databaseError(error).number === NO_SUCH_VIEW) return [];
      throw error;
    });
  return rows.map(({ tab, name, clause }) => ({
    table: String(tab),
    name: String(name),
    clause: String(clause),
  }));
}
