import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { ControlPlane } from '../../lab/kubernetes/control-plane.ts';
import { GO_PROGRAMS } from '../../lab/process/go-programs.ts';
import { endOf, type ProgramResult } from '../../lab/process/program-end.ts';
import { ensureTool } from '../../lab/tools/ensure-tool.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** The lines of the `sh` blocks below one heading of a document, comments taken off. */
export function documented(document: string, heading: string): readonly string[] {
  const text = readFileSync(`${ROOT}${document}`, 'utf8');
  const [, section = ''] = text.split(`\n## ${heading}\n`);
  const [here = ''] = section.split(/\n## /);
  return [...here.matchAll(/^ *```sh\n([\s\S]*?)^ *```/gm)].flatMap(([, block = '']) =>
    block
      .split('\n')
      .map((line) => line.trim().replace(/\s+#.*$/, ''))
      .filter((line) => line !== ''),
  );
}

/** Runs a line of a document as a reader does, from the repository, with our kubectl and helm. */
export async function follow(plane: ControlPlane, line: string): Promise<ProgramResult> {
  const tools = [plane.binaries.kubectl, await ensureTool('helm')].map(dirname);
  const env = {
    PATH: [...tools, process.env.PATH].join(':'),
    HOME: plane.folder,
    KUBECONFIG: plane.kubeconfigPath,
    ...GO_PROGRAMS,
  };
  const child = spawn('sh', ['-c', line], { cwd: ROOT, env, stdio: ['ignore', 'pipe', 'pipe'] });
  return endOf(child);
}
