import { PooledKubeConfig } from './pooled-kube-config.ts';

/** Which kubeconfig is read, as kubectl's flags of the same names choose it. */
export interface KubeConfigChoice {
  /**
   * The file; absent means $KUBECONFIG, then ~/.kube/config, then the ServiceAccount of the pod.
   */
  readonly kubeconfig?: string;
  /** Absent means the current one. */
  readonly context?: string;
  /** Who the API server is to take the user for; absent means themselves. */
  readonly as?: string;
}

/**
 * Reads how Kubernetes is reached, as kubectl does.
 *
 * @param watches how many watches there will be at once.
 * @throws Error with a sentence for a person, when there is no such file or context.
 */
export function openKubeConfig(choice: KubeConfigChoice, watches = 1): PooledKubeConfig {
  const config = new PooledKubeConfig(watches);
  try {
    if (choice.kubeconfig === undefined) {
      config.loadFromDefault();
    } else {
      config.loadFromFile(choice.kubeconfig);
    }
  } catch (error) {
    // What does not parse as YAML is quoted from the second line on, with the tokens beside it.
    const [found = ''] = (error instanceof Error ? error.message : String(error)).split('\n');
    throw new Error(`Cannot read the kubeconfig: ${found}. Name a file that can be read by --kubeconfig.`, {
      cause: error,
    });
  }
  if (choice.context !== undefined) {
    const known = config.getContexts().map(({ name }) => name);
    if (!known.includes(choice.context)) {
      throw new Error(
        `Cannot use the context '${choice.context}': the kubeconfig has none of that name. Name one of ${known.join(', ')}.`,
      );
    }
    config.setCurrentContext(choice.context);
  }
  if (choice.as !== undefined) {
    const impersonateUser = choice.as;
    config.users = config.users.map((user) => ({ ...user, impersonateUser }));
  }
  return config;
}
