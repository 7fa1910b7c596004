import type { KubeObject } from './test-api.ts';

/** What a Job of a test runs, and how it differs from the smallest one. */
export interface JobOptions {
  readonly name: string;
  readonly namespace?: string;
  /** Of the image `node`, which the tests map to this Node. */
  readonly script: string;
  readonly container?: object;
  readonly pod?: object;
  readonly spec?: object;
}

/** A Job of one pod that runs a script with `node -e`, without retries. */
export function nodeJob(options: JobOptions): KubeObject {
  const container = { name: 'main', image: 'node:24', args: ['-e', options.script], ...options.container };
  const pod = {
    restartPolicy: 'Never',
    automountServiceAccountToken: false,
    containers: [container],
    ...options.pod,
  };
  return {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: { name: options.name, namespace: options.namespace ?? 'default' },
    spec: { backoffLimit: 0, template: { spec: pod }, ...options.spec },
  };
}
