import type { Migration } from '../src/database/step.ts';
import { VISIBILITY } from './image_visibility.ts';
import { ocataMigrate01CommunityImages } from './ocata_migrate01_community_images.ts';

/** Source: the Glance script of the same name. The data migration that it waits for runs in the same transaction. */
export const ocataContract01DropIsPublic: Migration = {
  name: 'ocata_contract01',
  scripts: ['ocata_contract01'],
  steps: [
    ...ocataMigrate01CommunityImages,
    { do: 'drop index', table: 'images', index: 'ix_images_is_public' },
    { do: 'drop column', table: 'images', column: 'is_public' },
    { do: 'change column', table: 'images', column: VISIBILITY },
  ],
};
