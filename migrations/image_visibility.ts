import type { Column, EnumType, Index, PerEngine, Step } from '../src/database/step.ts';

/** The words that Ocata puts in the place of `images.is_public`, in the order of Glance's enum. */
export const IMAGE_VISIBILITY: EnumType = {
  enum: 'image_visibility',
  values: ['private', 'public', 'shared', 'community'],
};

/** `images.visibility` as it is in the end. */
export const VISIBILITY: Column = { name: 'visibility', type: IMAGE_VISIBILITY, default: 'shared' };

export const VISIBILITY_INDEX: Index = { name: 'visibility_image_idx', columns: ['visibility'] };

/** What an image without members becomes. */
export const FROM_IS_PUBLIC: PerEngine = {
  postgres: `CASE WHEN is_public THEN 'public'::image_visibility ELSE 'private'::image_visibility END`,
};

/**
 * A private image is shared once it has a member who is not deleted, whatever that member's status; deleted images too.
 *
 * Source: glance/db/sqlalchemy/alembic_migrations/data_migrations/ocata_migrate01_community_images.py.
 */
export const SHARE_IMAGES_WITH_MEMBERS: Step = {
  do: 'change data',
  table: 'images',
  what: 'mark private images that have members as shared',
  sql: {
    postgres: `UPDATE images SET visibility = 'shared' WHERE visibility = 'private'
      AND id IN (SELECT image_id FROM image_members WHERE NOT deleted)`,
  },
};
