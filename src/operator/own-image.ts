import type { KubeClient } from './kube/client.ts';
import { type OwnPod, readOwnPod } from './kube/own-pod.ts';
import { type Log, messageOf } from './loop/log.ts';
import type { OperatorOptions } from './options.ts';
import type { DefaultImage } from './reconcile/facts/observe.ts';

/**
 * What Jobs run where their GlanceSchema names nothing: the image that the command line names, or
 * else that of the operator's own pod, which is one source for both. Undefined when there is none,
 * which ends the operator, or it is being stopped.
 */
export async function ownImage(parts: {
  readonly client: KubeClient;
  readonly namespace: string;
  readonly options: OperatorOptions;
  readonly log: Log;
  readonly stop: AbortController;
}): Promise<DefaultImage | undefined> {
  const { client, namespace, options, log, stop } = parts;
  const { podName, image: named } = options;
  let pod: OwnPod | undefined;
  try {
    if (podName !== undefined) {
      const onTrouble = (error: Error) =>
        log.warn(`Trouble with the operator's own pod: ${error.message}`, { error });
      pod = await readOwnPod(client, { namespace, name: podName }, onTrouble, stop.signal);
    }
  } catch (error) {
    const cannot = `Cannot read the operator's own pod ${namespace}/${podName}: ${messageOf(error)}`;
    if (named === undefined) {
      log.error(
        `${cannot}. Give the ServiceAccount the right to get it, or name the image of Jobs by --image.`,
      );
      process.exitCode = 1;
      stop.abort();
      return undefined;
    }
    log.warn(
      `${cannot}. Jobs run ${named}, as --image says, and are given no pull secrets of the operator's.`,
    );
  }
  const image = named ?? pod?.image;
  if (image === undefined) {
    return undefined;
  }
  if (pod !== undefined && image !== pod.image) {
    log.warn(
      `Jobs run the image ${image}, which GLANCE_SCHEMA_IMAGE or --image names, and the operator runs ${pod.image}. Leave that out, and Jobs run the operator's image.`,
      { image, operatorImage: pod.image },
    );
  } else {
    log.info(`Jobs run the image ${image}`, { image });
  }
  return { name: image, pullSecrets: pod?.imagePullSecrets ?? [] };
}
