import type { DataMigration } from '../src/database/step.ts';

const MEMBERS = 'SELECT 1 FROM image_members WHERE image_id = images.id AND NOT image_members.deleted';

const PENDING = `visibility IS NULL OR (visibility = 'private' AND EXISTS (${MEMBERS}))`;

/**
 * Gives each image of an expanded database its visibility, deleted ones too, in one write each. Images that have one
 * keep it, but for private ones that got a member meanwhile. `updated_at` stays.
 *
 * Source: the Glance data migration of the same name.
 */
export const ocataMigrate01CommunityImages: DataMigration = {
  name: 'ocata_migrate01',
  revision: 'ocata01',
  what: 'give each image its visibility',
  table: 'images',
  key: 'id',
  pending: { postgres: PENDING, mysql: PENDING },
  set: {
    postgres: `visibility = CASE WHEN visibility IS NULL AND is_public THEN 'public'::image_visibility
  WHEN EXISTS (${MEMBERS}) THEN 'shared'::image_visibility ELSE 'private'::image_visibility END`,
    mysql: `visibility = CASE WHEN visibility IS NULL AND is_public THEN 'public'
  WHEN EXISTS (${MEMBERS}) THEN 'shared' ELSE 'private' END`,
  },
};
