import type { Migration, Table } from '../src/glance/steps.ts';

const nodeReference: Table = {
  name: 'node_reference',
  columns: [
    { name: 'node_reference_id', type: 'bigserial' },
    { name: 'node_reference_url', type: 'varchar(255)' },
  ],
  primaryKey: ['node_reference_id'],
  uniques: [{ name: 'uq_node_reference_node_reference_url', columns: ['node_reference_url'] }],
};

const cachedImages: Table = {
  name: 'cached_images',
  columns: [
    { name: 'id', type: 'bigserial' },
    { name: 'image_id', type: 'varchar(36)' },
    { name: 'last_accessed', type: 'datetime' },
    { name: 'last_modified', type: 'datetime' },
    { name: 'size', type: 'bigint' },
    { name: 'hits', type: 'integer' },
    { name: 'checksum', type: 'varchar(32)', nullable: true },
    { name: 'node_reference_id', type: 'bigint' },
  ],
  primaryKey: ['id'],
  uniques: [
    { name: 'ix_cached_images_image_id_node_reference_id', columns: ['image_id', 'node_reference_id'] },
  ],
  foreignKeys: [
    {
      columns: ['node_reference_id'],
      references: { table: 'node_reference', columns: ['node_reference_id'] },
    },
  ],
};

/** Source: the Glance script of the same name. */
export const glance20241Expand01AddCacheTables: Migration = {
  name: '2024_1_expand01',
  scripts: ['2024_1_expand01'],
  steps: [
    { do: 'create table', table: nodeReference },
    { do: 'create table', table: cachedImages },
  ],
};
