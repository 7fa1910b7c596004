import {
  type Certificates,
  hasOpenssl,
  makeCertificates,
  NO_OPENSSL,
} from '../../../lab/databases/certificates.ts';
import { hasMariaDb, NO_MARIADB, startMariaDb, type TestMariaDb } from '../../../lab/databases/mariadb.ts';
import { leaveOut } from '../../../lab/process/needs.ts';
import { backupCases } from '../../support/cases/backup.ts';
import { mysqlBackup } from '../../support/mysql-backup.ts';
import { mysqlEngine } from '../../support/mysql-engine.ts';

describe('db backup on MariaDB', () => {
  let server: TestMariaDb;
  let certificates: Certificates;

  before(async function () {
    if (!hasMariaDb()) leaveOut(this, NO_MARIADB);
    if (!hasOpenssl()) leaveOut(this, NO_OPENSSL);
    certificates = makeCertificates();
    const { ca, right } = certificates;
    server = await startMariaDb({ settings: { 'ssl-ca': ca, 'ssl-cert': right.cert, 'ssl-key': right.key } });
  });

  after(async () => {
    await server?.stop();
    certificates?.remove();
  });

  backupCases(
    mysqlEngine(() => server),
    mysqlBackup(
      'mariadb-dump',
      () => server,
      () => certificates.ca,
    ),
  );
});
