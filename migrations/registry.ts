import { SCRIPTS } from '../src/glance/revisions.ts';
import type { DataMigration, Migration, Registry } from '../src/glance/steps.ts';
import { glance20241Expand01AddCacheTables } from './2024_1_expand01_add_cache_tables.ts';
import { libertyInitial } from './liberty_initial.ts';
import { mitaka01AddImageCreatedUpdatedIdx } from './mitaka01_add_image_created_updated_idx.ts';
import { mitaka02UpdateMetadefOsNovaServer } from './mitaka02_update_metadef_os_nova_server.ts';
import { ocataContract01DropIsPublic } from './ocata_contract01_drop_is_public.ts';
import { ocataExpand01AddVisibility } from './ocata_expand01_add_visibility.ts';
import { ocataMigrate01CommunityImages } from './ocata_migrate01_community_images.ts';
import { ocata01AddVisibilityRemoveIsPublic } from './ocata01_add_visibility_remove_is_public.ts';
import { pikeContract01DropArtifactsTables } from './pike_contract01_drop_artifacts_tables.ts';
import { rockyExpand01AddOsHidden } from './rocky_expand01_add_os_hidden.ts';
import { rockyExpand02AddOsHash } from './rocky_expand02_add_os_hash_.ts';
import { trainMigrate01BackendToStore } from './train_migrate01_backend_to_store.ts';
import { wallabyExpand01AddUserImageidRequestidToTasks } from './wallaby_expand01_add_user_imageid_requestid_to_tasks.ts';

/**
 * The scripts that change something, a file each. Which others there are, and in which order, the
 * chain says.
 */
const FILES: readonly Migration[] = [
  libertyInitial,
  mitaka01AddImageCreatedUpdatedIdx,
  mitaka02UpdateMetadefOsNovaServer,
  ocataExpand01AddVisibility,
  ocataContract01DropIsPublic,
  pikeContract01DropArtifactsTables,
  rockyExpand01AddOsHidden,
  rockyExpand02AddOsHash,
  wallabyExpand01AddUserImageidRequestidToTasks,
  glance20241Expand01AddCacheTables,
];

/**
 * Every script of the chain, each after those that it needs. One without a file is recorded, and
 * that is all.
 */
export const MIGRATIONS: readonly Migration[] = SCRIPTS.map(
  ({ name }) => FILES.find((file) => file.name === name) ?? { name, scripts: [name], steps: [] },
);

/**
 * Scripts in one, run in their place where all of them are pending, follow one another, and no node
 * is at work.
 */
export const SQUASHED: readonly Migration[] = [ocata01AddVisibilityRemoveIsPublic];

/** What moves rows between the expand and the contract of its revision, oldest first. */
export const DATA_MIGRATIONS: readonly DataMigration[] = [
  ocataMigrate01CommunityImages,
  trainMigrate01BackendToStore,
];

/** All that this build can run. */
export const REGISTRY: Registry = { migrations: MIGRATIONS, squashed: SQUASHED, data: DATA_MIGRATIONS };
