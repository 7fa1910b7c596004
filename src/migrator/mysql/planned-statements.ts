import type { Step } from '../../glance/steps.ts';
import type { PlannedStatement } from '../engine/engine.ts';
import type { Catalog } from './catalog.ts';
import { planSteps } from './plan-steps.ts';

/**
 * The statements that are left of a script, as the catalog before it shows, and what each takes of a table that is in use.
 */
export function plannedStatements(steps: readonly Step[], catalog: Catalog): readonly PlannedStatement[] {
  return planSteps(steps, catalog).operations.map(({ sql, table }) => ({
    sql,
    alone: true,
    ...(table === undefined ? {} : { lock: { table, ...lockOf(sql) } }),
  }));
}

function lockOf(sql: string): { mode: string; effect: string } {
  if (sql.startsWith('UPDATE')) {
    return { mode: 'rows', effect: 'the rows that are changed are locked until all are' };
  }
  if (!sql.startsWith('ALTER')) {
    return { mode: 'metadata', effect: 'nobody reads or writes for some milliseconds' };
  }
  if (/MODIFY COLUMN .* NOT NULL/.test(sql)) {
    return {
      mode: 'metadata, in place',
      effect:
        'the table is written anew; reads and writes go on, but for some milliseconds at the beginning and the end',
    };
  }
  return /ADD INDEX/.test(sql)
    ? {
        mode: 'metadata, in place',
        effect: 'reads and writes go on, but for some milliseconds at the beginning and the end',
      }
    : { mode: 'metadata', effect: 'nobody reads or writes for some milliseconds' };
}
