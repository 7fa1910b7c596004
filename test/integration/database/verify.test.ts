import { expect } from 'chai';
import { suitePostgres } from '../../../lab/databases/suite-server.ts';
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

  verifyCases(engine, {
    dropIndex: (index) => `DROP INDEX ${index}`,
    widen: (column, type) => `ALTER TABLE images ALTER COLUMN ${column} TYPE ${type}`,
    dropForeignKey: 'ALTER TABLE image_tags DROP CONSTRAINT image_tags_image_id_fkey',
    dropUnique: 'ALTER TABLE image_members DROP CONSTRAINT image_members_image_id_member_deleted_at_key',
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
 * Indexes of Glance that a script drops, that one makes, and that is mended, in the order of their
 * names.
 */
const NAMES = ['ix_images_is_public', 'owner_image_idx', 'visibility_image_idx'];
