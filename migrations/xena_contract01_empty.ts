import type { Migration } from '../src/glance/steps.ts';

/** Changes nothing. Source: the Glance script of the same name. */
export const xenaContract01Empty: Migration = {
  name: 'xena_contract01',
  scripts: ['xena_contract01'],
  steps: [],
};
