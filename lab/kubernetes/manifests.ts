import { fileURLToPath } from 'node:url';
import { parseAllDocuments } from 'yaml';
import { kubectl } from './kubectl.ts';
import type { KubeObject } from './test-api.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** The kinds that give rights, and what they stand on; without a program that would run. */
export const RIGHTS = [
  'Namespace',
  'ServiceAccount',
  'ClusterRole',
  'ClusterRoleBinding',
  'Role',
  'RoleBinding',
];

/**
 * The objects of a kustomization, as `kubectl kustomize` renders them; the folder is one of the
 * repository.
 */
export async function renderManifests(folder: string): Promise<readonly KubeObject[]> {
  const rendered = await kubectl('', ['kustomize', `${ROOT}${folder}`]);
  if (rendered.code !== 0) throw new Error(rendered.stderr);
  return parseObjects(rendered.stdout);
}

/** The objects in a stream of YAML documents. */
export function parseObjects(text: string): readonly KubeObject[] {
  return parseAllDocuments(text)
    .map((document): KubeObject | null => document.toJS())
    .filter((object) => object !== null);
}

/** As `kubectl apply -f -` takes them. */
export function asList(items: readonly KubeObject[]): string {
  return JSON.stringify({ apiVersion: 'v1', kind: 'List', items });
}
