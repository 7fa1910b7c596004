import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { startPostgres, type TestPostgres } from '../../../lab/databases/postgres.ts';
import { plannedCases } from '../../support/cases/planned-statements.ts';
import { postgresEngine } from '../../support/postgres-engine.ts';

describe("a plan is what then runs, by PostgreSQL's own log", () => {
  let server: TestPostgres;

  before(async () => {
    // One line for each statement, whatever is in it.
    server = await startPostgres({ settings: { log_statement: 'mod', log_line_prefix: '<%a> ' } });
  });

  after(() => server?.stop());

  const log = () => readFileSync(join(server.dataDirectory, 'server.log'), 'utf8');

  plannedCases(
    postgresEngine(() => server),
    async (_url, work) => {
      const before = log().length;
      await work();
      return log()
        .slice(before)
        .split(/^<(?=[^>]*> [A-Z]+: )/m)
        .flatMap((entry) => /^[^>]*> LOG: {2}(?:statement|execute [^:]+): (.*)$/s.exec(entry)?.[1] ?? []);
    },
  );
});
