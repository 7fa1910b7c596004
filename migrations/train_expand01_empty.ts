import type { Migration } from '../src/glance/steps.ts';

/** Changes nothing. Source: the Glance script of the same name. */
export const trainExpand01Empty: Migration = {
  name: 'train_expand01',
  scripts: ['train_expand01'],
  steps: [],
};
