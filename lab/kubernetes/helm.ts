import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { progressLine } from '../cluster/progress-line.ts';
import { GO_PROGRAMS } from '../process/go-programs.ts';
import { endOf, type ProgramResult } from '../process/program-end.ts';
import { ensureTool } from '../tools/ensure-tool.ts';

/** The absolute path of the Helm chart. */
export const CHART = fileURLToPath(new URL('../../charts/glance-schema', import.meta.url));

/**
 * Builds what the tests of the chart run, where it is not there yet: that takes minutes, and a test
 * has one.
 */
export async function prepareHelm(): Promise<void> {
  const progress = progressLine(process.stderr);
  await ensureTool('helm', progress.say);
  await ensureTool('kubeconform', progress.say);
  progress.end();
}

/** Runs the real helm, with nothing of this machine's own settings. An exit code is a value. */
export async function helm(args: readonly string[], kubeconfigPath = ''): Promise<ProgramResult> {
  const path = await ensureTool('helm');
  const home = mkdtempSync(join(tmpdir(), 'glance-schema-helm-'));
  const env = { PATH: process.env.PATH, HOME: home, KUBECONFIG: kubeconfigPath, ...GO_PROGRAMS };
  const child = spawn(path, args, { env, stdio: ['ignore', 'pipe', 'pipe'] });
  const end = await endOf(child);
  rmSync(home, { recursive: true, force: true });
  return end;
}
