import type { Migration } from '../src/glance/steps.ts';

/** Changes nothing. Source: the Glance script of the same name. */
export const yogaContract01Empty: Migration = {
  name: 'yoga_contract01',
  scripts: ['yoga_contract01'],
  steps: [],
};
