import type { Migration } from '../src/glance/steps.ts';

/** Changes nothing. Source: the Glance script of the same name. */
export const rockyContract02Empty: Migration = {
  name: 'rocky_contract02',
  scripts: ['rocky_contract02'],
  steps: [],
};
