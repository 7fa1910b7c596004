/** Writes the files that are made from the source: the CRD. `make generate` runs it; CI fails when they are stale. */
import { writeFileSync } from 'node:fs';
import { stringify } from 'yaml';
import { customResourceDefinition } from '../src/api/custom-resource-definition.ts';

const header = '# Generated from src/api by `make generate`; do not edit.\n';
const crd = stringify(customResourceDefinition(), { lineWidth: 110, aliasDuplicateObjects: false });
writeFileSync(new URL('../crds/glanceschemas.db.glance.openstack.org.yaml', import.meta.url), header + crd);
