import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { parse, parseAllDocuments } from 'yaml';
import { ownContent } from '../../../lab/kubernetes/cluster-content.ts';
import { type ControlPlane, startControlPlane } from '../../../lab/kubernetes/control-plane.ts';
import { kubectl } from '../../../lab/kubernetes/kubectl.ts';
import type { KubeObject } from '../../../lab/kubernetes/test-api.ts';
import { GROUP, KIND } from '../../../src/contract/names.ts';
import { ARGO_CUSTOMIZATION } from '../../support/health.ts';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const SAMPLES = `${ROOT}manifests/samples/gitops`;
const WAVE = 'argocd.argoproj.io/sync-wave';

function documents(file: string): readonly KubeObject[] {
  return parseAllDocuments(readFileSync(file, 'utf8')).map((document) => document.toJS());
}

/**
 * The Secret, the GlanceSchemas and the Deployment are given to a real API server, in the order of
 * the waves. The kinds of Argo CD and Flux are not there: of those only the structure is checked.
 */
describe('the samples for GitOps', () => {
  let plane: ControlPlane;

  before(async () => {
    plane = await startControlPlane({ controllers: false, content: ownContent('none') });
    await succeeds(['create', 'namespace', 'openstack']);
    await succeeds(['create', 'namespace', 'argocd']);
  });

  after(async () => {
    await plane?.stop();
  });

  async function succeeds(args: readonly string[]): Promise<string> {
    const result = await kubectl(plane.kubeconfigPath, args);
    expect(result.code, result.stderr).to.equal(0);
    return result.stdout;
  }

  /** What a step gives to Argo CD, in the order of its waves. */
  async function rendered(step: 'expand' | 'contract'): Promise<readonly KubeObject[]> {
    const text = await succeeds(['kustomize', `${SAMPLES}/argocd/${step}`]);
    const objects = parseAllDocuments(text).map((document): KubeObject => document.toJS());
    const wave = (object: KubeObject) => Number(object.metadata?.annotations?.[WAVE]);
    return objects.sort((one, other) => wave(one) - wave(other));
  }

  function applies(step: 'expand' | 'contract', ...more: readonly string[]) {
    return kubectl(plane.kubeconfigPath, ['apply', '-k', `${SAMPLES}/argocd/${step}`, ...more]);
  }

  it('expand comes before the roll-out of the API, contract after it', async () => {
    const order = async (step: 'expand' | 'contract') =>
      (await rendered(step)).map(({ kind, spec }) => `${kind} ${spec?.through ?? ''}`.trim());
    expect(await order('expand')).to.deep.equal(['Secret', 'GlanceSchema Expand', 'Deployment']);
    expect(await order('contract')).to.deep.equal(['Secret', 'Deployment', 'GlanceSchema Contract']);
  });

  it('the second commit changes nothing but the phase and its wave', async () => {
    const [expand, contract] = await Promise.all([rendered('expand'), rendered('contract')]);
    const rest = (objects: readonly KubeObject[]) =>
      objects
        .map(({ metadata, spec, ...object }) => {
          const { through: _through, ...others } = spec ?? {};
          return { ...object, spec: others, name: metadata?.name, namespace: metadata?.namespace };
        })
        .sort((one, other) => String(one.kind).localeCompare(String(other.kind)));
    expect(rest(contract)).to.deep.equal(rest(expand));
  });

  it('one commit waits for the very image that it raises, and its nodes for the expand of its revision', async () => {
    const text = await succeeds(['kustomize', `${SAMPLES}/one-commit`]);
    const objects = parseAllDocuments(text).map((document): KubeObject => document.toJS());
    const [schema, deployment] = [KIND, 'Deployment'].map((kind) =>
      objects.find((each) => each.kind === kind),
    );
    const { containers, initContainers } = deployment?.spec.template.spec ?? {};
    expect(schema?.spec.contractAfter).to.deep.equal([
      { kind: 'Deployment', name: deployment?.metadata?.name, image: containers[0].image },
    ]);
    const { args, env } = initContainers[0];
    expect(args).to.deep.equal(['db', 'check', schema?.spec.revision, '--through', 'Expand']);
    const { secretRef } = { secretRef: { key: 'connection', ...schema?.spec.database.secretRef } };
    expect(env).to.deep.equal([{ name: 'DATABASE_CONNECTION', valueFrom: { secretKeyRef: secretRef } }]);
    const dry = await kubectl(plane.kubeconfigPath, [
      'apply',
      '-k',
      `${SAMPLES}/one-commit`,
      '--dry-run=server',
    ]);
    expect([dry.code, dry.stderr]).to.deep.equal([0, '']);
  });

  it('both steps are taken by the API server, and the way back is refused', async () => {
    for (const step of ['expand', 'contract'] as const) {
      const dry = await applies(step, '--dry-run=server');
      expect([dry.code, dry.stderr]).to.deep.equal([0, '']);
      const applied = await applies(step);
      expect([applied.code, applied.stderr]).to.deep.equal([0, '']);
    }
    const status = { recordedRevision: 'ocata01', recordedPhase: 'Contract' };
    const patch = JSON.stringify({ status });
    await succeeds([
      'patch',
      'glanceschema/glance',
      '-n',
      'openstack',
      '--subresource=status',
      '--type=merge',
      `--patch=${patch}`,
    ]);
    const reverted = await applies('expand');
    expect(reverted.code).to.equal(1);
    expect(reverted.stderr).to.contain("Cannot lower the revision to 'ocata01' (Expand)");
  });

  it('the Application names a step', () => {
    const [application] = documents(`${SAMPLES}/argocd/application.yaml`);
    expect(application?.kind).to.equal('Application');
    expect(existsSync(`${SAMPLES}/${application?.spec.source.path}/kustomization.yaml`)).to.equal(true);
  });

  for (const [step, order, through] of [
    ['expand', ['glance-secret', 'glance-schema', 'glance-api'], 'Expand'],
    ['contract', ['glance-secret', 'glance-api', 'glance-schema'], 'Contract'],
  ] as const) {
    it(`for Flux, ${order.join(' comes before ')} in the step ${step}`, async () => {
      const flux = documents(`${SAMPLES}/flux/${step}.yaml`);
      expect(flux.map(({ metadata }) => metadata?.name)).to.deep.equal(order);
      for (const [index, { spec }] of flux.entries()) {
        const before = order.slice(0, index).slice(-1);
        expect((spec.dependsOn ?? []).map(({ name }: KubeObject) => name)).to.deep.equal(before);
        const objects = parseAllDocuments(await succeeds(['kustomize', `${SAMPLES}/${spec.path}`])).map(
          (document): KubeObject => document.toJS(),
        );
        // Without its health check a Kustomization is ready as soon as it is applied. A Secret has
        // no health.
        const checked = objects
          .filter(({ kind }) => kind !== 'Secret')
          .map(({ apiVersion, kind, metadata }) => ({
            apiVersion,
            kind,
            name: metadata?.name,
            namespace: spec.targetNamespace,
          }));
        expect(spec.healthChecks ?? []).to.deep.equal(checked);
      }
      const [patch] = flux.flatMap(({ spec }) => spec.patches ?? []);
      expect(patch.target).to.deep.equal({ kind: KIND });
      expect(parse(patch.patch)).to.deep.equal([{ op: 'add', path: '/spec/through', value: through }]);
    });
  }

  it('the patch of argocd-cm is taken, and carries the health check and the actions as they are', async () => {
    await succeeds(['create', 'configmap', 'argocd-cm', '-n', 'argocd', '--from-literal=url=https://argo']);
    await succeeds([
      'patch',
      'configmap/argocd-cm',
      '-n',
      'argocd',
      '--type=merge',
      `--patch-file=${ROOT}manifests/gitops/argocd-cm-patch.yaml`,
    ]);
    const { data } = JSON.parse(await succeeds(['get', 'configmap/argocd-cm', '-n', 'argocd', '-o', 'json']));
    const {
      [`resource.customizations.health.${GROUP}_${KIND}`]: health,
      [`resource.customizations.actions.${GROUP}_${KIND}`]: actions,
      ...others
    } = data;
    expect(others).to.deep.equal({ url: 'https://argo' });
    const lua = (path: string): string => readFileSync(`${ARGO_CUSTOMIZATION}${path}`, 'utf8');
    expect(health).to.equal(lua('health.lua'));
    const { 'discovery.lua': discovery, definitions } = parse(actions);
    expect(discovery).to.equal(lua('actions/discovery.lua'));
    for (const { name, 'action.lua': script } of definitions) {
      expect(script).to.equal(lua(`actions/${name}/action.lua`));
    }
  });
});
