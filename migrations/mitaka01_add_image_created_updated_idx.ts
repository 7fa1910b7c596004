import type { Migration } from '../src/glance/steps.ts';

/** Source: the Glance script of the same name. */
export const mitaka01AddImageCreatedUpdatedIdx: Migration = {
  name: 'mitaka01',
  scripts: ['mitaka01'],
  steps: [
    {
      do: 'create index',
      table: 'images',
      index: { name: 'created_at_image_idx', columns: ['created_at'] },
    },
    {
      do: 'create index',
      table: 'images',
      index: { name: 'updated_at_image_idx', columns: ['updated_at'] },
    },
  ],
};
