import type { Migration } from '../../glance/steps.ts';
import { Failure } from '../errors/failure.ts';
import type { PostgresState } from './read-state.ts';

/**
 * Says before the first change what the last one would fail on.
 *
 * @throws Failure `DatabaseUnreachable`, `MigrationFailed`
 */
export function checkChanges(state: PostgresState, migrations: readonly Migration[], address: string): void {
  const cannot = `Cannot change ${address}`;
  if (state.readOnly !== undefined) {
    throw new Failure('DatabaseUnreachable', `${cannot}: ${state.readOnly}`);
  }
  if (state.unguarded) {
    throw new Failure(
      'MigrationFailed',
      `${cannot}: triggers and foreign keys are switched off here (session_replication_role), so writes of the migration could leave inconsistent rows. Set session_replication_role to 'origin' for this user and database.`,
    );
  }
  const steps = migrations.flatMap((migration) => migration.steps);
  const creates = state.found.alembic === undefined || steps.some((step) => /^create|^add/.test(step.do));
  if (creates && state.schema === undefined) {
    throw new Failure(
      'MigrationFailed',
      `${cannot}: the search path names no schema that exists. Create it.`,
    );
  }
  if (creates && !state.canCreate) {
    throw new Failure(
      'MigrationFailed',
      `${cannot}: the user may not create tables in the schema '${state.schema}'. Grant CREATE on it.`,
    );
  }
  const altered = steps.map((step) =>
    step.do === 'create enum' || step.do === 'create table' || step.do === 'change data' ? '' : step.table,
  );
  const foreign = [...new Set(altered)].filter((table) => state.notOwned.has(table));
  if (foreign.length > 0) {
    throw new Failure(
      'MigrationFailed',
      `${cannot}: the user does not own ${foreign.join(', ')}. Connect as the owner.`,
    );
  }
}
