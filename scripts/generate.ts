/** Writes what is made from the source: the CRD, and the tables of the reference. CI fails when they are stale. */
import { readFileSync, writeFileSync } from 'node:fs';
import { stringify } from 'yaml';
import { customResourceDefinition, structuralSchemas } from '../src/api/custom-resource-definition.ts';
import { exitCodesTable, fieldsTable, reasonsTable } from '../src/api/reference.ts';

const header = '# Generated from src/api by `make generate`; do not edit.\n';
const crd = stringify(customResourceDefinition(), { lineWidth: 110, aliasDuplicateObjects: false });
writeFileSync(new URL('../crds/glanceschemas.db.glance.openstack.org.yaml', import.meta.url), header + crd);

const { spec, status } = structuralSchemas();
const tables: Readonly<Record<string, string>> = {
  reasons: reasonsTable(),
  'spec-fields': fieldsTable(spec, 'spec'),
  'status-fields': fieldsTable(status, 'status'),
  'exit-codes': exitCodesTable(),
};
const reference = new URL('../docs/glance-schema.md', import.meta.url);
const text = readFileSync(reference, 'utf8').replace(
  /(<!-- generated: ([a-z-]+) -->\n)[\s\S]*?(<!-- end -->)/g,
  (_match, begin: string, name: string, end: string) => `${begin}${tables[name]}\n${end}`,
);
writeFileSync(reference, text);
