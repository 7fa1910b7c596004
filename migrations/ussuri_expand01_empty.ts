import type { Migration } from '../src/glance/steps.ts';

/** Changes nothing. Source: the Glance script of the same name. */
export const ussuriExpand01Empty: Migration = {
  name: 'ussuri_expand01',
  scripts: ['ussuri_expand01'],
  steps: [],
};
