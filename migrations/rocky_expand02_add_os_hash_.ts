import type { Migration } from '../src/glance/steps.ts';

/** Source: the Glance script of the same name. */
export const rockyExpand02AddOsHash: Migration = {
  name: 'rocky_expand02',
  scripts: ['rocky_expand02'],
  steps: [
    {
      do: 'add column',
      table: 'images',
      column: { name: 'os_hash_algo', type: 'varchar(64)', nullable: true },
    },
    {
      do: 'add column',
      table: 'images',
      column: { name: 'os_hash_value', type: 'varchar(128)', nullable: true },
    },
    {
      do: 'create index',
      table: 'images',
      index: { name: 'os_hash_value_image_idx', columns: ['os_hash_value'] },
    },
  ],
};
