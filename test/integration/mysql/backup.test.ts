import { withoutDialect } from '../../../lab/databases/golden-mysql.ts';
import { suiteMysql } from '../../../lab/databases/suite-server.ts';
import { backupCases } from '../../support/cases/backup.ts';
import { restoreCases } from '../../support/cases/restore.ts';
import { mysqlBackup } from '../../support/mysql-backup.ts';
import { mysqlEngine } from '../../support/mysql-engine.ts';
import { mysqlRestore } from '../../support/mysql-restore.ts';

describe("db backup and db restore on MySQL, by MySQL's own programs", () => {
  const server = suiteMysql('mysqld-9');
  const engine = mysqlEngine(server, withoutDialect);
  backupCases(engine, mysqlBackup('mysqldump', server), { sample: true });
  restoreCases(engine, mysqlRestore('mysql', server), { sample: true });
});
