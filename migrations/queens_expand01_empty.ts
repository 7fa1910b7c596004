import type { Migration } from '../src/glance/steps.ts';

/** Changes nothing. Source: the Glance script of the same name. */
export const queensExpand01Empty: Migration = {
  name: 'queens_expand01',
  scripts: ['queens_expand01'],
  steps: [],
};
