/** How the operator runs: what the command line says, as values. */
export interface OperatorOptions {
  /** A kubeconfig's path; undefined for $KUBECONFIG, and then the ServiceAccount of the pod. */
  readonly kubeconfig?: string;
  /**
   * The image of a migration's pod where the GlanceSchema names none; undefined for that of the
   * operator's own pod.
   */
  readonly image?: string;
  /** The operator's own pod; undefined where it runs in none. */
  readonly podName?: string;
  /** Where that pod is; undefined for the namespace of the ServiceAccount. */
  readonly podNamespace?: string;
  /** Undefined for all namespaces. */
  readonly namespaces?: readonly string[];
  readonly healthAddress: Address;
  readonly metricsAddress: Address | 'none';
  /** How many GlanceSchemas are worked on at once. */
  readonly workers: number;
  readonly leaderElect: boolean;
  /** Where the Lease is; undefined for the namespace of the pod. */
  readonly leaseNamespace?: string;
  /** The least level that is logged: debug, info, warn or error. */
  readonly logLevel: string;
  /** The operator's own version. */
  readonly version: string;
}

/** Where a server listens. */
export interface Address {
  /** Undefined for all addresses of both families. */
  readonly host: string | undefined;
  readonly port: number;
}
