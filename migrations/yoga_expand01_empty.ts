import type { Migration } from '../src/glance/steps.ts';

/** Changes nothing. Source: the Glance script of the same name. */
export const yogaExpand01Empty: Migration = {
  name: 'yoga_expand01',
  scripts: ['yoga_expand01'],
  steps: [],
};
