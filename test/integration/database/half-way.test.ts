import { expect } from 'chai';
import { suitePostgres } from '../../../lab/databases/suite-server.ts';
import { halfWayCases } from '../../support/cases/half-way.ts';
import { succeeds } from '../../support/db-command.ts';
import { postgresEngine } from '../../support/postgres-engine.ts';
import { goldenDatabase } from '../../support/test-engine.ts';

describe('a PostgreSQL that another tool has left half-way', () => {
  const engine = postgresEngine(suitePostgres());

  halfWayCases(engine, {
    addVisibility: [
      "CREATE TYPE image_visibility AS ENUM ('private', 'public', 'shared', 'community')",
      "ALTER TABLE images ADD COLUMN visibility image_visibility NOT NULL DEFAULT 'shared'",
    ],
    dropIndex: 'DROP INDEX ix_images_is_public',
  });

  for (const way of [['sync'], ['migrate', 'contract']]) {
    it(`expanded without triggers, an image that a node of Ocata has made private stays private: ${way.join(', ')}`, async () => {
      const url = await goldenDatabase(engine, { schema: 'ocata_expand01', alembic: ['ocata_expand01'] });
      await engine.query(
        url,
        `INSERT INTO images (id, status, created_at, deleted, min_disk, min_ram, is_public, visibility)
          VALUES ('hidden', 'active', '2017-01-01', false, 0, 0, true, 'private')`,
      );
      for (const command of way) await succeeds(url, command, 'ocata01');
      expect(await engine.query(url, 'SELECT visibility FROM images')).to.deep.equal([
        { visibility: 'private' },
      ]);
    });
  }
});
