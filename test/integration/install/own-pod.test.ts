import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { type Environment, startEnvironment, type Tenant } from '../../../lab/kubernetes/environment.ts';
import { kubectl } from '../../../lab/kubernetes/kubectl.ts';
import { asList, parseObjects } from '../../../lab/kubernetes/manifests.ts';
import type { KubeObject } from '../../../lab/kubernetes/test-api.ts';
import { bundle } from '../../../lab/process/bundle.ts';
import { eventually } from '../../../lab/process/eventually.ts';
import { freePort } from '../../../lab/process/free-port.ts';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const SYSTEM = 'glance-schema-system';
const DEPLOYMENTS = `/apis/apps/v1/namespaces/${SYSTEM}/deployments`;

/**
 * What OpenShift gives a namespace: the first of its range of users, in the annotation
 * openshift.io/sa.scc.uid-range.
 */
const FIRST = 1_000_680_000;
const LAST = FIRST + 9_999;

/**
 * OpenShift's "restricted-v2": who names no user is given one of the range, who names another is
 * refused.
 */
const POLICIES: readonly { readonly kind: string; readonly spec: object }[] = [
  {
    kind: 'MutatingAdmissionPolicy',
    spec: {
      reinvocationPolicy: 'Never',
      mutations: [
        {
          patchType: 'ApplyConfiguration',
          applyConfiguration: {
            expression: `Object{spec: Object.spec{securityContext: Object.spec.securityContext{
              runAsUser: has(object.spec.securityContext.runAsUser) ? object.spec.securityContext.runAsUser : ${FIRST},
              fsGroup: has(object.spec.securityContext.fsGroup) ? object.spec.securityContext.fsGroup : ${FIRST}}}}`,
          },
        },
      ],
    },
  },
  {
    kind: 'ValidatingAdmissionPolicy',
    spec: {
      validations: ['runAsUser', 'fsGroup'].map((field) => ({
        expression: `object.spec.securityContext.${field} >= ${FIRST} && object.spec.securityContext.${field} <= ${LAST}`,
        message: `${field} is not of the range of this namespace`,
      })),
    },
  },
];

function withBinding({ kind, spec }: (typeof POLICIES)[number]): readonly KubeObject[] {
  const apiVersion = 'admissionregistration.k8s.io/v1';
  const metadata = { name: 'range-of-users' };
  const matchConstraints = {
    resourceRules: [{ apiGroups: [''], apiVersions: ['v1'], operations: ['CREATE'], resources: ['pods'] }],
  };
  const validationActions = kind === 'ValidatingAdmissionPolicy' ? { validationActions: ['Deny'] } : {};
  return [
    { apiVersion, kind, metadata, spec: { failurePolicy: 'Fail', matchConstraints, ...spec } },
    {
      apiVersion,
      kind: `${kind}Binding`,
      metadata,
      spec: { policyName: metadata.name, ...validationActions },
    },
  ];
}

