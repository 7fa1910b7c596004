import pg from 'pg';
import { buildGolden } from './golden-database.ts';

/** How many rows of Glance are written, and for which form of `images`. */
export interface SeedOptions {
  readonly images: number;
  /** Whether `images` has `visibility` and no `is_public` any more, as since Ocata. */
  readonly sinceOcata?: boolean;
}

/** How many rows each table has got. */
export interface SeedCounts {
  readonly images: number;
  readonly members: number;
  readonly locations: number;
}

/**
 * Makes an empty database into one that Glance's Newton release left: its schema, `migrate_version`
 * 44, and images with members, locations, properties and tags in every combination that a migration
 * has to tell apart. Set-based: about a second for each 100,000 images.
 */
export async function seedNewton(connectionString: string, options: SeedOptions): Promise<SeedCounts> {
  await buildGolden(connectionString, { schema: 'ocata_era__mitaka02', migrate: 44 });
  return fillNewton(connectionString, options);
}

/** Fills a database that has Glance's tables already; see `seedNewton`. */
export async function fillNewton(connectionString: string, options: SeedOptions): Promise<SeedCounts> {
  const client = new pg.Client({ connectionString });
  await client.connect();
  try {
    await client.query('BEGIN');
    await client.query(options.sinceOcata === true ? imagesSinceOcata(IMAGES, 'postgres') : IMAGES, [
      options.images,
    ]);
    const members = await client.query(MEMBERS, [options.images]);
    const locations = await client.query(LOCATIONS, [options.images]);
    await client.query(PROPERTIES, [options.images]);
    await client.query(TAGS, [options.images]);
    await client.query(RESOURCE_TYPES);
    await client.query('COMMIT');
    await client.query('ANALYZE');
    return { images: options.images, members: members.rowCount ?? 0, locations: locations.rowCount ?? 0 };
  } finally {
    await client.end();
  }
}

const WORDS = `'public', 'private', 'community', 'shared', 'shared'`;

const IN_ENGINE = {
  postgres: `(ARRAY[${WORDS}]::image_visibility[])[n % 5 + 1],`,
  mysql: `ELT(seq % 5 + 1, ${WORDS}),`,
};

/** The same INSERT for a table that has `visibility` instead of `is_public`. */
export function imagesSinceOcata(insert: string, engine: keyof typeof IN_ENGINE): string {
  return insert.replace('is_public,', 'visibility,').replace(/(n|seq) % 5 = 0,/, IN_ENGINE[engine]);
}

const ID = `lpad(to_hex(n), 8, '0') || '-0000-4000-8000-' || lpad(to_hex(n), 12, '0')`;

const CREATED = `timestamp '2016-10-06 00:00:00' + n * interval '1 second'`;

// One image in five is public, one in seven deleted, one in three never updated: all combinations
// occur.
const IMAGES = `
INSERT INTO images (id, name, size, status, is_public, created_at, updated_at, deleted_at, deleted, disk_format,
  container_format, checksum, owner, min_disk, min_ram, protected, virtual_size)
SELECT ${ID}, 'image ' || n, n * 1024, CASE WHEN n % 7 = 0 THEN 'deleted' ELSE 'active' END, n % 5 = 0, ${CREATED},
  CASE WHEN n % 3 <> 0 THEN ${CREATED} + interval '1 day' END,
  CASE WHEN n % 7 = 0 THEN ${CREATED} + interval '2 days' END, n % 7 = 0, 'qcow2', 'bare', md5(n::text),
  md5((n % 50)::text), 0, 0, n % 11 = 0, NULL
FROM generate_series(1, $1::integer) n`;

// Every second image has members: one or two, pending, accepted or rejected; one in three of them
// is deleted.
const MEMBERS = `
INSERT INTO image_members (image_id, member, can_share, created_at, updated_at, deleted_at, deleted, status)
SELECT ${ID}, 'project-' || (n % 40) || '-' || m, false, ${CREATED}, ${CREATED},
  CASE WHEN (n / 2 + m) % 3 = 0 THEN ${CREATED} END, (n / 2 + m) % 3 = 0,
  (ARRAY['pending', 'accepted', 'rejected'])[n % 3 + 1]
FROM generate_series(1, $1::integer) n, generate_series(1, 2) m
WHERE n % 2 = 0 AND m <= 1 + n % 4 / 2`;

// One location in three has the key that Train renames.
const LOCATIONS = `
INSERT INTO image_locations (image_id, value, created_at, updated_at, deleted_at, deleted, meta_data, status)
SELECT ${ID}, 'file:///var/lib/glance/images/' || n, ${CREATED}, ${CREATED}, NULL, false,
  CASE WHEN n % 3 = 0 THEN '{"backend": "ceph"}' ELSE '{}' END,
  CASE WHEN n % 7 = 0 THEN 'deleted' ELSE 'active' END
FROM generate_series(1, $1::integer) n`;

const PROPERTIES = `
INSERT INTO image_properties (image_id, name, value, created_at, updated_at, deleted_at, deleted)
SELECT ${ID}, 'hw_disk_bus', 'virtio', ${CREATED}, NULL, NULL, false
FROM generate_series(1, $1::integer) n WHERE n % 4 = 0`;

const TAGS = `
INSERT INTO image_tags (image_id, value, created_at, updated_at, deleted_at, deleted)
SELECT ${ID}, 'tag-' || n % 9, ${CREATED}, NULL, NULL, false
FROM generate_series(1, $1::integer) n WHERE n % 8 = 0`;

const RESOURCE_TYPES = `
INSERT INTO metadef_resource_types (name, protected, created_at, updated_at)
SELECT name, true, timestamp '2016-10-06', NULL
FROM unnest(ARRAY['OS::Glance::Image', 'OS::Nova::Server', 'OS::Cinder::Volume']) name`;
