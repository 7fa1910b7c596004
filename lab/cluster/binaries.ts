import { execFile } from 'node:child_process';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { withBuildLock } from '../tools/build-lock.ts';
import { cacheFolder } from '../tools/cache-folder.ts';
import { executable } from '../tools/executable.ts';
import { type BinaryName, buildBinaries } from './build-binaries.ts';
import { type ClusterVersions, clusterVersions } from './versions.ts';

/** Paths of the programs that the tests and the demo run. */
export interface Binaries {
  readonly etcd: string;
  readonly kubeApiserver: string;
  readonly kubeControllerManager: string;
  readonly kubectl: string;
  readonly versions: ClusterVersions;
}

/** What a real node needs besides. */
export interface NodeBinaries {
  readonly kubelet: string;
  readonly kubeScheduler: string;
}

const names: readonly BinaryName[] = ['etcd', 'kube-apiserver', 'kube-controller-manager', 'kubectl'];
const namesOfNode: readonly BinaryName[] = ['kubelet', 'kube-scheduler'];

/**
 * Finds the programs of the control plane, and builds those that are nowhere.
 *
 * Looked for in this order: the folder that KUBEBUILDER_ASSETS names (envtest's, which has no
 * kube-controller-manager), PATH, and the cache folder, which is keyed by the versions of `go.mod`.
 * Of the first two only those are taken whose version fits, see `fits`. What is still missing is
 * built into the cache folder from the Go module proxy.
 *
 * @param say one line of progress for a person; called seldom when `interactive` is false.
 * @throws an Error of one sentence when Go is missing or too old, or with the end of Go's output
 *   when the build fails.
 */
export function ensureBinaries(say: (line: string) => void = sayNothing): Promise<Binaries> {
  // Every kubectl of a test asks.
  ensured ??= find(say).catch((error: unknown) => {
    ensured = null;
    throw error;
  });
  return ensured;
}

let ensured: Promise<Binaries> | null = null;

/**
 * The same for the programs that only a real node runs: few need them, and they take minutes more
 * to build.
 */
export async function ensureNodeBinaries(say: (line: string) => void = sayNothing): Promise<NodeBinaries> {
  const { found } = await findOrBuild(namesOfNode, say);
  return { kubelet: pathOf(found, 'kubelet'), kubeScheduler: pathOf(found, 'kube-scheduler') };
}

async function find(say: (line: string) => void): Promise<Binaries> {
  const { found, versions } = await findOrBuild(names, say);
  return {
    etcd: pathOf(found, 'etcd'),
    kubeApiserver: pathOf(found, 'kube-apiserver'),
    kubeControllerManager: pathOf(found, 'kube-controller-manager'),
    kubectl: pathOf(found, 'kubectl'),
    versions,
  };
}

interface Found {
  readonly found: ReadonlyMap<BinaryName, string>;
  readonly versions: ClusterVersions;
}

async function findOrBuild(names: readonly BinaryName[], say: (line: string) => void): Promise<Found> {
  const versions = clusterVersions();
  const cache = cacheOf(versions);
  const found = await findBinaries(names, cache);
  const missing = names.filter((name) => !found.has(name));
  if (missing.length > 0) {
    const onWait = (owner: number): void =>
      say(`Waiting for process ${owner}, which is building Kubernetes ${versions.kubernetes}`);
    await withBuildLock(`${cache}.lock`, onWait, async () => {
      const still = (await findBinaries(names, cache)).size < names.length;
      if (still) await buildBinaries({ names: missing, into: cache, versions, say });
    });
    for (const [name, path] of await findBinaries(names, cache)) found.set(name, path);
  }
  return { found, versions };
}

/** Whether everything is there already, so that a caller can say beforehand that a build comes. */
export async function binariesAreReady(): Promise<boolean> {
  return (await findBinaries(names, cacheOf(clusterVersions()))).size === names.length;
}

function cacheOf(versions: ClusterVersions): string {
  return cacheFolder(`kubernetes-${versions.kubernetes}-etcd-${versions.etcd}`);
}

async function findBinaries(names: readonly BinaryName[], cache: string): Promise<Map<BinaryName, string>> {
  const found = new Map<BinaryName, string>();
  const folders = [process.env.KUBEBUILDER_ASSETS ?? '', ...(process.env.PATH ?? '').split(delimiter)];
  for (const name of names) {
    const path = (await findFitting(name, folders)) ?? (await executable(join(cache, name)));
    if (path !== null) found.set(name, path);
  }
  return found;
}

/** The first of that name in the folders that fits. */
async function findFitting(name: BinaryName, folders: readonly string[]): Promise<string | null> {
  for (const folder of folders) {
    const path = folder === '' ? null : await executable(join(folder, name));
    if (path !== null && (await fits(name, path))) return path;
  }
  return null;
}

/**
 * Whether the tests can run with it: servers of Kubernetes of the pinned minor version, etcd of the
 * pinned minor version or newer. Of kubectl any will do that starts: some machines have one that
 * only says that it is not installed.
 */
async function fits(name: BinaryName, path: string): Promise<boolean> {
  const versions = clusterVersions();
  const kubectl = name === 'kubectl';
  const args = kubectl ? ['version', '--client', '--output=json'] : ['--version'];
  try {
    const { stdout } = await promisify(execFile)(path, args);
    if (kubectl) return true;
    const [, major, minor] = /(\d+)\.(\d+)\.\d+/.exec(stdout) ?? [];
    const [, wantedMajor, wantedMinor] =
      /(\d+)\.(\d+)/.exec(name === 'etcd' ? versions.etcd : versions.kubernetes) ?? [];
    if (major !== wantedMajor) return false;
    return name === 'etcd' ? Number(minor) >= Number(wantedMinor) : minor === wantedMinor;
  } catch {
    return false;
  }
}

function pathOf(found: ReadonlyMap<BinaryName, string>, name: BinaryName): string {
  const path = found.get(name);
  if (path === undefined) throw new Error(`Cannot find ${name}: the build succeeded but left no such file`);
  return path;
}

function sayNothing(): void {}
