import type { Migration } from '../src/database/step.ts';
import { IMAGE_VISIBILITY, VISIBILITY_INDEX } from './image_visibility.ts';

/** Source: the Glance script of the same name. Its triggers are MySQL's only. */
export const ocataExpand01AddVisibility: Migration = {
  name: 'ocata_expand01',
  scripts: ['ocata_expand01'],
  steps: [
    { do: 'create enum', type: IMAGE_VISIBILITY },
    {
      do: 'add column',
      table: 'images',
      column: { name: 'visibility', type: IMAGE_VISIBILITY, nullable: true },
    },
    { do: 'create index', table: 'images', index: VISIBILITY_INDEX },
    { do: 'change column', table: 'images', column: { name: 'is_public', type: 'boolean', nullable: true } },
  ],
};
