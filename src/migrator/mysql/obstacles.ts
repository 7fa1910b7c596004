import type { Step } from '../../glance/steps.ts';
import type { Row } from '../engine/engine.ts';
import { readFailure } from '../engine/read-failure.ts';
import { databaseError } from '../errors/database-error.ts';
import type { Session } from './connect.ts';

/** The server's number for a table of its catalog that it does not have. */
const NO_SUCH_VIEW = 1109;

/**
 * What hangs on a column or a table that these steps drop, so that the server would refuse to drop it: a generated column, a
 * CHECK over further columns, a foreign key of a table that is not Glance's. A CHECK of the one column goes with it.
 *
 * @returns one phrase for each, such as `column images.open needs images.is_public`
 * @throws Failure `DatabaseUnreachable`
 */
export async function findObstacles(session: Session, steps: readonly Step[]): Promise<readonly string[]> {
  const found: string[] = [];
  try {
    for (const step of steps) {
      if (step.do === 'drop column') found.push(...(await onColumn(session, step.table, step.column)));
    }
    const tables = steps.flatMap((step) => (step.do === 'drop table' ? [`'${step.table}'`] : []));
    if (tables.length > 0) found.push(...(await onTables(session, tables.join(', '))));
    return found;
  } catch (error) {
    throw readFailure(error, session.place);
  }
}

async function onColumn(session: Session, table: string, column: string): Promise<readonly string[]> {
  const columns = await session.query(
    `SELECT COLUMN_NAME AS name, GENERATION_EXPRESSION AS expression FROM information_schema.COLUMNS
      WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = '${table}'`,
  );
  const isIn = (expression: unknown, name: string): boolean =>
    new RegExp(`(^|[^\\w$])${name}($|[^\\w$])`, 'i').test(String(expression ?? ''));
  const names = columns.map(({ name }) => String(name));
  if (!names.includes(column)) {
    return [];
  }
  const checks = await readChecks(session, table);
  return [
    ...columns
      .filter(({ expression }) => isIn(expression, column))
      .map(({ name }) => `column ${table}.${name} needs ${table}.${column}`),
    ...checks
      .filter(
        ({ clause }) =>
          isIn(clause, column) && names.some((other) => other !== column && isIn(clause, other)),
      )
      .map(({ name }) => `constraint ${name} of ${table} needs ${table}.${column}`),
  ];
}

/** The checks of a table. MySQL before 8.0.16 and MariaDB before 10.2 take a CHECK without keeping it, and have no view of them. */
async function readChecks(session: Session, table: string): Promise<readonly Row[]> {
  try {
    // MariaDB names a check in its table, MySQL in its database: there the table is told by another view.
    return await session.query(
      `SELECT c.CONSTRAINT_NAME AS name, c.CHECK_CLAUSE AS clause FROM information_schema.CHECK_CONSTRAINTS c
        JOIN information_schema.TABLE_CONSTRAINTS t
          ON t.CONSTRAINT_SCHEMA = c.CONSTRAINT_SCHEMA AND t.CONSTRAINT_NAME = c.CONSTRAINT_NAME
        WHERE c.CONSTRAINT_SCHEMA = DATABASE() AND t.TABLE_NAME = '${table}'`,
    );
  } catch (error) {
    if (databaseError(error).number === NO_SUCH_VIEW) return [];
    throw error;
  }
}

async function onTables(session: Session, tables: string): Promise<readonly string[]> {
  const keys = await session.query(
    `SELECT DISTINCT TABLE_NAME AS tab, CONSTRAINT_NAME AS name, REFERENCED_TABLE_NAME AS target
      FROM information_schema.KEY_COLUMN_USAGE
      WHERE REFERENCED_TABLE_SCHEMA = DATABASE() AND REFERENCED_TABLE_NAME IN (${tables}) AND TABLE_NAME NOT IN (${tables})`,
  );
  return keys.map(({ tab, name, target }) => `foreign key ${name} of ${tab} needs ${target}`);
}
