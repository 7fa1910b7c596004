import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import { parse } from 'yaml';
import { type ControlPlane, startControlPlane } from '../../../lab/kubernetes/control-plane.ts';
import { renderManifests } from '../../../lab/kubernetes/manifests.ts';
import type { ApiAnswer, KubeObject, TestApi } from '../../../lab/kubernetes/test-api.ts';
import { aPodTemplate } from '../../support/builders.ts';

const FULL_SAMPLE = new URL('../../../manifests/samples/glance-schema-full.yaml', import.meta.url);

async function operatorPod(overlay: string): Promise<KubeObject> {
  const deployment = (await renderManifests(overlay)).find(({ kind }) => kind === 'Deployment');
  return deployment?.spec.template;
}

const PODS: readonly (readonly [string, () => KubeObject | Promise<KubeObject>])[] = [
  ['the operator of the cluster', () => operatorPod('manifests/overlays/cluster')],
  ['the operator of single namespaces', () => operatorPod('manifests/overlays/namespaced')],
  ['a Job', () => aPodTemplate({})],
  ['a Job of every field', () => aPodTemplate(parse(readFileSync(FULL_SAMPLE, 'utf8')).spec)],
];

/**
 * What the standard "restricted" asks for, taken away; each to be seen in the words of the refusal.
 */
const LESS: readonly (readonly [string, (pod: KubeObject) => KubeObject, string])[] = [
  ['a user that may be root', (pod) => withPod(pod, { runAsNonRoot: undefined }), 'runAsNonRoot != true'],
  ['root', (pod) => withPod(pod, { runAsUser: 0 }), 'runAsUser=0'],
  ['any system call', (pod) => withPod(pod, { seccompProfile: undefined }), 'seccompProfile'],
  [
    'more privileges than its parent',
    (pod) => withContainer(pod, { allowPrivilegeEscalation: undefined }),
    'allowPrivilegeEscalation != false',
  ],
  ['capabilities', (pod) => withContainer(pod, { capabilities: undefined }), 'unrestricted capabilities'],
  ["the node's network", (pod) => ({ ...pod, spec: { ...pod.spec, hostNetwork: true } }), 'hostNetwork'],
];

function withPod(pod: KubeObject, security: Record<string, unknown>): KubeObject {
  const securityContext = { ...pod.spec.securityContext, ...security };
  return { ...pod, spec: { ...pod.spec, securityContext } };
}

function withContainer(pod: KubeObject, security: Record<string, unknown>): KubeObject {
  const [container] = pod.spec.containers;
  const securityContext = { ...container.securityContext, ...security };
  return { ...pod, spec: { ...pod.spec, containers: [{ ...container, securityContext }] } };
}

describe('Pod Security "restricted", by the real admission', () => {
  let plane: ControlPlane;
  let api: TestApi;

  before(async () => {
    plane = await startControlPlane({ controllers: false });
    api = plane.api();
    const labels = {
      'pod-security.kubernetes.io/enforce': 'restricted',
      'pod-security.kubernetes.io/enforce-version': 'latest',
    };
    await api.call('POST', '/api/v1/namespaces', { metadata: { name: 'restricted', labels } });
    for (const name of ['default', 'glance-schema-operator']) {
      await api.call('POST', '/api/v1/namespaces/restricted/serviceaccounts', { metadata: { name } });
    }
  });

  after(async () => {
    await plane?.stop();
  });

  function create(pod: KubeObject): Promise<ApiAnswer> {
    const { labels, annotations } = pod.metadata ?? {};
    const metadata = { generateName: 'pod-', labels, annotations };
    return api.request('POST', '/api/v1/namespaces/restricted/pods?dryRun=All', { metadata, spec: pod.spec });
  }

  for (const [what, makePod] of PODS) {
    it(`takes the pod of ${what}`, async () => {
      const answer = await create(await makePod());
      expect(answer.status, answer.body.message).to.equal(201);
      const [container] = answer.body.spec.containers;
      expect(container.securityContext.readOnlyRootFilesystem).to.equal(true);
    });

    for (const [less, take, says] of LESS) {
      it(`does not take the pod of ${what} with ${less}`, async () => {
        const answer = await create(take(await makePod()));
        expect(answer.status).to.equal(403);
        expect(answer.body.message).to.contain('violates PodSecurity "restricted').and.to.contain(says);
      });
    }
  }

  it('the pod of a Job has no token of a ServiceAccount, that of the operator has one', async () => {
    const [operator, job] = await Promise.all([
      create(await operatorPod('manifests')),
      create(aPodTemplate({})),
    ]);
    expect(JSON.stringify(operator.body.spec.volumes)).to.contain('serviceAccountToken');
    expect(job.body.spec.volumes).to.equal(undefined);
  });
});
