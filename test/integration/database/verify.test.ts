import { expect } from 'chai';
import { suitePostgres } from '../../../lab/databases/suite-server.ts';
import { driftCases } from '../../support/cases/drift.ts';
import { obstacleCases, verifyCases } from '../../support/cases/verify.ts';
import { db, succeeds } from '../../support/db-command.ts';
import { postgresEngine } from '../../support/postgres-engine.ts';
import { newtonDatabase } from '../../support/test-engine.ts';

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

  driftCases(engine, {
    dropOwnerIndex: 'DROP INDEX owner_image_idx',
    widenName: 'ALTER TABLE images ALTER COLUMN name TYPE varchar(512)',
    script: {
      addVisibility: [
        "CREATE TYPE image_visibility AS ENUM ('private', 'public', 'shared', 'community')",
        "ALTER TABLE images ADD COLUMN visibility image_visibility NOT NULL DEFAULT 'shared'",
      ],
      dropIndex: 'DROP INDEX ix_images_is_public',
    },
  });

  verifyCases(engine, {
    dropIndex: (index) => `DROP INDEX ${index}`,
    widen: (column, type) => `ALTER TABLE images ALTER COLUMN ${column} TYPE ${type}`,
    dropForeignKey: 'ALTER TABLE image_tags DROP CONSTRAINT image_tags_image_id_fkey',
    dropUnique: 'ALTER TABLE image_members DROP CONSTRAINT image_members_image_id_member_deleted_at_key',
    years: [
      'DROP INDEX checksum_image_idx',
      'ALTER INDEX owner_image_idx RENAME TO images_by_owner',
      'CREATE INDEX ours ON images (name, status)',
      'ALTER TABLE images ALTER COLUMN name TYPE text, ALTER COLUMN min_ram DROP NOT NULL, ADD COLUMN cost_centre varchar(20)',
      'ALTER TABLE image_properties ALTER COLUMN value TYPE varchar(8000)',
      'ALTER TABLE image_tags DROP CONSTRAINT image_tags_image_id_fkey',
      'CREATE TABLE audit (id integer PRIMARY KEY)',
    ],
    told: [
      [
        'column images.name is text instead of character varying(255)',
        'ALTER TABLE images ALTER COLUMN name TYPE varchar(255), ALTER COLUMN name DROP NOT NULL, ALTER COLUMN name DROP DEFAULT',
        'cuts or refuses each name that no character varying(255) holds',
      ],
      [
        'column images.min_ram is integer instead of integer not null',
        'ALTER TABLE images ALTER COLUMN min_ram TYPE integer, ALTER COLUMN min_ram SET NOT NULL, ALTER COLUMN min_ram DROP DEFAULT',
        'refuses or empties each min_ram that is NULL',
      ],
      [
        'index checksum_image_idx on images (checksum) is missing',
        'CREATE INDEX checksum_image_idx ON images (checksum)',
      ],
      [
        'index owner_image_idx on images (owner) is missing',
        'CREATE INDEX owner_image_idx ON images (owner)',
      ],
      [
        'column image_properties.value is character varying(8000) instead of text',
        'ALTER TABLE image_properties ALTER COLUMN value TYPE text, ALTER COLUMN value DROP NOT NULL, ALTER COLUMN value DROP DEFAULT',
      ],
      [
        'foreign key of image_tags (image_id) to images (id) is missing',
        'ALTER TABLE image_tags ADD FOREIGN KEY (image_id) REFERENCES images (id)',
      ],
    ],
    emptyTrigger: [
      'CREATE OR REPLACE FUNCTION insert_visibility() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RETURN NEW; END$$',
    ],
  });

  for (const way of [['sync'], ['expand', 'migrate', 'contract']]) {
    it(`indexes of the same names in a schema that comes first in the search path: left alone by ${way.join(', ')}`, async () => {
      const url = await newtonDatabase(engine, 20);
      for (const sql of [
        'CREATE SCHEMA ours',
        'CREATE TABLE ours.things (owner text)',
        ...NAMES.map((name) => `CREATE INDEX ${name} ON ours.things (owner)`),
        // As one that is being built.
        `UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'ours.visibility_image_idx'::regclass`,
        'DROP INDEX public.owner_image_idx',
        'CREATE INDEX owner_image_idx ON public.images (name)',
      ]) {
        await engine.query(url, sql);
      }
      const through = `${url}?options=-csearch_path%3Dours,public`;
      for (const command of way) await succeeds(through, command, 'ocata01');
      const left = await engine.query(
        url,
        "SELECT indexname AS name FROM pg_indexes WHERE schemaname = 'ours' AND tablename = 'things' ORDER BY 1",
      );
      expect(left.map(({ name }) => name)).to.deep.equal(NAMES);
      expect(await db(through, 'diff')).to.deep.include({ code: 0, stderr: '' });
    });
  }
});

/**
 * Indexes of Glance that a script drops, that one makes, and that is fixed, in the order of their
 * names.
 */
const NAMES = ['ix_images_is_public', 'owner_image_idx', 'visibility_image_idx'];
