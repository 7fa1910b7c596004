import type { Migration } from '../src/database/step.ts';
import { libertyInitial } from './liberty_initial.ts';
import { mitaka01AddImageCreatedUpdatedIdx } from './mitaka01_add_image_created_updated_idx.ts';
import { mitaka02UpdateMetadefOsNovaServer } from './mitaka02_update_metadef_os_nova_server.ts';
import { ocataContract01DropIsPublic } from './ocata_contract01_drop_is_public.ts';
import { ocataExpand01AddVisibility } from './ocata_expand01_add_visibility.ts';
import { ocata01AddVisibilityRemoveIsPublic } from './ocata01_add_visibility_remove_is_public.ts';

/** Every script that this build carries, each after those that it needs. */
export const MIGRATIONS: readonly Migration[] = [
  libertyInitial,
  mitaka01AddImageCreatedUpdatedIdx,
  mitaka02UpdateMetadefOsNovaServer,
  ocataExpand01AddVisibility,
  ocataContract01DropIsPublic,
];

/** Scripts in one, run in their place where all of them are pending and follow one another. */
export const FUSED: readonly Migration[] = [ocata01AddVisibilityRemoveIsPublic];
