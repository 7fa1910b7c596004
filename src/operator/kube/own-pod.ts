import { pause } from '../time/pause.ts';
import type { KubeClient } from './client.ts';
import { hasStatus } from './kube-error.ts';

/** What a Job is given of the pod that the operator runs in. */
export interface OwnPod {
  readonly image: string;
  readonly imagePullSecrets: readonly { readonly name: string }[];
}

interface Pod {
  readonly spec: {
    readonly containers: readonly { readonly name: string; readonly image: string }[];
    readonly imagePullSecrets?: readonly { readonly name: string }[];
  };
}

/** The operator's container in the manifests and in the chart. */
const CONTAINER = 'operator';

const RETRY_EVERY = 2_000;

/**
 * Reads the pod that the operator runs in, for as long as the API server does not answer.
 *
 * @param onTrouble called for each attempt that failed
 * @returns undefined once `signal` has ended the waiting.
 * @throws KubeError when the pod may not be read, or does not exist.
 */
export async function readOwnPod(
  client: KubeClient,
  pod: { readonly namespace: string; readonly name: string },
  onTrouble: (error: Error) => void,
  signal: AbortSignal,
): Promise<OwnPod | undefined> {
  while (!signal.aborted) {
    try {
      const path = `/api/v1/namespaces/${pod.namespace}/pods/${encodeURIComponent(pod.name)}`;
      const { spec } = await client.request<Pod>({ method: 'GET', path }, signal);
      const container = spec.containers.find(({ name }) => name === CONTAINER) ?? spec.containers[0];
      return { image: container?.image ?? '', imagePullSecrets: spec.imagePullSecrets ?? [] };
    } catch (error) {
      if (hasStatus(error, 403) || hasStatus(error, 404)) {
        throw error;
      }
      if (!signal.aborted) {
        onTrouble(error instanceof Error ? error : new Error(String(error)));
        await pause(RETRY_EVERY, signal);
      }
    }
  }
  return undefined;
}
