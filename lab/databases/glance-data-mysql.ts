import type { Connection, RowDataPacket } from 'mysql2/promise';
import { imagesSinceOcata, type SeedOptions } from './glance-data.ts';
import { buildMysqlGolden } from './golden-mysql-database.ts';
import { withMysql } from './mysql-client.ts';

type Row = Readonly<Record<string, unknown>>;

/**
 * Makes an empty MariaDB database into one that Glance's Newton release left: its schema,
 * `migrate_version` 44, and images with members and locations in every combination that a migration
 * has to tell apart.
 */
export async function seedMysqlNewton(url: string, options: SeedOptions): Promise<void> {
  await buildMysqlGolden(url, { schema: 'ocata_era__mitaka02', migrate: 44 });
  await fillMysqlNewton(url, options);
}

/** Fills a database that has Glance's tables already; see `seedMysqlNewton`. */
export async function fillMysqlNewton(url: string, { images, sinceOcata }: SeedOptions): Promise<void> {
  await withMysql(url, async (client) => {
    const withNumbers = await numbered(client, images);
    for (const sql of [
      sinceOcata === true ? imagesSinceOcata(IMAGES, 'mysql') : IMAGES,
      MEMBERS,
      LOCATIONS,
      PROPERTIES,
    ]) {
      await client.query(withNumbers(sql));
    }
    await client.query(RESOURCE_TYPES);
  });
}

/**
 * Puts a table of the numbers from 1 on into a statement: MariaDB has an engine for that, MySQL has
 * not; and MySQL 9 has no MD5.
 */
async function numbered(client: Connection, last: number): Promise<(sql: string) => string> {
  const [[server]] = await client.query<RowDataPacket[]>('SELECT VERSION() AS version');
  if (String(server?.version).includes('MariaDB')) {
    // Not `seq_1_to_0`, which goes downwards and has two rows.
    const numbers = `(SELECT seq FROM seq_1_to_${Math.max(last, 1)} WHERE seq <= ${last}) seq_numbers`;
    return (sql) => sql.replace('seq_numbers', numbers);
  }
  await client.query(`SET SESSION cte_max_recursion_depth = ${last + 1}`);
  const numbers = `(WITH RECURSIVE numbers (seq) AS (SELECT 1 UNION ALL SELECT seq + 1 FROM numbers WHERE seq < ${last})
    SELECT seq FROM numbers WHERE seq <= ${last}) seq_numbers`;
  return (sql) => sql.replace('seq_numbers', numbers).replaceAll(/MD5\((.*?)\)/g, 'LEFT(SHA2($1, 256), 32)');
}

/** Every image as it is, dates as text. */
export async function readMysqlImages(url: string): Promise<readonly Row[]> {
  return withMysql(url, async (client) => {
    const [rows] = await client.query<RowDataPacket[]>('SELECT * FROM images ORDER BY id');
    return rows.map((row) => ({ ...row }));
  });
}

/**
 * Every image as it has to be at `ocata01`, computed here from the rows before: the oracle, which
 * shares nothing with the migration's SQL.
 */
export async function expectedMysqlImages(url: string): Promise<readonly Row[]> {
  const images = await readMysqlImages(url);
  const shared = await withMysql(url, async (client) => {
    const [rows] = await client.query<RowDataPacket[]>('SELECT image_id, deleted FROM image_members');
    return new Set(rows.filter((row) => row.deleted === 0).map((row) => String(row.image_id)));
  });
  return images.map((image) => {
    const { is_public: isPublic, visibility: before, ...rest } = image;
    const own = before ?? (isPublic === 1 ? 'public' : 'private');
    return { ...rest, visibility: own === 'private' && shared.has(String(image.id)) ? 'shared' : own };
  });
}

const ID = `CONCAT(LPAD(HEX(seq), 8, '0'), '-0000-4000-8000-', LPAD(HEX(seq), 12, '0'))`;

const CREATED = `'2016-10-06' + INTERVAL seq SECOND`;

// One image in five is public, one in seven deleted, one in three never updated: all combinations
// occur.
const IMAGES = `
INSERT INTO images (id, name, size, status, is_public, created_at, updated_at, deleted_at, deleted, disk_format,
  container_format, checksum, owner, min_disk, min_ram, protected, virtual_size)
SELECT ${ID}, CONCAT('image ', seq), seq * 1024, IF(seq % 7 = 0, 'deleted', 'active'), seq % 5 = 0, ${CREATED},
  IF(seq % 3 <> 0, ${CREATED} + INTERVAL 1 DAY, NULL), IF(seq % 7 = 0, ${CREATED} + INTERVAL 2 DAY, NULL), seq % 7 = 0,
  'qcow2', 'bare', MD5(seq), MD5(seq % 50), 0, 0, seq % 11 = 0, NULL
FROM seq_numbers`;

// Every second image has members: one or two, pending, accepted or rejected; one in three of them
// is deleted.
const MEMBERS = `
INSERT INTO image_members (image_id, member, can_share, created_at, updated_at, deleted_at, deleted, status)
SELECT ${ID}, CONCAT('project-', seq % 40, '-', m), 0, ${CREATED}, ${CREATED},
  IF((seq DIV 2 + m) % 3 = 0, ${CREATED}, NULL), (seq DIV 2 + m) % 3 = 0, ELT(seq % 3 + 1, 'pending', 'accepted', 'rejected')
FROM seq_numbers JOIN (SELECT 1 AS m UNION SELECT 2) two WHERE seq % 2 = 0 AND m <= 1 + seq % 4 DIV 2`;

// One location in three has the key that Train renames.
const LOCATIONS = `
INSERT INTO image_locations (image_id, value, created_at, updated_at, deleted_at, deleted, meta_data, status)
SELECT ${ID}, CONCAT('file:///var/lib/glance/images/', seq), ${CREATED}, ${CREATED}, NULL, 0,
  IF(seq % 3 = 0, '{"backend": "ceph"}', '{}'), IF(seq % 7 = 0, 'deleted', 'active')
FROM seq_numbers`;

const PROPERTIES = `
INSERT INTO image_properties (image_id, name, value, created_at, updated_at, deleted_at, deleted)
SELECT ${ID}, 'hw_disk_bus', 'virtio', ${CREATED}, NULL, NULL, 0 FROM seq_numbers WHERE seq % 4 = 0`;

const RESOURCE_TYPES = `
INSERT INTO metadef_resource_types (name, protected, created_at, updated_at) VALUES
  ('OS::Glance::Image', 1, '2016-10-06', NULL), ('OS::Nova::Server', 1, '2016-10-06', NULL)`;
