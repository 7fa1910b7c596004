// `make sbom`: what the bundle is made of, as CycloneDX, in dist/glance-schema.cdx.json.
//
// npm tells it from the lock file. What it is asked to leave out, as the tools of development, it
// leaves out also where the program needs it; so it is asked for all, and what it marks as of
// development is taken away here.

import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';

interface Component {
  readonly 'bom-ref': string;
  readonly name: string;
  readonly properties?: readonly { readonly name: string; readonly value: string }[];
}

interface Sbom {
  readonly metadata: { readonly component: Component };
  readonly components: readonly Component[];
  readonly dependencies: readonly { readonly ref: string; readonly dependsOn: readonly string[] }[];
}

const root = new URL('..', import.meta.url);
const said = execFileSync('npm', ['sbom', '--sbom-format', 'cyclonedx', '--package-lock-only'], {
  cwd: root,
  encoding: 'utf8',
  stdio: ['ignore', 'pipe', 'ignore'],
});
const sbom: Sbom = JSON.parse(said);
const { name } = JSON.parse(readFileSync(new URL('package.json', root), 'utf8'));

const components = sbom.components.filter(
  ({ properties = [] }) => !properties.some((property) => property.name === 'cdx:npm:package:development'),
);
// npm takes the folder's name for the project's.
const component = { ...sbom.metadata.component, name };
const refs = new Set([component, ...components].map((each) => each['bom-ref']));
const dependencies = sbom.dependencies
  .filter(({ ref }) => refs.has(ref))
  .map(({ ref, dependsOn }) => ({ ref, dependsOn: dependsOn.filter((other) => refs.has(other)) }));

const file = new URL('dist/glance-schema.cdx.json', root);
mkdirSync(new URL('.', file), { recursive: true });
const kept = { ...sbom, metadata: { ...sbom.metadata, component }, components, dependencies };
writeFileSync(file, `${JSON.stringify(kept, null, 2)}\n`);
console.log(`dist/glance-schema.cdx.json ${components.length} packages`);
