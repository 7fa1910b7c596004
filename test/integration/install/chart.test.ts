import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { parse } from 'yaml';
import { CHART, helm, prepareHelm } from '../../../lab/kubernetes/helm.ts';
import { parseObjects, renderManifests } from '../../../lab/kubernetes/manifests.ts';
import type { KubeObject } from '../../../lab/kubernetes/test-api.ts';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const RELEASE = ['glance-schema', CHART, '--namespace', 'glance-schema-system'];

async function rendered(...args: readonly string[]): Promise<readonly KubeObject[]> {
  const result = await helm(['template', ...RELEASE, ...args]);
  expect(result.code, result.stderr).to.equal(0);
  return parseObjects(result.stdout);
}

/** By kind and name; without the Namespace, which Helm itself makes by --create-namespace. */
function byName(objects: readonly KubeObject[]): Readonly<Record<string, KubeObject>> {
  const named = objects
    .filter(({ kind }) => kind !== 'Namespace')
    .map((object) => [`${object.kind} ${object.metadata?.namespace}/${object.metadata?.name}`, object]);
  return Object.fromEntries(named);
}

describe('the chart', () => {
  before(async function () {
    this.timeout(1_200_000);
    await prepareHelm();
  });

  it('passes helm lint without a warning', async () => {
    const result = await helm(['lint', '--strict', CHART]);
    expect(result.code, result.stdout + result.stderr).to.equal(0);
    expect(result.stdout).not.to.match(/\[(WARNING|ERROR)\]/);
  });

  it('has the version of the program, and of the image that the manifests name', () => {
    const { version } = JSON.parse(readFileSync(`${ROOT}package.json`, 'utf8'));
    expect(parse(readFileSync(`${CHART}/Chart.yaml`, 'utf8'))).to.include({ version, appVersion: version });
    const { images } = parse(readFileSync(`${ROOT}manifests/image/kustomization.yaml`, 'utf8'));
    expect(images[0].newTag).to.equal(version);
  });

  it('by default gives what overlays/cluster gives, the CRD included', async () => {
    const chart = byName(await rendered('--include-crds'));
    expect(chart).to.deep.equal(byName(await renderManifests('manifests/overlays/cluster')));
  });

  it('with namespaces gives what overlays/namespaced gives', async () => {
    const chart = byName(await rendered('--set', 'namespaces={openstack}'));
    expect(chart).to.deep.equal(byName(await renderManifests('manifests/overlays/namespaced')));
  });

  it('has rights in each namespace that is named, and names them to the operator', async () => {
    const objects = await rendered('--set', 'namespaces={openstack,staging}');
    const roles = objects.filter(({ kind }) => kind === 'Role').map(({ metadata }) => metadata?.namespace);
    expect(roles.sort()).to.deep.equal(['glance-schema-system', 'openstack', 'staging']);
    expect(objects.filter(({ kind }) => kind?.startsWith('Cluster'))).to.deep.equal([]);
    const deployment = objects.find(({ kind }) => kind === 'Deployment');
    expect(deployment?.spec.template.spec.containers[0].args).to.include('--namespaces=openstack,staging');
  });

  it('takes every value to where it belongs', async () => {
    const digest = `sha256:${'0123456789abcdef'.repeat(4)}`;
    const objects = await rendered(
      ...['--set', `image.repository=registry.example.org/glance,image.digest=${digest}`],
      ...['--set', 'imagePullSecrets[0].name=pull,replicas=3,networkPolicy.enabled=false'],
      ...['--set', 'resources.limits.memory=1Gi,nodeSelector.disk=ssd'],
      ...['--set-json', 'tolerations=[{"key": "control", "operator": "Exists"}]'],
    );
    const { spec } = objects.find(({ kind }) => kind === 'Deployment') ?? expect.fail();
    expect(spec.replicas).to.equal(3);
    const pod = spec.template.spec;
    expect(pod.containers[0].image).to.equal(`registry.example.org/glance@${digest}`);
    expect(pod.containers[0].env[0].value).to.equal(pod.containers[0].image);
    expect(pod.imagePullSecrets).to.deep.equal([{ name: 'pull' }]);
    expect(pod.nodeSelector).to.deep.equal({ disk: 'ssd' });
    expect(pod.tolerations).to.deep.equal([{ key: 'control', operator: 'Exists' }]);
    expect(pod.containers[0].resources.limits).to.deep.equal({ memory: '1Gi' });
    expect(objects.filter(({ kind }) => kind === 'NetworkPolicy')).to.deep.equal([]);
  });

  const REFUSED: readonly (readonly [string, string, string])[] = [
    ['a value that is misspelt', 'replica=3', "additional properties 'replica' not allowed"],
    ['no replica', 'replicas=0', 'minimum: got 0, want 1'],
    ['a namespace that can be none', 'namespaces={Open_Stack}', 'does not match pattern'],
    ['a namespace twice', 'namespaces={a,a}', 'are equal'],
    ['a digest that is none', 'image.digest=latest', 'does not match pattern'],
    ['no image', 'image.repository=', 'minLength'],
  ];

  for (const [what, value, says] of REFUSED) {
    it(`refuses ${what}`, async () => {
      const result = await helm(['template', ...RELEASE, '--set', value]);
      expect(result.code).to.equal(1);
      expect(result.stderr).to.contain(says);
    });
  }
});
