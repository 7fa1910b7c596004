import { suitePostgres } from '../../../lab/databases/suite-server.ts';
import { silentCases } from '../../support/cases/silent.ts';
import { postgresEngine } from '../../support/postgres-engine.ts';

describe('a PostgreSQL that does not answer any more', () => {
  const server = suitePostgres();
  const engine = postgresEngine(server);

  silentCases(engine, {
    port: () => server().port,
    points: {
      'its first statement': /AS pooled/,
      'a query before the lock': /pg_describe_object/,
      'the lock': /pg_try_advisory_xact_lock/,
      'the connection for the work': /pg_range/,
      'its first transaction': /AS locked/,
    },
    lockImages: ['BEGIN', 'LOCK TABLE images'],
    tried: 2,
  });
});
