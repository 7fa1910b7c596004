import { halfWayCases } from '../../support/cases/half-way.ts';
import { mysqlEngine } from '../../support/mysql-engine.ts';
import { suiteMariaDb } from '../../support/suite-server.ts';

describe('a MariaDB that another tool has left half-way', () => {
  halfWayCases(mysqlEngine(suiteMariaDb()), {
    addVisibility: [
      "ALTER TABLE images ADD COLUMN visibility ENUM('private','public','shared','community') NOT NULL DEFAULT 'shared'",
    ],
    dropIndex: 'DROP INDEX ix_images_is_public ON images',
  });
});
