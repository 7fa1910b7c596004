import { fileURLToPath } from 'node:url';
import { readGoMod } from '../tools/go-mod.ts';

/** The versions that `go.mod` pins, which is the only place that names them. */
export interface ClusterVersions {
  readonly kubernetes: string;
  readonly etcd: string;
}

/** Reads the pinned versions. Throws when `go.mod` names one of them no longer. */
export function clusterVersions(): ClusterVersions {
  const goMod = readGoMod(fileURLToPath(new URL('.', import.meta.url)));
  return {
    kubernetes: goMod.version('k8s.io/kubernetes'),
    etcd: goMod.version('go.etcd.io/etcd/server/v3'),
  };
}
