import type { Migration } from '../src/glance/steps.ts';
import {
  FROM_IS_PUBLIC,
  IMAGE_VISIBILITY,
  SHARE_FILLED_IMAGES,
  VISIBILITY,
  VISIBILITY_INDEX,
} from './image_visibility.ts';

/**
 * Expand, data and contract of Ocata in one, for a database that nobody uses meanwhile: each row is
 * written once and the index built last. The schema is that of `ocata_contract01`.
 *
 * Source: the script of the same name in Glance 14.0.0.
 */
export const ocata01AddVisibilityRemoveIsPublic: Migration = {
  name: 'ocata01',
  scripts: ['ocata_expand01', 'ocata_contract01'],
  steps: [
    { do: 'drop index', table: 'images', index: 'ix_images_is_public' },
    { do: 'create enum', type: IMAGE_VISIBILITY },
    {
      do: 'add filled column',
      table: 'images',
      column: VISIBILITY,
      from: 'is_public',
      value: FROM_IS_PUBLIC,
    },
    SHARE_FILLED_IMAGES,
    { do: 'drop column', table: 'images', column: 'is_public' },
    { do: 'create index', table: 'images', index: VISIBILITY_INDEX },
  ],
};
