import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { type ControlPlane, startControlPlane } from '../../../lab/kubernetes/control-plane.ts';
import { helm, prepareHelm } from '../../../lab/kubernetes/helm.ts';
import { kubectl } from '../../../lab/kubernetes/kubectl.ts';
import { parseObjects, renderManifests } from '../../../lab/kubernetes/manifests.ts';
import { bundle } from '../../../lab/process/bundle.ts';
import { eventually } from '../../../lab/process/eventually.ts';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const FOLDER = join(ROOT, 'dist/release');
const NAMESPACE = 'glance-schema-system';
const DEPLOYMENT = `/apis/apps/v1/namespaces/${NAMESPACE}/deployments/glance-schema-operator`;
const { version, dependencies } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));

function read(name: string): string {
  return readFileSync(join(FOLDER, name), 'utf8');
}

describe('make release', () => {
  let plane: ControlPlane;

  before(async function () {
    this.timeout(1_200_000);
    await prepareHelm();
    // The licences are made with the bundle.
    bundle();
    execFileSync(process.execPath, ['scripts/release.ts'], { cwd: ROOT, stdio: 'pipe' });
    plane = await startControlPlane();
  });

  after(async () => {
    await plane?.stop();
  });

  async function run(...args: readonly string[]): Promise<string> {
    const result = await kubectl(plane.kubeconfigPath, args);
    expect(result.code, result.stderr).to.equal(0);
    return result.stdout;
  }

  async function replicas(): Promise<void> {
    await eventually(async () =>
      expect((await plane.api().call('GET', DEPLOYMENT)).status.replicas).to.equal(2),
    );
  }

  it('writes the checksum of each file, and nothing without one', () => {
    const sums = read('SHA256SUMS').trim().split('\n');
    const names = sums.map((line) => line.split('  ')[1] ?? '');
    expect(readdirSync(FOLDER).sort()).to.deep.equal([...names, 'SHA256SUMS'].sort());
    for (const [index, name] of names.entries()) {
      const hash = createHash('sha256')
        .update(readFileSync(join(FOLDER, name)))
        .digest('hex');
      expect(sums[index]).to.equal(`${hash}  ${name}`);
    }
  });

  it('install.yaml is what overlays/cluster gives', async () => {
    expect(parseObjects(read('install.yaml'))).to.deep.equal(
      await renderManifests('manifests/overlays/cluster'),
    );
  });

  it('install.yaml installs, upgrades what it has installed, and removes it', async () => {
    const file = ['-f', join(FOLDER, 'install.yaml')];
    await run('apply', '--server-side', ...file);
    await replicas();
    await run('apply', '--server-side', ...file);
    await run('delete', ...file, '--timeout=60s');
    expect(await run('get', 'crds,clusterroles', '-o', 'name')).not.to.contain('glance-schema');
  });

  it('the archive of the chart installs, upgrades what it has installed, and removes it', async () => {
    const archive = join(FOLDER, `glance-schema-${version}.tgz`);
    const release = ['glance-schema', archive, '--namespace', NAMESPACE];
    await eventually(async () => {
      const gone = await plane.api().request('GET', `/api/v1/namespaces/${NAMESPACE}`);
      if (gone.status !== 404)
        await plane.api().request('PUT', `/api/v1/namespaces/${NAMESPACE}/finalize`, {
          apiVersion: 'v1',
          kind: 'Namespace',
          metadata: { name: NAMESPACE },
          spec: { finalizers: [] },
        });
      expect(gone.status).to.equal(404);
    });
    for (const args of [
      ['install', ...release, '--create-namespace'],
      ['upgrade', ...release],
    ]) {
      const done = await helm(args, plane.kubeconfigPath);
      expect(done.code, done.stderr).to.equal(0);
      await replicas();
    }
    const removed = await helm(
      ['uninstall', 'glance-schema', '--namespace', NAMESPACE],
      plane.kubeconfigPath,
    );
    expect(removed.code, removed.stderr).to.equal(0);
    expect(await run('get', 'crds', '-o', 'name')).to.contain('glanceschemas.db.glance.openstack.org');
    expect(await run('get', 'clusterroles', '-o', 'name')).not.to.contain('glance-schema');
  });

  it('has the SBOM, and the licence of each package that the program asks for, with its text', () => {
    const { components } = JSON.parse(read(`glance-schema-${version}.cdx.json`));
    expect(components.length).to.be.greaterThan(20);
    const licences = read('THIRD-PARTY-LICENSES.txt');
    for (const [name, pinned] of Object.entries(dependencies)) {
      expect(licences).to.contain(`\n${name} ${pinned}: `);
    }
    expect(licences).to.contain('Permission is hereby granted').and.contain('Apache License');
    expect(read('LICENSE')).to.equal(readFileSync(join(ROOT, 'LICENSE'), 'utf8'));
  });
});
