import { globSync, readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { type ControlPlane, startControlPlane } from '../../../lab/kubernetes/control-plane.ts';
import { CHART, helm, prepareHelm } from '../../../lab/kubernetes/helm.ts';
import { crdsEstablished, kubectl } from '../../../lab/kubernetes/kubectl.ts';
import { prometheusOperatorCrds } from '../../support/prometheus-operator-crds.ts';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));

const read = (file: string) => readFileSync(`${ROOT}${file}`, 'utf8');

const isObjects = (text: string) => /^apiVersion: /m.test(text) && /^kind: /m.test(text);

/**
 * The blocks of a document that are objects of Kubernetes, whatever they are marked as, without
 * their indentation.
 */
function blocksOf(document: string): readonly string[] {
  const blocks = read(document).matchAll(/^( *)```[a-z]*\n([\s\S]*?)^ *```/gm);
  return [...blocks]
    .map(([, indentation = '', text = '']) => text.replaceAll(new RegExp(`^${indentation}`, 'gm'), ''))
    .filter(isObjects);
}

const DOCUMENTS = globSync('{*.md,docs/**/*.md}', { cwd: ROOT }).sort();
const FILES = globSync('{manifests,crds,charts/*/crds}/**/*.yaml', { cwd: ROOT }).sort();
const KUSTOMIZATIONS = globSync('{manifests,crds}/**/kustomization.yaml', { cwd: ROOT }).sort();

/** What is only a part of a kustomization, and gives nothing by itself. */
const isComponent = (file: string) => /^kind: Component$/m.test(read(file));

/** Where the text is from, and how it is had. */
const TEXTS: readonly (readonly [string, () => Promise<string>])[] = [
  ...DOCUMENTS.flatMap((document) =>
    blocksOf(document).map((text, index) => [`${document}, ${index + 1}`, async () => text] as const),
  ),
  ...FILES.filter((file) => !KUSTOMIZATIONS.includes(file) && isObjects(read(file))).map(
    (file) => [file, async () => read(file)] as const,
  ),
  ...KUSTOMIZATIONS.filter((file) => !isComponent(file)).map(
    (file) => [file, () => rendered(kubectl('', ['kustomize', `${ROOT}${dirname(file)}`]))] as const,
  ),
  ...[[], ['--set', 'namespaces={openstack}']].map(
    (flags) =>
      [
        `the chart ${flags.join(' ')}`,
        () =>
          rendered(
            helm([
              'template',
              'glance-schema',
              CHART,
              '--namespace',
              'glance-schema-system',
              '--no-hooks',
              ...flags,
            ]),
          ),
      ] as const,
  ),
];

async function rendered(running: ReturnType<typeof kubectl>): Promise<string> {
  const { code, stdout, stderr } = await running;
  expect(code, stderr).to.equal(0);
  return stdout;
}

/**
 * Every sample, every manifest and every YAML of a document, handed to kubectl as it is written:
 * YAML is read by kubectl's own library, which knows numbers and booleans where others see text,
 * and each field is checked by a real API server.
 */
describe('every YAML that there is, as text', () => {
  let plane: ControlPlane;
  const namespaces = new Set<string>();
  /** `apiVersion`s that the API server has, and kinds that were made for the test. */
  const known = new Set<string>();

  before(async function () {
    this.timeout(1_200_000);
    await prepareHelm();
    plane = await startControlPlane({ controllers: false });
    await succeeds(['apply', '--server-side', '-k', `${ROOT}crds`]);
    for (const file of await prometheusOperatorCrds()) await succeeds(['apply', '--server-side', '-f', file]);
    await crdsEstablished(plane.kubeconfigPath);
    for (const version of (await succeeds(['api-versions'])).trim().split('\n')) known.add(version);
  });

  after(async () => {
    await plane?.stop();
  });

  async function succeeds(args: readonly string[], input = ''): Promise<string> {
    const result = await kubectl(plane.kubeconfigPath, args, { input });
    expect(result.code, result.stderr).to.equal(0);
    return result.stdout;
  }

  it('is found', () => {
    const from = (start: string) => TEXTS.filter(([name]) => name.startsWith(start)).length;
    expect(
      [from('README.md'), from('docs/'), from('manifests/samples/'), from('crds/')].includes(0),
    ).to.equal(false);
    expect(TEXTS.length).to.be.greaterThan(40);
  });

  for (const [name, text] of TEXTS) {
    it(name, async () => {
      const input = await text();
      await prepareFor(input);
      const applied = await kubectl(plane.kubeconfigPath, ['apply', '--dry-run=server', '-f', '-'], {
        input,
      });
      expect(applied.code, applied.stderr).to.equal(0);
    });
  }

  /**
   * Makes the namespaces that the text names, and a kind that takes anything for those of other
   * programs.
   */
  async function prepareFor(text: string): Promise<void> {
    for (const [, namespace = ''] of text.matchAll(/^ {2}namespace: "?([a-z0-9-]+)"?$/gm)) {
      if (!namespaces.has(namespace)) {
        await kubectl(plane.kubeconfigPath, ['create', 'namespace', namespace]);
      }
      namespaces.add(namespace);
    }
    for (const document of text.split(/^---$/m)) {
      const [, apiVersion = ''] = /^apiVersion: "?([\w./-]+)"?$/m.exec(document) ?? [];
      const [, kind = ''] = /^kind: (\w+)$/m.exec(document) ?? [];
      // Their own programs check them; what is checked here is that kubectl can read them.
      if (kind === '' || known.has(apiVersion) || known.has(`${apiVersion} ${kind}`)) continue;
      known.add(`${apiVersion} ${kind}`);
      await succeeds(['apply', '-f', '-'], JSON.stringify(anyKind(apiVersion, kind)));
      await crdsEstablished(plane.kubeconfigPath);
    }
  }
});

function anyKind(apiVersion: string, kind: string): object {
  const [group = '', version = ''] = apiVersion.split('/');
  const plural = `${kind.toLowerCase()}s`;
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `${plural}.${group}` },
    spec: {
      group,
      scope: 'Namespaced',
      names: { kind, plural },
      versions: [
        {
          name: version,
          served: true,
          storage: true,
          schema: { openAPIV3Schema: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } },
        },
      ],
    },
  };
}
