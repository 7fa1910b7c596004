import { suitePostgres } from '../../../lab/databases/suite-server.ts';
import { lostLockCases } from '../../support/cases/lost-lock.ts';
import { postgresEngine } from '../../support/postgres-engine.ts';

describe('a lock on PostgreSQL that is lost in the middle of a run', () => {
  const server = suitePostgres();
  const engine = postgresEngine(server);

  lostLockCases(engine, {
    port: () => server().port,
    takes: /pg_try_advisory_xact_lock/,
    lasting: /^(COMMIT|.*CONCURRENTLY)/,
    dropIndex: (index) => `DROP INDEX ${index}`,
    async holders(url) {
      const rows = await engine.query(
        url,
        `SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND classid = ${0x676c7363}
              AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`,
      );
      return rows.map(({ pid }) => Number(pid));
    },
    async end(url, session) {
      await engine.query(url, `SELECT pg_terminate_backend(${session})`);
    },
  });
});
