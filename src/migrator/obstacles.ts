import { REGISTRY } from '../../migrations/registry.ts';
import { scriptsOf } from '../glance/heads.ts';
import { SCRIPTS } from '../glance/revisions.ts';
import type { Migration } from '../glance/steps.ts';
import type { DatabaseState } from './engine/engine.ts';
import { Failure } from './errors/failure.ts';

/**
 * What stands in the way of these migrations, and of the contracts of the revisions that they
 * expand: those come after the roll-out of the API, when it is late to find it.
 *
 * @throws Failure `DatabaseUnreachable`
 */
export async function obstaclesOf(
  state: DatabaseState,
  migrations: readonly Migration[],
): Promise<readonly string[]> {
  const names = migrations.flatMap(({ scripts }) => scripts);
  const revisions = new Set(
    SCRIPTS.filter(({ name }) => names.includes(name)).map(({ revision }) => revision),
  );
  const cycle = new Set([...revisions].flatMap((revision) => scriptsOf(revision).map(({ name }) => name)));
  const steps = REGISTRY.migrations
    .filter(({ scripts }) => scripts.some((script) => cycle.has(script)))
    .flatMap((migration) => migration.steps);
  return steps.length === 0 ? [] : state.findObstacles(steps);
}

/**
 * The last check before the first change.
 *
 * @throws Failure `DatabaseUnreachable`, `MigrationFailed` with what would go wrong later; nothing
 *   was changed
 */
export async function preflight(
  state: DatabaseState,
  migrations: readonly Migration[],
  address: string,
): Promise<void> {
  await state.preflight(migrations);
  const obstacles = await obstaclesOf(state, migrations);
  if (obstacles.length > 0) {
    throw new Failure(
      'MigrationFailed',
      `Cannot change ${address}: ${obstacles.join('; ')}, which a script drops. Nothing was changed. Drop what needs it, and create it again after the migration`,
    );
  }
}
