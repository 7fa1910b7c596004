import { hasMariaDb, NO_MARIADB, startMariaDb, type TestMariaDb } from '../../lab/databases/mariadb.ts';
import { type GlanceManage, startGlanceManage } from '../../lab/glance/glance-manage.ts';
import { installGlance } from '../../lab/glance/real-glance.ts';
import { leaveOut } from '../../lab/process/needs.ts';
import { mysqlEngine } from '../support/mysql-engine.ts';
import { halfWayCase, NEWTON, ORIGINS } from './half-way.ts';

describe('what a killed glance-manage leaves on MariaDB', () => {
  let server: TestMariaDb;
  let manage: GlanceManage;
  const engine = mysqlEngine(() => server);

  before(async function () {
    const glance = await installGlance().catch((error: Error) => leaveOut(this, error.message));
    if (!hasMariaDb()) leaveOut(this, NO_MARIADB);
    server = await startMariaDb();
    manage = startGlanceManage(glance);
  });

  after(async () => {
    await manage?.stop();
    await server?.stop();
  });

  for (const origin of ORIGINS) {
    halfWayCase(origin, { engine, manage: () => manage });
  }

  halfWayCase(NEWTON, { engine, manage: () => manage, way: ['expand', 'migrate', 'contract'], each: 12 });
});
