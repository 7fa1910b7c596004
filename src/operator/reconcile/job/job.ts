import { createHash } from 'node:crypto';
import { z } from 'zod';
import { FINAL_EXIT_CODES } from '../../../contract/failures.ts';
import type { GlanceSchemaSpec } from '../../../contract/glance-schema.ts';
import { isAllowedAnnotation, isAllowedVariable } from '../../../contract/job-environment.ts';
import {
  CONTAINER_NAME,
  MANAGED_BY,
  MANAGED_BY_LABEL,
  PURPOSE_ANNOTATION,
  SCHEMA_NAME_LABEL,
  SCHEMA_UID_LABEL,
} from '../../../contract/names.ts';
import { PLAN_HASH } from '../../../contract/plan-hash.ts';
import { PHASES } from '../../../glance/phase.ts';
import type { Position } from '../../../glance/position.ts';
import { connectionVariables } from './job-connection.ts';
import { tlsArguments, tlsVolume } from './job-tls.ts';

const position = z.object({ revision: z.string(), phase: z.enum(PHASES) });

const purposeSchema = z.object({
  kind: z.enum(['Migrate', 'Observe', 'Plan', 'Look']),
  /** Where a migration is to lead; null for a Job that only reads. */
  target: position.nullable(),
  /** Where the migration would lead that is planned. */
  plans: position.optional(),
  /** The plan that a migration has been approved by. */
  approved: z.object({ hash: z.string().regex(PLAN_HASH), mostRows: z.int() }).optional(),
  /** Why the database is read again, for a person. */
  why: z.string().max(512).optional().catch(undefined),
  /** Counts the Jobs of one schema. */
  sequence: z.int(),
  attempt: z.int(),
  /** The generation of the spec that the Job was started for. */
  generation: z.int(),
  /** The annotations `observe` and `retry` as they were then. */
  observe: z.string().optional(),
  retry: z.string().optional(),
  /** Stands for everything that shapes the pod. */
  shape: z.string(),
  /** What the spec calls the database, and what the pod runs. */
  database: z.string().max(512).optional(),
  image: z.string().max(1024).optional(),
});

/**
 * What a Job is for, written on it when it is made, so that it can be read in the Job alone after
 * any loss of status.
 */
export type Purpose = z.output<typeof purposeSchema>;

/** What a migration's Job is made of. */
export interface MigrationJobInput {
  readonly schema: { readonly name: string; readonly namespace: string; readonly uid: string };
  readonly spec: GlanceSchemaSpec;
  readonly purpose: Purpose;
  /** What the pod runs: the spec's image, or the operator's own. */
  readonly image: string;
  /** Secrets by which it is pulled: the spec's, or those of the operator's own pod. */
  readonly pullSecrets: readonly { readonly name: string }[];
}

/** Reads what a Job is for; undefined when it does not say so in our words. */
export function parsePurpose(annotation: string | undefined): Purpose | undefined {
  try {
    return purposeSchema.safeParse(JSON.parse(annotation ?? '')).data;
  } catch {
    return undefined;
  }
}

/** Stands for everything that shapes the pod: two specs of one shape give the same pod. */
export function podTemplateHash({
  spec,
  image,
  pullSecrets,
}: Pick<MigrationJobInput, 'spec' | 'image' | 'pullSecrets'>): string {
  return digest(JSON.stringify([spec.database, spec.job ?? {}, image, ...pullSecrets]));
}

/**
 * The name of a Job: the schema's, and its sequence number. Whoever starts the next one, whatever
 * for and however old what it knows, gives it the same name, so that the API server lets only one
 * of them be made. At most 63 characters, as the Job controller makes a label of it.
 */
export function migrationJobName(schema: MigrationJobInput['schema'], sequence: number): string {
  const end = `-${sequence}-${digest(schema.uid)}`;
  const name = schema.name.replaceAll('.', '-').slice(0, 63 - end.length);
  return name.replace(/-+$/, '') + end;
}

/**
 * The Job that works for a GlanceSchema. Its pod passes the Pod Security Standard "restricted", has
 * no token of a ServiceAccount, and leaves its result on its termination message.
 *
 * It has no TTL and no owner yet: both are set once the result is stored. A deletion of the
 * GlanceSchema in the foreground makes the garbage collector delete what that owns, and the pod
 * with it, whatever finalizers there are.
 *
 * Source: kubernetes.io/docs/concepts/workloads/controllers/job,
 * .../architecture/garbage-collection and .../security/pod-security-standards.
 */
