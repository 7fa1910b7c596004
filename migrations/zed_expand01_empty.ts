import type { Migration } from '../src/glance/steps.ts';

/** Changes nothing. Source: the Glance script of the same name. */
export const zedExpand01Empty: Migration = {
  name: 'zed_expand01',
  scripts: ['zed_expand01'],
  steps: [],
};
