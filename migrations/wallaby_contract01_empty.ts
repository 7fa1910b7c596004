import type { Migration } from '../src/glance/steps.ts';

/** Changes nothing. Source: the Glance script of the same name. */
export const wallabyContract01Empty: Migration = {
  name: 'wallaby_contract01',
  scripts: ['wallaby_contract01'],
  steps: [],
};
