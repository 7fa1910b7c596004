import { suitePostgres } from '../../../lab/databases/suite-server.ts';
import { obstacleCases, verifyCases } from '../../support/cases/verify.ts';
import { postgresEngine } from '../../support/postgres-engine.ts';

describe('the schema that a run on PostgreSQL leaves', () => {
  const engine = postgresEngine(suitePostgres());

  obstacleCases(engine, [
    [
      'a view of is_public',
      ['CREATE VIEW report AS SELECT is_public FROM images'],
      'view report needs images.is_public',
    ],
    [
      'a column generated from is_public',
      ['ALTER TABLE images ADD COLUMN closed boolean GENERATED ALWAYS AS (NOT is_public) STORED'],
      'column closed of table images needs images.is_public',
    ],
    [
      'a foreign key to a table of the artifacts',
      ['CREATE TABLE ours (id varchar(36) REFERENCES artifacts (id))'],
      'constraint ours_id_fkey on table ours needs artifacts',
    ],
  ]);

  verifyCases(engine, {
    dropIndex: (index) => `DROP INDEX ${index}`,
    widen: (column, type) => `ALTER TABLE images ALTER COLUMN ${column} TYPE ${type}`,
    dropForeignKey: 'ALTER TABLE image_tags DROP CONSTRAINT image_tags_image_id_fkey',
    dropUnique: 'ALTER TABLE image_members DROP CONSTRAINT image_members_image_id_member_deleted_at_key',
  });
});
