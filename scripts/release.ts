// `make release`: what a version is installed from, in dist/release, with the checksum of each
// file.

import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { copyFileSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { stringify } from 'yaml';
import { CHART, helm, prepareHelm } from '../lab/kubernetes/helm.ts';
import { renderManifests } from '../lab/kubernetes/manifests.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
const folder = join(root, 'dist/release');
const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));

rmSync(folder, { recursive: true, force: true });
mkdirSync(folder, { recursive: true });

const objects = await renderManifests('manifests/overlays/cluster');
const documents = objects.map((object) => stringify(object, { lineWidth: 0, aliasDuplicateObjects: false }));
writeFileSync(join(folder, 'install.yaml'), documents.join('---\n'));

await prepareHelm();
const packaged = await helm(['package', CHART, '--destination', folder]);
if (packaged.code !== 0) {
  throw new Error(`Cannot package the chart: ${packaged.stderr}`);
}

execFileSync(process.execPath, [join(root, 'scripts/sbom.ts')], { stdio: 'ignore' });
copyFileSync(join(root, 'dist/glance-schema.cdx.json'), join(folder, `glance-schema-${version}.cdx.json`));
copyFileSync(join(root, 'dist/THIRD-PARTY-LICENSES.txt'), join(folder, 'THIRD-PARTY-LICENSES.txt'));
copyFileSync(join(root, 'LICENSE'), join(folder, 'LICENSE'));
for (const name of ['report', 'plan']) {
  copyFileSync(join(root, `docs/schemas/${name}.json`), join(folder, `glance-schema-${name}.schema.json`));
}

const sums = readdirSync(folder).map((name) => {
  const hash = createHash('sha256').update(readFileSync(join(folder, name)));
  return `${hash.digest('hex')}  ${name}`;
});
writeFileSync(join(folder, 'SHA256SUMS'), `${sums.join('\n')}\n`);
console.log(sums.map((line) => line.replace(/^\S+ {2}/, 'dist/release/')).join('\n'));
