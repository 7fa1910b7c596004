import type { Run, Settled } from '../glance/plan.ts';
import type { Engine } from '../glance/steps.ts';
import type { PlannedStatement } from './engine/engine.ts';
import { createVersionTable, versionRowChanges } from './engine/version-rows.ts';

/**
 * What a run writes before its first script to bring a database under version control: the version
 * table and the adopted heads. Nothing where there is nothing to run or the table is there.
 *
 * @param rows those of `alembic_version`; undefined where there is no such table
 */
export function planControl(
  engine: Engine,
  rows: readonly string[] | undefined,
  run: Pick<Settled, 'kind'> | Pick<Run, 'kind' | 'baseline'>,
): readonly PlannedStatement[] {
  if (run.kind === 'settled') {
    return [];
  }
  const before = rows ?? [];
  return [
    ...(rows === undefined ? [{ sql: createVersionTable(engine), autocommit: false }] : []),
    ...planRecord(before, run.baseline?.heads ?? before),
  ];
}

/**
 * The statements that turn these rows of `alembic_version` into those, with their values in them.
 */
export function planRecord(before: readonly string[], after: readonly string[]): readonly PlannedStatement[] {
  return versionRowChanges(before, after).map(({ sql, values }) => ({
    sql: Object.entries(values).reduce(
      (text, [name, value]) =>
        text.replace(
          `:${name}`,
          [value]
            .flat()
            .map((each) => `'${each}'`)
            .join(', '),
        ),
      sql,
    ),
    autocommit: false,
  }));
}
