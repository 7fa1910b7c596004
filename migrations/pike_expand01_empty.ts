import type { Migration } from '../src/glance/steps.ts';

/** Changes nothing. Source: the Glance script of the same name. */
export const pikeExpand01Empty: Migration = {
  name: 'pike_expand01',
  scripts: ['pike_expand01'],
  steps: [],
};
