import {
  firstNodeAsAdministrator,
  hasGalera,
  NO_GALERA,
  startGalera,
  type TestCluster,
} from '../../lab/databases/galera.ts';
import type { TestMariaDb } from '../../lab/databases/mariadb.ts';
import { type GlanceManage, startGlanceManage } from '../../lab/glance/glance-manage.ts';
import { installGlance } from '../../lab/glance/real-glance.ts';
import { leaveOut } from '../../lab/process/needs.ts';
import { mysqlEngine } from '../support/mysql-engine.ts';
import { EMPTY, halfWayCase, NEWTON, ORIGINS } from './half-way.ts';

describe('what a killed glance-manage leaves on a Galera cluster of three', () => {
  let cluster: TestCluster;
  let manage: GlanceManage;
  let node: TestMariaDb;
  const engine = mysqlEngine(() => node);

  before(async function () {
    const glance = await installGlance().catch((error: Error) => leaveOut(this, error.message));
    if (!hasGalera()) leaveOut(this, NO_GALERA);
    cluster = await startGalera(3);
    node = firstNodeAsAdministrator(cluster);
    manage = startGlanceManage(glance);
  });

  after(async () => {
    await manage?.stop();
    await cluster?.stop();
  });

  for (const origin of ORIGINS) {
    halfWayCase(origin, { engine, manage: () => manage, each: 12 });
  }

  for (const origin of [EMPTY, NEWTON]) {
    halfWayCase(origin, { engine, manage: () => manage, way: ['expand', 'migrate', 'contract'], each: 12 });
  }
});
