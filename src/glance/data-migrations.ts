/** What moves rows between the expand and the contract of a revision, by the name that Glance gives it. */
export interface DataMigrationName {
  readonly name: string;
  readonly revision: string;
}

/**
 * All of them, oldest first.
 *
 * Source: the modules under `glance/db/sqlalchemy/alembic_migrations/data_migrations` of glance 33.0.0 that move rows.
 */
export const DATA_MIGRATION_NAMES: readonly DataMigrationName[] = [
  { name: 'ocata_migrate01', revision: 'ocata01' },
  { name: 'train_migrate01', revision: 'train01' },
];
