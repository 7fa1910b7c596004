import type { Migration } from '../src/glance/steps.ts';

/** Changes nothing. Source: the Glance script of the same name. */
export const glance20241Contract01Empty: Migration = {
  name: '2024_1_contract01',
  scripts: ['2024_1_contract01'],
  steps: [],
};
