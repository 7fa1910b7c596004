import type { Column, EnumType, Index, PerEngine, Step, Trigger } from '../src/glance/steps.ts';

/** The values that Ocata writes instead of `images.is_public`, in the order of Glance's enum. */
export const IMAGE_VISIBILITY: EnumType = {
  enum: 'image_visibility',
  values: ['private', 'public', 'shared', 'community'],
};

/** `images.visibility` as it is in the end. */
export const VISIBILITY: Column = { name: 'visibility', type: IMAGE_VISIBILITY, default: 'shared' };

/** The index of `images.visibility`, which the scripts of Ocata make with the column. */
export const VISIBILITY_INDEX: Index = { name: 'visibility_image_idx', columns: ['visibility'] };

/**
 * What an image becomes, at the first write of it. A generated column of PostgreSQL can see its own
 * row only, so there `SHARE_FILLED_IMAGES` comes after.
 */
export const FROM_IS_PUBLIC: PerEngine = {
  postgres: `CASE WHEN is_public THEN 'public'::image_visibility ELSE 'private'::image_visibility END`,
  mysql: `CASE WHEN is_public THEN 'public'
  WHEN id IN (SELECT image_id FROM image_members WHERE NOT deleted) THEN 'shared' ELSE 'private' END`,
};

/**
 * A private image is shared once it has a member who is not deleted, whatever that member's status;
 * deleted images too.
 *
 * Source:
 * glance/db/sqlalchemy/alembic_migrations/data_migrations/ocata_migrate01_community_images.py.
 */
export const SHARE_FILLED_IMAGES: Step = {
  do: 'change data',
  table: 'images',
  what: 'mark private images that have members as shared',
  sql: {
    postgres: `UPDATE images SET visibility = 'shared' WHERE visibility = 'private'
      AND id IN (SELECT image_id FROM image_members WHERE NOT deleted)`,
    mysql: '',
  },
};

/**
 * An old node writes `is_public` and knows no `visibility`; a new one the other way round. A node
 * that writes neither or both is neither.
 */
const INSERT_VISIBILITY: Trigger = {
  name: 'insert_visibility',
  before: 'insert',
  body: {
    postgres: `BEGIN
  IF (NEW.is_public IS NULL) = (NEW.visibility IS NULL) THEN
    RAISE EXCEPTION 'Invalid visibility value' USING ERRCODE = '45000';
  ELSIF NEW.visibility IS NULL THEN
    NEW.visibility := CASE WHEN NEW.is_public THEN 'public' ELSE 'shared' END;
  ELSE
    NEW.is_public := NEW.visibility = 'public';
  END IF;
  RETURN NEW;
END`,
    mysql: `BEGIN
  IF (NEW.is_public IS NULL) = (NEW.visibility IS NULL) THEN
    SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'Invalid visibility value';
  ELSEIF NEW.visibility IS NULL THEN
    SET NEW.visibility = IF(NEW.is_public, 'public', 'shared');
  ELSE
    SET NEW.is_public = (NEW.visibility = 'public');
  END IF;
END`,
  },
  glances: `BEGIN
  IF NEW.is_public <=> NULL AND NEW.visibility <=> NULL THEN
    SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'Invalid visibility value';
  ELSEIF NOT(NEW.is_public <=> NULL OR NEW.visibility <=> NULL) THEN
    SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'Invalid visibility value';
  ELSEIF NOT NEW.is_public <=> NULL THEN
    IF NEW.is_public = 1 THEN SET NEW.visibility = 'public'; ELSE SET NEW.visibility = 'shared'; END IF;
  ELSEIF NOT NEW.visibility <=> NULL THEN
    IF NEW.visibility = 'public' THEN SET NEW.is_public = 1; ELSE SET NEW.is_public = 0; END IF;
  ELSE
    SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'Invalid visibility value';
  END IF;
END`,
};

const UPDATE_VISIBILITY: Trigger = {
  name: 'update_visibility',
  before: 'update',
  body: {
    postgres: `BEGIN
  IF NEW.is_public IS DISTINCT FROM OLD.is_public THEN
    IF NEW.is_public IS NULL OR NEW.visibility IS DISTINCT FROM OLD.visibility THEN
      RAISE EXCEPTION 'Invalid visibility value' USING ERRCODE = '45000';
    END IF;
    NEW.visibility := CASE WHEN NEW.is_public THEN 'public' ELSE 'shared' END;
  ELSIF NEW.visibility IS DISTINCT FROM OLD.visibility THEN
    IF NEW.visibility IS NULL THEN
      RAISE EXCEPTION 'Invalid visibility value' USING ERRCODE = '45000';
    END IF;
    NEW.is_public := NEW.visibility = 'public';
  END IF;
  RETURN NEW;
END`,
    mysql: `BEGIN
  IF NOT NEW.is_public <=> OLD.is_public THEN
    IF NEW.is_public IS NULL OR NOT NEW.visibility <=> OLD.visibility THEN
      SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'Invalid visibility value';
    END IF;
    SET NEW.visibility = IF(NEW.is_public, 'public', 'shared');
  ELSEIF NOT NEW.visibility <=> OLD.visibility THEN
    IF NEW.visibility IS NULL THEN
      SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'Invalid visibility value';
    END IF;
    SET NEW.is_public = (NEW.visibility = 'public');
  END IF;
END`,
  },
  glances: `BEGIN
  IF NOT NEW.is_public <=> OLD.is_public THEN
    IF NEW.is_public <=> NULL THEN
      SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'Invalid visibility value';
    ELSEIF NOT NEW.visibility <=> OLD.visibility THEN
      SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'Invalid visibility value';
    ELSE
      IF NEW.is_public <=> 1 THEN SET NEW.visibility = 'public'; ELSE SET NEW.visibility = 'shared'; END IF;
    END IF;
  ELSEIF NOT NEW.visibility <=> OLD.visibility THEN
    IF NEW.visibility <=> NULL THEN
      SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'Invalid visibility value';
    ELSEIF NOT NEW.is_public <=> OLD.is_public THEN
      SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'Invalid visibility value';
    ELSE
      IF NEW.visibility <=> 'public' THEN SET NEW.is_public = 1; ELSE SET NEW.is_public = 0; END IF;
    END IF;
  END IF;
END`,
};

/**
 * What keeps `is_public` and `visibility` in sync while both live, in the order in which they are
 * made. MySQL makes one after the other while nodes write: an image that gets its visibility when
 * it is made, and whose `is_public` then changes before the trigger for that is there, would keep
 * the wrong one forever.
 *
 * Source: the Glance script ocata_expand01, which makes them the other way round.
 */
export const SYNCHRONISING_TRIGGERS: readonly Trigger[] = [UPDATE_VISIBILITY, INSERT_VISIBILITY];
