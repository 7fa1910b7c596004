import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { ClusterContent, ControlPlane } from './control-plane.ts';
import { crdsEstablished, kubectl } from './kubectl.ts';
import { asList, RIGHTS, renderManifests } from './manifests.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** The folders of which the content is rendered, with those that their kustomizations name. */
const RENDERED = [
  'crds',
  'manifests/base',
  'manifests/overlays/cluster',
  'manifests/users',
  'manifests/image',
];

/** What decides which of it is applied. */
const CODE = [import.meta.filename, fileURLToPath(new URL('manifests.ts', import.meta.url))];

/**
 * The CRD as kubectl applies it, and where the operator has rights: in the whole cluster, only where
 * a tenant gives them, or nowhere.
 */
export function ownContent(rights: 'cluster' | 'namespaced' | 'none'): ClusterContent {
  return {
    key: [rights, ...RENDERED.flatMap(textsOf), ...CODE.map((file) => readFileSync(file, 'utf8'))],
    make: async (plane) => {
      await apply(plane, ['-k', `${ROOT}crds`]);
      if (rights !== 'none') {
        const folder = rights === 'cluster' ? 'manifests/overlays/cluster' : 'manifests/base';
        const given = (await renderManifests(folder)).filter(({ kind = '' }) => RIGHTS.includes(kind));
        await apply(plane, ['-f', '-'], asList(given));
      }
      await crdsEstablished(plane.kubeconfigPath);
    },
  };
}

/** All files of a folder of the repository, with their names. */
function textsOf(folder: string): readonly string[] {
  return readdirSync(`${ROOT}${folder}`, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => `${entry.parentPath}/${entry.name}`)
    .sort()
    .map((path) => `${path.slice(ROOT.length)}\n${readFileSync(path, 'utf8')}`);
}

/** `kubectl apply`; throws with its words when something is refused. */
export async function apply(plane: ControlPlane, args: readonly string[], input = ''): Promise<void> {
  const result = await kubectl(plane.kubeconfigPath, ['apply', ...args], { input });
  if (result.code !== 0) throw new Error(`Cannot prepare the cluster: ${result.stderr}`);
}
