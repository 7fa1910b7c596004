import type { DataMigration } from '../src/glance/steps.ts';

const MEMBERS = 'SELECT 1 FROM image_members WHERE image_id = images.id AND NOT image_members.deleted';

/**
 * A row that has a visibility is believed, whatever its `is_public` says: a node of Ocata may have
 * written it, and without the triggers, as Glance's own tool leaves PostgreSQL, it writes that one
 * alone.
 */
const PENDING = `visibility IS NULL OR (visibility = 'private' AND EXISTS (${MEMBERS}))`;

/**
 * Gives each image of an expanded database its visibility, deleted ones too, in one write each.
 * Images that have one keep it, but for private ones that got a member meanwhile. `updated_at`
 * stays.
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
