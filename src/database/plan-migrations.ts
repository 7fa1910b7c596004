import { planScripts } from '../revision/plan.ts';
import type { Position } from '../revision/position.ts';
import type { Migration } from './step.ts';

/** The migrations that a build carries. */
export interface Registry {
  readonly migrations: readonly Migration[];
  /** Several scripts in one, for where all of them are pending in a row. */
  readonly fused: readonly Migration[];
}

/**
 * What to run, in order, to get from `applied` to `target`. The caller has refused lower and unknown targets.
 *
 * @throws RangeError for a script that the registry lacks
 */
export function planMigrations(
  applied: ReadonlySet<string>,
  target: Position,
  registry: Registry,
): readonly Migration[] {
  const plan: Migration[] = [];
  let scripts = planScripts(applied, target);
  while (scripts.length > 0) {
    const [next] = scripts;
    const migration =
      registry.fused.find((candidate) =>
        candidate.scripts.every((script, index) => scripts[index] === script),
      ) ?? registry.migrations.find((candidate) => candidate.scripts[0] === next);
    if (migration === undefined) {
      throw new RangeError(`Cannot run '${next}': the registry has no such script`);
    }
    plan.push(migration);
    scripts = scripts.slice(migration.scripts.length);
  }
  return plan;
}
