import { readFileSync } from 'node:fs';

/** The versions that `go.mod` pins, which is the only place that names them. */
export interface ClusterVersions {
  readonly kubernetes: string;
  readonly etcd: string;
  /** The oldest Go that can build them, as the `go` line has it. */
  readonly go: string;
}

const goMod = new URL('go.mod', import.meta.url);

/** Reads the pinned versions. Throws when `go.mod` names one of them no longer. */
export function clusterVersions(): ClusterVersions {
  const text = readFileSync(goMod, 'utf8');
  return {
    kubernetes: pinned(text, /^\s*k8s\.io\/kubernetes (v\S+)/m, 'k8s.io/kubernetes'),
    etcd: pinned(text, /^\s*go\.etcd\.io\/etcd\/server\/v3 (v\S+)/m, 'go.etcd.io/etcd/server/v3'),
    go: pinned(text, /^go (\S+)/m, 'the Go version'),
  };
}

function pinned(text: string, pattern: RegExp, what: string): string {
  const found = pattern.exec(text)?.[1];
  if (found === undefined)
    throw new Error(`Cannot read ${what} from test/cluster/go.mod: no line requires it`);
  return found;
}
