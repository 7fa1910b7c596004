import type { Step } from '../../glance/steps.ts';
import { readFailure } from '../engine/read-failure.ts';
import { readChecks } from './checks.ts';
import type { Session } from './connect.ts';

/**
 * What hangs on a column or a table that these steps drop, so that the server would refuse to drop
 * it: a generated column, a CHECK over further columns, a foreign key of a table of
 * this database that is not Glance's. A CHECK of the one column goes with it.
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
    throw readFailure(error, session.address);
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
  const checks = await readChecks(session, [table]);
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

async function onTables(session: Session, tables: string): Promise<readonly string[]> {
  const keys = await session.query(
    `SELECT DISTINCT TABLE_NAME AS tab, CONSTRAINT_NAME AS name, REFERENCED_TABLE_NAME AS target
      FROM information_schema.KEY_COLUMN_USAGE
      WHERE TABLE_SCHEMA = DATABASE() AND REFERENCED_TABLE_SCHEMA = DATABASE() AND REFERENCED_TABLE_NAME IN (${tables}) AND TABLE_NAME NOT IN (${tables})`,
  );
  return keys.map(({ tab, name, target }) => `foreign key ${name} of ${tab} needs ${target}`);
}
