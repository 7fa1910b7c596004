import { SCRIPTS } from '../../src/glance/revisions.ts';
import type { GoldenOptions } from './golden-database.ts';

type Row = Readonly<Record<string, unknown>>;

/** The rows of each table, by its name. */
export type Tables = Readonly<Record<string, readonly Row[]>>;

/** A release whose databases are to be found, as it left them. */
export interface Origin extends GoldenOptions {
  readonly release: string;
  readonly sinceOcata: boolean;
}

/** The schemas from which an upgrade of a database with rows is tried, the oldest first. */
export const ORIGINS: readonly Origin[] = [
  { release: 'Liberty', schema: 'ocata_era__liberty', migrate: 42, sinceOcata: false },
  { release: 'Newton', schema: 'ocata_era__mitaka02', migrate: 44, sinceOcata: false },
  ...['ocata', 'queens', 'train', '2023_1'].map((release) => {
    const head =
      SCRIPTS.findLast(({ name }) => name.startsWith(release) && name.includes('contract'))?.name ?? '';
    return { release, schema: head, alembic: [head], sinceOcata: true };
  }),
];

/** Ways to the newest revision, each a list of commands. */
export const WAYS: readonly (readonly string[])[] = [['sync'], ['expand', 'migrate', 'contract']];

const ONCE = `'2015-10-15', '2015-10-16'`;

const TASKS = [
  `INSERT INTO tasks (id, type, status, owner, expires_at, created_at, updated_at, deleted_at, deleted) VALUES
    ('task-1', 'import', 'success', 'someone', '2015-10-17', ${ONCE}, NULL, false),
    ('task-2', 'export', 'failure', 'someone', NULL, ${ONCE}, '2015-10-18', true)`,
  `INSERT INTO task_info (task_id, input, result, message) VALUES ('task-1', '{"import_from": "http://a"}', '{}', ''),
    ('task-2', NULL, NULL, 'gone wrong')`,
];

const ARTIFACTS = [
  `INSERT INTO artifacts (id, name, type_name, type_version_prefix, version_prefix, visibility, state, owner, created_at,
    updated_at) VALUES ('one', 'a', 'Template', 1, 1, 'private', 'creating', 'someone', ${ONCE}),
    ('other', 'b', 'Template', 1, 2, 'public', 'active', 'someone', ${ONCE})`,
  `INSERT INTO artifact_blobs (id, artifact_id, size, name, created_at, updated_at) VALUES ('blob', 'one', 5, 'c', ${ONCE})`,
  `INSERT INTO artifact_blob_locations (id, blob_id, value, created_at, updated_at) VALUES ('place', 'blob', 'file:///a', ${ONCE})`,
  `INSERT INTO artifact_dependencies (id, artifact_source, artifact_dest, artifact_origin, is_direct, created_at, updated_at)
    VALUES ('needs', 'one', 'other', 'one', true, ${ONCE})`,
  `INSERT INTO artifact_properties (id, artifact_id, name, string_value, created_at, updated_at)
    VALUES ('property', 'one', 'd', 'e', ${ONCE})`,
  `INSERT INTO artifact_tags (id, artifact_id, value, created_at, updated_at) VALUES ('tag', 'other', 'f', ${ONCE})`,
];

/** The rows of other tables than those of images, for an origin's schema that is filled already. */
export function otherRows({ release }: Origin): readonly string[] {
  return [
    ...TASKS,
    ...(['Liberty', 'Newton', 'ocata'].includes(release) ? ARTIFACTS : []),
    ...(release === 'Liberty'
      ? [`UPDATE metadef_resource_types SET name = 'OS::Nova::Instance' WHERE name = 'OS::Nova::Server'`]
      : []),
  ];
}

/**
 * What the rows have to be at the newest revision, computed here from those before: every row of
 * every table as it was, but for what Glance's data migrations of Mitaka, Ocata and Train change,
 * the artifacts that Pike drops, and new columns at their defaults.
 *
 * @param images those of the table as Ocata has them
 * @param no what the engine gives for a column that is false
 */
export function expectedAtHead(before: Tables, images: readonly Row[], no: unknown): Tables {
  const { tasks = [], ...others } = before;
  return {
    ...Object.fromEntries(Object.entries(others).filter(([name]) => !name.startsWith('artifact'))),
    tasks: tasks.map((task) => ({ image_id: null, request_id: null, user_id: null, ...task })),
    images: images.map((image) => ({
      os_hidden: no,
      os_hash_algo: null,
      os_hash_value: null,
      ...image,
    })),
    image_locations: (before.image_locations ?? []).map((row) => ({
      ...row,
      meta_data: String(row.meta_data).replace('"backend"', '"store"'),
    })),
    metadef_resource_types: (before.metadef_resource_types ?? []).map((row) => ({
      ...row,
      name: row.name === 'OS::Nova::Instance' ? 'OS::Nova::Server' : row.name,
    })),
  };
}

/** For a comparison that does not look at the order of rows and columns. */
export function sortedRows(tables: Tables): readonly (readonly [string, readonly string[]])[] {
  return Object.entries(tables)
    .map(([name, rows]): [string, readonly string[]] => [
      name,
      rows.map((row) => JSON.stringify(row, Object.keys(row).sort())).sort(),
    ])
    .sort(([one], [other]) => (one < other ? -1 : 1));
}
