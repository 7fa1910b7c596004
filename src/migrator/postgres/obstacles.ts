import type { Step } from '../../glance/steps.ts';
import { readFailure } from '../engine/read-failure.ts';
import { ask } from './ask.ts';
import type { Session } from './connect.ts';

/**
 * What hangs on a column or a table that these steps drop, so that the server would refuse to drop
 * it: a view, a generated column, a trigger for that column, a policy, a foreign key of a table
 * that is not Glance's. What goes with the column by itself, as an index does, is none.
 *
 * @returns one phrase for each, such as `view report needs images.is_public`
 * @throws Failure `DatabaseUnreachable`
 */
export async function findObstacles(session: Session, steps: readonly Step[]): Promise<readonly string[]> {
  const tables = steps.flatMap((step) => (step.do === 'drop table' ? [step.table] : []));
  const dropped = [
    ...steps.flatMap((step) => (step.do === 'drop column' ? [`('${step.table}', '${step.column}')`] : [])),
    ...tables.map((table) => `('${table}', NULL)`),
  ];
  if (dropped.length === 0) {
    return [];
  }
  const own = tables.map((table) => `to_regclass('${table}')`).join(', ');
  const sql = `
SELECT DISTINCT concat_ws('.', w.tab, w.col) AS what, pg_describe_object(d.classid, d.objid, d.objsubid) AS hangs
FROM (VALUES ${dropped.join(', ')}) AS w (tab, col)
JOIN pg_depend d ON d.refclassid = 'pg_class'::regclass AND d.refobjid = to_regclass(w.tab) AND d.deptype = 'n'
WHERE (w.col IS NULL OR d.refobjsubid = (SELECT a.attnum FROM pg_attribute a
    WHERE a.attrelid = d.refobjid AND a.attname = w.col AND NOT a.attisdropped))
  AND NOT EXISTS (SELECT FROM pg_depend e WHERE e.classid = d.classid AND e.objid = d.objid
    AND e.refclassid = d.refclassid AND e.refobjid = d.refobjid AND (w.col IS NULL OR e.refobjsubid = d.refobjsubid) AND e.deptype IN ('a', 'i'))
  AND NOT EXISTS (SELECT FROM pg_constraint k WHERE d.classid = 'pg_constraint'::regclass AND k.oid = d.objid
    AND k.conrelid = ANY (ARRAY[${own}]::oid[]))
ORDER BY 1, 2`;
  try {
    const rows = await ask(session, sql);
    // A view is a rule to the server; a generated column is a default.
    return rows.map(({ what, hangs }) => {
      const thing = String(hangs)
        .replace(/^rule \S+ on /, '')
        .replace(/^default value for /, '');
      return `${thing} needs ${what}`;
    });
  } catch (error) {
    throw readFailure(error, session.address);
  }
}
