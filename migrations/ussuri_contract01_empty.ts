import type { Migration } from '../src/glance/steps.ts';

/** Changes nothing. Source: the Glance script of the same name. */
export const ussuriContract01Empty: Migration = {
  name: 'ussuri_contract01',
  scripts: ['ussuri_contract01'],
  steps: [],
};
