import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
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

/**
 * By kind and name; without the Namespace, which Helm itself makes by --create-namespace, and the
 * pod of `helm test`.
 */
function byName(objects: readonly KubeObject[]): Readonly<Record<string, KubeObject>> {
  const named = objects
    .filter(({ kind }) => kind !== 'Namespace' && kind !== 'Pod')
    .map((object) => [
      `${object.kind} ${object.metadata?.namespace}/${object.metadata?.name}`,
      plain(object),
    ]);
  return Object.fromEntries(named);
}

/** The labels and annotations that only tools of Helm look for. */
const OF_HELM = /^(helm\.sh\/.*|app\.kubernetes\.io\/(instance|version|managed-by))$/;

/**
 * An object without these, and without the names that all objects of a release have and of the
 * manifests only some.
 */
function plain(object: KubeObject): KubeObject {
  const kept = JSON.parse(JSON.stringify(object), (key, value) => (OF_HELM.test(key) ? undefined : value));
  const { labels = {}, annotations = {}, ...metadata } = kept.metadata;
  const own = Object.entries(labels).filter(([name]) => !name.startsWith('app.kubernetes.io/'));
  return { ...kept, metadata: { ...metadata, labels: Object.fromEntries(own), annotations } };
}

/** What a user writes into a file of values. */
function values(given: Record<string, unknown>): readonly string[] {
  return Object.entries(given).flatMap(([name, value]) => ['--set-json', `${name}=${JSON.stringify(value)}`]);
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
    const chart = byName(await rendered());
    expect(chart).to.deep.equal(byName(await renderManifests('manifests/overlays/cluster')));
  });

  it('with namespaces gives what overlays/namespaced gives', async () => {
    const chart = byName(await rendered('--set', 'namespaces={openstack},crds.enabled=false'));
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

  it('with rbac.rollOuts gives the rights of manifests/roll-outs besides', async () => {
    const [role] = await renderManifests('manifests/roll-outs');
    for (const namespaces of [[], ['--set', 'namespaces={openstack}']]) {
      const objects = await rendered('--set', 'rbac.rollOuts=true', ...namespaces);
      const [rights] = objects.filter(
        ({ kind, metadata }) => kind?.endsWith('Role') && metadata?.name === 'glance-schema-operator',
      );
      expect(rights?.rules.slice(-1)).to.deep.equal(role?.rules);
    }
  });

  it('takes every value to where it belongs', async () => {
    const digest = `sha256:${'0123456789abcdef'.repeat(4)}`;
    const pod = {
      nodeSelector: { disk: 'ssd' },
      tolerations: [{ key: 'control', operator: 'Exists' }],
      affinity: { nodeAffinity: {} },
      topologySpreadConstraints: [{ maxSkew: 2, topologyKey: 'zone', whenUnsatisfiable: 'DoNotSchedule' }],
      priorityClassName: 'high',
      dnsPolicy: 'None',
      dnsConfig: { nameservers: ['192.0.2.53'], options: [{ name: 'ndots', value: '1' }] },
      hostAliases: [{ ip: '192.0.2.1', hostnames: ['api.internal'] }],
      terminationGracePeriodSeconds: 20,
    };
    const container = {
      extraEnv: [{ name: 'TZ', value: 'UTC' }],
      extraEnvFrom: [{ configMapRef: { name: 'more' } }],
      extraVolumeMounts: [{ name: 'ca', mountPath: '/ca' }],
    };
    const objects = await rendered(
      ...values({
        ...pod,
        ...container,
        image: { registry: 'registry.example.org', repository: 'glance', digest, pullPolicy: 'Always' },
        imagePullSecrets: [{ name: 'pull' }, 'other'],
        replicas: 3,
        strategy: { type: 'Recreate' },
        revisionHistoryLimit: 2,
        logLevel: 'debug',
        workers: 8,
        extraArgs: ['--no-leader-elect'],
        extraVolumes: [{ name: 'ca', emptyDir: {} }],
        podLabels: { team: 'images' },
        podAnnotations: { note: 'x' },
        serviceAccount: { create: false, name: 'mine' },
        podSecurityContext: { runAsUser: 7 },
        securityContext: { privileged: false },
        readinessProbe: { periodSeconds: 1 },
        networkPolicy: { enabled: false },
        podDisruptionBudget: { enabled: false },
        rbac: { create: false },
      }),
      ...['--set', 'resources.limits.memory=1Gi'],
    );
    expect(objects.map(({ kind }) => kind).sort()).to.deep.equal([
      'CustomResourceDefinition',
      'Deployment',
      'Pod',
    ]);
    const { spec } = objects.find(({ kind }) => kind === 'Deployment') ?? expect.fail();
    expect(spec).to.deep.include({ replicas: 3, strategy: { type: 'Recreate' }, revisionHistoryLimit: 2 });
    const { spec: template, metadata } = spec.template;
    expect(template).to.deep.include({ ...pod, serviceAccountName: 'mine', securityContext: podSecurity(7) });
    expect(template.imagePullSecrets).to.deep.equal([{ name: 'pull' }, { name: 'other' }]);
    expect(template.volumes).to.deep.equal([{ name: 'ca', emptyDir: {} }]);
    expect(metadata.labels).to.include({ team: 'images' });
    expect(metadata.annotations).to.deep.equal({ note: 'x' });
    const [operator] = template.containers;
    expect(operator).to.deep.include({
      image: `registry.example.org/glance@${digest}`,
      imagePullPolicy: 'Always',
      args: [
        ...['controller', '--lease-namespace=$(POD_NAMESPACE)', '--log-level=debug', '--workers=8'],
        '--no-leader-elect',
      ],
      envFrom: container.extraEnvFrom,
      volumeMounts: container.extraVolumeMounts,
    });
    expect(operator.env).to.deep.include(container.extraEnv[0]);
    expect(operator.securityContext).to.include({ privileged: false, readOnlyRootFilesystem: true });
    expect(operator.readinessProbe).to.include({ periodSeconds: 1 });
    expect(operator.resources.limits).to.deep.equal({ memory: '1Gi' });
  });

  function podSecurity(runAsUser: number): object {
    return { runAsNonRoot: true, runAsUser, seccompProfile: { type: 'RuntimeDefault' } };
  }

  it('puts common labels and annotations on every object, beside those that Helm recommends', async () => {
    const given = { commonLabels: { team: 'images' }, commonAnnotations: { note: 'x' } };
    for (const { kind, metadata } of await rendered(...values({ ...given, metrics: MONITORED }))) {
      expect(metadata?.labels, kind).to.include({
        team: 'images',
        'app.kubernetes.io/name': 'glance-schema',
        'app.kubernetes.io/instance': 'glance-schema',
        'app.kubernetes.io/version': '0.1.0',
        'app.kubernetes.io/managed-by': 'Helm',
        'helm.sh/chart': 'glance-schema-0.1.0',
      });
      expect(metadata?.annotations, kind).to.include({ note: 'x' });
    }
  });

  const enabled = { enabled: true, labels: { release: 'prometheus' } };
  const MONITORED = {
    serviceMonitor: enabled,
    podMonitor: enabled,
    prometheusRule: { ...enabled, runbookUrl: 'https://wiki.example.org/glance' },
    dashboard: { ...enabled },
  };

  it('has what manifests/monitoring has, with labels of its own, and lets Prometheus in', async () => {
    const objects = await rendered(...values({ metrics: MONITORED }));
    const manifests = await renderManifests('manifests/monitoring');
    const specOf = (from: readonly KubeObject[], kind: string) =>
      from.find((each) => each.kind === kind) ?? expect.fail(kind);
    for (const kind of ['ServiceMonitor', 'PodMonitor', 'PrometheusRule', 'ConfigMap']) {
      expect(specOf(objects, kind).metadata?.labels, kind).to.include({ release: 'prometheus' });
    }
    const rules = JSON.stringify(specOf(manifests, 'PrometheusRule').spec);
    expect(specOf(objects, 'PrometheusRule').spec).to.deep.equal(
      JSON.parse(rules.replaceAll('docs/monitoring.md#', 'https://wiki.example.org/glance#')),
    );
    expect(JSON.parse(specOf(objects, 'ConfigMap').data['glance-schema.json'])).to.deep.equal(
      JSON.parse(specOf(manifests, 'ConfigMap').data['glance-schema.json']),
    );
    expect(specOf(objects, 'ConfigMap').metadata?.labels).to.include({ grafana_dashboard: '1' });
    expect(specOf(objects, 'NetworkPolicy').spec.ingress).to.deep.equal([
      { ports: [{ protocol: 'TCP', port: 'metrics' }] },
    ]);
  });

  it('takes ports, sources and more rules of the NetworkPolicy, and a budget of its own', async () => {
    const networkPolicy = {
      apiServerPorts: [7443],
      extraEgress: [{ to: [{ ipBlock: { cidr: '192.0.2.0/24' } }] }],
      metricsIngress: true,
      metricsFrom: [{ namespaceSelector: {} }],
    };
    const objects = await rendered(...values({ networkPolicy, podDisruptionBudget: { minAvailable: 1 } }));
    const { spec } = objects.find(({ kind }) => kind === 'NetworkPolicy') ?? expect.fail();
    expect(spec.egress.slice(1)).to.deep.equal([
      { ports: [{ protocol: 'TCP', port: 7443 }] },
      ...networkPolicy.extraEgress,
    ]);
    expect(spec.ingress[0].from).to.deep.equal(networkPolicy.metricsFrom);
    const budget = objects.find(({ kind }) => kind === 'PodDisruptionBudget') ?? expect.fail();
    expect(budget.spec).to.include({ minAvailable: 1 }).and.not.to.have.property('maxUnavailable');
  });

  it('names its objects after the release, or as it is asked', async () => {
    const deploymentOf = async (...args: readonly string[]) => {
      const { stdout } = await helm(['template', ...args]);
      return parseObjects(stdout).find(({ kind }) => kind === 'Deployment')?.metadata?.name;
    };
    expect(await deploymentOf('prod', CHART)).to.equal('prod-glance-schema-operator');
    expect(await deploymentOf('prod', CHART, '--set', 'nameOverride=db')).to.equal('prod-db-operator');
    expect(await deploymentOf('prod', CHART, '--set', 'fullnameOverride=migrator')).to.equal('migrator');
  });

  it('makes more objects, in which values and the release can stand', async () => {
    const extra = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: '{{ .Release.Name }}-extra' } };
    const objects = await rendered(...values({ extraObjects: [extra] }));
    expect(objects.find(({ kind }) => kind === 'ConfigMap')?.metadata?.name).to.equal('glance-schema-extra');
  });

  it('keeps the CRD when the release goes, unless it is asked not to', async () => {
    const crdOf = async (...args: readonly string[]) =>
      (await rendered(...args)).find(({ kind }) => kind === 'CustomResourceDefinition');
    const keep = 'helm.sh/resource-policy';
    expect((await crdOf())?.metadata?.annotations).to.deep.equal({ [keep]: 'keep' });
    expect((await crdOf('--set', 'crds.keep=false'))?.metadata?.annotations).to.equal(undefined);
    expect(await crdOf('--set', 'crds.enabled=false')).to.equal(undefined);
  });

  describe('as a dependency of an umbrella, with a condition', () => {
    let umbrella: string;

    before(async () => {
      umbrella = mkdtempSync(join(tmpdir(), 'glance-schema-umbrella-'));
      const dependency = { name: 'glance-schema', version: '0.1.0', repository: `file://${CHART}` };
      const chart = { apiVersion: 'v2', name: 'umbrella', version: '1.0.0' };
      const condition = 'glance-schema.enabled';
      writeFileSync(
        join(umbrella, 'Chart.yaml'),
        JSON.stringify({ ...chart, dependencies: [{ ...dependency, condition }] }),
      );
      const built = await helm(['dependency', 'build', umbrella]);
      expect(built.code, built.stderr).to.equal(0);
    });

    after(() => rmSync(umbrella, { recursive: true, force: true }));

    const global = { imageRegistry: 'mirror.example.org', imagePullSecrets: ['all'], storageClass: 'fast' };

    it('is there when the condition holds, with what the umbrella says for all charts', async () => {
      const given = values({ global, 'glance-schema': { enabled: true, image: { tag: 2026 } } });
      const result = await helm(['template', 'cloud', umbrella, ...given]);
      expect(result.code, result.stderr).to.equal(0);
      const deployment = parseObjects(result.stdout).find(({ kind }) => kind === 'Deployment');
      expect(deployment?.metadata?.name).to.equal('cloud-glance-schema-operator');
      const { containers, imagePullSecrets } = deployment?.spec.template.spec ?? {};
      expect(containers[0].image).to.equal('mirror.example.org/glance-schema:2026');
      expect(imagePullSecrets).to.deep.equal([{ name: 'all' }]);
    });

    it('is not there when it does not', async () => {
      const result = await helm(['template', 'cloud', umbrella, '--set', 'glance-schema.enabled=false']);
      expect(result.code, result.stderr).to.equal(0);
      expect(parseObjects(result.stdout)).to.deep.equal([]);
    });
  });

  const REFUSED: readonly (readonly [string, string, string])[] = [
    ['a value that is misspelt', 'replica=3', "additional properties 'replica' not allowed"],
    ['no replica', 'replicas=0', 'minimum: got 0, want 1'],
    ['a namespace that can be none', 'namespaces={Open_Stack}', 'does not match pattern'],
    ['a namespace twice', 'namespaces={a,a}', 'are equal'],
    ['a digest that is none', 'image.digest=latest', 'does not match pattern'],
    ['no image', 'image.repository=', 'minLength'],
    ['a port that can be none', 'networkPolicy.apiServerPorts={70000}', 'maximum'],
    ['a DNS policy that is none', 'dnsPolicy=Cluster', 'must be one of'],
    ['a level of the log that is none', 'logLevel=loud', 'must be one of'],
  ];

  for (const [what, value, says] of REFUSED) {
    it(`refuses ${what}`, async () => {
      const result = await helm(['template', ...RELEASE, '--set', value]);
      expect(result.code).to.equal(1);
      expect(result.stderr).to.contain(says);
    });
  }
});
