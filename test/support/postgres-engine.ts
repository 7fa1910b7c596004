import { fillNewton, seedNewton } from '../../lab/databases/glance-data.ts';
import { goldenSchema, readSchema, type Schema, withAlembicVersion } from '../../lab/databases/golden.ts';
import { buildGolden } from '../../lab/databases/golden-database.ts';
import { expectedImages, openSession, readImages, withClient } from '../../lab/databases/images.ts';
import type { TestPostgres } from '../../lab/databases/postgres.ts';
import type { Row, TestEngine } from './test-engine.ts';

const TRIGGERS = ['insert_visibility', 'update_visibility'];

/** @param server gives the server, which need not be there yet. */
export function postgresEngine(server: () => TestPostgres): TestEngine {
  let databases = 0;
  const golden = (name: string): Schema => withAlembicVersion(goldenSchema(name));
  return {
    no: false,
    planLock: /ACCESS EXCLUSIVE on images: nobody reads or writes while the table is rewritten/,
    notExpanded: 'ocata_expand01 is not recorded and what it has begun does no harm',
    createDatabase(name) {
      databases += 1;
      return server().createDatabase(name ?? `database_${databases}`);
    },
    buildGolden,
    seedNewton,
    fillNewton,
    readImages,
    expectedImages,
    readTables: (url) =>
      withClient(url, async (client) => {
        const tables: Record<string, readonly Row[]> = {};
        const { rows } = await client.query(
          `SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'alembic_version' ORDER BY 1`,
        );
        for (const { tablename } of rows) {
          const found = await client.query(
            `SELECT to_jsonb(t) AS r FROM ${client.escapeIdentifier(tablename)} t`,
          );
          if (found.rows.length > 0) {
            tables[tablename] = found.rows.map(({ r }) => r);
          }
        }
        return tables;
      }),
    readSchema,
    goldenSchema: golden,
    // The real tool has no triggers on PostgreSQL.
    expandedSchema: (name) => ({ ...golden(name), triggers: TRIGGERS, functions: TRIGGERS }),
    query: (url, sql, values = []) =>
      withClient(url, async (client) => {
        let place = 0;
        // Without values several statements can be sent at once.
        const { rows } =
          values.length === 0
            ? await client.query<Row>(sql)
            : await client.query<Row>(
                sql.replaceAll('?', () => `$${++place}`),
                [...values],
              );
        return rows;
      }),
    async connect(url) {
      const client = await openSession(url);
      return { query: async (sql) => (await client.query<Row>(sql)).rows, end: () => client.end() };
    },
    async createReader(url) {
      const reader = new URL(url);
      reader.username = `reader_of_${reader.pathname.slice(1)}`;
      reader.password = 'reader';
      await withClient(url, (client) =>
        client.query(`CREATE ROLE ${reader.username} LOGIN PASSWORD 'reader';
          GRANT SELECT ON ALL TABLES IN SCHEMA public TO ${reader.username}`),
      );
      return reader.href;
    },
    async countWrites(url, pause = 0) {
      await withClient(url, (client) =>
        client.query(`CREATE TABLE writes (id text);
          CREATE FUNCTION written() RETURNS trigger LANGUAGE plpgsql AS
            'BEGIN PERFORM pg_sleep(${pause}); INSERT INTO writes VALUES (NEW.id); RETURN NULL; END';
          CREATE TRIGGER written AFTER UPDATE ON images FOR EACH ROW EXECUTE PROCEDURE written()`),
      );
    },
    async insertUnseen(url, columns) {
      await withClient(url, (client) =>
        client.query(`DELETE FROM images; SET session_replication_role = replica;
          INSERT INTO images (id, status, created_at, deleted, min_disk, min_ram, is_public, visibility)
            VALUES ('u', 'queued', now(), false, 0, 0, ${columns})`),
      );
    },
  };
}
