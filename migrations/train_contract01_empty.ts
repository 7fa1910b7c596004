import type { Migration } from '../src/glance/steps.ts';

/** Changes nothing. Source: the Glance script of the same name. */
export const trainContract01Empty: Migration = {
  name: 'train_contract01',
  scripts: ['train_contract01'],
  steps: [],
};
