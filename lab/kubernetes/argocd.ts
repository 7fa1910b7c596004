import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { reaper } from '../process/reaper.ts';
import { ensureTool } from '../tools/ensure-tool.ts';
import type { ControlPlane } from './control-plane.ts';

/** One Application of Argo CD, which its own engine syncs, as its application controller does. */
export interface ArgoApplication {
  /** Begins a sync of manifests, as YAML, which are what Git has from then on. */
  sync(manifests: string, options?: ArgoSync): ArgoOperation;
  stop(): Promise<void>;
}

/** How a sync differs from one of kubectl's client-side apply, with nothing pruned. */
export interface ArgoSync {
  readonly prune?: boolean;
  /** As an Application's `syncOptions`. */
  readonly syncOptions?: readonly string[];
  /** As an Application's `ServerSideDiff=true`. */
  readonly serverSideDiff?: boolean;
}

/** What is known of the Application since an operation has begun. */
export interface ArgoOperation {
  /** In order; throws when the engine has ended, with the end of its log. */
  states(): readonly ArgoState[];
}

/** The operation, and what the Application was found as before its newest step. */
export interface ArgoState {
  readonly phase: 'Running' | 'Succeeded' | 'Failed' | 'Error';
  readonly message: string;
  /** What the operation has done about each object; none of a wave that has not come. */
  readonly results: readonly { readonly kind: string; readonly status: string; readonly message: string }[];
  readonly sync: 'Synced' | 'OutOfSync' | 'Unknown';
  readonly health: string;
  readonly resources: readonly ArgoResource[];
}

/** What an object was found as; its health is empty where its kind has none. */
export interface ArgoResource {
  readonly kind: string;
  readonly sync: ArgoState['sync'];
  readonly health: string;
  readonly message: string;
}

/**
 * Starts the engine for an Application in a namespace, with the settings of the ConfigMap argocd-cm
 * in the namespace argocd.
 */
export async function startArgoApplication(plane: ControlPlane, namespace: string): Promise<ArgoApplication> {
  const path = await ensureTool('argocd');
  const folder = reaper.makeFolder('glance-schema-argocd-');
  const child = spawn(path, ['sync', plane.kubeconfigPath, namespace], {
    // kubectl's code caches below HOME what it knows of the API server.
    env: { PATH: process.env.PATH, HOME: folder, TMPDIR: folder },
    stdio: 'pipe',
  });
  const end = () => child.kill('SIGKILL');
  process.once('exit', end);
  let log = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    log += text;
  });
  let ended: Error | null = null;
  const closed = once(child, 'close').then(([code]) => {
    process.off('exit', end);
    ended = new Error(`Argo CD's engine ended with ${code}: ${log.slice(-4000)}`);
  });
  // One that has ended reads nothing more, which `states` tells.
  child.stdin.on('error', () => undefined);
  const found: ArgoState[][] = [];
  createInterface({ input: child.stdout }).on('line', (line) => {
    const { operation, ...state } = JSON.parse(line);
    found[operation - 1]?.push(state);
  });
  return {
    sync(manifests, options = {}) {
      const states: ArgoState[] = [];
      const number = found.push(states);
      const git = join(folder, `${number}`);
      mkdirSync(git);
      writeFileSync(join(git, 'manifests.yaml'), manifests);
      child.stdin.write(`${JSON.stringify({ path: git, ...options })}\n`);
      return {
        states() {
          if (ended !== null) throw ended;
          return states;
        },
      };
    },
    async stop() {
      // It ends with its input, and has then removed what it kept in memory's own file system.
      child.stdin.end();
      await closed;
      rmSync(folder, { recursive: true, force: true });
      reaper.forgetFolder(folder);
    },
  };
}
