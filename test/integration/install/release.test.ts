import { execFile, execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect } from 'chai';
import { parse } from 'yaml';
import { ensureBinaries } from '../../../lab/cluster/binaries.ts';
import { type ControlPlane, startControlPlane } from '../../../lab/kubernetes/control-plane.ts';
import { helm, prepareHelm } from '../../../lab/kubernetes/helm.ts';
import { crdsEstablished, kubectl } from '../../../lab/kubernetes/kubectl.ts';
import { parseObjects, renderManifests } from '../../../lab/kubernetes/manifests.ts';
import { bundle } from '../../../lab/process/bundle.ts';
import { eventually } from '../../../lab/process/eventually.ts';
import { freePort } from '../../../lab/process/free-port.ts';
import { ensureTool, toolSource } from '../../../lab/tools/ensure-tool.ts';

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
  let scratch: string;
  let server: Server;

  before(async function () {
    this.timeout(1_200_000);
    await prepareHelm();
    for (const name of ['krew', 'validate-krew-manifest', 'operator-verify'] as const) await ensureTool(name);
    // The licences are made with the bundle.
    bundle();
    scratch = mkdtempSync(join(tmpdir(), 'glance-schema-release-test-'));
    const port = await freePort();
    server = createServer((request, response) => response.end(readFileSync(join(FOLDER, `${request.url}`))));
    server.listen(port, '127.0.0.1');
    const env = { ...process.env, URL: `http://127.0.0.1:${port}/` };
    execFileSync(process.execPath, ['scripts/release.ts'], { cwd: ROOT, env, stdio: 'pipe' });
    plane = await startControlPlane();
  });

  after(async () => {
    await plane?.stop();
    server?.close();
    rmSync(scratch, { recursive: true, force: true });
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
    const files = readdirSync(FOLDER, { recursive: true, withFileTypes: true }).filter((file) =>
      file.isFile(),
    );
    const paths = files.map(({ parentPath, name }) => join(parentPath, name));
    expect(paths.sort()).to.deep.equal([...names, 'SHA256SUMS'].map((name) => join(FOLDER, name)).sort());
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
    await run('delete', ...file, '--timeout=300s');
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

  const ARCHIVE = join(FOLDER, `kubectl-glanceschema-${version}.tar.gz`);

  /** The command of the plugin's page that begins so. */
  function shown(begin: string): string {
    const page = readFileSync(join(ROOT, 'docs/kubectl-plugin.md'), 'utf8');
    const line = page.split('\n').find((each) => each.startsWith(begin)) ?? '';
    expect(line).to.contain(version);
    return line;
  }

  async function lists(plugins: string): Promise<void> {
    await run('apply', '-k', 'crds');
    await crdsEstablished(plane.kubeconfigPath);
    // The API server says for a moment that it is not ready to list them.
    await eventually(async () => {
      const listed = await kubectl(plane.kubeconfigPath, ['glanceschema', 'list', '-A'], { plugins });
      expect(listed.stderr).to.equal('No GlanceSchemas found in all namespaces.\n');
    });
  }

  it('the archive of the plugin is unpacked into a folder of the PATH, and kubectl finds it there', async () => {
    const plugins = join(scratch, '.local/bin');
    mkdirSync(plugins, { recursive: true });
    execFileSync('sh', ['-ec', shown('tar ')], {
      cwd: FOLDER,
      env: { PATH: process.env.PATH, HOME: scratch },
    });
    await lists(plugins);
    const complete = ['__complete', 'glanceschema', ''];
    expect((await kubectl(plane.kubeconfigPath, complete, { plugins })).stdout).to.match(/^status\t/m);
    for (const name of ['LICENSE', 'THIRD-PARTY-LICENSES.txt']) {
      expect(execFileSync('tar', ['-xzOf', ARCHIVE, name], { encoding: 'utf8' })).to.equal(read(name));
    }
  });

  it("krew's own validator installs the plugin for Linux and macOS, on both processors", async () => {
    const bin = join(scratch, 'krew');
    mkdirSync(bin);
    symlinkSync((await ensureBinaries()).kubectl, join(bin, 'kubectl'));
    symlinkSync(await ensureTool('krew'), join(bin, 'kubectl-krew'));
    const env = { PATH: `${bin}:${process.env.PATH}`, HOME: scratch };
    const validator = await ensureTool('validate-krew-manifest');
    const manifest = join(FOLDER, 'glanceschema.yaml');
    const { stderr } = await promisify(execFile)(validator, ['-manifest', manifest], { env });
    expect(stderr).to.contain('all 4 spec.platforms installed fine');

    const root = join(scratch, 'krew-root');
    execFileSync('sh', ['-ec', shown('kubectl krew ')], {
      cwd: FOLDER,
      env: { ...env, KREW_ROOT: root },
      stdio: 'pipe',
    });
    await lists(join(root, 'bin'));
  });

  it("operator-framework's own validators take the bundle for OLM", async () => {
    const validate = ['manifests', 'bundle', '--operatorhub_validate', '--object_validate'];
    const { stdout, stderr } = await promisify(execFile)(await ensureTool('operator-verify'), validate, {
      cwd: FOLDER,
    });
    const said = [...`${stdout}${stderr}`.matchAll(/level=(\w+) msg="(.*)"$/gm)].map(
      ([, level, text]) => `${level} ${text}`,
    );
    // There is no icon; the second speaks of the validator itself.
    expect(said).to.have.length(2);
    expect(said[0]).to.match(/^warning .*csv\.Spec\.Icon not specified/);
    expect(said[1]).to.match(/^warning .*validator is deprecated/);
  });

  it("OLM's own CRD takes the bundle's ClusterServiceVersion, which installs what the manifests do", async () => {
    const crd = join(await toolSource('operator-verify'), CSV_CRD);
    await run('apply', '--server-side', '-f', crd);
    await crdsEstablished(plane.kubeconfigPath);
    const file = join(FOLDER, 'bundle/manifests/glance-schema.clusterserviceversion.yaml');
    await run('create', '-f', file, '--namespace=default', '--validate=strict', '--dry-run=server');
    const csv = parse(readFileSync(file, 'utf8'));
    const objects = await renderManifests('manifests/overlays/cluster');
    const named = (kind: string, name: string) =>
      objects.find((object) => object.kind === kind && object.metadata?.name === name);
    const { deployments, clusterPermissions, permissions } = csv.spec.install.spec;
    expect(deployments).to.have.length(1);
    expect(deployments[0].spec.template.spec).to.deep.equal(
      named('Deployment', 'glance-schema-operator')?.spec.template.spec,
    );
    expect(clusterPermissions[0].rules).to.deep.equal(named('ClusterRole', 'glance-schema-operator')?.rules);
    expect(permissions[0].rules).to.deep.equal(named('Role', 'glance-schema-leader')?.rules);
    const { annotations } = parse(read('bundle/metadata/annotations.yaml'));
    for (const [name, value] of Object.entries(annotations)) {
      expect(read('bundle/bundle.Dockerfile')).to.contain(`\nLABEL ${name}=${value}\n`);
    }
  });
});

const CSV_CRD = 'crds/operators.coreos.com_clusterserviceversions.yaml';
