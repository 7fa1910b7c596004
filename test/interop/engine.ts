import { seedNewton } from '../support/glance-data.ts';
import { readSchema } from '../support/golden.ts';
import { withClient } from '../support/images.ts';
import { startPostgres } from '../support/postgres.ts';

/** A kind of database on which the real Glance and we take turns. */
export interface Engine {
  readonly name: string;
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

export const ENGINES: readonly Engine[] = [postgres];
