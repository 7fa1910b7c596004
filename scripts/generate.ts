/**
 * Writes what is made from the source: the CRD, tables of the documents, the dashboard, the patch
 * for Argo CD. CI fails when they are stale.
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { Registry } from '@prometheus-io/client';
import { parse, stringify } from 'yaml';
import { z } from 'zod';
import { GROUP, KIND } from '../src/contract/names.ts';
import { planSchema } from '../src/contract/plan-schema.ts';
import { reportSchema } from '../src/contract/report-schema.ts';
import { customResourceDefinition, structuralSchemas } from '../src/crd/custom-resource-definition.ts';
import { exitCodesTable, fieldsTable, reasonHeadings, reasonsTable, table } from '../src/crd/reference.ts';
import { DATA_MIGRATION_NAMES, REVISIONS, SCRIPTS } from '../src/glance/revisions.ts';
import { runtimeMetrics } from '../src/operator/loop/metrics.ts';
import { schemaMetrics } from '../src/operator/reconcile/metrics.ts';
import { chartReadme } from './chart-readme.ts';
import { dashboard } from './dashboard.ts';
import { drawPictures } from './pictures.ts';

const header = '# Generated from src/crd by `make generate`; do not edit.\n';
const crd = stringify(customResourceDefinition(), { lineWidth: 110, aliasDuplicateObjects: false });
const chart = new URL('../charts/glance-schema/', import.meta.url);
writeFileSync(new URL('../crds/glanceschemas.db.glance.openstack.org.yaml', import.meta.url), header + crd);
// A template of the chart puts it into the release, so that Helm upgrades it.
writeFileSync(new URL('files/crds/glanceschemas.db.glance.openstack.org.yaml', chart), header + crd);
writeFileSync(
  new URL('README.md', chart),
  chartReadme(
    readFileSync(new URL('README.md', chart), 'utf8'),
    readFileSync(new URL('values.yaml', chart), 'utf8'),
  ),
);

const rule = readFileSync(new URL('../manifests/monitoring/prometheus-rule.yaml', import.meta.url), 'utf8');
writeFileSync(
  new URL('files/prometheus-rule.yaml', chart),
  `# Generated from manifests/monitoring by \`make generate\`; do not edit.\n${stringify(parse(rule).spec, { lineWidth: 0 })}`,
);

const customization = new URL(
  `../manifests/gitops/resource_customizations/${GROUP}/${KIND}/`,
  import.meta.url,
);
const lua = (path: string): string => readFileSync(new URL(path, customization), 'utf8');
const actions = {
  'discovery.lua': lua('actions/discovery.lua'),
  definitions: ['approve', 'retry', 'observe', 'suspend', 'resume'].map((name) => ({
    name,
    'action.lua': lua(`actions/${name}/action.lua`),
  })),
};
const patch = stringify(
  {
    data: {
      [`resource.customizations.health.${GROUP}_${KIND}`]: lua('health.lua'),
      [`resource.customizations.actions.${GROUP}_${KIND}`]: stringify(actions, { lineWidth: 0 }),
    },
  },
  { lineWidth: 0 },
);
writeFileSync(
  new URL('../manifests/gitops/argocd-cm-patch.yaml', import.meta.url),
  `# Generated from resource_customizations by \`make generate\`; do not edit. A merge patch of Argo CD's ConfigMap argocd-cm.\n${patch}`,
);

const { spec, status } = structuralSchemas();
const tables: Readonly<Record<string, string>> = {
  reasons: reasonsTable(),
  'reason-headings': `\n${reasonHeadings()}\n`,
  'spec-fields': fieldsTable(spec, 'spec'),
  'status-fields': fieldsTable(status, 'status'),
  'exit-codes': exitCodesTable(),
  'schema-metrics': metricsTable(/^glanceschema_/),
  revisions: revisionsTable(),
  'operator-metrics': metricsTable(/^(workqueue|controller_runtime|rest_client|leader_election)_/),
};
for (const document of ['glance-schema', 'migrations', 'monitoring']) {
  const file = new URL(`../docs/${document}.md`, import.meta.url);
  const text = readFileSync(file, 'utf8').replace(
    /(<!-- generated: ([a-z-]+) -->\n)[\s\S]*?(<!-- end -->)/g,
    (_match, begin: string, name: string, end: string) => `${begin}${tables[name]}\n${end}`,
  );
  writeFileSync(file, text);
}

for (const [name, schema] of [
  ['report', reportSchema],
  ['plan', planSchema],
] as const) {
  const json = z.toJSONSchema(schema, { io: 'input' });
  writeFileSync(
    new URL(`../docs/schemas/${name}.json`, import.meta.url),
    `${JSON.stringify(json, null, 2)}\n`,
  );
}

const json = JSON.stringify(dashboard(), null, 2);
for (const file of [
  '../manifests/monitoring/dashboard.json',
  '../charts/glance-schema/files/dashboard.json',
]) {
  writeFileSync(new URL(file, import.meta.url), `${json}\n`);
}

/**
 * A row for each script and data migration that changes something, and one for each revision in
 * which none does.
 */
function revisionsTable(): string {
  const files = readdirSync(new URL('../migrations', import.meta.url));
  const rows = REVISIONS.flatMap(({ name: revision, releases }) => {
    const of = (each: { readonly revision: string }): boolean => each.revision === revision;
    const [first, ...others] = [
      ...SCRIPTS.filter((script) => of(script) && script.kind !== 'contract'),
      ...DATA_MIGRATION_NAMES.filter(of),
      ...SCRIPTS.filter((script) => of(script) && script.kind === 'contract'),
    ].flatMap(({ name, changes }) => {
      const file = files.find((each) => each.startsWith(`${name}_`));
      return changes === undefined ? [] : [`[\`${name}\`](../migrations/${file}) | ${changes}`];
    });
    const names = releases.map((release) => `\`${release}\``).join(', ');
    return [
      `\`${revision}\` | ${names} | ${first ?? ' | nothing'}`,
      ...others.map((other) => ` | | ${other}`),
    ];
  });
  return table(['revision', 'releases', 'script', 'what it changes'], rows);
}

drawPictures();

/** The operator's own metrics; those of the process and of Node are the library's. */
function metricsTable(prefix: RegExp): string {
  const registry = new Registry();
  runtimeMetrics(registry, { controller: '', lease: '', depth: () => 0, leading: () => false });
  schemaMetrics({ registry, version: '', schemas: () => [] });
  const rows = registry
    .getMetricsAsArray()
    .filter(({ name }) => prefix.test(name))
    .map((metric) => [`\`${metric.name}\``, metric.type, labelsOf(metric), metric.help].join(' | '));
  return table(['metric', 'type', 'labels', 'meaning'], rows);
}

function labelsOf(metric: object): string {
  const names = 'labelNames' in metric && Array.isArray(metric.labelNames) ? metric.labelNames : [];
  return names.map((name) => `\`${name}\``).join(', ') || '-';
}
