import { verifyCases } from '../../support/cases/verify.ts';
import { postgresEngine } from '../../support/postgres-engine.ts';
import { suitePostgres } from '../../support/suite-server.ts';

describe('the schema that a run on PostgreSQL leaves', () => {
  verifyCases(postgresEngine(suitePostgres()), {
    dropIndex: (index) => `DROP INDEX ${index}`,
    widen: (column, type) => `ALTER TABLE images ALTER COLUMN ${column} TYPE ${type}`,
    dropForeignKey: 'ALTER TABLE image_tags DROP CONSTRAINT image_tags_image_id_fkey',
    dropUnique: 'ALTER TABLE image_members DROP CONSTRAINT image_members_image_id_member_deleted_at_key',
  });
});
