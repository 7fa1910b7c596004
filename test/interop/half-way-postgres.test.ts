import { startPostgres, type TestPostgres } from '../../lab/databases/postgres.ts';
import { type GlanceManage, startGlanceManage } from '../../lab/glance/glance-manage.ts';
import { installGlance } from '../../lab/glance/real-glance.ts';
import { leaveOut } from '../../lab/process/needs.ts';
import { postgresEngine } from '../support/postgres-engine.ts';
import { EMPTY, halfWayCase, NEWTON, ORIGINS, recordTransactions } from './half-way.ts';

for (const version of ['newest', '26.0.0'] as const) {
  describe(`what a killed glance-manage${version === 'newest' ? '' : ` of ${version}`} leaves on PostgreSQL`, () => {
    let server: TestPostgres;
    let manage: GlanceManage;
    const engine = postgresEngine(() => server);

    before(async function () {
      const glance = await installGlance(undefined, version).catch((error: Error) =>
        leaveOut(this, error.message),
      );
      server = await startPostgres();
      manage = startGlanceManage(glance);
    });

    after(async () => {
      await manage?.stop();
      await server?.stop();
    });

    for (const origin of version === 'newest' ? ORIGINS : [EMPTY]) {
      halfWayCase(origin, { engine, record: recordTransactions, manage: () => manage });
    }

    for (const origin of version === 'newest' ? [EMPTY, NEWTON] : []) {
      halfWayCase(origin, {
        engine,
        record: recordTransactions,
        manage: () => manage,
        way: ['expand', 'migrate', 'contract'],
      });
    }
  });
}
