import type { Migration } from '../src/glance/steps.ts';

/** Source: the Glance script of the same name. */
export const rockyExpand01AddOsHidden: Migration = {
  name: 'rocky_expand01',
  scripts: ['rocky_expand01'],
  steps: [
    {
      do: 'add column',
      table: 'images',
      column: { name: 'os_hidden', type: 'boolean', default: false },
    },
    {
      do: 'create index',
      table: 'images',
      index: { name: 'os_hidden_image_idx', columns: ['os_hidden'] },
    },
  ],
};
