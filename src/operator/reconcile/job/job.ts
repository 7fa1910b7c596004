import { createHash } from 'node:crypto';
import { z } from 'zod';
import { FINAL_EXIT_CODES } from '../../../contract/failures.ts';
import type { GlanceSchemaSpec } from '../../../contract/glance-schema.ts';
import {
  BACKUP_CONTAINER_NAME,
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
import { backupArguments, backupSeconds, backupVolume, wantedBackup } from './job-backup.ts';
import { allowedAnnotations, type PodInput, podTemplate } from './pod-template.ts';

const position = z.object({ revision: z.string(), phase: z.enum(PHASES) });

const purposeSchema = z.object({
  kind: z.enum(['Migrate', 'Observe', 'Plan', 'DriftCheck']),
  /** Where a migration is to lead; null for a Job that only reads. */
  target: position.nullable(),
  /** Where the migration would lead that is planned. */
  plans: position.optional(),
  /** The plan that a migration has been approved by. */
  approved: z.object({ hash: z.string().regex(PLAN_HASH), mostRows: z.int() }).optional(),
  /** Where the backup goes that its pod takes first, and how many stay there; absent for none. */
  backup: z.object({ claim: z.string().max(253), retain: z.int() }).optional(),
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
  podTemplateHash: z.string(),
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
export interface MigrationJobInput extends PodInput {
  readonly purpose: Purpose;
  /** What the pod runs: the spec's image, or the operator's own. */
  readonly image: string;
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
  const backup = spec.backup === undefined ? [] : [spec.backup];
  return digest(JSON.stringify([spec.database, spec.job ?? {}, image, ...backup, ...pullSecrets]));
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
  const backup = purpose.target === null ? undefined : wantedBackup(spec);
  const labels = {
    [MANAGED_BY_LABEL]: MANAGED_BY,
    [SCHEMA_NAME_LABEL]: schema.name.slice(0, 63).replace(/[^A-Za-z0-9]+$/, ''),
    [SCHEMA_UID_LABEL]: schema.uid,
  };
  const finalIn = (containerName: string) => ({
    action: 'FailJob',
    onExitCodes: { containerName, operator: 'In', values: FINAL_EXIT_CODES },
  });
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
        : { activeDeadlineSeconds: deadline(job.activeDeadlineSeconds, backup) }),
      // Two migrators must never overlap: a pod is replaced when it has ended, not when it begins
      // to.
      podReplacementPolicy: 'Failed',
      podFailurePolicy: {
        rules: [
          finalIn(CONTAINER_NAME),
          ...(backup === undefined ? [] : [finalIn(BACKUP_CONTAINER_NAME)]),
          { action: 'Ignore', onPodConditions: [{ type: 'DisruptionTarget', status: 'True' }] },
        ],
      },
      template: podTemplate(input, {
        labels,
        ...backupFirst(input, backup),
        main: {
          name: CONTAINER_NAME,
          image: input.image,
          args: commandFor(purpose, schema.uid, spec),
        },
      }),
    },
  };
}

/** What the pod of a migration has more where a backup is taken before it. */
function backupFirst(
  { schema, image, purpose: { target } }: MigrationJobInput,
  backup: ReturnType<typeof wantedBackup>,
) {
  if (backup === undefined || target === null) {
    return {};
  }
  // Without a claim, which only an older CRD lets in, the API server refuses the Job.
  const { mount, volume } = backupVolume(backup.volumeClaimName ?? '');
  const container = {
    name: BACKUP_CONTAINER_NAME,
    image: backup.image ?? image,
    args: backupArguments(backup, schema, target),
    mounts: [mount],
  };
  return { first: [container], volumes: [volume] };
}

/** The migration's own bound, and time for the backup before it. */
function deadline(seconds: number, backup: ReturnType<typeof wantedBackup>): number {
  return Math.min(MOST_SECONDS, seconds + (backup === undefined ? 0 : backupSeconds(backup)));
}

/** What Kubernetes keeps in 32 bits. */
const MOST_SECONDS = 2_147_483_647;

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
  if (kind === 'DriftCheck') {
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

function digest(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 8);
}