export function migrationJob(input: MigrationJobInput): object {
  const { schema, spec, purpose } = input;
  const job = spec.job;
  const tls = tlsVolume(spec.database.tls);
  const labels = {
    [MANAGED_BY_LABEL]: MANAGED_BY,
    [SCHEMA_NAME_LABEL]: schema.name.slice(0, 63).replace(/[^A-Za-z0-9]+$/, ''),
    [SCHEMA_UID_LABEL]: schema.uid,
  };
  return {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: {
      name: migrationJobName(schema, purpose.sequence),
      namespace: schema.namespace,
      // A policy, a queue or a report of costs looks for them on the Job, others on the pod.
      labels: { ...job?.labels, ...labels },
      annotations: { ...allowedAnnotations(job?.annotations), [PURPOSE_ANNOTATION]: JSON.stringify(purpose) },
    },
    spec: {
      backoffLimit: job?.backoffLimit ?? 2,
      ...(job?.activeDeadlineSeconds === undefined
        ? {}
        : { activeDeadlineSeconds: job.activeDeadlineSeconds }),
      // Two migrators must never overlap: a pod is replaced when it has ended, not when it begins
      // to.
      podReplacementPolicy: 'Failed',
      podFailurePolicy: {
        rules: [
          {
            action: 'FailJob',
            onExitCodes: { containerName: CONTAINER_NAME, operator: 'In', values: FINAL_EXIT_CODES },
          },
          { action: 'Ignore', onPodConditions: [{ type: 'DisruptionTarget', status: 'True' }] },
        ],
      },
      template: {
        metadata: {
          labels: { 'sidecar.istio.io/inject': 'false', ...job?.labels, ...labels },
          annotations: {
            // A sidecar would keep the Job from ever ending, an autoscaler would begin the
            // migration again.
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
          containers: [
            {
              name: CONTAINER_NAME,
              image: input.image,
              args: [...commandFor(purpose, schema.uid, spec), ...tlsArguments(spec.database.tls)],
              env: [
                ...(job?.env ?? []).filter(isAllowedVariable),
                ...connectionVariables(spec.database, schema.namespace),
              ],
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
              ...tls.container,
            },
          ],
          ...tls.pod,
        },
      },
    },
  };
}

function allowedAnnotations(annotations: Readonly<Record<string, string>> = {}): Record<string, string> {
  return Object.fromEntries(Object.entries(annotations).filter(([name]) => isAllowedAnnotation(name)));
}

function commandFor(
  { kind, target, plans, approved }: Purpose,
  uid: string,
  { job, drift }: GlanceSchemaSpec,
): readonly string[] {
  const lockTimeoutSeconds = job?.lockTimeoutSeconds;
  const report = ['--report', '/dev/termination-log'];
  // A plan of one resource is none of another, whatever both do.
  const planFor = ['--plan-for', uid];
  if (plans !== undefined) {
    return ['db', 'plan', ...positionArguments(plans), '--output', 'sql', ...planFor, ...report];
  }
  if (kind === 'Look') {
    return ['db', 'version', '--drift', ...excludeArguments(drift?.exclude), ...report];
  }
  if (target === null) {
    return ['db', 'version', ...report];
  }
  const lock = lockTimeoutSeconds === undefined ? [] : ['--lock-timeout', String(lockTimeoutSeconds)];
  const plan =
    approved === undefined
      ? []
      : ['--plan-hash', approved.hash, '--plan-rows', String(approved.mostRows), ...planFor];
  const before = drift?.beforeMigration;
  const drifted =
    before === undefined ? [] : ['--drift', before.toLowerCase(), ...excludeArguments(drift?.exclude)];
  return ['db', 'sync', ...positionArguments(target), ...plan, ...drifted, ...lock, ...report];
}

function excludeArguments(patterns: readonly string[] = []): readonly string[] {
  return patterns.map((pattern) => `--drift-exclude=${pattern}`);
}

function positionArguments({ revision, phase }: Position): readonly string[] {
  return [revision, ...(phase === 'Contract' ? [] : ['--through', phase])];
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

function digest(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 8);
}
