import type { Migration, Step } from '../src/glance/steps.ts';
import { IMAGE_VISIBILITY, SYNCHRONISING_TRIGGERS, VISIBILITY_INDEX } from './image_visibility.ts';

/**
 * Runs only while nodes of Glance may be at work: else Ocata is one script, `ocata01`. So the
 * triggers are always made.
 *
 * Source: the Glance script of the same name, whose triggers are MySQL's only.
 */
export const ocataExpand01AddVisibility: Migration = {
  name: 'ocata_expand01',
  scripts: ['ocata_expand01'],
  steps: [
    { do: 'create enum', type: IMAGE_VISIBILITY },
    {
      do: 'add column',
      table: 'images',
      column: { name: 'visibility', type: IMAGE_VISIBILITY, nullable: true },
      keptBy: SYNCHRONISING_TRIGGERS.map(({ name }) => name),
    },
    { do: 'change column', table: 'images', column: { name: 'is_public', type: 'boolean', nullable: true } },
    ...SYNCHRONISING_TRIGGERS.map((trigger): Step => ({ do: 'create trigger', table: 'images', trigger })),
    { do: 'create index', table: 'images', index: VISIBILITY_INDEX },
  ],
};
