import type { Migration } from '../src/glance/steps.ts';

/** Changes nothing. Source: the Glance script of the same name. */
export const rockyContract01Empty: Migration = {
  name: 'rocky_contract01',
  scripts: ['rocky_contract01'],
  steps: [],
};
