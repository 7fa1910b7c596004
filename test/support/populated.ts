import { SCRIPTS } from '../../src/revision/scripts.ts';
import type { GoldenOptions } from './golden-database.ts';

type Row = Readonly<Record<string, unknown>>;

/** The rows of each table, by its name. */
export type Tables = Readonly<Record<string, readonly Row[]>>;

/** A release whose databases are to be found, as it left them. */
export interface Origin extends GoldenOptions {
  readonly release: string;
  readonly sinceOcata: boolean;
}

export const ORIGINS: readonly Origin[] = [
  { release: 'Liberty', schema: 'ocata_era__liberty', migrate: 42, sinceOcata: false },
  { release: 'Newton', schema: 'ocata_era__mitaka02', migrate: 44, sinceOcata: false },
  ...['ocata', 'queens', 'train', '2023_1'].map((release) => {
    const head =
      SCRIPTS.findLast(({ name }) => name.startsWith(release) && name.includes('contract'))?.name ?? '';
    return { release, schema: head, alembic: [head], sinceOcata: true };
  }),
];

/**
 * What the rows have to be at the newest revision, computed here from those before: every row of every table as it was, but for
 * what Glance's data migrations of Mitaka, Ocata and Train change, and new columns at their defaults.
 *
 * @param images those of the table as Ocata has them
 * @param no what the engine gives for a column that is false
 */
export function expectedAtHead(before: Tables, images: readonly Row[], no: unknown): Tables {
  return {
    ...before,
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
  return Object.entries(tables).map(([name, rows]) => [
    name,
    rows.map((row) => JSON.stringify(row, Object.keys(row).sort())).sort(),
  ]);
}
