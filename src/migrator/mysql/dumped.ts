import type { Session } from './connect.ts';

/**
 * All that a dump has rows of: tables, and MariaDB's sequences, which are tables of one row. It is
 * what a backup counts, and what a restore drops and counts again.
 */
export async function readDumped(session: Session): Promise<readonly string[]> {
  const rows = await session.query(
    `SELECT TABLE_NAME AS name FROM information_schema.TABLES
      WHERE TABLE_SCHEMA = DATABASE() AND TABLE_TYPE IN ('BASE TABLE', 'SYSTEM VERSIONED', 'SEQUENCE')`,
  );
  return rows.map(({ name }) => String(name));
}

/** The functions of this database that its views call: a dump has the views, and not those. */
export async function readNeeded(session: Session): Promise<readonly string[]> {
  const rows = await session.query(
    `SELECT DISTINCT r.ROUTINE_NAME AS name FROM information_schema.ROUTINES r JOIN information_schema.VIEWS v
        ON v.TABLE_SCHEMA = r.ROUTINE_SCHEMA AND LOCATE(CONCAT('\`', r.ROUTINE_NAME, '\`('), v.VIEW_DEFINITION) > 0
      WHERE r.ROUTINE_SCHEMA = DATABASE() AND r.ROUTINE_TYPE = 'FUNCTION' ORDER BY 1`,
  );
  return rows.map(({ name }) => String(name));
}

/** The functions of this database. */
export async function readFunctions(session: Session): Promise<readonly string[]> {
  const rows = await session.query(
    `SELECT ROUTINE_NAME AS name FROM information_schema.ROUTINES
      WHERE ROUTINE_SCHEMA = DATABASE() AND ROUTINE_TYPE = 'FUNCTION'`,
  );
  return rows.map(({ name }) => String(name));
}
