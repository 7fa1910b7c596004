import type { RowDataPacket } from 'mysql2';
import { seedNewton } from '../support/glance-data.ts';
import { seedMysqlNewton } from '../support/glance-data-mysql.ts';
import { readSchema } from '../support/golden.ts';
import { readMysqlSchema } from '../support/golden-mysql.ts';
import { withClient } from '../support/images.ts';
import { hasMariaDb, NO_MARIADB, startMariaDb } from '../support/mariadb.ts';
import { withMysql } from '../support/mysql-client.ts';
import { startPostgres } from '../support/postgres.ts';
import { runProgram } from '../support/real-glance.ts';

/** A kind of database on which the real Glance and we take turns. */
export interface Engine {
  readonly name: string;
  /** Glance refuses `db check` and the three phases on all others. */
  readonly hasPhases: boolean;
  /** Why it cannot be started on this machine and what to do, or null. */
  missing(): string | null;
  start(): Promise<EngineServer>;
  /** The schema of a database as its catalog tells it; two are compared with one another only. */
  readSchema(url: string): Promise<unknown>;
}

export interface EngineServer {
  /** Makes an empty database and returns its URL. */
  createDatabase(name: string): Promise<string>;
  /** Makes a database with all that another one has, and returns its URL. */
  copyDatabase(from: string, to: string): Promise<string>;
  /** Makes an empty database into one of Glance's Newton release with this many images; see `glance-data.ts`. */
  seedNewton(url: string, images: number): Promise<void>;
  /** Runs SQL that gives rows, with `?` for the values. */
  query(url: string, sql: string, values?: readonly unknown[]): Promise<readonly Row[]>;
  stop(): Promise<void>;
}

export type Row = Readonly<Record<string, unknown>>;

const postgres: Engine = {
  name: 'PostgreSQL',
  hasPhases: false,
  missing: () => null,
  readSchema,
  async start() {
    const server = await startPostgres();
    return {
      createDatabase: (name) => server.createDatabase(name),
      async copyDatabase(from, to) {
        await withClient(server.url('postgres'), (client) =>
          client.query(`CREATE DATABASE "${to}" TEMPLATE "${from}"`),
        );
        return server.url(to);
      },
      async seedNewton(url, images) {
        await seedNewton(url, { images });
      },
      query: (url, sql, values = []) =>
        withClient(url, async (client) => {
          let place = 0;
          const { rows } = await client.query<Row>(
            sql.replaceAll('?', () => `$${++place}`),
            [...values],
          );
          return rows;
        }),
      stop: () => server.stop(),
    };
  },
};

const mariadb: Engine = {
  name: 'MariaDB',
  hasPhases: true,
  missing: () => (hasMariaDb() ? null : NO_MARIADB),
  readSchema: readMysqlSchema,
  async start() {
    const server = await startMariaDb();
    const access = `--no-defaults --host=${server.host} --port=${server.port} --user=${server.user}`;
    return {
      createDatabase: (name) => server.createDatabase(name),
      async copyDatabase(from, to) {
        const url = await server.createDatabase(to);
        const copied = await runProgram(
          'sh',
          [
            '-c',
            `mariadb-dump ${access} --single-transaction --triggers "$0" | mariadb ${access} "$1"`,
            from,
            to,
          ],
          { MYSQL_PWD: server.password },
        );
        if (copied.code !== 0) throw new Error(`Cannot copy ${from} to ${to}: ${copied.stderr}`);
        return url;
      },
      seedNewton: (url, images) => seedMysqlNewton(url, { images }),
      query: (url, sql, values = []) =>
        withMysql(url, async (client) => {
          const [rows] = await client.query<RowDataPacket[]>(sql, [...values]);
          return rows;
        }),
      stop: () => server.stop(),
    };
  },
};

export const ENGINES: readonly Engine[] = [postgres, mariadb];
