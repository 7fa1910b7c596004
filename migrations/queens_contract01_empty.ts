import type { Migration } from '../src/glance/steps.ts';

/** Changes nothing. Source: the Glance script of the same name. */
export const queensContract01Empty: Migration = {
  name: 'queens_contract01',
  scripts: ['queens_contract01'],
  steps: [],
};
