import type { Migration } from '../src/glance/steps.ts';

/** Changes nothing. Source: the Glance script of the same name. */
export const zedContract01Empty: Migration = {
  name: 'zed_contract01',
  scripts: ['zed_contract01'],
  steps: [],
};
