import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { ensureTool } from '../../lab/tools/ensure-tool.ts';
import { GROUP, KIND } from '../../src/contract/names.ts';

/** What a GitOps tool makes of one object. */
export interface Health {
  readonly status: string;
  readonly message: string;
}

const LUA = fileURLToPath(new URL('../../manifests/gitops/argocd-health.lua', import.meta.url));

/** What the library kstatus, by which Flux waits, says of each object, in order. */
export async function kstatus(objects: readonly object[]): Promise<readonly Health[]> {
  return ask(await ensureTool('kstatus'), [], objects);
}

/** What Argo CD's own code says of each object, in order, with our health check in its place. */
export async function argoHealth(objects: readonly object[], lua = LUA): Promise<readonly Health[]> {
  return ask(await ensureTool('argocd-health'), [`${GROUP}/${KIND}`, lua], objects);
}

function ask(path: string, args: readonly string[], objects: readonly object[]): Promise<readonly Health[]> {
  return new Promise((resolve, reject) => {
    const child = execFile(path, args, (error, stdout, stderr) => {
      if (error === null) resolve(JSON.parse(stdout));
      else reject(new Error(stderr, { cause: error }));
    });
    child.stdin?.end(JSON.stringify(objects));
  });
}
