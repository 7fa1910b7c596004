import { fileURLToPath } from 'node:url';
import { type GoProgram, goBuild } from '../tools/go-build.ts';
import type { ClusterVersions } from './versions.ts';

/** A program of Kubernetes or etcd that tests start, by the name of its file. */
export type BinaryName =
  | 'etcd'
  | 'kube-apiserver'
  | 'kube-controller-manager'
  | 'kube-scheduler'
  | 'kubectl'
  | 'kubelet';

/** Which programs a build makes, in which versions, and where they are put. */
export interface BuildOptions {
  readonly names: readonly BinaryName[];
  /**
   * The folder that holds the binaries once all of them are built; a build that fails leaves
   * nothing there.
   */
  readonly into: string;
  readonly versions: ClusterVersions;
  readonly say: (line: string) => void;
}

const kubernetes = 'k8s.io/kubernetes/cmd';

/** Builds programs of Kubernetes and etcd from the Go module proxy. */
export async function buildBinaries({ names, into, versions, say }: BuildOptions): Promise<void> {
  await goBuild({
    what: `Kubernetes ${versions.kubernetes}`,
    takes: names.includes('kube-apiserver') ? 'about 6 to 10 minutes' : 'some minutes',
    moduleFolder: fileURLToPath(new URL('.', import.meta.url)),
    programs: names.map(program),
    flags: ['-ldflags', linkerFlags(versions)],
    into,
    say,
  });
}

function program(name: BinaryName): GoProgram {
  if (name === 'etcd') return { name, package: 'go.etcd.io/etcd/server/v3', builtAs: 'server' };
  return { name, package: `${kubernetes}/${name}`, builtAs: name };
}

function linkerFlags(versions: ClusterVersions): string {
  const version = versions.kubernetes;
  return (
    `-s -w -X k8s.io/component-base/version.gitVersion=${version} ` +
    `-X k8s.io/client-go/pkg/version.gitVersion=${version}`
  );
}