describe('the operator in a pod of its own, where a policy forces a range of users', () => {
  let environment: Environment;
  let folder: string;
  let tenant: Tenant;

  before(async () => {
    environment = await startEnvironment({ rights: 'given by the test' });
    folder = mkdtempSync(join(ROOT, 'dist/own-pod-'));
    await apply([...POLICIES.flatMap(withBinding)]);
    tenant = await environment.tenant('openstack', await environment.postgres.createDatabase('openstack'));
    await eventually(async () => {
      const answer = await environment.api.request(
        'POST',
        '/api/v1/namespaces/openstack/pods?dryRun=All',
        aPod(65532),
      );
      expect(answer.body.message).to.contain('runAsUser is not of the range of this namespace');
    });
    await environment.api.call('POST', '/api/v1/namespaces/openstack/serviceaccounts', {
      metadata: { name: 'own' },
    });
    await apply(await overlay());
  });

  after(async () => {
    await environment?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  /**
   * As a user writes it: `images`, and for the sake of a machine with other tests, ports of its
   * own.
   */
  async function overlay(): Promise<readonly KubeObject[]> {
    const [health, metrics] = [await freePort(), await freePort()];
    const patch = [
      { op: 'replace', path: '/spec/replicas', value: 1 },
      { op: 'replace', path: '/spec/strategy', value: { type: 'Recreate' } },
      { op: 'add', path: '/spec/template/spec/imagePullSecrets', value: [{ name: 'registry' }] },
      {
        op: 'add',
        path: '/spec/template/spec/containers/0/args/-',
        value: `--health-address=127.0.0.1:${health}`,
      },
      {
        op: 'add',
        path: '/spec/template/spec/containers/0/args/-',
        value: `--metrics-address=127.0.0.1:${metrics}`,
      },
      { op: 'replace', path: '/spec/template/spec/containers/0/ports/0/containerPort', value: health },
      { op: 'replace', path: '/spec/template/spec/containers/0/ports/1/containerPort', value: metrics },
    ];
    writeFileSync(
      join(folder, 'kustomization.yaml'),
      JSON.stringify({
        resources: [relative(folder, `${ROOT}manifests/overlays/cluster`)],
        images: [{ name: 'glance-schema', newName: 'glance-schema-mirror', newTag: 'one' }],
        patches: [{ target: { kind: 'Deployment' }, patch: JSON.stringify(patch) }],
      }),
    );
    const rendered = await kubectl('', ['kustomize', folder]);
    expect(rendered.code, rendered.stderr).to.equal(0);
    return parseObjects(rendered.stdout);
  }

  async function apply(objects: readonly KubeObject[]): Promise<void> {
    const args = ['apply', '--server-side', '--force-conflicts', '-f', '-'];
    const applied = await kubectl(environment.plane.kubeconfigPath, args, { input: asList(objects) });
    expect(applied.code, applied.stderr).to.equal(0);
  }

  function aPod(runAsUser: number): object {
    const seccompProfile = { type: 'RuntimeDefault' };
    const securityContext = { allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } };
    return {
      metadata: { name: 'trial' },
      spec: {
        securityContext: { runAsNonRoot: true, runAsUser, seccompProfile },
        containers: [{ name: 'trial', image: 'none', securityContext }],
      },
    };
  }

  async function operatorPod(): Promise<KubeObject> {
    return eventually(
      async () => {
        const { items } = await environment.api.call('GET', `/api/v1/namespaces/${SYSTEM}/pods`);
        const { status } = await environment.api.call('GET', `${DEPLOYMENTS}/glance-schema-operator`);
        expect(status.readyReplicas, JSON.stringify(environment.node.allLogs())).to.equal(1);
        expect(items).to.have.length(1);
        return items[0];
      },
      { timeoutMilliseconds: 120_000 },
    );
  }

  /** The user of a pod's process, where this process may choose one. */
  function userOf(pod: KubeObject): number {
    const pid = environment.node.pid(pod.metadata?.namespace ?? '', pod.metadata?.name ?? '');
    return Number(/^Uid:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);
  }

  it('is admitted, and runs as a user of the range', async () => {
    const pod = await operatorPod();
    expect(pod.spec.securityContext).to.include({ runAsUser: FIRST, fsGroup: FIRST, runAsNonRoot: true });
    if (process.getuid?.() === 0) expect(userOf(pod)).to.equal(FIRST);
  });

  it('gives its Job the image and the pull secrets of its pod, which `images` of an overlay moves, and the Job runs as a user of the range', async () => {
    await tenant.apply({ revision: 'mitaka02' });
    await tenant.reaches('UpToDate', 120_000);
    const [pod] = await tenant.pods();
    expect(pod?.spec.containers[0].image).to.equal('glance-schema-mirror:one');
    expect(pod?.spec.imagePullSecrets).to.deep.equal([{ name: 'registry' }]);
    expect(pod?.spec.securityContext).to.include({ runAsUser: FIRST, fsGroup: FIRST });
  });

  it('a Job that asks for a user out of the range is refused, in the words of the policy', async () => {
    await tenant.apply({ revision: 'ocata01', job: { podSecurityContext: { runAsUser: 65532 } } });
    await eventually(
      async () => {
        const { stdout } = await tenant.kubectl('get', 'events', '-o', 'jsonpath={.items[*].message}');
        expect(stdout).to.contain('runAsUser is not of the range of this namespace');
      },
      { timeoutMilliseconds: 120_000 },
    );
  });

  it('`kubectl set image` moves both, and a Job with a ServiceAccount of its own is given no pull secrets', async () => {
    const image = 'operator=glance-schema-mirror:two';
    const set = ['set', 'image', 'deployment/glance-schema-operator', image, '-n', SYSTEM];
    expect((await kubectl(environment.plane.kubeconfigPath, set)).code).to.equal(0);
    await eventually(async () => {
      expect((await operatorPod()).spec.containers[0].image).to.equal('glance-schema-mirror:two');
    });
    await tenant.apply({
      revision: 'ocata01',
      job: { serviceAccountName: 'own', podSecurityContext: { runAsUser: LAST } },
    });
    await tenant.reaches('UpToDate', 120_000);
    const last = (await tenant.pods()).at(-1);
    expect(last?.spec.containers[0].image).to.equal('glance-schema-mirror:two');
    expect(last?.spec).not.to.have.property('imagePullSecrets');
    expect(last?.spec.securityContext.runAsUser).to.equal(LAST);
  });

  it('says so where the variable names another image, which its Jobs run then', async () => {
    const env = [
      'set',
      'env',
      'deployment/glance-schema-operator',
      'GLANCE_SCHEMA_IMAGE=glance-schema-other:1',
      '-n',
      SYSTEM,
    ];
    const before = await operatorPod();
    expect((await kubectl(environment.plane.kubeconfigPath, env)).code).to.equal(0);
    await eventually(async () =>
      expect((await operatorPod()).metadata?.name).not.to.equal(before.metadata?.name),
    );
    const pod = await operatorPod();
    expect(environment.node.logs(SYSTEM, pod.metadata?.name ?? '')).to.contain(
      'Jobs run the image glance-schema-other:1, which GLANCE_SCHEMA_IMAGE or --image names, and the operator runs glance-schema-mirror:two.',
    );
    await tenant.apply({ revision: 'pike01' });
    await tenant.reaches('UpToDate', 120_000);
    expect(
      (await tenant.pods()).some(({ spec }) => spec.containers[0].image === 'glance-schema-other:1'),
    ).to.equal(true);
  });

  it('ends with a sentence where it may not read its pod, and nothing else names an image', () => {
    const args = [
      bundle(),
      'controller',
      '--pod-name',
      'nobody',
      '--kubeconfig',
      environment.plane.kubeconfigPath,
    ];
    const addresses = ['--health-address', '127.0.0.1:0', '--metrics-address', '0', '--no-leader-elect'];
    const ended = spawnSync(process.execPath, [...args, ...addresses], { encoding: 'utf8', timeout: 60_000 });
    expect(ended.status, ended.stderr).to.equal(1);
    expect(ended.stderr)
      .to.contain("Cannot read the operator's own pod default/nobody")
      .and.contain('name the image of Jobs by --image');
  });
});
