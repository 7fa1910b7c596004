import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { ensureTool } from '../../lab/tools/ensure-tool.ts';
import { GROUP, KIND } from '../../src/contract/names.ts';

/** What a GitOps tool makes of one object. */
export interface Health {
  readonly status: string;
  readonly message: string;
}

/** What Argo CD is given for a GlanceSchema, in the layout of Argo CD's own repository. */
export const ARGO_CUSTOMIZATION = fileURLToPath(
  new URL(`../../manifests/gitops/resource_customizations/${GROUP}/${KIND}/`, import.meta.url),
);

/** What the library kstatus, by which Flux waits, says of each object, in order. */
export async function kstatus(objects: readonly object[]): Promise<readonly Health[]> {
  return ask(await ensureTool('kstatus'), [], objects);
}

/** What Argo CD's own code says of each object, in order, with our health check in its place. */
export async function argoHealth(
  objects: readonly object[],
  lua = `${ARGO_CUSTOMIZATION}health.lua`,
): Promise<readonly Health[]> {
  return ask(await ensureTool('argocd'), ['health', `${GROUP}/${KIND}`, lua], objects);
}

/** What Argo CD offers for an object, and what it would make of it. */
export type ArgoActions = Readonly<Record<string, { readonly disabled: boolean; readonly object: unknown }>>;

/**
 * What Argo CD's own code offers for each object, in order.
 *
 * @param file the actions as argocd-cm has them
 */
export async function argoActions(objects: readonly object[], file: string): Promise<readonly ArgoActions[]> {
  return ask(await ensureTool('argocd'), ['actions', `${GROUP}/${KIND}`, file], objects);
}

function ask<T>(path: string, args: readonly string[], objects: readonly object[]): Promise<readonly T[]> {
  return new Promise((resolve, reject) => {
    const child = execFile(path, args, (error, stdout, stderr) => {
      if (error === null) resolve(JSON.parse(stdout));
      else reject(new Error(stderr, { cause: error }));
    });
    child.stdin?.end(JSON.stringify(objects));
  });
}
