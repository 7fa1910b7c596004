import { verifyCases } from '../../support/cases/verify.ts';
import { mysqlEngine } from '../../support/mysql-engine.ts';
import { suiteMariaDb } from '../../support/suite-server.ts';

describe('the schema that a run on MariaDB leaves', () => {
  verifyCases(mysqlEngine(suiteMariaDb()), {
    dropIndex: (index, table) => `DROP INDEX ${index} ON ${table}`,
    widen: (column, type) => `ALTER TABLE images MODIFY COLUMN ${column} ${type}`,
    dropForeignKey: 'ALTER TABLE image_tags DROP FOREIGN KEY image_tags_ibfk_1',
    dropUnique: 'ALTER TABLE image_members DROP INDEX image_members_image_id_member_deleted_at_key',
  });
});
