import { halfWayCases } from '../../support/cases/half-way.ts';
import { postgresEngine } from '../../support/postgres-engine.ts';
import { suitePostgres } from '../../support/suite-server.ts';

describe('a PostgreSQL that another tool has left half-way', () => {
  halfWayCases(postgresEngine(suitePostgres()), {
    addVisibility: [
      "CREATE TYPE image_visibility AS ENUM ('private', 'public', 'shared', 'community')",
      "ALTER TABLE images ADD COLUMN visibility image_visibility NOT NULL DEFAULT 'shared'",
    ],
    dropIndex: 'DROP INDEX ix_images_is_public',
  });
});
