import type { DataMigration, Migration } from '../src/glance/steps.ts';
import { glance20231Contract01Empty } from './2023_1_contract01_empty.ts';
import { glance20231Expand01Empty } from './2023_1_expand01_empty.ts';
import { glance20241Contract01Empty } from './2024_1_contract01_empty.ts';
import { glance20241Expand01AddCacheTables } from './2024_1_expand01_add_cache_tables.ts';
import { libertyInitial } from './liberty_initial.ts';
import { mitaka01AddImageCreatedUpdatedIdx } from './mitaka01_add_image_created_updated_idx.ts';
import { mitaka02UpdateMetadefOsNovaServer } from './mitaka02_update_metadef_os_nova_server.ts';
import { ocataContract01DropIsPublic } from './ocata_contract01_drop_is_public.ts';
import { ocataExpand01AddVisibility } from './ocata_expand01_add_visibility.ts';
import { ocataMigrate01CommunityImages } from './ocata_migrate01_community_images.ts';
import { ocata01AddVisibilityRemoveIsPublic } from './ocata01_add_visibility_remove_is_public.ts';
import { pikeContract01DropArtifactsTables } from './pike_contract01_drop_artifacts_tables.ts';
import { pikeExpand01Empty } from './pike_expand01_empty.ts';
import { queensContract01Empty } from './queens_contract01_empty.ts';
import { queensExpand01Empty } from './queens_expand01_empty.ts';
import { rockyContract01Empty } from './rocky_contract01_empty.ts';
import { rockyContract02Empty } from './rocky_contract02_empty.ts';
import { rockyExpand01AddOsHidden } from './rocky_expand01_add_os_hidden.ts';
import { rockyExpand02AddOsHash } from './rocky_expand02_add_os_hash_.ts';
import { trainContract01Empty } from './train_contract01_empty.ts';
import { trainExpand01Empty } from './train_expand01_empty.ts';
import { trainMigrate01BackendToStore } from './train_migrate01_backend_to_store.ts';
import { ussuriContract01Empty } from './ussuri_contract01_empty.ts';
import { ussuriExpand01Empty } from './ussuri_expand01_empty.ts';
import { wallabyContract01Empty } from './wallaby_contract01_empty.ts';
import { wallabyExpand01AddUserImageidRequestidToTasks } from './wallaby_expand01_add_user_imageid_requestid_to_tasks.ts';
import { xenaContract01Empty } from './xena_contract01_empty.ts';
import { xenaExpand01Empty } from './xena_expand01_empty.ts';
import { yogaContract01Empty } from './yoga_contract01_empty.ts';
import { yogaExpand01Empty } from './yoga_expand01_empty.ts';
import { zedContract01Empty } from './zed_contract01_empty.ts';
import { zedExpand01Empty } from './zed_expand01_empty.ts';

/** Every script, each after those that it needs. */
export const MIGRATIONS: readonly Migration[] = [
  libertyInitial,
  mitaka01AddImageCreatedUpdatedIdx,
  mitaka02UpdateMetadefOsNovaServer,
  ocataExpand01AddVisibility,
  ocataContract01DropIsPublic,
  pikeExpand01Empty,
  pikeContract01DropArtifactsTables,
  queensExpand01Empty,
  queensContract01Empty,
  rockyExpand01AddOsHidden,
  rockyContract01Empty,
  rockyExpand02AddOsHash,
  rockyContract02Empty,
  trainExpand01Empty,
  trainContract01Empty,
  ussuriExpand01Empty,
  ussuriContract01Empty,
  wallabyExpand01AddUserImageidRequestidToTasks,
  wallabyContract01Empty,
  xenaExpand01Empty,
  xenaContract01Empty,
  yogaExpand01Empty,
  yogaContract01Empty,
  zedExpand01Empty,
  zedContract01Empty,
  glance20231Expand01Empty,
  glance20231Contract01Empty,
  glance20241Expand01AddCacheTables,
  glance20241Contract01Empty,
];

/** Scripts in one, run in their place where all of them are pending, follow one another, and no node is at work. */
export const FUSED: readonly Migration[] = [ocata01AddVisibilityRemoveIsPublic];

/** What moves rows between the expand and the contract of its revision, oldest first. */
export const DATA_MIGRATIONS: readonly DataMigration[] = [
  ocataMigrate01CommunityImages,
  trainMigrate01BackendToStore,
];
