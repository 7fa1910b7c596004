import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { freePort } from '../process/free-port.ts';
import { reaper } from '../process/reaper.ts';
import { type ServerProcess, startServerProcess } from '../process/server-process.ts';
import { ensureTool, toolSource } from '../tools/ensure-tool.ts';
import type { ControlPlane } from './control-plane.ts';
import { crdsEstablished, kubectl } from './kubectl.ts';

/** The controllers of Flux, as processes of this machine. */
export interface Flux {
  stop(): Promise<void>;
}

const NAMESPACE = 'flux-system';

const CONTROLLERS = ['flux-source-controller', 'flux-kustomize-controller'] as const;

/**
 * Starts Flux's two controllers as processes on loopback, with their CRDs from the sources that
 * they are built of.
 */
export async function startFlux(plane: ControlPlane): Promise<Flux> {
  const folder = reaper.makeFolder('glance-schema-flux-');
  for (const name of CONTROLLERS) {
    const crds = join(await toolSource(name), 'config/crd/bases');
    await done(plane, ['apply', '--server-side', `--filename=${crds}`]);
  }
  await crdsEstablished(plane.kubeconfigPath);
  await done(plane, ['create', 'namespace', NAMESPACE]);
  const storage = `127.0.0.1:${await freePort()}`;
  mkdirSync(join(folder, 'storage'));
  const running: ServerProcess[] = [];
  for (const name of CONTROLLERS) {
    const own =
      name === 'flux-source-controller'
        ? [
            `--storage-path=${join(folder, 'storage')}`,
            `--storage-addr=${storage}`,
            `--storage-adv-addr=${storage}`,
          ]
        : // Of half a minute by default, so long a Kustomization waits before it checks again for another.
          ['--requeue-dependency=1s'];
    running.push(
      startServerProcess({
        name,
        path: await ensureTool(name),
        logFile: join(folder, `${name}.log`),
        args: [
          ...own,
          '--events-addr=',
          '--enable-leader-election=false',
          `--health-addr=127.0.0.1:${await freePort()}`,
          `--metrics-addr=127.0.0.1:${await freePort()}`,
        ],
        env: {
          PATH: process.env.PATH,
          HOME: folder,
          TMPDIR: folder,
          KUBECONFIG: plane.kubeconfigPath,
          RUNTIME_NAMESPACE: NAMESPACE,
        },
      }),
    );
  }
  return {
    async stop() {
      await Promise.all(running.map((each) => each.stop(0)));
      rmSync(folder, { recursive: true, force: true });
      reaper.forgetFolder(folder);
    },
  };
}

async function done(plane: ControlPlane, args: readonly string[]): Promise<void> {
  const result = await kubectl(plane.kubeconfigPath, args);
  if (result.code !== 0) throw new Error(`Cannot start Flux: ${result.stderr}`);
}
