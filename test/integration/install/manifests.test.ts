import { expect } from 'chai';
import { type ControlPlane, startControlPlane } from '../../../lab/kubernetes/control-plane.ts';
import { crdsEstablished, kubectl } from '../../../lab/kubernetes/kubectl.ts';
import { asList, renderManifests } from '../../../lab/kubernetes/manifests.ts';
import type { KubeObject } from '../../../lab/kubernetes/test-api.ts';
import { eventually } from '../../../lab/process/eventually.ts';
import { aPodTemplate } from '../../support/builders.ts';

const OVERLAYS = ['manifests/overlays/cluster', 'manifests/overlays/namespaced'];

function ofKind(objects: readonly KubeObject[], kind: string): KubeObject {
  const [found] = objects.filter((object) => object.kind === kind);
  return found ?? expect.fail(`there is no ${kind}`);
}

function names(objects: readonly KubeObject[]): readonly string[] {
  return objects
    .map(({ kind, metadata }) => `${kind} ${metadata?.namespace ?? '-'}/${metadata?.name}`)
    .sort();
}

describe('the manifests', () => {
  it('of the cluster are all that an operator of every namespace needs, the CRD included', async () => {
    expect(names(await renderManifests('manifests/overlays/cluster'))).to.deep.equal([
      'ClusterRole -/glance-schema-edit',
      'ClusterRole -/glance-schema-operator',
      'ClusterRole -/glance-schema-view',
      'ClusterRoleBinding -/glance-schema-operator',
      'CustomResourceDefinition -/glanceschemas.db.glance.openstack.org',
      'Deployment glance-schema-system/glance-schema-operator',
      'Namespace -/glance-schema-system',
      'NetworkPolicy glance-schema-system/glance-schema-operator',
      'PodDisruptionBudget glance-schema-system/glance-schema-operator',
      'Role glance-schema-system/glance-schema-leader',
      'RoleBinding glance-schema-system/glance-schema-leader',
      'ServiceAccount glance-schema-system/glance-schema-operator',
    ]);
    expect(await renderManifests('manifests'), 'is the default').to.deep.equal(
      await renderManifests('manifests/overlays/cluster'),
    );
  });

  it('of single namespaces have Roles only, with the rights of the ClusterRole, and no CRD', async () => {
    const namespaced = await renderManifests('manifests/overlays/namespaced');
    expect(names(namespaced)).to.deep.equal([
      'Deployment glance-schema-system/glance-schema-operator',
      'Namespace -/glance-schema-system',
      'NetworkPolicy glance-schema-system/glance-schema-operator',
      'PodDisruptionBudget glance-schema-system/glance-schema-operator',
      'Role glance-schema-system/glance-schema-leader',
      'Role openstack/glance-schema-operator',
      'RoleBinding glance-schema-system/glance-schema-leader',
      'RoleBinding openstack/glance-schema-operator',
      'ServiceAccount glance-schema-system/glance-schema-operator',
    ]);
    const role = namespaced.find(
      (object) => object.kind === 'Role' && object.metadata?.namespace === 'openstack',
    );
    const clusterRole = (await renderManifests('manifests/overlays/cluster')).find(
      ({ kind, metadata }) => kind === 'ClusterRole' && metadata?.name === 'glance-schema-operator',
    );
    expect(role?.rules).to.deep.equal(clusterRole?.rules);
    expect(ofKind(namespaced, 'Deployment').spec.template.spec.containers[0].args).to.include(
      '--namespaces=openstack',
    );
  });

  for (const overlay of OVERLAYS) {
    it(`${overlay}: the image of the operator, which its Jobs run, is named once`, async () => {
      const [operator] = ofKind(await renderManifests(overlay), 'Deployment').spec.template.spec.containers;
      expect(operator.image).to.equal('glance-schema:0.1.0');
      expect(operator.env.map(({ name }: KubeObject) => name)).to.deep.equal(['POD_NAME', 'POD_NAMESPACE']);
    });

    it(`${overlay}: policy, budget and spread are about the pods of the Deployment`, async () => {
      const objects = await renderManifests(overlay);
      const { replicas, selector, template } = ofKind(objects, 'Deployment').spec;
      expect(replicas).to.equal(2);
      expect(template.metadata.labels).to.deep.equal(selector.matchLabels);
      expect(ofKind(objects, 'NetworkPolicy').spec.podSelector).to.deep.equal(selector);
      expect(ofKind(objects, 'PodDisruptionBudget').spec.selector).to.deep.equal(selector);
      expect(template.spec.topologySpreadConstraints[0].labelSelector).to.deep.equal(selector);
    });
  }

  it('have a NetworkPolicy that picks the pods of Jobs, whatever labels a GlanceSchema asks for', async () => {
    const { podSelector } = ofKind(await renderManifests('manifests/samples'), 'NetworkPolicy').spec;
    const spec = { job: { labels: { 'app.kubernetes.io/managed-by': 'nobody' } } };
    expect(aPodTemplate(spec).metadata?.labels).to.include(podSelector.matchLabels);
  });

  describe('on a real API server', () => {
    let plane: ControlPlane;

    before(async () => {
      plane = await startControlPlane();
      const admin = [
        ['apply', '--server-side', '-k', 'crds'],
        ['create', 'namespace', 'openstack'],
      ];
      for (const args of admin) await succeeds(args);
      await crdsEstablished(plane.kubeconfigPath);
    });

    after(async () => {
      await plane?.stop();
    });

    async function succeeds(args: readonly string[], input = ''): Promise<void> {
      const result = await kubectl(plane.kubeconfigPath, args, { input });
      expect(result.code, result.stderr).to.equal(0);
      expect(result.stderr, 'no warning').to.equal('');
    }

    for (const overlay of OVERLAYS) {
      it(`${overlay}: is taken, its two pods too, and then there is nothing left to change`, async () => {
        const list = asList(await renderManifests(overlay));
        await succeeds(['apply', '--server-side', '--force-conflicts', '-f', '-'], list);
        await succeeds(['apply', '--server-side', '--dry-run=server', '-f', '-'], list);
        await eventually(async () => {
          const pods = await plane.api().call('GET', '/api/v1/namespaces/glance-schema-system/pods');
          expect(pods.items, 'Pod Security takes them').to.have.length(2);
        });
        // A status that is written between its two reads is a difference too.
        await eventually(async () => {
          const diff = await kubectl(plane.kubeconfigPath, ['diff', '--server-side', '-f', '-'], {
            input: list,
          });
          expect(diff.code, diff.stdout + diff.stderr).to.equal(0);
        });
        await succeeds(['delete', 'namespace', 'glance-schema-system']);
      });
    }
  });
});
