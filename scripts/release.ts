// `make release URL=https://...`: what a version is installed from, in dist/release, with the
// checksum of each file. URL is the address at which the folder will be; krew fetches the plugin
// from there.

import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parse, stringify } from 'yaml';
import { CHART, helm, prepareHelm } from '../lab/kubernetes/helm.ts';
import { renderManifests } from '../lab/kubernetes/manifests.ts';
import { krewManifest } from './krew-manifest.ts';
import { bundleAnnotations, bundleDockerfile, bundleManifests } from './olm-bundle.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
const folder = join(root, 'dist/release');
/** The program by which kubectl completes the plugin's words. */
const COMPLETION = {
  name: 'kubectl_complete-glanceschema',
  text: '#!/bin/sh\nexec kubectl-glanceschema complete -- "$@"\n',
};
const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));

rmSync(folder, { recursive: true, force: true });
mkdirSync(folder, { recursive: true });

const objects = await renderManifests('manifests/overlays/cluster');
put('install.yaml', objects.map(yaml).join('---\n'));

const example = parse(readFileSync(join(root, 'manifests/samples/glance-schema.yaml'), 'utf8'));
for (const [name, object] of Object.entries(bundleManifests({ version, objects, example }))) {
  put(`bundle/manifests/${name}`, yaml(object));
}
put('bundle/metadata/annotations.yaml', yaml(bundleAnnotations));
put('bundle/bundle.Dockerfile', bundleDockerfile);

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

packPlugin(process.env.URL ?? 'https://glance-schema.invalid');

const names = readdirSync(folder, { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile())
  .map((entry) => relative(folder, join(entry.parentPath, entry.name)))
  .sort();
put('SHA256SUMS', names.map((name) => `${sha256(name)}  ${name}\n`).join(''));
console.log(names.map((name) => `dist/release/${name}`).join('\n'));

/** The plugin for Linux and macOS, and the manifest by which krew installs it. */
function packPlugin(url: string): void {
  const files = ['kubectl-glanceschema', COMPLETION.name, 'LICENSE', 'THIRD-PARTY-LICENSES.txt'];
  const archive = `kubectl-glanceschema-${version}.tar.gz`;
  const scratch = mkdtempSync(join(tmpdir(), 'glance-schema-release-'));
  try {
    copyFileSync(join(root, 'dist/kubectl-glanceschema.cjs'), join(scratch, 'kubectl-glanceschema'));
    writeFileSync(join(scratch, COMPLETION.name), COMPLETION.text);
    chmodSync(join(scratch, COMPLETION.name), 0o755);
    for (const name of files.slice(2)) {
      copyFileSync(join(folder, name), join(scratch, name));
    }
    execFileSync('tar', ['-czf', join(folder, archive), '-C', scratch, ...files]);
  } finally {
    rmSync(scratch, { recursive: true });
  }
  const source = { version, url: `${url.replace(/\/+$/, '')}/${archive}`, sha256: sha256(archive), files };
  put('glanceschema.yaml', yaml(krewManifest(source)));
}

function yaml(object: object): string {
  return stringify(object, { lineWidth: 0, aliasDuplicateObjects: false });
}

function put(name: string, text: string): void {
  const path = join(folder, name);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
}

function sha256(name: string): string {
  return createHash('sha256')
    .update(readFileSync(join(folder, name)))
    .digest('hex');
}
