import type { Engine } from '../../glance/steps.ts';
import type { Row } from './engine.ts';

/** As Alembic makes it. Source: alembic/runtime/migration.py, `MigrationContext._version`. */
const CREATE_VERSION_TABLE =
  'CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL, CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num))';

/** On MySQL it says the engine: another default may have no transactions. */
export function createVersionTable(engine: Engine): string {
  return engine === 'mysql' ? `${CREATE_VERSION_TABLE} ENGINE=InnoDB` : CREATE_VERSION_TABLE;
}

/** The statements that turn these rows of `alembic_version` into those. */
export function versionRowChanges(
  before: readonly string[],
  after: readonly string[],
): readonly { readonly sql: string; readonly values: Row }[] {
  const gone = before.filter((row) => !after.includes(row));
  const come = after.filter((row) => !before.includes(row));
  return [
    ...(gone.length === 0
      ? []
      : [{ sql: 'DELETE FROM alembic_version WHERE version_num IN (:gone)', values: { gone } }]),
    ...come.map((row) => ({
      sql: 'INSERT INTO alembic_version (version_num) VALUES (:row)',
      values: { row },
    })),
  ];
}
