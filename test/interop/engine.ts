import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { hasMariaDb, NO_MARIADB, startMariaDb } from '../../lab/databases/mariadb.ts';
import { startPostgres } from '../../lab/databases/postgres.ts';
import { runProgram } from '../../lab/glance/real-glance.ts';
import { mysqlEngine } from '../support/mysql-engine.ts';
import { postgresEngine } from '../support/postgres-engine.ts';
import type { TestEngine } from '../support/test-engine.ts';

/** A kind of database on which the real Glance and we take turns. */
export interface Engine {
  readonly name: string;
  /** Glance refuses `db check` and the three phases on all others. */
  readonly hasPhases: boolean;
  /** Why it cannot be started on this machine and what to do, or null. */
  missing(): string | null;
  start(): Promise<EngineServer>;
}

export interface EngineServer extends TestEngine {
  /** Makes a database with all that another one has, and returns its URL. */
  copyDatabase(from: string, to: string): Promise<string>;
  stop(): Promise<void>;
}

const postgres: Engine = {
  name: 'PostgreSQL',
  hasPhases: false,
  missing: () => null,
  async start() {
    const server = await startPostgres();
    return {
      ...postgresEngine(() => server),
      copyDatabase: (from, to) => server.createDatabase(to, from),
      stop: () => server.stop(),
    };
  },
};

const mariadb: Engine = {
  name: 'MariaDB',
  hasPhases: true,
  missing: () => (hasMariaDb() ? null : NO_MARIADB),
  async start() {
    const server = await startMariaDb();
    const folder = mkdtempSync(join(tmpdir(), 'glance-schema-copy-'));
    const access = `--no-defaults --host=${server.host} --port=${server.port} --user=${server.user}`;
    return {
      ...mysqlEngine(() => server),
      async copyDatabase(from, to) {
        const url = await server.createDatabase(to);
        const copied = await runProgram(
          'sh',
          [
            '-c',
            // No pipe: the shell tells the exit code of its last program only.
            `mariadb-dump ${access} --single-transaction --triggers "$0" >"$2" && mariadb ${access} "$1" <"$2"`,
            from,
            to,
            join(folder, 'copy.sql'),
          ],
          { MYSQL_PWD: server.password },
        );
        if (copied.code !== 0) throw new Error(`Cannot copy ${from} to ${to}: ${copied.stderr}`);
        return url;
      },
      async stop() {
        await server.stop();
        rmSync(folder, { recursive: true, force: true });
      },
    };
  },
};

export const ENGINES: readonly Engine[] = [postgres, mariadb];
