import mysql, { type RowDataPacket } from 'mysql2/promise';
import {
  expectedMysqlImages,
  fillMysqlNewton,
  readMysqlImages,
  seedMysqlNewton,
} from '../../lab/databases/glance-data-mysql.ts';
import {
  goldenMysqlSchema,
  type MysqlSchema,
  readMysqlSchema,
  withMysqlAlembicVersion,
} from '../../lab/databases/golden-mysql.ts';
import { buildMysqlGolden } from '../../lab/databases/golden-mysql-database.ts';
import type { TestMariaDb } from '../../lab/databases/mariadb.ts';
import { askMysql, openMysqlSession, plainRows, withMysql } from '../../lab/databases/mysql-client.ts';
import type { Row, TestEngine } from './test-engine.ts';

/**
 * @param server gives the server, which need not be there yet.
 * @param compared what of a schema is compared with MariaDB's golden files: all, but for MySQL
 *   `withoutDialect`.
 */
export function mysqlEngine(
  server: () => TestMariaDb,
  compared: (schema: MysqlSchema) => MysqlSchema = (schema) => schema,
): TestEngine {
  let databases = 0;
  const golden = (name: string): MysqlSchema => compared(withMysqlAlembicVersion(goldenMysqlSchema(name)));
  return {
    no: 0,
    planLock: / on images: /,
    notExpanded: 'nothing of ocata_expand01 was applied',
    createDatabase(name) {
      databases += 1;
      return server().createDatabase(name ?? `database_${databases}`);
    },
    buildGolden: buildMysqlGolden,
    seedNewton: seedMysqlNewton,
    fillNewton: fillMysqlNewton,
    readImages: readMysqlImages,
    expectedImages: expectedMysqlImages,
    readTables: (url) =>
      withMysql(url, async (client) => {
        const tables: Record<string, readonly Row[]> = {};
        const [names] = await client.query<RowDataPacket[]>(
          `SELECT TABLE_NAME AS name FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE()
            AND TABLE_NAME <> 'alembic_version' ORDER BY 1`,
        );
        for (const { name } of names) {
          const [rows] = await client.query<RowDataPacket[]>(`SELECT * FROM ${mysql.escapeId(name, true)}`);
          if (rows.length > 0) {
            tables[name] = plainRows(rows);
          }
        }
        return tables;
      }),
    readSchema: async (url) => compared(await readMysqlSchema(url)),
    goldenSchema: golden,
    expandedSchema: golden,
    query: askMysql,
    async connect(url) {
      const client = await openMysqlSession(url);
      return {
        query: async (sql) => plainRows((await client.query<RowDataPacket[]>(sql))[0]),
        end: () => client.end(),
      };
    },
    async createReader(url) {
      const reader = new URL(url);
      const database = reader.pathname.slice(1);
      reader.username = `reader_of_${database}`;
      reader.password = 'reader';
      await withMysql(server().adminUrl(database), async (client) => {
        await client.query(`CREATE USER ${reader.username}@'%' IDENTIFIED BY 'reader'`);
        await client.query(`GRANT SELECT ON ${database}.* TO ${reader.username}@'%'`);
      });
      return reader.href;
    },
    async countWrites(url, pause = 0) {
      await withMysql(url, (client) =>
        client.query(`CREATE TABLE writes (id varchar(36));
          CREATE TRIGGER written AFTER UPDATE ON images FOR EACH ROW
            INSERT INTO writes VALUES (IF(SLEEP(${pause}) = 0, NEW.id, NULL))`),
      );
    },
    async insertUnseen(url, columns) {
      await withMysql(url, async (client) => {
        const bodies: string[] = [];
        for (const name of ['update_visibility', 'insert_visibility']) {
          const [[trigger]] = await client.query<RowDataPacket[]>(`SHOW CREATE TRIGGER ${name}`);
          bodies.push(String(trigger?.['SQL Original Statement']));
          await client.query(`DROP TRIGGER ${name}`);
        }
        await client.query('DELETE FROM images');
        await client.query(`INSERT INTO images (id, status, created_at, deleted, min_disk, min_ram, is_public, visibility)
          VALUES ('u', 'queued', now(), false, 0, 0, ${columns})`);
        for (const body of bodies) {
          await client.query(body);
        }
      });
    },
  };
}
