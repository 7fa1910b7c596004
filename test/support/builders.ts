import type { KubeObject } from '../../lab/kubernetes/test-api.ts';
import type { FailureReason } from '../../src/contract/failures.ts';
import type { GlanceSchemaStatus, StatusPlan } from '../../src/contract/glance-schema.ts';
import { FINALIZER, PURPOSE_ANNOTATION, SCHEMA_UID_LABEL } from '../../src/contract/names.ts';
import type { MigrationReport, ReportedPlan } from '../../src/contract/report.ts';
import { headsOf, scriptsOf } from '../../src/glance/heads.ts';
import type { Position } from '../../src/glance/position.ts';
import { withoutUndefined } from '../../src/glance/without-undefined.ts';
import type { JobObject, PodObject, SchemaObject } from '../../src/operator/kube/cluster.ts';
import { observe } from '../../src/operator/reconcile/facts/observe.ts';
import { migrationJob, type Purpose, podTemplateHash } from '../../src/operator/reconcile/job/job.ts';

export const SCHEMA_UID = '11111111-1111-4111-8111-111111111111';
const JOB_UID = '22222222-2222-4222-8222-222222222222';

/** When everything in these builders happened. */
export const STARTED = '2026-11-23T07:00:00Z';
export const FINISHED = '2026-11-23T07:01:00Z';

export function at(revision: string, phase: Position['phase'] = 'Contract'): Position {
  return { revision, phase };
}

/** A GlanceSchema that wants `ocata01`, as the API server would hand it out. */
export function aSchema(
  changes: {
    readonly spec?: Record<string, unknown>;
    readonly status?: GlanceSchemaStatus;
    readonly metadata?: Partial<SchemaObject['metadata']>;
  } = {},
): SchemaObject {
  return {
    metadata: {
      name: 'glance',
      namespace: 'openstack',
      uid: SCHEMA_UID,
      resourceVersion: '10',
      creationTimestamp: STARTED,
      generation: 1,
      ...changes.metadata,
    },
    spec: {
      revision: 'ocata01',
      through: 'Contract',
      suspend: false,
      database: { secretRef: { name: 'glance-db', key: 'connection' } },
      ...changes.spec,
    },
    ...withoutUndefined({ status: changes.status }),
  };
}

/** A status that has recorded a position, and nothing else. */
export function recordedAt(revision: string, more: GlanceSchemaStatus = {}): GlanceSchemaStatus {
  const scripts = scriptsOf(revision).filter(
    ({ kind }) => kind !== 'contract' || (more.recordedPhase ?? 'Contract') === 'Contract',
  );
  const heads = [...headsOf(new Set(scripts.map(({ name }) => name)))];
  return { recordedRevision: revision, recordedPhase: 'Contract', databaseHeads: heads, ...more };
}

/** A status whose newest Job, of the spec's generation 1, has failed. */
export function failedWith(
  reason: FailureReason | 'NoResult',
  more: GlanceSchemaStatus = {},
): GlanceSchemaStatus {
  return {
    job: {
      name: 'glance-1-bd7662a5',
      uid: JOB_UID,
      purpose: 'Migrate',
      sequence: 1,
      attempt: 1,
      generation: 1,
      image: '',
      startedAt: STARTED,
      finishedAt: FINISHED,
      failure: {
        reason,
        message: `Cannot migrate: found ${reason}`,
        databaseRead: reason !== 'NoResult' && reason !== 'DatabaseUnreachable',
      },
    },
    ...more,
  };
}

/** A Job of the schema above; active unless `end` says how it ended. */
export function aJob(
  changes: {
    readonly end?: 'Complete' | 'Failed';
    readonly endReason?: string;
    /** How many failed pods the Job controller has counted. */
    readonly failed?: number;
    readonly purpose?: Partial<Purpose>;
    readonly ttl?: number;
    readonly metadata?: Partial<JobObject['metadata']>;
  } = {},
): JobObject {
  const purpose: Purpose = {
    kind: 'Migrate',
    target: at('ocata01'),
    sequence: 1,
    attempt: 1,
    generation: 1,
    podTemplateHash: podTemplateHash(observe(aSchema(), [], []).schema),
    database: 'glance-db/connection',
    image: '',
    ...changes.purpose,
  };
  return {
    metadata: {
      name: `glance-${purpose.sequence}-bd7662a5`,
      namespace: 'openstack',
      uid: JOB_UID,
      resourceVersion: '20',
      creationTimestamp: STARTED,
      annotations: { [PURPOSE_ANNOTATION]: JSON.stringify(purpose) },
      labels: { [SCHEMA_UID_LABEL]: SCHEMA_UID },
      // With the TTL comes the owner.
      ownerReferences:
        changes.ttl === undefined ? [] : [{ uid: SCHEMA_UID, name: 'glance', controller: true }],
      ...changes.metadata,
    },
    spec: withoutUndefined({ ttlSecondsAfterFinished: changes.ttl }),
    status:
      changes.end === undefined
        ? {}
        : {
            ...withoutUndefined({ failed: changes.failed }),
            completionTime: FINISHED,
            conditions: [
              {
                type: changes.end,
                status: 'True',
                reason: changes.endReason ?? '',
                lastTransitionTime: FINISHED,
              },
            ],
          },
  };
}

