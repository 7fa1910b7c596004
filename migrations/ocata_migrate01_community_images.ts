import type { DataMigration } from '../src/database/step.ts';

const MEMBERS = 'SELECT 1 FROM image_members WHERE image_id = images.id AND NOT image_members.deleted';

/**
 * The rows themselves say what is left. The triggers keep `is_public` and `visibility` in agreement; where the two contradict
 * each other, a tool without triggers was ended between them, and `is_public` is what the nodes of before Ocata wrote.
 */
const PENDING = `visibility IS NULL OR (visibility = 'private' AND EXISTS (${MEMBERS}))
  OR (is_public AND visibility <> 'public') OR (NOT is_public AND visibility = 'public')`;

/**
 * Gives each image of an expanded database its visibility, deleted ones too, in one write each. Images that have one
 * keep it, but for private ones that got a member meanwhile and those that contradict `is_public`. `updated_at` stays.
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
    postgres: `visibility = CASE WHEN is_public THEN 'public'::image_visibility
  WHEN EXISTS (${MEMBERS}) THEN 'shared'::image_visibility ELSE 'private'::image_visibility END`,
    mysql: `visibility = CASE WHEN is_public THEN 'public'
  WHEN EXISTS (${MEMBERS}) THEN 'shared' ELSE 'private' END`,
  },
};
