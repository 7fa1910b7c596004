import type { Step } from '../../glance/steps.ts';
import type { PlannedStatement } from '../engine/engine.ts';
import type { Catalog } from './catalog.ts';
import { planSteps, type Work } from './plan-steps.ts';

/**
 * The statements that are left of a script, as the catalog before it shows, and what each takes of
 * a table that is in use.
 */
export function plannedStatements(steps: readonly Step[], catalog: Catalog): readonly PlannedStatement[] {
  return planSteps(steps, catalog).operations.map(({ sql, table, work }) => ({
    sql,
    autocommit: true,
    ...(table === undefined ? {} : { lock: { table, ...LOCKS[work] } }),
  }));
}

const LOCKS: Readonly<Record<Work, { readonly mode: string; readonly effect: string }>> = {
  catalog: { mode: 'metadata', effect: 'nobody reads or writes for some milliseconds' },
  rows: { mode: 'rows', effect: 'the rows that are changed are locked until all are' },
  index: {
    mode: 'metadata, in place',
    effect: 'reads and writes go on, but for some milliseconds at the beginning and the end',
  },
  rewrite: {
    mode: 'metadata, in place',
    effect:
      'the table is rewritten; reads and writes go on, but for some milliseconds at the beginning and the end',
  },
};
