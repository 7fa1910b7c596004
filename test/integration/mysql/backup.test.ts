import { withoutDialect } from '../../../lab/databases/golden-mysql.ts';
import { suiteMysql } from '../../../lab/databases/suite-server.ts';
import { backupCases } from '../../support/cases/backup.ts';
import { mysqlBackup } from '../../support/mysql-backup.ts';
import { mysqlEngine } from '../../support/mysql-engine.ts';

describe("db backup on MySQL, by MySQL's own program", () => {
  const server = suiteMysql('mysqld-9');
  backupCases(mysqlEngine(server, withoutDialect), mysqlBackup('mysqldump', server), { sample: true });
});
