import type { GlanceSchemaSpec } from '../../../contract/glance-schema.ts';
import { isAllowedAnnotation, isAllowedVariable } from '../../../contract/job-environment.ts';
import { connectionVariables } from './job-connection.ts';
import { tlsArguments, tlsVolume } from './job-tls.ts';

/** What every pod that works on the database of a GlanceSchema is made of. */
export interface PodInput {
  readonly schema: { readonly name: string; readonly namespace: string; readonly uid: string };
  readonly spec: GlanceSchemaSpec;
  /** Secrets by which its images are pulled: the spec's, or those of the operator's own pod. */
  readonly pullSecrets: readonly { readonly name: string }[];
}

/** One container of such a pod: each of them is confined and reaches the database in the same way. */
interface Container {
  readonly name: string;
  readonly image: string;
  /** Its command, but for the options that say how the database is reached. */
  readonly args: readonly string[];
  /** Volumes that it has in addition to the files of TLS. */
  readonly mounts?: readonly object[];
}

/**
 * The template of a pod that passes the Pod Security Standard "restricted", has no token of a
 * ServiceAccount, and leaves its result on its termination message.
 *
 * Source: kubernetes.io/docs/concepts/security/pod-security-standards.
 */
export function podTemplate(
  input: PodInput,
  {
    labels,
    first = [],
    main,
    volumes = [],
  }: {
    readonly labels: Readonly<Record<string, string>>;
    /** What has to succeed before the main container starts. */
    readonly first?: readonly Container[];
    readonly main: Container;
    readonly volumes?: readonly object[];
  },
): object {
  const { job, database } = input.spec;
  const tls = tlsVolume(database.tls, job?.podSecurityContext?.fsGroup);
  const all = [...tls.volumes, ...volumes];
  return {
    metadata: {
      labels: { 'sidecar.istio.io/inject': 'false', ...job?.labels, ...labels },
      annotations: {
        // A sidecar would keep the Job from ever ending, an autoscaler would begin the migration
        // again.
        'sidecar.istio.io/inject': 'false',
        'linkerd.io/inject': 'disabled',
        'cluster-autoscaler.kubernetes.io/safe-to-evict': 'false',
        'karpenter.sh/do-not-disrupt': 'true',
        ...allowedAnnotations(job?.annotations),
      },
    },
    spec: {
      restartPolicy: 'Never',
      serviceAccountName: job?.serviceAccountName ?? 'default',
      automountServiceAccountToken: false,
      enableServiceLinks: false,
      // Time for MariaDB to end the statement that is running, which cannot be rolled back.
      terminationGracePeriodSeconds: 300,
      securityContext: {
        ...job?.podSecurityContext,
        // The user is the image's own, or the one that the platform gives, as OpenShift does.
        runAsNonRoot: true,
        seccompProfile: { type: 'RuntimeDefault' },
      },
      ...(input.pullSecrets.length === 0 ? {} : { imagePullSecrets: input.pullSecrets }),
      ...pick(job, ['nodeSelector', 'tolerations', 'affinity', 'priorityClassName']),
      ...(first.length === 0
        ? {}
        : { initContainers: first.map((each) => container(input, tls.mounts, each)) }),
      containers: [container(input, tls.mounts, main)],
      ...(all.length === 0 ? {} : { volumes: all }),
    },
  };
}

function container(
  { schema, spec: { job, database } }: PodInput,
  tlsMounts: readonly object[],
  { name, image, args, mounts = [] }: Container,
): object {
  const all = [...tlsMounts, ...mounts];
  return {
    name,
    image,
    args: [...args, ...tlsArguments(database.tls)],
    env: [...(job?.env ?? []).filter(isAllowedVariable), ...connectionVariables(database, schema.namespace)],
    resources: job?.resources ?? {
      requests: { cpu: '50m', memory: '128Mi' },
      limits: { memory: '512Mi' },
    },
    terminationMessagePath: '/dev/termination-log',
    terminationMessagePolicy: 'File',
    securityContext: {
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'] },
    },
    ...(all.length === 0 ? {} : { volumeMounts: all }),
  };
}

/** Without those that would loosen the confinement, which an older CRD lets in. */
export function allowedAnnotations(
  annotations: Readonly<Record<string, string>> = {},
): Record<string, string> {
  return Object.fromEntries(Object.entries(annotations).filter(([name]) => isAllowedAnnotation(name)));
}

function pick<T extends object, K extends keyof T>(
  object: T | undefined,
  keys: readonly K[],
): Partial<Pick<T, K>> {
  const picked: Partial<Pick<T, K>> = {};
  for (const key of keys) {
    if (object?.[key] !== undefined) {
      picked[key] = object[key];
    }
  }
  return picked;
}
