import { randomUUID } from 'node:crypto';
import { seedNewton } from '../../lab/databases/glance-data.ts';
import { seedMysqlNewton } from '../../lab/databases/glance-data-mysql.ts';
import { withClient } from '../../lab/databases/images.ts';
import { hasMariaDb, LARGE_LOG, NO_MARIADB, startMariaDb } from '../../lab/databases/mariadb.ts';
import { startPostgres } from '../../lab/databases/postgres.ts';
import { runProgram } from '../../lab/glance/real-glance.ts';
import { findProgram } from '../../lab/tools/distribution-packages.ts';
import type { Program } from './measure.ts';

/** A server and what else is measured on it. */
export interface BenchServer {
  readonly title: string;
  /** The file with the bare driver's two queries. */
  readonly bare: string;
  /** The name of the server's own client, for the reader. */
  readonly clientName: string;
  /** Makes an empty database and returns its URL. */
  create(): Promise<string>;
  /** Makes a copy of a database and returns its URL. */
  copy(url: string): Promise<string>;
  drop(url: string): Promise<void>;
  seedNewton(url: string, images: number): Promise<void>;
  /** A URL for the bare driver. */
  driverUrl(url: string): string;
  /** The server's own client with SQL on its stdin. */
  client(url: string, sql: string): Program;
  /** Glance's own way to ocata01, as it is compared with: see docs/performance.md. */
  readonly glanceOcata: { readonly before: string; readonly measured: string; readonly what: string };
  /** Glance's own data migration of Train. */
  readonly glanceTrain: string;
  stop(): Promise<void>;
}

/**
 * The data migration of Ocata as Glance's script does it. Source:
 * data_migrations/ocata_migrate01_community_images.py.
 */
const THREE_UPDATES = `
UPDATE images SET visibility = 'public' WHERE is_public;
UPDATE images SET visibility = 'private' WHERE NOT is_public;
UPDATE images SET visibility = 'shared' WHERE visibility = 'private'
  AND id IN (SELECT DISTINCT image_id FROM image_members WHERE NOT deleted);
`;

/**
 * The data migration of Train as Glance's script does it. Source:
 * data_migrations/train_migrate01_backend_to_store.py.
 */
const RENAME = `UPDATE image_locations SET meta_data = REPLACE(meta_data, '"backend":', '"store":') WHERE`;

export const SERVERS: Readonly<Record<string, () => Promise<BenchServer>>> = { postgres, mariadb };

async function postgres(): Promise<BenchServer> {
  const server = await startPostgres();
  const asAdmin = (sql: string) => withClient(server.url('postgres'), (client) => client.query(sql));
  return {
    title: 'PostgreSQL 18',
    bare: 'bare-postgres.ts',
    clientName: 'psql',
    create: () => server.createDatabase(newName()),
    copy: (url) => server.createDatabase(newName(), nameOf(url)),
    async drop(url) {
      await asAdmin(`DROP DATABASE "${nameOf(url)}" WITH (FORCE)`);
    },
    async seedNewton(url, images) {
      await seedNewton(url, { images });
    },
    driverUrl: (url) => url,
    client: (url, sql) => ({
      path: 'psql',
      args: ['--no-psqlrc', '--quiet', '--set=ON_ERROR_STOP=1', url],
      stdin: sql,
    }),
    glanceOcata: {
      what: "Glance's three UPDATEs alone",
      before: `
CREATE TYPE image_visibility AS ENUM ('private', 'public', 'shared', 'community');
ALTER TABLE images ADD COLUMN visibility image_visibility;
CREATE INDEX visibility_image_idx ON images (visibility);
ALTER TABLE images ALTER COLUMN is_public DROP NOT NULL;
`,
      measured: THREE_UPDATES,
    },
    glanceTrain: `${RENAME} POSITION('"backend":' IN meta_data) > 0;`,
    stop: () => server.stop(),
  };
}

async function mariadb(): Promise<BenchServer> {
  if (!hasMariaDb()) throw new Error(NO_MARIADB);
  const server = await startMariaDb({ settings: LARGE_LOG });
  const access = ['--no-defaults', `--host=${server.host}`, `--port=${server.port}`, `--user=${server.user}`];
  const env = { MYSQL_PWD: server.password };
  return {
    title: 'MariaDB 10.11',
    bare: 'bare-mysql.ts',
    clientName: 'mariadb',
    create: () => server.createDatabase(newName()),
    async copy(url) {
      const to = await server.createDatabase(newName());
      const pipe = `mariadb-dump ${access.join(' ')} "$0" | mariadb ${access.join(' ')} "$1"`;
      const { code, stderr } = await runProgram('sh', ['-c', pipe, nameOf(url), nameOf(to)], env);
      if (code !== 0) throw new Error(`Cannot copy ${url}: ${stderr}`);
      return to;
    },
    async drop(url) {
      await runProgram('mariadb', [...access, '-e', `DROP DATABASE ${nameOf(url)}`], env);
    },
    seedNewton: (url, images) => seedMysqlNewton(url, { images }),
    driverUrl: (url) => url.replace('mysql+pymysql:', 'mysql:'),
    client: (url, sql) => ({
      path: findProgram('mariadb') ?? 'mariadb',
      args: [...access, nameOf(url)],
      env,
      stdin: sql,
    }),
    glanceOcata: {
      what: "all of Glance's statements",
      before: '',
      measured: `
ALTER TABLE images ADD COLUMN visibility ENUM('private', 'public', 'shared', 'community');
CREATE INDEX visibility_image_idx ON images (visibility);
ALTER TABLE images MODIFY is_public BOOL NULL;
${THREE_UPDATES}
DROP INDEX ix_images_is_public ON images;
ALTER TABLE images DROP CONSTRAINT CONSTRAINT_1;
ALTER TABLE images DROP COLUMN is_public;
ALTER TABLE images MODIFY visibility ENUM('private', 'public', 'shared', 'community') NOT NULL DEFAULT 'shared';
`,
    },
    glanceTrain: `${RENAME} INSTR(meta_data, '"backend":') > 0;`,
    stop: () => server.stop(),
  };
}

function newName(): string {
  return `bench_${randomUUID().replaceAll('-', '')}`;
}

function nameOf(url: string): string {
  return new URL(url).pathname.slice(1);
}