type ContainerState = NonNullable<NonNullable<PodObject['status']>['containerStatuses']>[number]['state'];

/** A pod of the Job above. */
export function aPod(
  phase: 'Pending' | 'Running' | 'Succeeded' | 'Failed',
  state?: ContainerState,
  status: Partial<NonNullable<PodObject['status']>> = {},
): PodObject {
  return {
    metadata: {
      name: 'glance-1-bd7662a5-x',
      namespace: 'openstack',
      uid: '33333333-3333-4333-8333-333333333333',
      resourceVersion: '30',
      creationTimestamp: STARTED,
      labels: { [SCHEMA_UID_LABEL]: SCHEMA_UID },
      ownerReferences: [{ uid: JOB_UID, name: 'glance-1-bd7662a5', controller: true }],
    },
    status: {
      phase,
      ...(state === undefined ? {} : { containerStatuses: [{ name: 'migrate', state }] }),
      ...status,
    },
  };
}

/** A pod whose container has ended and left a report. */
export function aPodThatReported(
  report: MigrationReport,
  exitCode = report.error === null ? 0 : 1,
): PodObject {
  return aPod(exitCode === 0 ? 'Succeeded' : 'Failed', {
    terminated: { exitCode, reason: exitCode === 0 ? 'Completed' : 'Error', message: JSON.stringify(report) },
  });
}

/** The report of a migration from mitaka02 to ocata01 that succeeded. */
export function aReport(changes: Partial<MigrationReport> = {}): MigrationReport {
  return {
    version: 1,
    command: 'sync',
    target: at('ocata01'),
    from: at('mitaka02'),
    to: at('ocata01'),
    heads: ['ocata_contract01'],
    adopted: false,
    applied: [{ name: 'ocata01', milliseconds: 1200 }],
    startedAt: STARTED,
    finishedAt: FINISHED,
    error: null,
    ...changes,
  };
}

/** The hash of the plan below. */
export const PLANNED = 'a1'.repeat(32);

/** The plan of a migration from mitaka02 to ocata01, in the status. */
export function aPlan(changes: Partial<StatusPlan> = {}): StatusPlan {
  const plan = {
    hash: PLANNED,
    from: 'mitaka02',
    to: 'ocata01',
    revisions: ['alembic_version', 'ocata01'],
    rows: 700,
    mostRows: 100_000,
    locks: [],
    warnings: [],
    database: 'glance-db/connection',
    image: '',
    job: 'glance-1-bd7662a5',
  };
  return withoutUndefined<StatusPlan>({ ...plan, ...changes });
}

/** What a Job reports that has made it. */
export function aPlanReport(changes: Partial<ReportedPlan> = {}): MigrationReport {
  const { revisions, from: _from, to: _to, database: _database, image: _image, job: _job, ...plan } = aPlan();
  return aReport({
    command: 'plan',
    to: at('mitaka02'),
    heads: ['mitaka02'],
    applied: [],
    plan: { ...plan, steps: revisions, ...changes },
  });
}

/** What a Job reports that has found something in the way and changed nothing. */
export function aRefusal(reason: FailureReason, changes: Partial<MigrationReport> = {}): MigrationReport {
  return aReport({
    to: at('mitaka02'),
    heads: ['mitaka02'],
    applied: [],
    error: { reason, message: `Cannot sync: it ended with ${reason}`, migration: null },
    ...changes,
  });
}

export const WITH_FINALIZER = { finalizers: [FINALIZER] };

/** What a migration's Job is for. */
export const A_PURPOSE: Purpose = {
  kind: 'Migrate',
  target: at('ocata01'),
  sequence: 1,
  attempt: 1,
  generation: 1,
  podTemplateHash: 'x',
};

/** The Job that this spec leads to. */
// biome-ignore lint/suspicious/noExplicitAny: the Job is what the API server will read, field by field.
export function aMigrationJob(spec: Record<string, unknown> = {}, purpose = A_PURPOSE): any {
  const { schema } = observe(aSchema({ spec }), [], []);
  const { job } = schema.spec;
  return migrationJob({
    schema: { name: 'glance', namespace: 'openstack', uid: SCHEMA_UID },
    spec: schema.spec,
    purpose,
    image: job?.image ?? 'glance-schema:1',
    pullSecrets: job?.imagePullSecrets ?? [],
  });
}

/** The template of its pod. */
export function aPodTemplate(spec: Record<string, unknown>): KubeObject {
  return aMigrationJob(spec).spec.template;
}
