import { writeFileSync } from 'node:fs';

/** What a kubeconfig with one cluster, one user and one context says. */
export interface KubeconfigOptions {
  readonly server: string;
  readonly caFile: string;
  readonly token: string;
  readonly namespace?: string;
}

/**
 * Writes a kubeconfig file (JSON, which is YAML) for one token, readable by its owner only. Returns
 * the path.
 */
export function writeKubeconfig(path: string, options: KubeconfigOptions): string {
  const namespace = options.namespace ?? 'default';
  const config = {
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [
      { name: 'test', cluster: { server: options.server, 'certificate-authority': options.caFile } },
    ],
    users: [{ name: 'test', user: { token: options.token } }],
    contexts: [{ name: 'test', context: { cluster: 'test', user: 'test', namespace } }],
    'current-context': 'test',
  };
  writeFileSync(path, `${JSON.stringify(config, null, 2)}\n`, { mode: 0o600 });
  return path;
}
