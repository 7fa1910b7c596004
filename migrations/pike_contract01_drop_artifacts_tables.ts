import type { Migration } from '../src/glance/steps.ts';

/** Those that refer to others come first. */
const ARTIFACT_TABLES = [
  'artifact_blob_locations',
  'artifact_properties',
  'artifact_blobs',
  'artifact_dependencies',
  'artifact_tags',
  'artifacts',
];

/** Source: the Glance script of the same name. */
export const pikeContract01DropArtifactsTables: Migration = {
  name: 'pike_contract01',
  scripts: ['pike_contract01'],
  steps: ARTIFACT_TABLES.map((table) => ({ do: 'drop table', table })),
};
