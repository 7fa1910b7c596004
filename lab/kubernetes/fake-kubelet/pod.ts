/**
 * As much of a pod's JSON as the fake kubelet reads. Source: core/v1 Pod,
 * kubernetes.io/docs/reference.
 */
export interface Pod {
  readonly metadata: PodMetadata;
  readonly spec: PodSpec;
  readonly status?: { readonly phase?: string };
}

/** The metadata of a pod that a kubelet needs. */
export interface PodMetadata {
  readonly name: string;
  readonly namespace: string;
  readonly uid: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly deletionTimestamp?: string;
  readonly deletionGracePeriodSeconds?: number;
}

/** The fields of a pod's spec that the fake kubelet knows. */
export interface PodSpec {
  readonly nodeName?: string;
  readonly nodeSelector?: Readonly<Record<string, string>>;
  readonly schedulingGates?: readonly unknown[];
  readonly serviceAccountName?: string;
  readonly restartPolicy?: RestartPolicy;
  readonly terminationGracePeriodSeconds?: number;
  readonly initContainers?: readonly Container[];
  readonly containers: readonly Container[];
  readonly volumes?: readonly Volume[];
  readonly securityContext?: UserNumbers;
}

/** Of a security context as much as a local process can have; `null` of an API object never is. */
export interface UserNumbers {
  readonly runAsUser?: number;
  readonly runAsGroup?: number;
}

/** When an ended container is started again, as in `spec.restartPolicy` of a pod. */
export type RestartPolicy = 'Always' | 'OnFailure' | 'Never';

/** The fields of a container that the fake kubelet knows; its resources are left out of account. */
export interface Container {
  readonly name: string;
  readonly image: string;
  readonly command?: readonly string[];
  readonly args?: readonly string[];
  readonly workingDir?: string;
  readonly env?: readonly EnvVar[];
  readonly ports?: readonly { readonly name?: string; readonly containerPort: number }[];
  readonly volumeMounts?: readonly VolumeMount[];
  readonly terminationMessagePath?: string;
  readonly terminationMessagePolicy?: 'File' | 'FallbackToLogsOnError';
  readonly readinessProbe?: Probe;
  readonly securityContext?: UserNumbers;
}

/** An environment variable of a container, with a value or with where the value is read. */
export interface EnvVar {
  readonly name: string;
  readonly value?: string;
  readonly valueFrom?: {
    readonly secretKeyRef?: KeyRef;
    readonly configMapKeyRef?: KeyRef;
    readonly fieldRef?: { readonly fieldPath: string };
    readonly resourceFieldRef?: unknown;
  };
}

/** A key of a Secret or ConfigMap of the pod's namespace. */
export interface KeyRef {
  readonly name: string;
  readonly key: string;
  readonly optional?: boolean;
}

/** Where a container sees a volume of its pod. */
export interface VolumeMount {
  readonly name: string;
  readonly mountPath: string;
  readonly subPath?: string;
}

/** A volume of a pod, of one of the kinds that the fake kubelet can make as a folder. */
export interface Volume {
  readonly name: string;
  readonly emptyDir?: unknown;
  readonly persistentVolumeClaim?: { readonly claimName: string };
  readonly secret?: {
    readonly secretName: string;
    readonly items?: readonly KeyToPath[];
    readonly optional?: boolean;
  };
  readonly configMap?: NamedSource;
  readonly downwardAPI?: { readonly items?: readonly DownwardItem[] };
  readonly projected?: { readonly sources: readonly ProjectedSource[] };
}

/** A Secret or ConfigMap in a projected volume. */
export interface NamedSource {
  readonly name: string;
  readonly items?: readonly KeyToPath[];
  readonly optional?: boolean;
}

/** Which file of a volume has the value of a key. */
export interface KeyToPath {
  readonly key: string;
  readonly path: string;
}

/** Which file of a volume has a field of the pod itself. */
export interface DownwardItem {
  readonly path: string;
  readonly fieldRef?: { readonly fieldPath: string };
}

/** One of the sources of a projected volume. */
export interface ProjectedSource {
  readonly secret?: NamedSource;
  readonly configMap?: NamedSource;
  readonly downwardAPI?: { readonly items?: readonly DownwardItem[] };
  readonly serviceAccountToken?: { readonly path: string; readonly audience?: string };
}

/**
 * A probe by HTTP, with the periods in seconds that a kubelet takes by default where they are
 * absent.
 */
export interface Probe {
  readonly httpGet?: { readonly path?: string; readonly port: number | string };
  readonly initialDelaySeconds?: number;
  readonly periodSeconds?: number;
  readonly timeoutSeconds?: number;
  readonly successThreshold?: number;
  readonly failureThreshold?: number;
}

/** The path of a pod, or of a subresource such as `/status`, at the API server. */
export function podPath(pod: Pod, subresource = ''): string {
  const { namespace, name } = pod.metadata;
  return `/api/v1/namespaces/${namespace}/pods/${name}${subresource}`;
}
