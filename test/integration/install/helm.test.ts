import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import { type ControlPlane, startControlPlane } from '../../../lab/kubernetes/control-plane.ts';
import { CHART, helm, prepareHelm } from '../../../lab/kubernetes/helm.ts';
import { conformance } from '../../../lab/kubernetes/kubeconform.ts';
import { crdsEstablished, kubectl } from '../../../lab/kubernetes/kubectl.ts';
import { asList, renderManifests } from '../../../lab/kubernetes/manifests.ts';
import type { KubeObject } from '../../../lab/kubernetes/test-api.ts';
import { eventually } from '../../../lab/process/eventually.ts';
import { documented, follow } from '../../support/documented.ts';

const NAMESPACE = 'glance-schema-system';
const RELEASE = ['glance-schema', CHART, '--namespace', NAMESPACE];
const CRD = 'glanceschemas.db.glance.openstack.org';

/** Kinds that a release is made of, where it has them. */
const KINDS = [
  'deployments',
  'serviceaccounts',
  'roles',
  'rolebindings',
  'networkpolicies',
  'poddisruptionbudgets',
];

describe('the chart on a real API server', () => {
  let plane: ControlPlane;

  before(async function () {
    this.timeout(1_200_000);
    await prepareHelm();
    plane = await startControlPlane();
  });

  after(async () => {
    await plane?.stop();
  });

  async function run(args: readonly string[], input = ''): Promise<string> {
    const result = await kubectl(plane.kubeconfigPath, args, { input });
    expect(result.code, result.stderr).to.equal(0);
    return result.stdout;
  }

  async function runHelm(...args: readonly string[]): Promise<string> {
    const result = await helm(args, plane.kubeconfigPath);
    expect(result.code, result.stderr).to.equal(0);
    return result.stdout;
  }

  /** The names of what is there of a release, without what Kubernetes puts into every namespace. */
  async function release(namespace = NAMESPACE): Promise<readonly string[]> {
    const found = await run(['get', KINDS.join(','), '-n', namespace, '-o', 'name']);
    const everywhere = await run(['get', 'clusterroles,clusterrolebindings', '-o', 'name']);
    const lines = [...found.split('\n'), ...everywhere.split('\n')];
    return lines.filter((line) => line.includes('glance-schema')).sort();
  }

  /**
   * Kubernetes lists the objects of a CRD before it removes it. Where nobody has listed them yet, that
   * fails while their storage starts, and is tried again minutes later. Source: kubernetes v1.36.3,
   * crd_finalizer.go, and operator-framework/operator-controller#1437.
   */
  async function deleteCrds(): Promise<void> {
    await run(['get', 'glanceschemas', '--all-namespaces']);
    await run(['delete', '-k', 'crds']);
  }

  async function deployment(): Promise<KubeObject> {
    return plane
      .api()
      .call('GET', `/apis/apps/v1/namespaces/${NAMESPACE}/deployments/glance-schema-operator`);
  }

  it('is installed, and its pods are taken by a namespace that is restricted', async () => {
    await run(['create', 'namespace', NAMESPACE]);
    await run(['label', 'namespace', NAMESPACE, 'pod-security.kubernetes.io/enforce=restricted']);
    const said = await runHelm('install', ...RELEASE);
    expect(said).to.contain('STATUS: deployed').and.to.contain('The operator serves every namespace');
    expect(await release()).to.deep.equal([
      'clusterrole.rbac.authorization.k8s.io/glance-schema-edit',
      'clusterrole.rbac.authorization.k8s.io/glance-schema-operator',
      'clusterrole.rbac.authorization.k8s.io/glance-schema-view',
      'clusterrolebinding.rbac.authorization.k8s.io/glance-schema-operator',
      'deployment.apps/glance-schema-operator',
      'networkpolicy.networking.k8s.io/glance-schema-operator',
      'poddisruptionbudget.policy/glance-schema-operator',
      'role.rbac.authorization.k8s.io/glance-schema-leader',
      'rolebinding.rbac.authorization.k8s.io/glance-schema-leader',
      'serviceaccount/glance-schema-operator',
    ]);
    await eventually(async () => expect((await deployment()).status.replicas).to.equal(2));
    await crdsEstablished(plane.kubeconfigPath);
  });

  it('and the manifests are what this API server takes, field by field', async () => {
    const check = await conformance(plane);
    for (const args of [[], ['--set', 'namespaces={openstack}', '--set', 'imagePullSecrets[0].name=x']]) {
      const { stdout } = await helm(['template', ...RELEASE, ...args]);
      expect(check(stdout)).to.equal('');
      expect(check(stdout.replace('replicas:', 'replica:'))).to.contain("'replica' not allowed");
      expect(check(stdout.replace('runAsNonRoot: true', 'runAsNonRoot: often'))).to.contain(
        'got string, want boolean',
      );
    }
    for (const folder of [
      'manifests/overlays/cluster',
      'manifests/overlays/namespaced',
      'manifests/samples',
    ]) {
      expect(check(asList(await renderManifests(folder))), folder).to.equal('');
    }
    const sample = readFileSync(
      new URL('../../../manifests/samples/glance-schema-full.yaml', import.meta.url),
      'utf8',
    );
    expect(check(sample)).to.equal('');
    expect(check(sample.replace('secretRef:', 'secretReference:'))).to.contain(
      "'secretReference' not allowed",
    );
  });

  it('is upgraded, and rolled back', async () => {
    await runHelm('upgrade', ...RELEASE, '--set', 'image.tag=0.2.0,replicas=3');
    const { replicas, template } = (await deployment()).spec;
    expect(replicas).to.equal(3);
    expect(template.spec.containers[0].image).to.equal('glance-schema:0.2.0');
    await runHelm('rollback', 'glance-schema', '--namespace', NAMESPACE);
    expect((await deployment()).spec.template.spec.containers[0].image).to.equal('glance-schema:0.1.0');
  });

  it('goes from the whole cluster to single namespaces and leaves no right behind', async () => {
    await run(['create', 'namespace', 'openstack']);
    await runHelm('upgrade', ...RELEASE, '--set', 'namespaces={openstack}');
    expect((await release()).filter((name) => name.startsWith('cluster'))).to.deep.equal([]);
    expect(await release('openstack')).to.deep.equal([
      'role.rbac.authorization.k8s.io/glance-schema-operator',
      'rolebinding.rbac.authorization.k8s.io/glance-schema-operator',
    ]);
    await runHelm('upgrade', ...RELEASE, '--reset-values');
    expect(await release('openstack')).to.have.length(4);
  });

  /** Puts the CRD back to one that lacks a column. */
  async function olderCrd(): Promise<{ readonly now: number; readonly columns: () => Promise<number> }> {
    const path = `/apis/apiextensions.k8s.io/v1/customresourcedefinitions/${CRD}`;
    const columns = async () => {
      const [version] = (await plane.api().call('GET', path)).spec.versions;
      return version.additionalPrinterColumns.length;
    };
    const now = await columns();
    // Its status may still be written, which is a conflict then.
    await eventually(async () => {
      const older = await plane.api().call('GET', path);
      older.spec.versions[0].additionalPrinterColumns.splice(now - 1);
      await run(['replace', '-f', '-'], JSON.stringify(older));
    });
    expect(await columns()).to.equal(now - 1);
    return { now, columns };
  }

  it('upgrades the CRD with the release, beneath resources', async () => {
    const { now, columns } = await olderCrd();
    await run(['apply', '-n', 'openstack', '-f', 'manifests/samples/glance-schema.yaml']);
    const before = await run(['get', 'glanceschema', 'glance', '-n', 'openstack', '-o', 'yaml']);
    await runHelm('upgrade', ...RELEASE, '--force-conflicts');
    expect(await columns()).to.equal(now);
    expect(await run(['get', 'glanceschema', 'glance', '-n', 'openstack', '-o', 'yaml'])).to.equal(before);
  });

  it("lets Kubernetes' own roles see GlanceSchemas, and edit and admin write them", async () => {
    await run(['create', 'serviceaccount', 'somebody', '-n', 'openstack']);
    const who = 'system:serviceaccount:openstack:somebody';
    const can = async (verb: string) => {
      const asked = ['auth', 'can-i', verb, 'glanceschemas.db.glance.openstack.org', '-n', 'openstack'];
      return (await kubectl(plane.kubeconfigPath, [...asked, `--as=${who}`])).stdout.trim();
    };
    for (const [role, watches, writes] of [
      ['view', 'yes', 'no'],
      ['edit', 'yes', 'yes'],
      ['admin', 'yes', 'yes'],
    ] as const) {
      await run([
        'create',
        'rolebinding',
        role,
        `--clusterrole=${role}`,
        '--serviceaccount=openstack:somebody',
        '-n',
        'openstack',
      ]);
      await eventually(async () => expect(await can('watch'), role).to.equal(watches));
      await eventually(async () => expect(await can('patch'), role).to.equal(writes));
      await run(['delete', 'rolebinding', role, '-n', 'openstack']);
    }
  });

  it('is uninstalled whole, but for the CRD and the resources', async () => {
    await runHelm('uninstall', 'glance-schema', '--namespace', NAMESPACE);
    expect(await release()).to.deep.equal([]);
    expect(await run(['get', 'glanceschema', '-A', '-o', 'name'])).to.contain('glance');
  });

  it('takes over a CRD that kubectl has applied, and upgrades it', async () => {
    await deleteCrds();
    await run(['apply', '-k', 'crds']);
    const refused = await helm(['install', ...RELEASE], plane.kubeconfigPath);
    expect(refused.code).to.equal(1);
    const { now, columns } = await olderCrd();
    await runHelm('install', ...RELEASE, '--take-ownership', '--force-conflicts');
    expect(await columns()).to.equal(now);
    await runHelm('uninstall', 'glance-schema', '--namespace', NAMESPACE);
  });

  const upgrade = documented('docs/operations.md', 'Upgrade the operator').filter((line) =>
    /^helm/.test(line),
  );
  const uninstall = documented('docs/operations.md', 'Remove the operator').filter((line) =>
    /^helm/.test(line),
  );
  for (const install of documented('README.md', 'Install').filter((line) => /^helm/.test(line))) {
    it(`can be followed as it is written: ${install}`, async () => {
      const crds = install.includes('crds.enabled=false') ? ['kubectl apply -k crds'] : [];
      await deleteCrds();
      for (const line of [...crds, install, ...upgrade, ...uninstall]) {
        const followed = await follow(plane, line);
        expect(followed.code, `${line}: ${followed.stderr}`).to.equal(0);
      }
      expect(upgrade).to.have.length(1);
      expect(uninstall).to.have.length(1);
    });
  }
});
