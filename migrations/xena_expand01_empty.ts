import type { Migration } from '../src/glance/steps.ts';

/** Changes nothing. Source: the Glance script of the same name. */
export const xenaExpand01Empty: Migration = {
  name: 'xena_expand01',
  scripts: ['xena_expand01'],
  steps: [],
};
