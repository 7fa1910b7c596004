import type { Step } from '../src/database/step.ts';
import { SHARE_IMAGES_WITH_MEMBERS } from './image_visibility.ts';

/**
 * Gives each image of an expanded database its visibility. Images that have one keep it, but for private ones that got
 * a member meanwhile.
 *
 * Source: the Glance data migration of the same name.
 */
export const ocataMigrate01CommunityImages: readonly Step[] = [
  {
    do: 'change data',
    table: 'images',
    what: 'give each image its visibility',
    // Each image is written once: those with members become shared in the same statement.
    sql: {
      postgres: `UPDATE images SET visibility = CASE WHEN is_public THEN 'public'::image_visibility
        WHEN id IN (SELECT image_id FROM image_members WHERE NOT deleted) THEN 'shared'::image_visibility
        ELSE 'private'::image_visibility END WHERE visibility IS NULL`,
    },
  },
  SHARE_IMAGES_WITH_MEMBERS,
];
