import type { Migration, Step } from '../src/glance/steps.ts';
import { SYNCHRONISING_TRIGGERS, VISIBILITY } from './image_visibility.ts';

/** Source: the Glance script of the same name. */
export const ocataContract01DropIsPublic: Migration = {
  name: 'ocata_contract01',
  scripts: ['ocata_contract01'],
  steps: [
    ...SYNCHRONISING_TRIGGERS.map(
      ({ name }): Step => ({ do: 'drop trigger', table: 'images', trigger: name }),
    ),
    { do: 'drop index', table: 'images', index: 'ix_images_is_public' },
    { do: 'drop column', table: 'images', column: 'is_public' },
    { do: 'change column', table: 'images', column: VISIBILITY },
  ],
};
