import { expect } from 'chai';
import type { FailureReason } from '../../../../src/contract/failures.ts';
import type { Workload } from '../../../../src/contract/glance-schema.ts';
import {
  type GlanceSchemaStatus,
  readyReason,
  type StatusJob,
  type StatusPlan,
} from '../../../../src/contract/glance-schema.ts';
import {
  FINALIZER,
  OBSERVE_ANNOTATION,
  RESERVED_SEQUENCE_ANNOTATION,
  RETRY_ANNOTATION,
} from '../../../../src/contract/names.ts';
import { withoutUndefined } from '../../../../src/glance/without-undefined.ts';
import type { JobObject, PodObject, SchemaObject } from '../../../../src/operator/kube/cluster.ts';
import {
  answeringPolicy,
  asksForRollOuts,
  type Decision,
  decide,
  POLICIES,
} from '../../../../src/operator/reconcile/decide.ts';
import { type Observed, observe } from '../../../../src/operator/reconcile/facts/observe.ts';
import type { RollOut, RollOutState } from '../../../../src/operator/reconcile/facts/roll-out.ts';
import { migrationJobName, podTemplateHash } from '../../../../src/operator/reconcile/job/job.ts';
import { recordJob } from '../../../../src/operator/reconcile/status/result.ts';
import { withVerdict } from '../../../../src/operator/reconcile/status/status.ts';
import {
  aJob,
  aPlan,
  aPlanReport,
  aPod,
  aPodThatReported,
  aRefusal,
  aReport,
  aSchema,
  at,
  FINISHED,
  failedWith,
  PLANNED,
  recordedAt,
  SCHEMA_UID,
  STARTED,
  WITH_FINALIZER,
} from '../../../support/builders.ts';

const NOW = new Date('2026-11-23T07:01:05Z');

/** A connection whose parts are kept apart. */
const PARTS = {
  engine: 'mysql',
  host: 'db.example.org',
  name: 'glance',
  userSecretRef: { name: 'glance-db', key: 'username' },
  passwordSecretRef: { name: 'glance-db', key: 'password' },
};

interface Row {
  /** The policy that answers; `no policy` where none is asked, as nothing holds up a deletion. */
  readonly policy: string;
  readonly fact: string;
  readonly schema?: SchemaObject;
  readonly jobs?: readonly JobObject[];
  readonly pods?: readonly PodObject[];
  /** How the workloads of `spec.contractAfter` are, where they have been read. */
  readonly rollOuts?: readonly RollOut[];
  readonly now?: Date;
  readonly effect: Decision['effect'] extends infer E
    ? (E extends { kind: infer K } ? K : never) | 'none'
    : never;
  readonly reason: string | undefined;
  /** The whole message. */
  readonly says?: string;
  readonly requeueAfter?: number;
  readonly also?: 'Reconciling' | 'Stalled' | undefined;
}

/** When the next attempt after a failure at `FINISHED` may begin, to the millisecond. */
const DUE = new Date('2026-11-23T07:01:08.970Z');

/** What a migration before has found. */
const DIFFERS = { schemaDifferences: 'An index is missing' };

const NEWER = { metadata: { generation: 2 } };

/**
 * A running pod that somebody has deleted, and that its node has to have ended by then, in
 * milliseconds from now.
 */
function endingBy(milliseconds: number): PodObject {
  const pod = aPod('Running', { running: {} });
  const metadata = { ...pod.metadata, deletionTimestamp: inMilliseconds(milliseconds) };
  return { ...pod, metadata, spec: { nodeName: 'node-7' } };
}

function inMilliseconds(milliseconds: number): string {
  return new Date(NOW.getTime() + milliseconds).toISOString();
}

/** Open from eight to ten; `NOW` is at one minute past seven. */
const CLOSED = { schedule: '0 8 * * *', duration: '2h', timeZone: 'UTC' };
const OPEN = { schedule: '0 7 * * *', duration: '2h', timeZone: 'UTC' };
/** Closes three seconds before the next attempt is due. */
const CLOSING = { schedule: '59 6 * * *', duration: '2m6s', timeZone: 'UTC' };

const WAITS =
  'The migration to ocata01 waits for spec.window, which opens at 2026-11-23T08:00:00Z, and closes at 2026-11-23T10:00:00Z. To migrate before that, remove spec.window.';

const BACKUP = { claim: 'glance-backups', retain: 3 };

/** What a contract waits for. */
const API: Workload = { kind: 'Deployment', name: 'glance-api', image: 'glance-api:ocata' };
const OTHER: Workload = { kind: 'DaemonSet', name: 'glance-cache' };
const READY: readonly RollOut[] = [API, OTHER].map((workload) => ({
  workload,
  state: { kind: 'rolled out' },
}));

const ROWS: readonly Row[] = [
  {
    policy: 'blockedJobUnwanted',
    fact: 'a suspended Job of an older spec',
    schema: aSchema({ metadata: { generation: 2 } }),
    jobs: [{ ...aJob({ purpose: { podTemplateHash: 'older' } }), spec: { suspend: true } }],
    effect: 'deleteBlockedJob',
    reason: 'MigrationPending',
  },
  {
    policy: 'blockedJobUnwanted',
    fact: 'a Job that a sidecar kept until its result was recorded, and that is suspended now',
    schema: aSchema({ status: recordedAt('ocata01', endedWell()) }),
    jobs: [{ ...aJob(), spec: { suspend: true } }],
    effect: 'deleteBlockedJob',
    reason: 'MigrationPending',
    says: 'The result of Job glance-1-bd7662a5 is recorded, and the Job was suspended after that. Deleting it.',
  },
  {
    policy: 'blockedJobUnwanted',
    fact: 'a blocked pod of an older spec',
    schema: aSchema({ ...NEWER, spec: { database: { secretRef: { name: 'other', key: 'connection' } } } }),
    jobs: [aJob()],
    pods: [
      aPod('Pending', {
        waiting: {
          reason: 'CreateContainerConfigError',
          message: 'secret "glance-db" not found',
        },
      }),
    ],
    effect: 'deleteBlockedJob',
    reason: 'MigrationPending',
    says: 'Job glance-1-bd7662a5 cannot start and was made for an older spec or another image; it is replaced.',
  },
  {
    policy: 'blockedJobUnwanted',
    fact: 'no pod for half a minute, of an older spec',
    schema: aSchema({ ...NEWER, spec: { job: { serviceAccountName: 'glance' } } }),
    jobs: [aJob()],
    effect: 'deleteBlockedJob',
    reason: 'MigrationPending',
  },
  {
    policy: 'blockedJobUnwanted',
    fact: 'no pod for half a minute, of a schema that is deleted',
    schema: aSchema({ metadata: { deletionTimestamp: FINISHED, ...WITH_FINALIZER } }),
    jobs: [aJob()],
    effect: 'deleteBlockedJob',
    reason: 'MigrationPending',
  },
  {
    policy: 'blockedJobUnwanted',
    fact: 'a pod that has been starting for two minutes, of an older spec',
    schema: aSchema({ ...NEWER, spec: { job: { serviceAccountName: 'glance' } } }),
    jobs: [aJob()],
    pods: [aPod('Pending', { waiting: { reason: 'ContainerCreating' } })],
    now: new Date('2026-11-23T07:02:00Z'),
    effect: 'deleteBlockedJob',
    reason: 'MigrationPending',
  },
  {
    policy: 'blockedJobUnwanted',
    fact: 'a blocked pod of a schema that is deleted',
    schema: aSchema({ metadata: { deletionTimestamp: FINISHED, ...WITH_FINALIZER } }),
    jobs: [aJob()],
    pods: [aPod('Pending', { waiting: { reason: 'ImagePullBackOff', message: 'no such image' } })],
    effect: 'deleteBlockedJob',
    reason: 'MigrationPending',
    says: 'Job glance-1-bd7662a5 cannot start; it is deleted with its GlanceSchema.',
  },
  {
    policy: 'jobAtWork',
    fact: 'the migration has ended just now, and a sidecar keeps its pod',
    jobs: [aJob()],
    pods: [aPodWithSidecar()],
    effect: 'none',
    reason: 'MigrationRunning',
    says: "The migration in pod glance-1-bd7662a5-x has ended, and istio-proxy keeps the pod. Within 30 seconds the operator records the result and deletes Job glance-1-bd7662a5. Exclude the pods of the operator's Jobs from sidecar injection.",
    requeueAfter: 25_000,
  },
  {
    policy: 'jobAtWork',
    fact: 'the migration failed for want of a database, and a sidecar keeps its pod',
    jobs: [aJob()],
    pods: [aPodWithSidecar(aRefusal('DatabaseUnreachable', { to: null, heads: null }))],
    now: new Date('2026-11-23T07:01:30Z'),
    effect: 'none',
    reason: 'JobBlocked',
  },
  {
    policy: 'jobAtWork',
    fact: 'a Job without a pod yet',
    jobs: [aJob()],
    now: new Date('2026-11-23T07:00:10Z'),
    effect: 'none',
    reason: 'MigrationRunning',
    says: 'Job glance-1-bd7662a5 brings the database to ocata01.',
    also: 'Reconciling',
    requeueAfter: 20_000,
  },
  {
    policy: 'jobAtWork',
    fact: 'a Job that has had no pod for long',
    jobs: [aJob()],
    effect: 'none',
    reason: 'JobBlocked',
    says: 'Job glance-1-bd7662a5 has no pod yet. Run `kubectl describe job glance-1-bd7662a5 -n openstack` and look for a quota or a policy that refuses it.',
  },
  {
    policy: 'jobAtWork',
    fact: 'a Job whose pod has just ended after a long time, not yet marked as complete',
    jobs: [aJob()],
    pods: [
      aPod('Succeeded', {
        terminated: { exitCode: 0, message: JSON.stringify(aReport()), finishedAt: FINISHED },
      }),
    ],
    effect: 'none',
    reason: 'MigrationRunning',
  },
  {
    policy: 'jobAtWork',
    fact: 'a Job whose pod ended long ago and that is neither marked nor gets another',
    jobs: [aJob()],
    pods: [aPod('Failed', { terminated: { exitCode: 137, finishedAt: FINISHED } })],
    now: new Date('2026-11-23T07:01:30Z'),
    effect: 'none',
    reason: 'JobBlocked',
  },
  {
    policy: 'jobAtWork',
    fact: 'a Job whose pod runs',
    jobs: [aJob()],
    pods: [aPod('Running', { running: {} })],
    effect: 'none',
    reason: 'MigrationRunning',
  },
  {
    policy: 'jobAtWork',
    fact: 'a Job whose pods have all ended, the last of them nobody knows when',
    jobs: [aJob()],
    pods: [aPod('Failed')],
    effect: 'none',
    reason: 'MigrationRunning',
  },
  {
    policy: 'jobAtWork',
    fact: 'a Job at work on a database that was read',
    schema: aSchema({ status: recordedAt('mitaka02') }),
    jobs: [aJob()],
    pods: [aPod('Running', { running: {} })],
    effect: 'none',
    reason: 'MigrationRunning',
    says: 'Job glance-1-bd7662a5 brings the database from mitaka02 to ocata01.',
  },
  {
    policy: 'jobAtWork',
    fact: 'a Job of ours that does not say what it is for',
    jobs: [aJob({ metadata: { annotations: {} } })],
    pods: [aPod('Running', { running: {} })],
    effect: 'none',
    reason: 'Observing',
    says: 'Job glance-1-bd7662a5 reads the database.',
  },
  {
    policy: 'jobAtWork',
    fact: 'a blocked Job of ours that does not say what it is for',
    jobs: [aJob({ metadata: { annotations: {} } })],
    pods: [aPod('Pending', { waiting: { reason: 'ImagePullBackOff', message: 'no such image' } })],
    effect: 'none',
    reason: 'JobBlocked',
    says: 'The pod of Job glance-1-bd7662a5 cannot start: no such image.',
  },
  {
    policy: 'jobAtWork',
    fact: 'a Job whose pod failed waiting for a lock and is replaced',
    jobs: [aJob()],
    pods: [aPodThatReported(aRefusal('LockTimeout'))],
    effect: 'none',
    reason: 'MigrationPending',
    says: 'Cannot sync: it ended with LockTimeout. Job glance-1-bd7662a5 tries again, unless that was its last attempt.',
  },
  {
    policy: 'jobAtWork',
    fact: 'a Job whose second pod runs after the first could not reach the database',
    jobs: [aJob()],
    pods: [aPodThatReported(aRefusal('DatabaseUnreachable')), later(aPod('Running', { running: {} }))],
    effect: 'none',
    reason: 'MigrationRunning',
  },
  {
    policy: 'jobAtWork',
    fact: 'a Job at work while the spec has changed',
    schema: aSchema({ ...NEWER, spec: { revision: 'mitaka02' } }),
    jobs: [aJob()],
    pods: [aPod('Running', { running: {} })],
    effect: 'none',
    reason: 'MigrationRunning',
  },
  {
    policy: 'jobAtWork',
    fact: 'a Job at work while the schema is suspended',
    schema: aSchema({ spec: { suspend: true } }),
    jobs: [aJob()],
    pods: [aPod('Running', { running: {} })],
    effect: 'none',
    reason: 'MigrationRunning',
  },
  {
    policy: 'jobAtWork',
    fact: 'a Job at work while the schema is deleted',
    schema: aSchema({ metadata: { deletionTimestamp: FINISHED, ...WITH_FINALIZER } }),
    jobs: [aJob()],
    pods: [aPod('Running', { running: {} })],
    effect: 'none',
    reason: 'MigrationRunning',
    says: 'Job glance-1-bd7662a5 brings the database to ocata01. The deletion waits for it.',
  },
  {
    policy: 'jobAtWork',
    fact: 'a Job at work that an older operator made with an owner',
    schema: aSchema(),
    jobs: [aJob({ metadata: { ownerReferences: [{ uid: SCHEMA_UID, name: 'glance', controller: true }] } })],
    effect: 'disown',
    reason: 'JobBlocked',
  },
  {
    policy: 'jobAtWork',
    fact: 'a suspended Job',
    schema: aSchema(),
    jobs: [{ ...aJob(), spec: { suspend: true } }],
    effect: 'none',
    reason: 'JobBlocked',
  },
  {
    policy: 'jobAtWork',
    fact: 'a pod whose node has been given up',
    schema: aSchema(),
    jobs: [aJob()],
    pods: [
      {
        ...aPod(
          'Running',
          { running: {} },
          {
            conditions: [
              { type: 'ContainersReady', status: 'True' },
              { type: 'Ready', status: 'False' },
            ],
          },
        ),
        spec: { nodeName: 'node-7' },
      },
    ],
    effect: 'none',
    reason: 'JobBlocked',
  },
  {
    policy: 'jobAtWork',
    fact: 'a pod whose node has not ended it in time, of an older spec',
    schema: aSchema(),
    jobs: [aJob({ purpose: { podTemplateHash: 'older' } })],
    pods: [endingBy(-60_000)],
    effect: 'none',
    reason: 'JobBlocked',
  },
  {
    policy: 'jobAtWork',
    fact: 'a pod whose node has time to end it',
    schema: aSchema(),
    jobs: [aJob()],
    pods: [endingBy(60_000)],
    effect: 'none',
    reason: 'MigrationRunning',
    requeueAfter: 90_000,
  },
  {
    policy: 'jobAtWork',
    fact: 'no pod for 45 s after two failures, as the Job controller backs off',
    schema: aSchema(),
    jobs: [{ ...aJob({ metadata: { creationTimestamp: inMilliseconds(-45_000) } }), status: { failed: 2 } }],
    effect: 'none',
    reason: 'MigrationRunning',
  },
  {
    policy: 'jobAtWork',
    fact: 'a deleted schema whose Job has no pod yet',
    schema: aSchema({ metadata: { deletionTimestamp: FINISHED, ...WITH_FINALIZER } }),
    jobs: [aJob()],
    now: new Date('2026-11-23T07:00:10Z'),
    effect: 'none',
    reason: 'MigrationRunning',
    says: 'Job glance-1-bd7662a5 brings the database to ocata01. The deletion waits for it.',
  },
  {
    policy: 'jobAtWork',
    fact: 'a Job that only reads',
    jobs: [aJob({ purpose: { kind: 'Observe', target: null } })],
    pods: [aPod('Running', { running: {} })],
    effect: 'none',
    reason: 'Observing',
    says: 'Job glance-1-bd7662a5 reads the database.',
  },
  {
    policy: 'jobAtWork',
    fact: 'a Secret that is missing',
    jobs: [aJob()],
    pods: [
      aPod('Pending', {
        waiting: { reason: 'CreateContainerConfigError', message: 'secret "glance-db" not found' },
      }),
    ],
    effect: 'none',
    reason: 'SecretNotReady',
    says: 'The pod of Job glance-1-bd7662a5 cannot start: secret "glance-db" not found.',
    also: 'Reconciling',
  },
  {
    policy: 'jobAtWork',
    fact: 'an image that cannot be pulled',
    jobs: [aJob()],
    pods: [
      aPod('Pending', { waiting: { reason: 'ImagePullBackOff', message: 'Back-off pulling image "x"' } }),
    ],
    effect: 'none',
    reason: 'JobBlocked',
    says: 'The pod of Job glance-1-bd7662a5 cannot start: Back-off pulling image "x".',
  },
  {
    policy: 'jobAtWork',
    fact: 'a pod that no node takes',
    jobs: [aJob()],
    pods: [unschedulable('0/3 nodes are available')],
    effect: 'none',
    reason: 'JobBlocked',
    says: 'The pod of Job glance-1-bd7662a5 cannot start: 0/3 nodes are available.',
  },
  {
    policy: 'jobAtWork',
    fact: 'a pod that no node takes, as the claim for its backup is not bound',
    jobs: [aJob({ purpose: { backup: BACKUP } })],
    pods: [
      unschedulable('0/3 nodes are available: pod has unbound immediate PersistentVolumeClaims. not found.'),
    ],
    effect: 'none',
    reason: 'JobBlocked',
    says: 'The pod of Job glance-1-bd7662a5 cannot start: 0/3 nodes are available: pod has unbound immediate PersistentVolumeClaims. not found. The claim for its backup is glance-backups: run `kubectl describe pvc glance-backups -n openstack`, or name another in spec.backup.volumeClaimName.',
  },
  {
    policy: 'jobAtWork',
    fact: 'a pod that no node takes for want of memory, with a claim for its backup',
    jobs: [aJob({ purpose: { backup: BACKUP } })],
    pods: [unschedulable('0/3 nodes are available: 3 Insufficient memory.')],
    effect: 'none',
    reason: 'JobBlocked',
    says: 'The pod of Job glance-1-bd7662a5 cannot start: 0/3 nodes are available: 3 Insufficient memory.',
  },
  {
    policy: 'jobAtWork',
    fact: 'a container that is being made',
    jobs: [aJob()],
    pods: [aPod('Pending', { waiting: { reason: 'ContainerCreating' } })],
    effect: 'none',
    reason: 'MigrationRunning',
  },
  {
    policy: 'jobAtWork',
    fact: 'a pod that has been starting for a minute, of an older spec',
    schema: aSchema({ ...NEWER, spec: { job: { serviceAccountName: 'glance' } } }),
    jobs: [aJob()],
    pods: [aPod('Pending', { waiting: { reason: 'ContainerCreating' } })],
    effect: 'none',
    reason: 'MigrationRunning',
    requeueAfter: 55_000,
  },
  {
    policy: 'jobAtWork',
    fact: 'a pod that has been starting for two minutes',
    jobs: [aJob()],
    pods: [aPod('Pending', { waiting: { reason: 'ContainerCreating' } })],
    now: new Date('2026-11-23T07:02:00Z'),
    effect: 'none',
    reason: 'JobBlocked',
    says: 'Pod glance-1-bd7662a5-x of Job glance-1-bd7662a5 has not started for 2 minutes: run `kubectl describe pod glance-1-bd7662a5-x -n openstack` and look for a volume that cannot be mounted (the Secret of a CA) or an image that takes long to pull.',
  },
  {
    policy: 'jobAtWork',
    fact: 'a pod with a claim for its backup that has been starting for two minutes',
    jobs: [aJob({ purpose: { backup: BACKUP } })],
    pods: [aPod('Pending')],
    now: new Date('2026-11-23T07:02:00Z'),
    effect: 'none',
    reason: 'JobBlocked',
    says: 'Pod glance-1-bd7662a5-x of Job glance-1-bd7662a5 has not started for 2 minutes: run `kubectl describe pod glance-1-bd7662a5-x -n openstack` and look for a volume that cannot be mounted (the claim glance-backups, the Secret of a CA) or an image that takes long to pull.',
  },
  {
    policy: 'jobAtWork',
    fact: 'the clock was put back while a pod is starting',
    jobs: [aJob()],
    pods: [aPod('Pending')],
    now: new Date('2026-11-23T06:00:00Z'),
    effect: 'none',
    reason: 'MigrationRunning',
    requeueAfter: 120_000,
  },
  {
    policy: 'jobAtWork',
    fact: 'a Job that is marked as failed while its pod is there',
    jobs: [aJob({ end: 'Failed', endReason: 'DeadlineExceeded' })],
    pods: [aPod('Running', { running: {} })],
    effect: 'none',
    reason: 'MigrationRunning',
  },
  {
    policy: 'jobAtWork',
    fact: 'a pod that cannot start after one that lost the connection',
    jobs: [aJob()],
    pods: [
      later(aPod('Pending', { waiting: { reason: 'ImagePullBackOff', message: 'no such image' } })),
      aPodThatReported(aRefusal('DatabaseUnreachable'), 20),
    ],
    effect: 'none',
    reason: 'JobBlocked',
  },
  {
    policy: 'jobAtWork',
    fact: 'no pod after one that was cut off, as the Job controller backs off',
    jobs: [aJob()],
    pods: [ended(aPodThatReported(aRefusal('DatabaseUnreachable'), 20))],
    now: new Date('2026-11-23T07:05:00Z'),
    effect: 'none',
    reason: 'DatabaseUnreachable',
  },
  {
    policy: 'jobAtWork',
    fact: 'a running pod of an older spec',
    schema: aSchema({ ...NEWER, spec: { database: { secretRef: { name: 'other', key: 'connection' } } } }),
    jobs: [aJob()],
    pods: [aPod('Running', { running: {} })],
    effect: 'none',
    reason: 'MigrationRunning',
  },
  {
    policy: 'jobAtWork',
    fact: 'a Job whose pod failed and is replaced',
    jobs: [aJob()],
    pods: [aPodThatReported(aRefusal('DatabaseUnreachable'))],
    effect: 'none',
    reason: 'DatabaseUnreachable',
    says: 'Cannot sync: it ended with DatabaseUnreachable. Job glance-1-bd7662a5 tries again, unless that was its last attempt.',
  },
  {
    policy: 'jobAtWork',
    fact: 'a Job whose pod was refused, not yet marked as failed',
    jobs: [aJob()],
    pods: [aPodThatReported(aRefusal('DowngradeNotSupported'), 10)],
    now: new Date('2026-11-23T07:00:10Z'),
    effect: 'none',
    reason: 'MigrationRunning',
  },
  {
    policy: 'jobAtWork',
    fact: 'an old Job that ended stands before a new one at work',
    jobs: [
      aJob({
        end: 'Complete',
        ttl: 60,
        metadata: { name: 'older', uid: 'older', creationTimestamp: '2026-11-23T06:00:00Z' },
      }),
      aJob(),
    ],
    pods: [aPod('Running', { running: {} })],
    effect: 'none',
    reason: 'MigrationRunning',
  },
  {
    policy: 'podsOutliveTheirJob',
    fact: 'a pod that outlives its Job on a node that has not ended it in time',
    schema: aSchema(),
    jobs: [],
    pods: [endingBy(-60_000)],
    effect: 'none',
    reason: 'JobBlocked',
  },
  {
    policy: 'podsOutliveTheirJob',
    fact: 'a deleted schema with a pod that outlives its Job',
    schema: aSchema({ metadata: { deletionTimestamp: FINISHED, ...WITH_FINALIZER } }),
    pods: [aPod('Running', { running: {} })],
    effect: 'none',
    reason: 'MigrationRunning',
  },
  {
    policy: 'podsOutliveTheirJob',
    fact: 'a pod that outlives its Job',
    schema: aSchema({ status: recordedAt('mitaka02') }),
    pods: [aPod('Running', { running: {} })],
    effect: 'none',
    reason: 'MigrationRunning',
    says: 'Pod glance-1-bd7662a5-x still exists although its Job is gone. Waiting for it to end; nothing else is started before that.',
  },
  {
    policy: 'observeAsked',
    fact: 'the annotation observe asks for a new reading',
    schema: aSchema({
      metadata: { annotations: { [OBSERVE_ANNOTATION]: 'b' } },
      status: recordedAt('ocata01', { handledObserve: 'a' }),
    }),
    effect: 'startJob',
    reason: 'Observing',
    says: 'The annotation observe asks for the database to be read again.',
  },
  {
    policy: 'observeAsked',
    fact: 'the annotation observe asks for a new reading though the target is refused',
    schema: aSchema({
      spec: { revision: 'mitaka01' },
      metadata: { annotations: { [OBSERVE_ANNOTATION]: 'b' } },
      status: recordedAt('ocata01'),
    }),
    effect: 'startJob',
    reason: 'Observing',
  },
  {
    policy: 'observeAsked',
    fact: 'the annotation observe asks for a new reading while suspended',
    schema: aSchema({
      spec: { suspend: true },
      metadata: { annotations: { [OBSERVE_ANNOTATION]: 'b' } },
      status: recordedAt('ocata01'),
    }),
    effect: 'startJob',
    reason: 'Observing',
  },
  {
    policy: 'observeAsked',
    fact: 'the reading that observe asks for failed a moment ago',
    schema: aSchema({
      metadata: { annotations: { [OBSERVE_ANNOTATION]: 'b' } },
      status: failedReading(),
    }),
    effect: 'none',
    reason: 'DatabaseUnreachable',
    requeueAfter: 3970,
  },
  {
    policy: 'observeAsked',
    fact: 'the reading that observe asks for failed, and the next attempt is due',
    schema: aSchema({
      metadata: { annotations: { [OBSERVE_ANNOTATION]: 'b' } },
      status: failedReading(),
    }),
    now: DUE,
    effect: 'startJob',
    reason: 'Observing',
  },
  {
    policy: 'observeAsked',
    fact: 'the annotation observe asks for a reading a moment after a migration failed',
    schema: aSchema({
      metadata: { annotations: { [OBSERVE_ANNOTATION]: 'b' } },
      status: failedWith('DatabaseUnreachable'),
    }),
    effect: 'startJob',
    reason: 'Observing',
  },
  {
    policy: 'databaseMoved',
    fact: 'the Secret is another one than that of the record',
    schema: aSchema({ status: recordedAt('ocata01', { recordedFrom: 'other/connection' }) }),
    effect: 'startJob',
    reason: 'Observing',
    says: 'Reading the database of Secret glance-db/connection, which the spec names now. The record is of the one of Secret other/connection.',
  },
  {
    policy: 'databaseMoved',
    fact: 'the host is another one than that of the record',
    schema: aSchema({
      spec: { database: PARTS },
      status: recordedAt('ocata01', { recordedFrom: 'mysql://old.example.org:3306/glance' }),
    }),
    effect: 'startJob',
    reason: 'Observing',
    says: 'Reading the database at mysql://db.example.org:3306/glance, which the spec names now. The record is of the one at mysql://old.example.org:3306/glance.',
  },
  {
    policy: 'databaseMoved',
    fact: 'the host is another one where there was a Secret',
    schema: aSchema({
      spec: { database: PARTS },
      status: recordedAt('ocata01', { recordedFrom: 'glance-db/connection' }),
    }),
    effect: 'startJob',
    reason: 'Observing',
    says: 'Reading the database at mysql://db.example.org:3306/glance, which the spec names now. The record is of the one of Secret glance-db/connection.',
  },
  {
    policy: 'databaseMoved',
    fact: 'the Secret is another one, and it is suspended',
    schema: aSchema({
      spec: { suspend: true },
      status: recordedAt('ocata01', { recordedFrom: 'other/connection' }),
    }),
    effect: 'startJob',
    reason: 'Observing',
  },
  ...(
    [
      ['a revision that its rows do not have', { recordedRevision: 'ocata01', databaseHeads: ['mitaka02'] }],
      ['a phase that its rows do not have', { recordedPhase: 'Contract', databaseHeads: ['ocata_expand01'] }],
      ['no rows, which only one from before Alembic has', { recordedRevision: 'pike01', databaseHeads: [] }],
      ['rows that were taken out', { databaseHeads: undefined }],
      ['the revision of a newer operator and older rows', { recordedRevision: '2027_1_01' }],
    ] satisfies [string, Record<string, unknown>][]
  ).map(
    ([what, status]): Row => ({
      policy: 'recordContradicted',
      fact: `somebody has written ${what}`,
      schema: aSchema({ status: JSON.parse(JSON.stringify({ ...recordedAt('ocata01'), ...status })) }),
      effect: 'startJob',
      reason: 'Observing',
      also: 'Reconciling',
    }),
  ),
  {
    policy: 'recordContradicted',
    fact: 'the status says what its own rows contradict',
    schema: aSchema({ status: recordedAt('ocata01', { databaseHeads: ['mitaka02'] }) }),
    effect: 'startJob',
    reason: 'Observing',
    says: "The status says 'ocata01' and that the database has 'mitaka02' in alembic_version, which contradict each other. The status was edited or restored, so the operator reads the database again.",
  },
  {
    policy: 'suspended',
    fact: 'a schema that is suspended after it was read',
    schema: aSchema({ spec: { suspend: true }, status: recordedAt('mitaka02') }),
    effect: 'none',
    reason: 'Suspended',
    says: 'spec.suspend is true: no migration is started. The database was last read at mitaka02.',
  },
  {
    policy: 'suspended',
    fact: 'a new schema that is suspended',
    schema: aSchema({ spec: { suspend: true } }),
    effect: 'none',
    reason: 'Suspended',
    says: 'spec.suspend is true: no migration is started. The database has not been read.',
  },
  ...[{}, recordedAt('ocata01', { targetRevision: 'ocata01' }), failedWith('MigrationFailed')].map(
    (status, index): Row => ({
      policy: 'revisionAbsent',
      fact: `no revision is named, as an older CRD has let in; ${['new', 'at rest', 'failed'][index]}`,
      schema: aSchema({ spec: { revision: undefined }, status }),
      effect: 'none',
      reason: 'RevisionNotFound',
      says: "The spec names no revision, so nothing is migrated. Set spec.revision to the one that is wanted, or to 'latest' for the newest that the operator supports, which is '2024_1_01' now.",
      also: 'Stalled',
    }),
  ),
  {
    policy: 'revisionNotSupported',
    fact: 'a revision that is not supported',
    schema: aSchema({ spec: { revision: '2027_1_01' } }),
    effect: 'none',
    reason: 'RevisionNotFound',
    says: "Cannot use spec.revision: '2027_1_01' is no revision of Glance. Name one of liberty, mitaka01, mitaka02, ocata01, pike01, queens01, rocky01, rocky02, train01, ussuri01, wallaby01, xena01, yoga01, zed01, 2023_1_01, 2024_1_01, or 'latest'.",
    also: 'Stalled',
  },
  {
    policy: 'revisionNotSupported',
    fact: 'a revision that does not exist, though the database is at the target',
    schema: aSchema({ spec: { revision: 'nosuch' }, status: recordedAt('ocata01') }),
    effect: 'none',
    reason: 'RevisionNotFound',
  },
  {
    policy: 'revisionNotSupported',
    fact: 'a pre-Ocata number',
    schema: aSchema({ spec: { revision: 44 } }),
    effect: 'none',
    reason: 'RevisionNotFound',
    says: "Cannot use spec.revision: '44' is a number of the migration tool before Ocata. Name the revision 'mitaka02'.",
  },
  {
    policy: 'databaseNewerThanSupported',
    fact: 'what is recorded is newer than this operator supports',
    schema: aSchema({ status: recordedAt('2027_1_01', { databaseHeads: ['2027_1_contract01'] }) }),
    effect: 'none',
    reason: 'DatabaseNewer',
    says: "Cannot work on this database: it is at '2027_1_01', and the latest revision that this operator supports is '2024_1_01'. Nothing was changed. Upgrade the operator.",
    also: 'Stalled',
  },
  {
    policy: 'targetBeforeRecorded',
    fact: 'the target comes before what is recorded',
    schema: aSchema({ spec: { revision: 'mitaka01' }, status: recordedAt('ocata01') }),
    effect: 'none',
    reason: 'DowngradeNotSupported',
    says: "Cannot migrate to 'mitaka01': the database is already at 'ocata01', which is later. Nothing was changed. Set spec.revision to 'ocata01' or later, or restore a backup and then set the annotation db.glance.openstack.org/observe.",
    also: 'Stalled',
  },
  {
    policy: 'targetBeforeRecorded',
    fact: 'the target is before the recorded, and the Job in the status is gone unfinished',
    schema: aSchema({ spec: { revision: 'mitaka01' }, status: recordedAt('ocata01', unfinished()) }),
    effect: 'startJob',
    reason: 'Observing',
    says: 'The newest Job ended without a report of where the database is. It is read again.',
  },
  {
    policy: 'targetReached',
    fact: 'the rows are those that the real Ocata wrote',
    schema: aSchema({ status: recordedAt('ocata01', { databaseHeads: ['ocata01'] }) }),
    effect: 'none',
    reason: 'UpToDate',
  },
  {
    policy: 'targetReached',
    fact: 'a database from before Alembic has no rows',
    schema: aSchema({ spec: { revision: 'liberty' }, status: recordedAt('liberty', { databaseHeads: [] }) }),
    effect: 'none',
    reason: 'UpToDate',
  },
  {
    policy: 'targetReached',
    fact: 'the migration has ended, and a sidecar keeps its pod for longer',
    jobs: [aJob()],
    pods: [aPodWithSidecar()],
    now: new Date('2026-11-23T07:01:30Z'),
    effect: 'none',
    reason: 'UpToDate',
  },
  {
    policy: 'targetReached',
    fact: 'its result is in the status, and a sidecar keeps its pod',
    schema: aSchema({ metadata: WITH_FINALIZER, status: stored() }),
    jobs: [aJob()],
    pods: [aPodWithSidecar()],
    now: new Date('2026-11-23T07:01:30Z'),
    effect: 'deleteHeldJob',
    reason: 'UpToDate',
  },
  {
    policy: 'targetReached',
    fact: 'a recorded revision without a phase is whole',
    schema: aSchema({ status: { recordedRevision: 'ocata01', databaseHeads: ['ocata_contract01'] } }),
    effect: 'none',
    reason: 'UpToDate',
    says: 'The database is at ocata01.',
  },
  {
    policy: 'targetReached',
    fact: 'the target is recorded, and the Job that was noted is the one that the status names',
    schema: aSchema({
      metadata: { annotations: { [RESERVED_SEQUENCE_ANNOTATION]: '1' } },
      status: { ...stored(), recordedRevision: 'ocata01' },
    }),
    effect: 'none',
    reason: 'UpToDate',
  },
  {
    policy: 'targetReached',
    fact: 'the target is recorded',
    schema: aSchema({ status: recordedAt('ocata01') }),
    effect: 'none',
    reason: 'UpToDate',
    says: 'The database is at ocata01.',
  },
  {
    policy: 'targetReached',
    fact: 'the target is recorded, and its Job has found that somebody else changed the schema',
    schema: aSchema({ status: recordedAt('ocata01', failedWith('SchemaDiffers', DIFFERS)) }),
    effect: 'none',
    reason: 'UpToDate',
    says: 'The database is at ocata01. An index is missing.',
  },
  {
    policy: 'targetReached',
    fact: 'the target is recorded, and a Job has read a schema that somebody changed',
    schema: aSchema({ status: recordedAt('ocata01', { ...stored(), ...DIFFERS }) }),
    effect: 'none',
    reason: 'UpToDate',
    says: 'The database is at ocata01. An index is missing.',
  },
  {
    policy: 'targetReached',
    fact: 'the target is recorded and named by an alias',
    schema: aSchema({ spec: { revision: 'ocata_contract01' }, status: recordedAt('ocata01') }),
    effect: 'none',
    reason: 'UpToDate',
  },
  {
    policy: 'targetReached',
    fact: 'the latest is wanted and recorded',
    schema: aSchema({ spec: { revision: 'latest' }, status: recordedAt('2024_1_01') }),
    effect: 'none',
    reason: 'UpToDate',
  },
  {
    policy: 'targetReached',
    fact: 'the wanted revision is recorded, and a newer operator supports a later one',
    schema: aSchema({
      spec: { revision: 2023101 },
      status: recordedAt('2023_1_01', { targetRevision: '2023_1_01' }),
    }),
    effect: 'none',
    reason: 'UpToDate',
  },
  ...(
    [
      ['Expand', 'Expand', 'none', 'UpToDate', 'targetReached'],
      ['Expand', 'Migrate', 'startJob', 'MigrationPending', 'migrationDue'],
      ['Expand', 'Contract', 'startJob', 'MigrationPending', 'migrationDue'],
      // An expanded database without rows to move is at Migrate already.
      ['Migrate', 'Expand', 'none', 'UpToDate', 'targetReached'],
      ['Migrate', 'Migrate', 'none', 'UpToDate', 'targetReached'],
      ['Migrate', 'Contract', 'startJob', 'MigrationPending', 'migrationDue'],
      ['Contract', 'Expand', 'none', 'DowngradeNotSupported', 'targetBeforeRecorded'],
      ['Contract', 'Migrate', 'none', 'DowngradeNotSupported', 'targetBeforeRecorded'],
      ['Contract', 'Contract', 'none', 'UpToDate', 'targetReached'],
    ] as const
  ).map(
    ([recordedPhase, through, effect, reason, policy]): Row => ({
      policy,
      fact: `ocata01 is wanted through ${through} and recorded at ${recordedPhase}`,
      schema: aSchema({ spec: { through }, status: recordedAt('ocata01', { recordedPhase }) }),
      effect,
      reason,
    }),
  ),
  {
    policy: 'targetReached',
    fact: 'a revision without phases is wanted through Expand and recorded',
    schema: aSchema({ spec: { revision: 'mitaka02', through: 'Expand' }, status: recordedAt('mitaka02') }),
    effect: 'none',
    reason: 'UpToDate',
  },
  {
    policy: 'targetReached',
    fact: 'the host is that of the record, and the user is another one',
    schema: aSchema({
      spec: { database: { ...PARTS, userSecretRef: { name: 'new', key: 'user' } } },
      status: recordedAt('ocata01', { recordedFrom: 'mysql://db.example.org:3306/glance' }),
    }),
    effect: 'none',
    reason: 'UpToDate',
  },
  {
    policy: 'targetReached',
    fact: 'the Secret is that of the record',
    schema: aSchema({ status: recordedAt('ocata01', { recordedFrom: 'glance-db/connection' }) }),
    effect: 'none',
    reason: 'UpToDate',
  },
  {
    policy: 'targetReached',
    fact: 'a Job that succeeded, its result not yet in the status',
    schema: aSchema({ metadata: WITH_FINALIZER }),
    jobs: [aJob({ end: 'Complete' })],
    pods: [aPodThatReported(aReport())],
    effect: 'none',
    reason: 'UpToDate',
  },
  {
    policy: 'targetReached',
    fact: 'a stored result whose Job has no TTL',
    schema: aSchema({ metadata: WITH_FINALIZER, status: stored() }),
    jobs: [aJob({ end: 'Complete' })],
    pods: [aPodThatReported(aReport())],
    effect: 'setTtl',
    reason: 'UpToDate',
  },
  {
    policy: 'targetReached',
    fact: 'a stored result whose Job has its TTL',
    schema: aSchema({ metadata: WITH_FINALIZER, status: stored() }),
    jobs: [aJob({ end: 'Complete', ttl: 60 })],
    effect: 'releaseFinalizer',
    reason: 'UpToDate',
  },
  {
    policy: 'targetReached',
    fact: 'a stored result and nothing left to do',
    schema: aSchema({ status: stored() }),
    jobs: [aJob({ end: 'Complete', ttl: 60 })],
    effect: 'none',
    reason: 'UpToDate',
  },
  {
    policy: 'targetReached',
    fact: 'a finished Job before the newest one has no TTL',
    schema: aSchema({ status: stored() }),
    jobs: [
      aJob({ end: 'Complete', ttl: 60 }),
      aJob({
        end: 'Failed',
        metadata: { name: 'older', uid: 'older', creationTimestamp: '2026-11-23T06:00:00Z' },
      }),
    ],
    effect: 'setTtl',
    reason: 'UpToDate',
  },
  {
    policy: 'targetReached',
    fact: 'the annotation observe was acted on and taken away',
    schema: aSchema({ status: recordedAt('ocata01', { handledObserve: 'a' }) }),
    effect: 'none',
    reason: 'UpToDate',
  },
  {
    policy: 'targetReached',
    fact: 'the annotation observe was acted on',
    schema: aSchema({
      metadata: { annotations: { [OBSERVE_ANNOTATION]: 'a' } },
      status: recordedAt('ocata01', { handledObserve: 'a' }),
    }),
    effect: 'none',
    reason: 'UpToDate',
  },
  {
    policy: 'failedForGood',
    fact: 'a migration failed in another image',
    schema: aSchema({
      status: failedWith('MigrationFailed', {
        job: { ...failedJob('MigrationFailed'), image: 'glance-schema:old' },
      }),
    }),
    now: new Date('2026-11-23T08:00:00Z'),
    effect: 'none',
    reason: 'MigrationFailed',
  },
  {
    policy: 'failedForGood',
    fact: 'a Job that took longer than its deadline',
    jobs: [aJob({ end: 'Failed', endReason: 'DeadlineExceeded' })],
    pods: [aPodThatReported(aRefusal('Interrupted'), 22)],
    effect: 'none',
    reason: 'MigrationFailed',
    says: 'Cannot finish the migration: it takes longer than job.activeDeadlineSeconds. Raise or remove that. It is not retried by itself: once the cause is corrected, set the annotation db.glance.openstack.org/retry to a new value, or change the spec.',
    also: 'Stalled',
  },
  ...(
    [
      'MigrationFailed',
      'PartiallyApplied',
      'DatabaseNotGlance',
      'DatabaseNewer',
      'DowngradeNotSupported',
      'RevisionNotFound',
    ] as const
  ).map(
    (reason): Row => ({
      policy: 'failedForGood',
      fact: `the last Job failed with ${reason}`,
      schema: aSchema({ status: failedWith(reason) }),
      effect: 'none',
      reason,
      says: `Cannot migrate: found ${reason}. ${reason === 'DatabaseNewer' ? 'Upgrade the operator.' : 'It is not retried by itself: once the cause is corrected, set the annotation db.glance.openstack.org/retry to a new value, or change the spec.'}`,
      also: 'Stalled',
    }),
  ),
  {
    policy: 'failedForGood',
    fact: 'the last Job failed for good and the retry was made already',
    schema: aSchema({
      metadata: { annotations: { [RETRY_ANNOTATION]: '1' } },
      status: failedWith('MigrationFailed', { handledRetry: '1' }),
    }),
    effect: 'none',
    reason: 'MigrationFailed',
  },
  {
    policy: 'failedForGood',
    fact: 'the last Job failed for good and the annotation retry was taken away',
    schema: aSchema({ status: failedWith('MigrationFailed', { handledRetry: '1' }) }),
    effect: 'none',
    reason: 'MigrationFailed',
  },
  {
    policy: 'nextAttemptNotDue',
    fact: 'the Job is gone without a result within its pause',
    schema: aSchema({ status: unfinished() }),
    now: new Date('2026-11-23T07:00:05Z'),
    effect: 'none',
    reason: 'MigrationPending',
    says: "Job glance-1-bd7662a5 was deleted before its result was recorded. Leave the operator's Jobs in place until they have ended. The next attempt is at 2026-11-23T07:00:08Z.",
  },
  {
    policy: 'nextAttemptNotDue',
    fact: 'a Job that ended without a report',
    jobs: [aJob({ end: 'Complete' })],
    effect: 'none',
    reason: 'MigrationPending',
    says: 'Job glance-1-bd7662a5 succeeded but left no report that can be read. Check that its image is that of this operator. The next attempt is at 2026-11-23T07:01:08Z.',
  },
  {
    policy: 'nextAttemptNotDue',
    fact: 'a Job that failed without a report',
    jobs: [aJob({ end: 'Failed', endReason: 'BackoffLimitExceeded' })],
    pods: [aPod('Failed', { terminated: { exitCode: 137, reason: 'OOMKilled' } })],
    effect: 'none',
    reason: 'MigrationPending',
    says: 'Job glance-1-bd7662a5 ended without a report: BackoffLimitExceeded; the container ended with exit code 137 (OOMKilled). If this repeats, look into the log of the Job. The next attempt is at 2026-11-23T07:01:08Z.',
  },
  {
    policy: 'nextAttemptNotDue',
    fact: 'a Job that succeeded by a pod which is gone, though one that failed is there',
    jobs: [aJob({ end: 'Complete' })],
    pods: [aPodThatReported(aRefusal('MigrationFailed'))],
    effect: 'none',
    reason: 'MigrationPending',
    says: 'Job glance-1-bd7662a5 succeeded but left no report that can be read. Check that its image is that of this operator. The next attempt is at 2026-11-23T07:01:08Z.',
  },
  {
    policy: 'nextAttemptNotDue',
    fact: 'a Job whose last pod ended without a report, though an earlier one left one',
    jobs: [aJob({ end: 'Failed', endReason: 'BackoffLimitExceeded' })],
    pods: [
      aPodThatReported(aRefusal('MigrationFailed')),
      later(aPod('Failed', { terminated: { exitCode: 137, reason: 'OOMKilled' } })),
    ],
    effect: 'none',
    reason: 'MigrationPending',
    says: 'Job glance-1-bd7662a5 ended without a report: BackoffLimitExceeded; the container ended with exit code 137 (OOMKilled). If this repeats, look into the log of the Job. The next attempt is at 2026-11-23T07:01:08Z.',
  },
  ...(['DatabaseUnreachable', 'ConnectionInvalid'] as const).map(
    (reason): Row => ({
      policy: 'nextAttemptNotDue',
      fact: `the last Job failed with ${reason} a moment ago`,
      schema: aSchema({ status: failedWith(reason) }),
      effect: 'none',
      reason,
      says: `Cannot migrate: found ${reason}. The next attempt is at 2026-11-23T07:01:08Z.`,
      also: 'Reconciling',
      requeueAfter: 3970,
    }),
  ),
  // An older image calls a connection that it cannot read `Usage`.
  ...(['LockTimeout', 'Interrupted', 'NoResult', 'Usage'] as const).map(
    (reason): Row => ({
      policy: 'nextAttemptNotDue',
      fact: `the last Job failed with ${reason} a moment ago`,
      schema: aSchema({ status: failedWith(reason) }),
      effect: 'none',
      reason: 'MigrationPending',
      says: `Cannot migrate: found ${reason}. The next attempt is at 2026-11-23T07:01:08Z.`,
    }),
  ),
  ...(
    [
      ['x', 'x.'],
      ['x.', 'x.'],
      ['Is it? x', 'Is it? x.'],
    ] as const
  ).map(
    ([message, sentence]): Row => ({
      policy: 'nextAttemptNotDue',
      fact: `the last Job failed a moment ago with the message '${message}'`,
      schema: aSchema({ status: failedAt(FINISHED, message) }),
      effect: 'none',
      reason: 'MigrationPending',
      says: `${sentence} The next attempt is at 2026-11-23T07:01:08Z.`,
    }),
  ),
  {
    policy: 'nextAttemptNotDue',
    fact: 'the result of the Job before is stored, that of the newest is not',
    schema: aSchema({ status: stored() }),
    jobs: [
      aJob({
        end: 'Failed',
        endReason: 'BackoffLimitExceeded',
        metadata: { name: 'newer', uid: 'newer', creationTimestamp: FINISHED },
      }),
      aJob({ end: 'Complete', ttl: 60 }),
    ],
    effect: 'none',
    reason: 'MigrationPending',
  },
  {
    policy: 'migrationDue',
    fact: 'a new schema',
    effect: 'startJob',
    reason: 'MigrationPending',
    says: 'A Job that brings the database to ocata01 is about to start.',
    also: 'Reconciling',
  },
  {
    policy: 'migrationDue',
    fact: 'the whole status is of another object, as after a restore by Velero',
    schema: aSchema({ metadata: { uid: 'another' }, status: recordedAt('ocata01', endedWell()) }),
    effect: 'startJob',
    reason: 'MigrationPending',
  },
  {
    policy: 'migrationDue',
    fact: 'the target is recorded, and a Job may have been made since and lost',
    schema: aSchema({
      metadata: { annotations: { [RESERVED_SEQUENCE_ANNOTATION]: '2' } },
      status: { ...stored(), recordedRevision: 'ocata01' },
    }),
    effect: 'startJob',
    reason: 'MigrationPending',
  },
  {
    policy: 'migrationDue',
    fact: 'the target is recorded, and the Job in the status is gone unfinished',
    schema: aSchema({ status: recordedAt('ocata01', unfinished()) }),
    effect: 'startJob',
    reason: 'MigrationPending',
  },
  {
    policy: 'migrationDue',
    fact: 'the target is recorded, and the last Job ended without a report',
    schema: aSchema({ metadata: { generation: 2 }, status: recordedAt('ocata01', failedWith('NoResult')) }),
    effect: 'startJob',
    reason: 'MigrationPending',
  },
  {
    policy: 'migrationDue',
    fact: 'the target is recorded, and a retry is asked for after it differed',
    schema: aSchema({
      metadata: { annotations: { [RETRY_ANNOTATION]: 'mended' } },
      status: recordedAt('ocata01', { ...stored(), ...DIFFERS }),
    }),
    effect: 'startJob',
    reason: 'MigrationPending',
  },
  {
    policy: 'migrationDue',
    fact: 'the latest is wanted, and a newer operator supports a later revision',
    schema: aSchema({
      spec: { revision: 'latest' },
      status: recordedAt('2023_1_01', { targetRevision: '2023_1_01' }),
    }),
    effect: 'startJob',
    reason: 'MigrationPending',
    says: 'A Job that brings the database to 2024_1_01 is about to start.',
  },
  {
    policy: 'migrationDue',
    fact: 'the target comes after what is recorded',
    schema: aSchema({ status: recordedAt('mitaka02') }),
    effect: 'startJob',
    reason: 'MigrationPending',
  },
  {
    policy: 'migrationDue',
    fact: 'the expand of the next revision is wanted',
    schema: aSchema({ spec: { revision: 'pike01', through: 'Expand' }, status: recordedAt('ocata01') }),
    effect: 'startJob',
    reason: 'MigrationPending',
    says: 'A Job that brings the database to pike01 (Expand) is about to start.',
  },
  {
    policy: 'migrationDue',
    fact: 'a migration is due and its finalizer is on, as the Job could not be made',
    schema: aSchema({
      metadata: { ...WITH_FINALIZER, annotations: { [RESERVED_SEQUENCE_ANNOTATION]: '1' } },
    }),
    effect: 'startJob',
    reason: 'MigrationPending',
  },
  {
    policy: 'migrationDue',
    fact: 'fields that only a newer CRD has',
    schema: aSchema({ spec: { later: 1, job: { later: { most: 2 }, backoffLimit: 1 } } }),
    effect: 'startJob',
    reason: 'MigrationPending',
  },
  {
    policy: 'migrationDue',
    fact: 'the database was too new for another image',
    schema: aSchema({
      status: failedWith('DatabaseNewer', {
        job: { ...failedJob('DatabaseNewer'), image: 'glance-schema:old' },
      }),
    }),
    now: new Date('2026-11-23T08:00:00Z'),
    effect: 'startJob',
    reason: 'MigrationPending',
  },
  {
    policy: 'migrationDue',
    fact: 'another image did not support the revision',
    schema: aSchema({
      status: failedWith('RevisionNotFound', {
        job: { ...failedJob('RevisionNotFound'), image: 'glance-schema:old' },
      }),
    }),
    now: new Date('2026-11-23T08:00:00Z'),
    effect: 'startJob',
    reason: 'MigrationPending',
  },
  {
    policy: 'migrationDue',
    fact: 'a Job succeeded elsewhere than is wanted now, its result not yet stored',
    schema: aSchema({ ...NEWER }),
    jobs: [aJob({ end: 'Complete', purpose: { target: at('mitaka02') } })],
    pods: [aPodThatReported(aReport({ to: at('mitaka02'), heads: ['mitaka02'] }))],
    effect: 'none',
    reason: 'MigrationPending',
  },
  {
    policy: 'migrationDue',
    fact: 'the last Job failed for good and the spec has changed',
    schema: aSchema({ ...NEWER, status: failedWith('MigrationFailed') }),
    effect: 'startJob',
    reason: 'MigrationPending',
  },
  {
    policy: 'migrationDue',
    fact: 'the last Job failed for good and a retry is asked for',
    schema: aSchema({
      metadata: { annotations: { [RETRY_ANNOTATION]: '2' } },
      status: failedWith('MigrationFailed', { handledRetry: '1' }),
    }),
    effect: 'startJob',
    reason: 'MigrationPending',
  },
  {
    policy: 'migrationDue',
    fact: 'the last Job failed with DatabaseUnreachable and the next attempt is due',
    schema: aSchema({ status: failedWith('DatabaseUnreachable') }),
    now: DUE,
    effect: 'startJob',
    reason: 'MigrationPending',
  },
  {
    policy: 'migrationDue',
    fact: 'the last Job failed, and when is not known',
    schema: aSchema({ status: failedAt(undefined) }),
    effect: 'startJob',
    reason: 'MigrationPending',
  },
  {
    policy: 'no policy',
    fact: 'it is deleted after a migration, and a sidecar keeps its pod',
    schema: aSchema({ metadata: { ...WITH_FINALIZER, deletionTimestamp: FINISHED }, status: unfinished() }),
    jobs: [aJob()],
    pods: [aPodWithSidecar()],
    now: new Date('2026-11-23T07:01:30Z'),
    effect: 'deleteHeldJob',
    reason: undefined,
  },
  {
    policy: 'no policy',
    fact: 'a deleted schema with nothing at work',
    schema: aSchema({ metadata: { deletionTimestamp: FINISHED, ...WITH_FINALIZER } }),
    jobs: [aJob({ end: 'Complete', ttl: 86_400 })],
    effect: 'releaseFinalizer',
    reason: undefined,
  },
  {
    policy: 'no policy',
    fact: 'a deleted schema whose Job has ended and would stay forever',
    schema: aSchema({ metadata: { deletionTimestamp: FINISHED, ...WITH_FINALIZER } }),
    jobs: [aJob({ end: 'Complete' })],
    effect: 'setTtl',
    reason: undefined,
  },
  {
    policy: 'no policy',
    fact: 'a deleted schema whose orphaned Job has its TTL',
    schema: aSchema({ metadata: { deletionTimestamp: FINISHED, ...WITH_FINALIZER } }),
    jobs: [aJob({ end: 'Complete', ttl: 86_400, metadata: { ownerReferences: [] } })],
    effect: 'releaseFinalizer',
    reason: undefined,
  },
  {
    policy: 'no policy',
    fact: "a deleted schema with another's finalizer only",
    schema: aSchema({ metadata: { deletionTimestamp: FINISHED, finalizers: ['example.org/other'] } }),
    effect: 'none',
    reason: undefined,
  },
  ...windowRows(),
  ...approvalRows(),
  ...rollOutRows(),
  ...nodeRows(),
  ...sidecarRows(),
  ...interferenceRows(),
  ...recordRows(),
  ...backupRows(),
  ...driftCheckRows(),
];

/** The node of a pod is not heard of any more. */
function nodeRows(): readonly Row[] {
  const silent = (node: string) =>
    `Node ${node} does not answer: whether the migration in pod glance-1-bd7662a5-x still runs there is not known, and nothing else is started. Bring the node back; or make sure that it is off, and then delete it by \`kubectl delete node ${node}\`.`;
  const givenUp = aPod(
    'Running',
    { running: {} },
    {
      conditions: [
        { type: 'ContainersReady', status: 'True' },
        { type: 'Ready', status: 'False' },
      ],
    },
  );
  const blocked = { effect: 'none', reason: 'JobBlocked' } as const;
  const runs = { effect: 'none', reason: 'MigrationRunning' } as const;
  return [
    {
      policy: 'jobAtWork',
      fact: 'the node of a pod has been given up',
      jobs: [aJob()],
      pods: [{ ...givenUp, spec: { nodeName: 'node-7' } }],
      ...blocked,
      says: silent('node-7'),
    },
    {
      policy: 'jobAtWork',
      fact: 'the node has had half a minute more than its time to end a pod',
      jobs: [aJob()],
      pods: [endingBy(-30_000)],
      ...blocked,
      says: silent('node-7'),
    },
    {
      policy: 'jobAtWork',
      fact: 'a node lacks two milliseconds of that',
      jobs: [aJob()],
      pods: [endingBy(-29_998)],
      ...runs,
      requeueAfter: 1_000,
    },
    {
      policy: 'jobAtWork',
      fact: 'the node has not ended a pod in time that was starting',
      jobs: [aJob()],
      pods: [{ ...endingBy(-30_000), status: { phase: 'Pending' } }],
      ...blocked,
      says: silent('node-7'),
    },
    {
      policy: 'podsOutliveTheirJob',
      fact: 'the node of a pod that outlives its Job has had half a minute more than its time to end it',
      pods: [endingBy(-30_000)],
      ...blocked,
      says: silent('node-7'),
      requeueAfter: 1_000,
    },
    {
      policy: 'podsOutliveTheirJob',
      fact: 'the node of a pod that outlives its Job has time to end it',
      pods: [endingBy(60_000)],
      ...runs,
      says: 'Pod glance-1-bd7662a5-x still exists although its Job is gone. Waiting for it to end; nothing else is started before that.',
      requeueAfter: 90_000,
    },
    {
      policy: 'podsOutliveTheirJob',
      fact: 'a pod that outlives its Job is starting',
      pods: [aPod('Pending', { waiting: { reason: 'ContainerCreating' } })],
      ...runs,
      requeueAfter: 55_000,
    },
  ];
}

/** A backup is taken before the migration. */
function backupRows(): readonly Row[] {
  const backingUp = aPod(
    'Pending',
    { waiting: { reason: 'PodInitializing' } },
    { initContainerStatuses: [{ name: 'backup', state: { running: {} } }] },
  );
  const runs = { effect: 'none', reason: 'MigrationRunning' } as const;
  const taken = 'The backup before the migration to ocata01 is being taken by Job glance-1-bd7662a5.';
  return [
    {
      policy: 'jobAtWork',
      fact: 'the backup is being taken',
      schema: aSchema({ status: recordedAt('mitaka02') }),
      jobs: [aJob({ purpose: { backup: BACKUP } })],
      pods: [backingUp],
      ...runs,
      says: taken,
    },
    {
      policy: 'jobAtWork',
      fact: 'the backup is being taken, and a deletion waits',
      schema: aSchema({ metadata: { deletionTimestamp: FINISHED, ...WITH_FINALIZER } }),
      jobs: [aJob({ purpose: { backup: BACKUP } })],
      pods: [backingUp],
      ...runs,
      says: `${taken} The deletion waits for it.`,
    },
    {
      policy: 'jobAtWork',
      fact: 'a backup is being taken again, after a pod that did not reach the database',
      jobs: [aJob({ purpose: { backup: BACKUP } })],
      pods: [later(backingUp), aPodThatReported(aRefusal('DatabaseUnreachable'), 20)],
      ...runs,
      says: taken,
    },
    {
      policy: 'jobAtWork',
      fact: 'a pod that no node takes for want of its volume, which is not for a backup',
      jobs: [aJob()],
      pods: [unschedulable('0/3 nodes are available: 3 node(s) had volume node affinity conflict.')],
      effect: 'none',
      reason: 'JobBlocked',
      says: 'The pod of Job glance-1-bd7662a5 cannot start: 0/3 nodes are available: 3 node(s) had volume node affinity conflict.',
    },
  ];
}

/** What a drift check has left. */
function driftCheckRows(): readonly Row[] {
  const unread = { job: { ...failedJob(), purpose: 'DriftCheck' } } as const;
  return [
    {
      policy: 'outsideWindow',
      fact: 'the window is closed, and a drift check has read nothing since the status was wiped',
      schema: aSchema({ spec: { window: CLOSED }, status: unread }),
      effect: 'startJob',
      reason: 'Observing',
      says: 'The newest Job ended without a report of where the database is. Reading it again: spec.window does not delay that.',
    },
    {
      policy: 'outsideWindow',
      fact: 'the window is closed, and a drift check has read nothing where the database is known',
      schema: aSchema({ spec: { window: CLOSED }, status: recordedAt('mitaka02', unread) }),
      effect: 'none',
      reason: 'OutsideWindow',
      says: WAITS,
    },
  ];
}

/** A container beside ours keeps the pod. */
function sidecarRows(): readonly Row[] {
  const ended = { exitCode: 0, reason: 'Done', finishedAt: FINISHED, message: JSON.stringify(aReport()) };
  const besides = (...names: readonly string[]) =>
    aPod('Running', undefined, {
      containerStatuses: [
        ...names.map((name) => ({ name, state: { running: {} } })),
        { name: 'migrate', state: { terminated: ended } },
      ],
    });
  const crashed = aPod('Running', {
    terminated: { exitCode: 137, reason: 'OOMKilled', finishedAt: FINISHED },
  });
  const taken =
    "Within 30 seconds the operator records the result and deletes Job glance-1-bd7662a5. Exclude the pods of the operator's Jobs from sidecar injection.";
  const cannotTryAgain =
    "keeps the pod, so that Job glance-1-bd7662a5 cannot try again. Delete the pod, and keep sidecars out of the pods of the operator's Jobs.";
  const longAfter = new Date('2026-11-23T07:30:00Z');
  return [
    {
      policy: 'jobAtWork',
      fact: 'two sidecars keep the pod of a migration that has ended',
      jobs: [aJob()],
      pods: [besides('istio-proxy', 'vault-agent')],
      effect: 'none',
      reason: 'MigrationRunning',
      says: `The migration in pod glance-1-bd7662a5-x has ended, and istio-proxy, vault-agent keeps the pod. ${taken}`,
    },
    {
      policy: 'jobAtWork',
      fact: 'nobody says which container keeps the pod of a migration that has ended',
      jobs: [aJob()],
      pods: [besides()],
      effect: 'none',
      reason: 'MigrationRunning',
      says: `The migration in pod glance-1-bd7662a5-x has ended, and something else keeps the pod. ${taken}`,
    },
    {
      policy: 'jobAtWork',
      fact: 'a sidecar keeps the pod of a Job that has read the database',
      jobs: [aJob({ purpose: { kind: 'Observe', target: null } })],
      pods: [besides('istio-proxy')],
      effect: 'none',
      reason: 'Observing',
    },
    {
      policy: 'jobAtWork',
      fact: 'a sidecar keeps the pod of a Job that does not say what it is for',
      jobs: [aJob({ metadata: { annotations: {} } })],
      pods: [besides('istio-proxy')],
      effect: 'none',
      reason: 'Observing',
    },
    {
      policy: 'jobAtWork',
      fact: 'a sidecar keeps the pod of a migration that failed and may be tried again',
      jobs: [aJob()],
      pods: [aPodWithSidecar(aRefusal('LockTimeout'))],
      now: longAfter,
      effect: 'none',
      reason: 'JobBlocked',
      says: `The migration in pod glance-1-bd7662a5-x has failed, and istio-proxy ${cannotTryAgain}`,
    },
    {
      policy: 'jobAtWork',
      fact: 'a pod is kept whose migration was killed and left no report',
      jobs: [aJob()],
      pods: [crashed],
      now: longAfter,
      effect: 'none',
      reason: 'JobBlocked',
      says: `The migration in pod glance-1-bd7662a5-x has failed, and something else ${cannotTryAgain}`,
    },
    {
      policy: 'jobAtWork',
      fact: 'a sidecar keeps the pod of a migration that has ended, and a deletion waits',
      schema: aSchema({ metadata: { deletionTimestamp: FINISHED, ...WITH_FINALIZER } }),
      jobs: [aJob()],
      pods: [aPodWithSidecar()],
      effect: 'none',
      reason: 'MigrationRunning',
      says: `The migration in pod glance-1-bd7662a5-x has ended, and istio-proxy keeps the pod. ${taken} The deletion waits for it.`,
    },
    {
      policy: 'jobAtWork',
      fact: 'a sidecar has kept the pod of a migration for two milliseconds less than half a minute',
      jobs: [aJob()],
      pods: [aPodWithSidecar()],
      now: new Date('2026-11-23T07:01:29.998Z'),
      effect: 'none',
      reason: 'MigrationRunning',
      requeueAfter: 2,
    },
    {
      policy: 'failedForGood',
      fact: 'a sidecar has kept the pod of a refusal for half a minute, its result not yet in the status',
      jobs: [aJob()],
      pods: [aPodWithSidecar(aRefusal('DatabaseNotGlance'))],
      now: new Date('2026-11-23T07:01:30Z'),
      effect: 'none',
      reason: 'DatabaseNotGlance',
    },
  ];
}

/** Somebody suspends or deletes Jobs, or keeps their pods from starting. */
function interferenceRows(): readonly Row[] {
  const told = (reason: 'SecretNotReady' | 'MigrationRunning') =>
    withVerdict(unfinished(), { reason, message: 'The pod of Job x cannot start: no Secret.' }, 1, NOW);
  const { job } = unfinished();
  const ofTheNext = withVerdict(
    job === undefined ? {} : { job: { ...job, finishedAt: FINISHED } },
    { reason: 'JobBlocked', message: 'The API server refused to create Job y.' },
    1,
    NOW,
  );
  const runs = { effect: 'none', reason: 'MigrationRunning' } as const;
  const deleted = { metadata: { deletionTimestamp: FINISHED } };
  return [
    {
      policy: 'jobAtWork',
      fact: 'somebody or Kueue has suspended the Job',
      jobs: [{ ...aJob(), spec: { suspend: true } }],
      effect: 'none',
      reason: 'JobBlocked',
      says: 'Job glance-1-bd7662a5 is suspended, by a queue such as Kueue or by a person, and has no pod. It goes on when its own spec.suspend is false again.',
    },
    {
      policy: 'jobAtWork',
      fact: 'somebody has deleted the Job, and its pod still runs',
      jobs: [aJob(deleted)],
      pods: [aPod('Running', { running: {} })],
      ...runs,
      says: 'Job glance-1-bd7662a5 is being deleted. Once its pod has ended, the operator reads the database again.',
    },
    {
      policy: 'jobAtWork',
      fact: 'somebody has deleted the Job and its schema',
      schema: aSchema({ metadata: { deletionTimestamp: FINISHED, ...WITH_FINALIZER } }),
      jobs: [aJob(deleted)],
      pods: [aPod('Running', { running: {} })],
      ...runs,
      says: 'Job glance-1-bd7662a5 is being deleted. Once its pod has ended, the operator reads the database again. The deletion waits for it.',
    },
    {
      policy: 'jobAtWork',
      fact: 'the pod is gone that could not start, and the Job has not ended yet',
      schema: aSchema({ status: told('SecretNotReady') }),
      jobs: [aJob()],
      now: new Date('2026-11-23T07:00:10Z'),
      effect: 'none',
      reason: 'SecretNotReady',
      says: 'The pod of Job x cannot start: no Secret.',
      requeueAfter: 20_000,
    },
    {
      policy: 'jobAtWork',
      fact: 'an old cache shows a Job at work whose result is stored, and the Job after it was refused',
      schema: aSchema({ status: ofTheNext }),
      jobs: [aJob()],
      now: new Date('2026-11-23T07:00:10Z'),
      ...runs,
      says: 'Job glance-1-bd7662a5 brings the database to ocata01.',
    },
    {
      policy: 'jobAtWork',
      fact: 'the pod runs that could not start before',
      schema: aSchema({ status: told('SecretNotReady') }),
      jobs: [aJob()],
      pods: [aPod('Running', { running: {} })],
      ...runs,
      says: 'Job glance-1-bd7662a5 brings the database to ocata01.',
    },
    {
      policy: 'jobAtWork',
      fact: 'the pod is gone that ran, and the Job has not ended yet',
      schema: aSchema({ status: told('MigrationRunning') }),
      jobs: [aJob()],
      now: new Date('2026-11-23T07:00:10Z'),
      ...runs,
      says: 'Job glance-1-bd7662a5 brings the database to ocata01.',
    },
  ];
}

/** What is recorded, and what it leads to. */
function recordRows(): readonly Row[] {
  const contradicted = (recorded: GlanceSchemaStatus, rows: string): Row => ({
    policy: 'recordContradicted',
    fact: `the status says ${recorded.recordedRevision} and that there are ${rows}`,
    schema: aSchema({ status: recorded }),
    effect: 'startJob',
    reason: 'Observing',
    says: `The status says '${recorded.recordedRevision}' and that the database has ${rows} in alembic_version, which contradict each other. The status was edited or restored, so the operator reads the database again.`,
  });
  const retried = (handledRetry: string | undefined, retry: string | undefined, more: GlanceSchemaStatus) =>
    aSchema({
      metadata: retry === undefined ? {} : { annotations: { [RETRY_ANNOTATION]: retry } },
      status: recordedAt('ocata01', { ...stored(), ...more, ...withoutUndefined({ handledRetry }) }),
    });
  const upToDate = { policy: 'targetReached', effect: 'none', reason: 'UpToDate' } as const;
  const differs = 'The database is at ocata01. An index is missing.';
  return [
    contradicted(recordedAt('pike01', { databaseHeads: [] }), 'no rows'),
    contradicted({ recordedRevision: '2027_1_01' }, 'no rows'),
    contradicted(recordedAt('pike01', { databaseHeads: ['liberty', 'x'] }), "'liberty', 'x'"),
    {
      ...upToDate,
      fact: 'the target is recorded, nothing differs, and a retry is asked for',
      schema: retried(undefined, 'now', {}),
      says: 'The database is at ocata01.',
    },
    {
      ...upToDate,
      fact: 'the target is recorded, the schema differs, and the retry was made already',
      schema: retried('now', 'now', DIFFERS),
      says: differs,
    },
    {
      ...upToDate,
      fact: 'the target is recorded, the schema differs, and the annotation retry was taken away',
      schema: retried('now', undefined, DIFFERS),
      says: differs,
    },
    {
      policy: 'migrationDue',
      fact: 'a reading has succeeded a moment ago',
      schema: aSchema({
        status: recordedAt('mitaka02', {
          job: {
            ...failedJob(),
            purpose: 'Observe',
            failure: undefined,
            startedAt: inMilliseconds(-3_000),
            finishedAt: inMilliseconds(-1_000),
          },
        }),
      }),
      effect: 'startJob',
      reason: 'MigrationPending',
    },
    {
      policy: 'outsideWindow',
      fact: 'the window is closed, and the first attempt has failed before it recorded anything',
      schema: aSchema({ spec: { window: CLOSED }, status: failedWith('Interrupted') }),
      effect: 'none',
      reason: 'OutsideWindow',
      says: `Cannot migrate: found Interrupted. ${WAITS}`,
    },
    {
      policy: 'outsideWindow',
      fact: 'the window is closed, and nobody can count how often it opens again before it closes',
      schema: aSchema({
        spec: { window: { schedule: '* 8-9 * * *', duration: '2m', timeZone: 'UTC' } },
        status: recordedAt('mitaka02'),
      }),
      effect: 'none',
      reason: 'OutsideWindow',
      says: WAITS.replace(', and closes at 2026-11-23T10:00:00Z', ''),
    },
  ];
}

/** The scheduler finds no node, and says so. */
function unschedulable(message: string): PodObject {
  return aPod('Pending', undefined, {
    conditions: [{ type: 'PodScheduled', status: 'False', reason: 'Unschedulable', message }],
  });
}

/** The status after a Job failed at this time. */
function failedAt(finishedAt: string | undefined, message = 'x'): GlanceSchemaStatus {
  const { finishedAt: _finishedAt, ...job } = failedJob();
  const failure = { reason: 'LockTimeout', message, databaseRead: true };
  return { job: { ...job, failure, ...withoutUndefined({ finishedAt }) } };
}

function startedYearsAhead(): GlanceSchemaStatus {
  const { job } = unfinished();
  return job === undefined ? {} : { job: { ...job, startedAt: '2036-11-23T07:00:00Z' } };
}

/** The status after a Job that only reads has failed. */
function failedReading(): GlanceSchemaStatus {
  return { job: { ...failedJob(), purpose: 'Observe' } };
}

function failedJob(reason: FailureReason = 'DatabaseUnreachable'): StatusJob {
  const { job } = failedWith(reason);
  if (job === undefined) {
    throw new RangeError('the builder gives a Job');
  }
  return job;
}

/** The status while `aJob` was at work. */
function unfinished(): GlanceSchemaStatus {
  const { schema, job } = observe(aSchema(), [aJob()], []);
  return recordJob(schema, job);
}

/** The pod, with when its container ended. */
function ended(pod: PodObject): PodObject {
  const [container] = pod.status?.containerStatuses ?? [];
  const terminated = container?.state?.terminated;
  if (container === undefined || terminated === undefined) {
    throw new RangeError('the builder gives a container that has ended');
  }
  const state = { terminated: { ...terminated, finishedAt: FINISHED } };
  return { ...pod, status: { ...pod.status, containerStatuses: [{ ...container, state }] } };
}

function later(pod: PodObject): PodObject {
  return { ...pod, metadata: { ...pod.metadata, creationTimestamp: FINISHED } };
}

/** As it is where somebody puts a container beside ours that does not end. */
function aPodWithSidecar(report = aReport()): PodObject {
  const exitCode = report.error === null ? 0 : 20;
  const terminated = { exitCode, reason: 'Done', finishedAt: FINISHED, message: JSON.stringify(report) };
  return aPod('Running', undefined, {
    containerStatuses: [
      { name: 'istio-proxy', state: { running: {} } },
      { name: 'migrate', state: { terminated } },
    ],
  });
}

/** What a status tells of a Job that has succeeded. */
function endedWell(): GlanceSchemaStatus {
  const { job } = stored();
  return withoutUndefined({ job });
}

/** The status after the result of `aJob` was stored. */
function stored(): GlanceSchemaStatus {
  const { schema, job } = observe(aSchema(), [aJob({ end: 'Complete' })], [aPodThatReported(aReport())]);
  return recordJob(schema, job);
}

function observedIn(row: Omit<Row, 'policy'>): Observed {
  const observed = observe(row.schema ?? aSchema(), row.jobs ?? [], row.pods ?? []);
  return { ...observed, ...withoutUndefined({ rollOuts: row.rollOuts }) };
}

function decideOn(row: Omit<Row, 'policy'>): Decision {
  return decide(observedIn(row), row.now ?? NOW);
}

const ANY = { fact: '', effect: 'none', reason: undefined } as const;

/** In the order in which they are asked. */
const POLICY_NAMES = [...POLICIES.map(({ name }) => name), 'migrationDue', 'no policy'];

describe('decide', () => {
  for (const policy of POLICY_NAMES) {
    describe(policy, () => {
      for (const row of ROWS.filter((each) => each.policy === policy)) {
        it(`${row.fact}: ${row.effect}, ${row.reason ?? 'no verdict'}`, () => {
          expect(answeringPolicy(observedIn(row), row.now ?? NOW) ?? 'no policy').to.equal(row.policy);
          const decision = decideOn(row);
          const ready = decision.status.conditions?.find((condition) => condition.type === 'Ready');
          expect(decision.effect?.kind ?? 'none').to.equal(row.effect);
          expect(ready?.reason).to.equal(row.reason);
          if (row.says !== undefined) {
            expect(ready?.message).to.equal(row.says);
          }
          if (row.requeueAfter !== undefined) {
            expect(decision.requeueAfter).to.equal(row.requeueAfter);
          }
          if ('also' in row) {
            const others = decision.status.conditions?.filter((condition) => condition.type !== 'Ready');
            expect(others?.map((condition) => condition.type)).to.deep.equal(
              row.also === undefined ? [] : [row.also],
            );
          }
        });
      }
    });
  }

  it('has a row for each policy, and no row of another', () => {
    expect(new Set(ROWS.map(({ policy }) => policy))).to.deep.equal(new Set(POLICY_NAMES));
  });

  it('gives the same decision twice, so that nothing is written at rest', () => {
    for (const row of ROWS) {
      const first = decideOn(row);
      const later = new Date((row.now ?? NOW).getTime() + 1);
      const schema = { ...(row.schema ?? aSchema()), status: first.status };
      const second = decide(observedIn({ ...row, schema }), later);
      expect(second.status, row.fact).to.deep.equal(first.status);
    }
  });

  describe('a migration that goes on for long', () => {
    const observed = observe(
      aSchema({ status: recordedAt('mitaka02') }),
      [aJob()],
      [aPod('Running', { running: {} })],
    );
    const reported = { migration: 'ocata_migrate01', done: 41_000, total: 1_000_000 };
    const progress = { reported, requeueAt: NOW.getTime() + 7_000 };

    it('is reported with how far it is, and requeued in time', () => {
      const { effect, status, requeueAfter } = decide({ ...observed, progress }, NOW);
      expect(effect).to.equal(undefined);
      expect(status.progress).to.deep.equal(reported);
      expect(status.conditions?.[0]?.message).to.equal(
        'Job glance-1-bd7662a5 brings the database from mitaka02 to ocata01; ocata_migrate01: 41,000 of 1,000,000 rows.',
      );
      expect(requeueAfter).to.equal(7_000);
    });

    it('is not written again while it says the same', () => {
      const first = decide({ ...observed, progress }, NOW).status;
      const schema = { ...observed.schema, status: first };
      for (const again of [progress, { ...progress, reported: undefined }]) {
        expect(decide({ ...observed, schema, progress: again }, NOW).status).to.deep.equal(first);
      }
    });
  });

  describe('what the API server has refused', () => {
    const refused = { message: 'The API server does not take it.', transient: false, requeueAfter: 7_000 };

    it('is not asked for again before its time, and is reported', () => {
      const observed = {
        ...observe(aSchema(), [], []),
        refusal: { ...refused, effect: 'startJob' as const },
      };
      const { effect, status, requeueAfter } = decide(observed, NOW);
      expect(effect).to.equal(undefined);
      expect(status.conditions?.[0]).to.include({ reason: 'JobBlocked', message: refused.message });
      expect(requeueAfter).to.equal(7_000);
    });

    it('is reported as pending where the same may be taken in a moment', () => {
      const refusal = { ...refused, effect: 'startJob' as const, transient: true };
      const { status } = decide({ ...observe(aSchema(), [], []), refusal }, NOW);
      expect(status.conditions?.[0]).to.include({ reason: 'MigrationPending', message: refused.message });
    });

    it('does not keep another effect from being done', () => {
      const refusal = { ...refused, effect: 'deleteBlockedJob' as const };
      expect(decide({ ...observe(aSchema(), [], []), refusal }, NOW).effect?.kind).to.equal('startJob');
    });

    it('is not reported for a deletion that has something else to do', () => {
      const schema = aSchema({ metadata: { deletionTimestamp: FINISHED, finalizers: [FINALIZER] } });
      const refusal = { ...refused, effect: 'releaseFinalizer' as const };
      const observed = { ...observe(schema, [aJob({ end: 'Complete' })], []), refusal };
      expect(decide(observed, NOW)).to.deep.include({ status: {}, requeueAfter: undefined });
    });

    it('is reported for a deletion that waits for its finalizer', () => {
      const metadata = { deletionTimestamp: FINISHED, finalizers: [FINALIZER] };
      const schema = aSchema({ metadata });
      const refusal = { ...refused, effect: 'releaseFinalizer' as const };
      const { effect, status } = decide({ ...observe(schema, [], []), refusal }, NOW);
      expect(effect).to.equal(undefined);
      expect(status.conditions?.[0]).to.include({ reason: 'JobBlocked', message: refused.message });
    });
  });

  it('deletes a Job before the newest one that another container keeps', () => {
    const metadata = { name: 'older', uid: 'older', creationTimestamp: '2026-11-23T06:00:00Z' };
    const older = aJob({ metadata });
    const held = aPod('Running', { terminated: { exitCode: 0, finishedAt: FINISHED } });
    const owner = [{ uid: 'older', name: 'older', controller: true }];
    const pod = { ...held, metadata: { ...held.metadata, name: 'held', ownerReferences: owner } };
    const newest = aJob({ end: 'Complete', ttl: 60 });
    const { effect } = decide(observe(aSchema({ status: stored() }), [older, newest], [pod]), NOW);
    expect(effect).to.deep.equal({ kind: 'deleteHeldJob', job: { name: 'older', uid: 'older' } });
  });

  it('deletes the very Job whose result is stored and that another container keeps', () => {
    const observed = observe(aSchema({ status: stored() }), [aJob()], [aPodWithSidecar()]);
    const { effect } = decide(observed, new Date('2026-11-23T07:01:30Z'));
    const { name, uid } = aJob().metadata;
    expect(effect).to.deep.equal({ kind: 'deleteHeldJob', job: { name, uid } });
  });

  it('asks nothing of a Job that the API server has refused it for', () => {
    const held = observe(aSchema({ status: stored() }), [aJob()], [aPodWithSidecar()]);
    const { effect } = decide({ ...held, putOff: [aJob().metadata.uid] }, new Date('2026-11-23T07:01:30Z'));
    expect(effect).to.equal(undefined);
  });

  it('stores the result of the newest Job though another one is stored', () => {
    const newer = aJob({
      end: 'Failed',
      endReason: 'BackoffLimitExceeded',
      metadata: { name: 'newer', uid: 'newer', creationTimestamp: FINISHED },
    });
    const { status } = decide(
      observe(aSchema({ status: stored() }), [aJob({ end: 'Complete', ttl: 60 }), newer], []),
      NOW,
    );
    expect(status.job).to.include({ name: 'newer', finishedAt: FINISHED });
    expect(status.job?.failure?.reason).to.equal('NoResult');
  });

  it('moves the time of a condition only when its status changes', () => {
    const first = decide(observe(aSchema(), [], []), NOW).status;
    const later = new Date('2026-11-23T07:30:00Z');
    const same = decide(
      observe(aSchema({ status: first }), [aJob()], [aPod('Running', { running: {} })]),
      later,
    ).status;
    const ended = decide(
      observe(aSchema({ status: same }), [aJob({ end: 'Complete' })], [aPodThatReported(aReport())]),
      later,
    ).status;
    const times = [first, same, ended].map((status) => status.conditions?.[0]?.lastTransitionTime);
    expect(times).to.deep.equal(['2026-11-23T07:01:05Z', '2026-11-23T07:01:05Z', '2026-11-23T07:30:00Z']);
  });

  it('says where the reason to read again is to be seen, while the Job reads', () => {
    const observed = observe(
      aSchema({ status: recordedAt('ocata01', { databaseHeads: ['mitaka02'] }) }),
      [],
      [],
    );
    const { effect } = decide(observed, NOW);
    const purpose = effect?.kind === 'startJob' ? effect.purpose : {};
    const running = observe(aSchema(), [aJob({ purpose })], [aPod('Running', { running: {} })]);
    expect(decide(running, NOW).status.conditions?.[0]?.message).to.match(
      /^Job \S+ reads the database\. The status says 'ocata01'/,
    );
  });

  it('says when what has failed is tried again, and no longer when it is', () => {
    const waits = observe(aSchema({ status: failedWith('DatabaseUnreachable') }), [], []);
    const { status } = decide(waits, NOW);
    expect(status.nextAttemptAt).to.equal('2026-11-23T07:01:08Z');
    expect(status.conditions?.[0]?.message).to.include(`The next attempt is at ${status.nextAttemptAt}.`);
    const later = decide(observe(aSchema({ status }), [], []), new Date('2026-11-23T08:00:00Z'));
    expect(later.status.nextAttemptAt).to.equal(undefined);
  });

  for (const [what, status] of [
    ['the end of a Job', failedAt('2036-11-23T07:00:00Z', 'x')],
    ['the beginning of a Job that is gone', startedYearsAhead()],
  ] as const) {
    it(`${what} that is years ahead is waited for no longer than a Job that has just ended`, () => {
      let stored: GlanceSchemaStatus = status;
      const passAt = (milliseconds: number) => {
        const time = new Date(NOW.getTime() + milliseconds);
        const decision = decide(observe(aSchema({ status: stored }), [], []), time);
        stored = decision.status;
        return { ...decision, waits: Date.parse(stored.nextAttemptAt ?? '') - NOW.getTime() };
      };
      const first = passAt(0);
      expect(first.effect).to.equal(undefined);
      expect(first.waits).to.be.within(7_000, 10_000);
      expect(first.requeueAfter).to.be.within(8_000, 10_000);
      // Each pass says the same, so that nothing is written and its time comes.
      expect(passAt(4_000).status).to.deep.equal(first.status);
      // Nor is a wait believed that nobody can have set.
      stored = { ...stored, nextAttemptAt: '2036-11-23T07:00:00Z' };
      expect(passAt(5_000).waits).to.be.within(12_000, 15_000);
      stored = first.status;
      expect(passAt(10_000).effect?.kind).to.equal('startJob');
    });
  }

  for (const [what, uid, reason] of [
    ['what kept its pod from starting is told on', aJob().metadata.uid, 'SecretNotReady'],
    ['what is told of another Job is not', 'other', 'MigrationRunning'],
  ] as const) {
    it(`a Job whose pod is gone before the Job has ended, as at its deadline: ${what}`, () => {
      const { job } = unfinished();
      const told = withVerdict(
        job === undefined ? {} : { job: { ...job, uid } },
        { reason: 'SecretNotReady', message: 'The pod of Job x cannot start: no Secret.' },
        1,
        NOW,
      );
      const { status, effect } = decide(observe(aSchema({ status: told }), [aJob()], []), new Date(STARTED));
      expect([readyReason(status), effect]).to.deep.equal([reason, undefined]);
    });
  }

  it('a Job that has ended just now is waited for as long as after each, whatever was told of it', () => {
    const status = { ...failedAt(FINISHED), nextAttemptAt: '2026-11-23T07:01:02Z' };
    const { requeueAfter } = decide(observe(aSchema({ status }), [], []), new Date(FINISHED));
    expect(requeueAfter).to.be.within(7_000, 10_000);
  });

  it('the end of a Job that is years ahead is waited for no longer before the status tells of it', () => {
    const job = aJob({ end: 'Failed' });
    const ended = { ...job, status: { ...job.status, completionTime: '2036-11-23T07:00:00Z' } };
    expect(decide(observe(aSchema(), [ended], []), NOW).requeueAfter).to.be.within(7_000, 10_000);
  });

  for (const [what, pod] of [
    [
      'its image could not be pulled',
      aPod('Pending', { waiting: { reason: 'ImagePullBackOff', message: 'Back-off pulling image' } }),
    ],
    ['its image has been on the way for two minutes', aPod('Pending')],
  ] as const) {
    it(`a deadline that runs out while ${what} is no failure of the migration`, () => {
      const late = new Date(NOW.getTime() + 600_000);
      const blocked = decide(observe(aSchema(), [aJob()], [pod]), late);
      expect(readyReason(blocked.status)).to.equal('JobBlocked');
      const ended = aJob({ end: 'Failed', endReason: 'DeadlineExceeded' });
      const { status, requeueAfter } = decide(
        observe(aSchema({ status: blocked.status }), [ended], []),
        late,
      );
      expect(status.job?.failure?.reason).to.equal('NoResult');
      expect(status.conditions?.map(({ type }) => type)).to.deep.equal(['Ready', 'Reconciling']);
      expect(readyReason(status)).to.equal('MigrationPending');
      expect(requeueAfter ?? 0).to.be.at.least(0);
    });
  }

  it('the next attempt of one Job is not taken for that of the next Job', () => {
    const status = { ...failedAt('2036-11-23T07:00:00Z', 'x'), nextAttemptAt: FINISHED };
    const next = aJob({ end: 'Failed', metadata: { uid: 'next' }, purpose: { sequence: 2, attempt: 2 } });
    const ended = { ...next, status: { ...next.status, completionTime: '2036-11-23T07:00:00Z' } };
    const { effect, requeueAfter } = decide(observe(aSchema({ status }), [ended], []), NOW);
    expect(effect).to.equal(undefined);
    expect(requeueAfter).to.be.within(16_000, 20_000);
  });

  for (const [what, changes] of [
    ['short of its target', { to: at('mitaka02'), heads: ['mitaka02'] }],
    ['without rows', { heads: null }],
    ['with rows that contradict it', { heads: ['mitaka02'] }],
    ['with a failure though it succeeded', aRefusal('MigrationFailed')],
  ] as const) {
    it(`a Job whose report is ${what} is followed by others less and less often`, () => {
      let status: GlanceSchemaStatus = recordedAt('mitaka02');
      const pauses: number[] = [];
      for (let now = Date.parse('2026-11-23T07:00:00Z'); pauses.length < 7; ) {
        const { effect } = decide(observe(aSchema({ status }), [], []), new Date(now));
        expect(effect?.kind).to.equal('startJob');
        const purpose = effect?.kind === 'startJob' ? effect.purpose : {};
        const time = new Date(now).toISOString().replace('.000', '');
        const uid = `${pauses.length}`;
        const job = aJob({ end: 'Complete', purpose, metadata: { uid, creationTimestamp: time } });
        const ended = { ...job, status: { ...job.status, completionTime: time } };
        const pod = aPodThatReported(aReport(changes), 0);
        const owner = { uid, name: job.metadata.name, controller: true };
        const pods = [{ ...pod, metadata: { ...pod.metadata, ownerReferences: [owner] } }];
        const decided = decide(observe(aSchema({ status }), [ended], pods), new Date(now));
        const due = decided.requeueAfter ?? 0;
        status = decided.status;
        expect(status.job?.failure?.message).to.match(/Check that its image is that of this operator$/);
        expect(status.job?.attempt).to.equal(pauses.length + 1);
        pauses.push(due);
        now += Math.ceil(due / 1000) * 1000;
      }
      expect(pauses.map((pause) => Math.ceil(pause / 10_000))).to.deep.equal([1, 2, 4, 8, 16, 30, 30]);
    });
  }

  it('counts the Jobs, so that an old result is never taken for a new one', () => {
    const last = failedWith('DatabaseUnreachable').job;
    const decisions = [undefined, 1, 41].map((sequence) => {
      const status =
        sequence === undefined || last === undefined
          ? {}
          : { job: { ...last, name: `glance-${sequence}-bd7662a5`, sequence } };
      return decide(observe(aSchema({ status }), [], []), new Date('2026-11-23T08:00:00Z')).effect;
    });
    const started = decisions.map((effect) =>
      effect?.kind === 'startJob' ? effect.purpose.sequence : undefined,
    );
    expect(started).to.deep.equal([1, 2, 42]);
  });

  it('takes no sequence number that a Job has, though the status reports an earlier one', () => {
    const job = aJob({ end: 'Failed', purpose: { sequence: 7 }, ttl: 60 });
    const late = aJob({
      end: 'Failed',
      ttl: 60,
      metadata: { name: 'late', uid: 'late', creationTimestamp: '2026-11-23T07:00:30Z' },
    });
    const status = failedWith('DatabaseUnreachable', { job: { ...failedJob(), uid: 'late' } });
    const { effect } = decide(
      observe(aSchema({ status }), [job, late], []),
      new Date('2026-11-23T08:00:00Z'),
    );
    expect(effect?.kind === 'startJob' && effect.purpose.sequence).to.equal(8);
  });

  it('sees the Job at work though one that was made later is done with', () => {
    const atWork = aJob({ purpose: { sequence: 2 } });
    const late = aJob({
      end: 'Failed',
      ttl: 60,
      metadata: { name: 'late', uid: 'late', creationTimestamp: '2026-11-23T07:00:30Z' },
    });
    const status = failedWith('DatabaseUnreachable', { job: { ...failedJob(), uid: 'late' } });
    const seen = decide(observe(aSchema({ status }), [late, atWork], [aPod('Pending')]), NOW).status;
    expect(seen.job).to.include({ uid: atWork.metadata.uid, sequence: 2 });
  });

  it('takes the place that was noted, though the status has been wiped since', () => {
    const schema = aSchema({ metadata: { annotations: { [RESERVED_SEQUENCE_ANNOTATION]: '7' } } });
    const { effect } = decide(observe(schema, [], []), NOW);
    expect(effect?.kind === 'startJob' && effect.purpose.sequence).to.equal(7);
  });

  it('writes into the status what the spec asks for, and nothing when it asks for what there is not', () => {
    const targets = ['latest', 'ocata', 44, undefined].map(
      (revision) => decide(observe(aSchema({ spec: { revision } }), [], []), NOW).status.targetRevision,
    );
    expect(targets).to.deep.equal(['2024_1_01', 'ocata01', undefined, undefined]);
  });

  it('reconciles once more when nobody knows since when there is no pod, as soon as its log may tell more', () => {
    const observed = observe(aSchema(), [aJob()], [aPod('Failed')]);
    expect(decide(observed, NOW).requeueAfter).to.equal(undefined);
    const progress = { reported: undefined, requeueAt: NOW.getTime() + 5 };
    expect(decide({ ...observed, progress }, NOW).requeueAfter).to.equal(5);
  });

  it('gives a TTL to the very Job whose result is stored', () => {
    const job = aJob({ end: 'Complete' });
    const { effect } = decide(observe(aSchema({ status: stored() }), [job], []), NOW);
    const { name, uid } = job.metadata;
    expect(effect).to.deep.equal({ kind: 'setTtl', job: { name, uid }, ttl: 86_400 });
  });

  it('lets a Job go sooner that is followed by another attempt', () => {
    const job = aJob({ end: 'Failed' });
    const ttls = (['DatabaseUnreachable', 'MigrationFailed'] as const).flatMap((reason) =>
      [undefined, 60].map((ttlSecondsAfterFinished) => {
        const spec = ttlSecondsAfterFinished === undefined ? {} : { job: { ttlSecondsAfterFinished } };
        const { effect } = decide(observe(aSchema({ spec, status: failedWith(reason) }), [job], []), NOW);
        return effect?.kind === 'setTtl' ? effect.ttl : undefined;
      }),
    );
    expect(ttls).to.deep.equal([3600, 60, 86_400, 60]);
  });

  it('lets a Job go sooner that left no result, as another attempt follows', () => {
    const observed = observe(aSchema({ status: failedWith('NoResult') }), [aJob({ end: 'Failed' })], []);
    expect(decide(observed, NOW).effect).to.deep.include({ kind: 'setTtl', ttl: 3600 });
  });

  describe('the Job that is started', () => {
    const annotations = { [OBSERVE_ANNOTATION]: 'b', [RETRY_ANNOTATION]: 'r' };
    const wanted = aSchema({ metadata: { generation: 4 }, spec: { through: 'Expand' } });
    const { schema } = observe(wanted, [], []);
    const base = {
      sequence: 1,
      attempt: 1,
      generation: 4,
      podTemplateHash: podTemplateHash(schema),
      database: 'glance-db/connection',
      image: '',
    };

    it('has where it leads and why', () => {
      expect(decide(observe(wanted, [], []), NOW).effect).to.deep.equal({
        kind: 'startJob',
        name: migrationJobName(schema, 1),
        purpose: { ...base, kind: 'Migrate', target: at('ocata01', 'Expand') },
      });
    });

    it('a Job that only reads has no target and keeps the annotations that asked for it', () => {
      const asked = { ...wanted, metadata: { ...wanted.metadata, annotations } };
      const purposes = [{}, { handledObserve: 'b' }].map((status) => {
        const { effect } = decide(observe({ ...asked, status }, [], []), NOW);
        return effect?.kind === 'startJob' ? effect.purpose : undefined;
      });
      expect(purposes).to.deep.equal([
        { ...base, kind: 'Observe', target: null, observe: 'b', retry: 'r' },
        { ...base, kind: 'Migrate', target: at('ocata01', 'Expand'), retry: 'r' },
      ]);
    });

    it('has no annotation observe where another reason asks for the reading', () => {
      const status = recordedAt('ocata01', { recordedFrom: 'other/connection' });
      const { effect } = decide(observe({ ...wanted, status }, [], []), NOW);
      const purpose = effect?.kind === 'startJob' ? effect.purpose : undefined;
      expect(purpose).to.deep.equal({ ...base, kind: 'Observe', target: null });
    });

    const claim = { policy: 'BeforeUpgrade', volumeClaimName: 'glance-backups' };
    const backups: readonly (readonly [string, object, GlanceSchemaStatus, object | undefined])[] = [
      ['a migration', claim, recordedAt('mitaka02'), BACKUP],
      [
        'a migration, with how many are kept',
        { ...claim, retain: 7 },
        recordedAt('mitaka02'),
        { ...BACKUP, retain: 7 },
      ],
      [
        'a migration where backups are not asked for',
        { ...claim, policy: 'None' },
        recordedAt('mitaka02'),
        undefined,
      ],
      ['a reading', claim, recordedAt('mitaka02', { recordedFrom: 'other/connection' }), undefined],
      // The API server takes no such Job: nothing is migrated without the backup.
      [
        'a migration without a claim',
        { policy: 'BeforeUpgrade' },
        recordedAt('mitaka02'),
        { ...BACKUP, claim: '' },
      ],
    ];
    for (const [what, backup, status, expected] of backups) {
      it(`takes ${expected === undefined ? 'no backup' : 'a backup'}: ${what}`, () => {
        const { effect } = decide(observe(aSchema({ spec: { backup }, status }), [], []), NOW);
        expect(effect?.kind).to.equal('startJob');
        expect(effect?.kind === 'startJob' ? effect.purpose.backup : effect).to.deep.equal(expected);
      });
    }

    const attempts: readonly (readonly [string, GlanceSchemaStatus, number])[] = [
      ['after a migration that was lost', unfinished(), 2],
      ['after a migration that failed', { job: { ...failedJob(), attempt: 3 } }, 4],
      ['after a reading that failed', failedReading(), 1],
      ['after a migration that succeeded', { job: { ...failedJob(), attempt: 3, failure: undefined } }, 1],
    ];
    for (const [fact, status, attempt] of attempts) {
      it(`${fact}: attempt ${attempt}`, () => {
        const { effect } = decide(observe(aSchema({ status }), [], []), new Date('2026-11-23T08:00:00Z'));
        expect(effect?.kind === 'startJob' && effect.purpose.attempt).to.equal(attempt);
      });
    }
  });

  describe('whether workloads are read', () => {
    const held = (changes: Parameters<typeof aSchema>[0] = {}) =>
      aSchema({ ...changes, spec: { contractAfter: [API], ...changes.spec } });
    const status = recordedAt('ocata01', { recordedPhase: 'Migrate' });
    const cases: readonly (readonly [string, Parameters<typeof decideOn>[0], boolean])[] = [
      ['a contract is due', { ...ANY, schema: held({ status }) }, true],
      ['they have been read before', { ...ANY, schema: held({ status }), rollOuts: READY }, true],
      ['nothing is to wait for', { ...ANY, schema: aSchema({ status }) }, false],
      [
        'the database is to be expanded first',
        { ...ANY, schema: held({ status: recordedAt('mitaka02') }) },
        false,
      ],
      ['the database is contracted', { ...ANY, schema: held({ status: recordedAt('ocata01') }) }, false],
      ['the database is empty', { ...ANY, schema: held({ status: { databaseHeads: [] } }) }, false],
      ['a Job is at work', { ...ANY, schema: held({ status }), jobs: [aJob()] }, false],
      ['it is suspended', { ...ANY, schema: held({ status, spec: { suspend: true } }) }, false],
      [
        'it is being deleted',
        { ...ANY, schema: held({ status, metadata: { deletionTimestamp: STARTED, finalizers: [] } }) },
        false,
      ],
    ];
    for (const [fact, row, asked] of cases) {
      it(`${fact}: ${asked ? 'yes' : 'no'}`, () => {
        expect(asksForRollOuts(observedIn(row), NOW)).to.equal(asked);
      });
    }
  });

  describe('with an approved plan', () => {
    const spec = { approval: 'Manual', approvedPlan: PLANNED };
    const status = recordedAt('mitaka02', { plan: aPlan() });

    it('a migration is handed the plan and its bound', () => {
      const { effect } = decideOn({ schema: aSchema({ spec, status }), ...ANY });
      expect(effect?.kind === 'startJob' && effect.purpose).to.deep.include({
        kind: 'Migrate',
        target: at('ocata01'),
        approved: { hash: PLANNED, mostRows: 100_000 },
      });
    });

    it('a migration is bound to no plan where nobody asks for approval any more', () => {
      const { effect } = decideOn({ schema: aSchema({ spec: { approvedPlan: PLANNED }, status }), ...ANY });
      expect(effect?.kind === 'startJob' && effect.purpose)
        .to.include({ kind: 'Migrate' })
        .and.not.have.property('approved');
    });

    it('a plan is made of what is wanted now, by a Job without a target', () => {
      const wanted = { ...spec, through: 'Expand' };
      const { effect } = decideOn({ schema: aSchema({ spec: wanted, status }), ...ANY });
      expect(effect?.kind === 'startJob' && effect.purpose).to.deep.include({
        kind: 'Plan',
        target: null,
        plans: at('ocata01', 'Expand'),
      });
    });

    it('the status has no plan once nothing is due', () => {
      const there = recordedAt('ocata01', { plan: aPlan(), refusedPlan: PLANNED });
      const decision = decideOn({ schema: aSchema({ spec, status: there }), ...ANY });
      expect(decision.status).not.to.have.any.keys('plan', 'refusedPlan');
    });

    it('a Job that has made a plan stays for a week at least, one that could not does not', () => {
      const purpose = { kind: 'Plan', target: null, plans: at('ocata01') } as const;
      for (const [end, ttl] of [
        ['Complete', 604_800],
        ['Failed', 3600],
      ] as const) {
        const report =
          end === 'Complete' ? aPlanReport() : aRefusal('DatabaseUnreachable', { heads: null, to: null });
        const seen = observe(aSchema({ spec }), [aJob({ end, purpose })], [aPodThatReported(report)]);
        const stored = recordJob(seen.schema, seen.job);
        const { effect } = decide({ ...seen, schema: { ...seen.schema, status: stored } }, NOW);
        expect(effect).to.deep.include({ kind: 'setTtl', ttl });
      }
    });
  });

  it('counts the attempts for one spec and starts again with the next', () => {
    const again = decideOn({ ...due(1), fact: '', effect: 'startJob', reason: undefined });
    const changed = decideOn({ ...due(2), fact: '', effect: 'startJob', reason: undefined });
    expect(
      [again.effect, changed.effect].map((effect) => effect?.kind === 'startJob' && effect.purpose.attempt),
    ).to.deep.equal([2, 1]);

    function due(generation: number) {
      return {
        schema: aSchema({ metadata: { generation }, status: failedWith('DatabaseUnreachable') }),
        now: new Date('2026-11-23T08:00:00Z'),
      };
    }
  });
});

function rollOutRows(): readonly Row[] {
  const held = (status: GlanceSchemaStatus | undefined, spec: object = {}, metadata: object = {}) =>
    aSchema({ metadata, spec: { contractAfter: [API, OTHER], ...spec }, ...withoutUndefined({ status }) });
  const expanded = recordedAt('ocata01', { recordedPhase: 'Migrate' });
  const done = { kind: 'rolled out' } as const;
  const states = (api: RollOutState, other: RollOutState = done) => [
    { workload: API, state: api },
    { workload: OTHER, state: other },
  ];
  const waits = "The contract of 'ocata01' waits for the workloads of spec.contractAfter";
  const then =
    'It starts by itself once they are rolled out; to contract without waiting, remove spec.contractAfter.';
  const updated: RollOutState = { kind: 'under way', why: 'has 1 of 3 pods updated' };
  return [
    {
      policy: 'notReadBeforeContract',
      fact: 'nobody has read where the database is',
      schema: held(undefined),
      effect: 'startJob',
      reason: 'Observing',
      says: 'The database has not been read yet. Reading it now: spec.contractAfter does not delay that.',
    },
    {
      policy: 'migrationDue',
      fact: 'an empty database has no old nodes',
      schema: held({ databaseHeads: [] }),
      effect: 'startJob',
      reason: 'MigrationPending',
      says: 'A Job that brings the database to ocata01 is about to start.',
    },
    {
      policy: 'migrationDue',
      fact: 'what comes before the contract does not wait',
      schema: held(recordedAt('mitaka02')),
      effect: 'startJob',
      reason: 'MigrationPending',
      says: 'A Job that brings the database to ocata01 (Migrate) is about to start.',
    },
    {
      policy: 'migrationDue',
      fact: 'rows are left to move before the contract',
      schema: held(recordedAt('ocata01', { recordedPhase: 'Expand' })),
      effect: 'startJob',
      reason: 'MigrationPending',
      says: 'A Job that brings the database to ocata01 (Migrate) is about to start.',
    },
    {
      policy: 'migrationDue',
      fact: 'a revision without phases has no contract',
      schema: held(recordedAt('liberty'), { revision: 'mitaka02' }),
      effect: 'startJob',
      reason: 'MigrationPending',
      says: 'A Job that brings the database to mitaka02 is about to start.',
    },
    {
      policy: 'migrationDue',
      fact: 'contract is not asked for',
      schema: held(recordedAt('mitaka02'), { through: 'Expand' }),
      effect: 'startJob',
      reason: 'MigrationPending',
      says: 'A Job that brings the database to ocata01 (Expand) is about to start.',
    },
    {
      policy: 'notRolledOut',
      fact: 'a contract is due, and nobody has read the workloads',
      schema: held(expanded),
      effect: 'none',
      reason: 'WaitingForRollOut',
      says: `${waits}, which are about to be read. ${then}`,
      requeueAfter: 10_000,
    },
    {
      policy: 'notRolledOut',
      fact: 'one of two is not rolled out',
      schema: held(expanded),
      rollOuts: states(updated),
      effect: 'none',
      reason: 'WaitingForRollOut',
      says: `${waits}: Deployment glance-api has 1 of 3 pods updated. ${then}`,
      requeueAfter: 10_000,
      also: 'Reconciling',
    },
    {
      policy: 'notRolledOut',
      fact: 'a rollback comes before its contract',
      schema: held(expanded, {}, { annotations: { [RETRY_ANNOTATION]: 'now' } }),
      rollOuts: states(done, { kind: 'under way', why: 'does not exist' }),
      effect: 'none',
      reason: 'WaitingForRollOut',
      says: `${waits}: DaemonSet glance-cache does not exist. ${then}`,
    },
    {
      policy: 'notRolledOut',
      fact: 'the operator has no right to read them',
      schema: held(expanded),
      rollOuts: states({ kind: 'forbidden' }, { kind: 'forbidden' }),
      effect: 'none',
      reason: 'WaitingForRollOut',
      says: `${waits}: Deployment glance-api cannot be read: the operator has no right to, DaemonSet glance-cache cannot be read: the operator has no right to. The right is given by 'kubectl apply -n openstack -k manifests/roll-outs', or by rbac.rollOuts of the chart. ${then}`,
      requeueAfter: 60_000,
    },
    {
      policy: 'notRolledOut',
      fact: 'the API server cannot say, and asks for a while',
      schema: held(expanded),
      rollOuts: states({ kind: 'unreadable', why: 'too many requests', retryAfter: 30_000 }),
      effect: 'none',
      reason: 'WaitingForRollOut',
      says: `${waits}: Deployment glance-api cannot be read for now (too many requests). ${then}`,
      requeueAfter: 30_000,
    },
    {
      policy: 'notRolledOut',
      fact: 'as many are waited for as a message names',
      schema: held(expanded),
      rollOuts: [...states(updated, updated), ...states(updated)],
      effect: 'none',
      reason: 'WaitingForRollOut',
      says: `${waits}: Deployment glance-api has 1 of 3 pods updated, DaemonSet glance-cache has 1 of 3 pods updated, Deployment glance-api has 1 of 3 pods updated. ${then}`,
    },
    {
      policy: 'notRolledOut',
      fact: 'more are waited for than a message names',
      schema: held(expanded),
      rollOuts: [...states(updated, updated), ...states(updated, updated), ...states(updated)],
      effect: 'none',
      reason: 'WaitingForRollOut',
      says: `${waits}: Deployment glance-api has 1 of 3 pods updated, DaemonSet glance-cache has 1 of 3 pods updated, Deployment glance-api has 1 of 3 pods updated, and 2 more. ${then}`,
    },
    {
      policy: 'notRolledOut',
      fact: 'an earlier revision is contracted on the way',
      schema: held(expanded, { revision: 'rocky' }),
      rollOuts: states(updated),
      effect: 'none',
      reason: 'WaitingForRollOut',
      says: `${waits}: Deployment glance-api has 1 of 3 pods updated. Old and new Glance API servers can run side by side across one release only: set spec.revision to 'ocata01', with the image of that release, before you go to 'rocky02'. ${then}`,
    },
    {
      policy: 'notRolledOut',
      fact: 'the wait needs no window',
      schema: held(expanded, { window: CLOSED }),
      rollOuts: states(updated),
      effect: 'none',
      reason: 'WaitingForRollOut',
    },
    {
      policy: 'outsideWindow',
      fact: 'the contract needs its window',
      schema: held(expanded, { window: CLOSED }),
      rollOuts: states(done),
      effect: 'none',
      reason: 'OutsideWindow',
      says: WAITS,
    },
    {
      policy: 'notRolledOut',
      fact: 'no plan is made of a contract that waits',
      schema: held(expanded, { approval: 'Manual' }),
      rollOuts: states(updated),
      effect: 'none',
      reason: 'WaitingForRollOut',
    },
    {
      policy: 'notApproved',
      fact: 'what comes before the contract has a plan of its own',
      schema: held(recordedAt('mitaka02'), { approval: 'Manual' }),
      effect: 'startJob',
      reason: 'Observing',
      says: 'The migration to ocata01 (Migrate) is planned by a Job that only reads.',
    },
    {
      policy: 'notApproved',
      fact: 'the plan of what came before is not that of the contract',
      schema: held(
        { ...expanded, plan: aPlan({ to: 'ocata01 (Migrate)' }) },
        { approval: 'Manual', approvedPlan: PLANNED },
      ),
      rollOuts: states(done),
      effect: 'startJob',
      reason: 'Observing',
      says: 'The migration to ocata01 is planned by a Job that only reads.',
    },
    {
      policy: 'migrationDue',
      fact: 'the approved plan is of what comes before the contract',
      schema: held(recordedAt('mitaka02', { plan: aPlan({ to: 'ocata01 (Migrate)' }) }), {
        approval: 'Manual',
        approvedPlan: PLANNED,
      }),
      effect: 'startJob',
      reason: 'MigrationPending',
    },
    {
      policy: 'migrationDue',
      fact: 'all are rolled out',
      schema: held(expanded),
      rollOuts: states(done),
      effect: 'startJob',
      reason: 'MigrationPending',
      says: 'A Job that brings the database to ocata01 is about to start.',
    },
    {
      policy: 'migrationDue',
      fact: 'nothing is waited for any more',
      schema: held(expanded, { contractAfter: undefined }),
      effect: 'startJob',
      reason: 'MigrationPending',
      says: 'A Job that brings the database to ocata01 is about to start.',
    },
    {
      policy: 'migrationDue',
      fact: 'a later revision without a contract in between is expanded at once',
      schema: held(recordedAt('rocky02'), { revision: 'caracal' }),
      effect: 'startJob',
      reason: 'MigrationPending',
      says: 'A Job that brings the database to 2024_1_01 (Migrate) is about to start.',
    },
    {
      policy: 'notRolledOut',
      fact: 'what a lost contract has left is read before it waits',
      schema: held({
        ...expanded,
        job: { ...failedJob(), attempt: 1, finishedAt: undefined, failure: undefined },
      }),
      now: new Date('2026-11-23T08:00:00Z'),
      rollOuts: states(updated),
      effect: 'startJob',
      reason: 'Observing',
    },
    {
      policy: 'notRolledOut',
      fact: 'what a contract has left that failed is read before it waits',
      schema: held({ ...expanded, ...failedWith('DatabaseUnreachable') }),
      rollOuts: states(updated),
      effect: 'startJob',
      reason: 'Observing',
      says: 'The newest Job ended without a report of where the database is. Reading it again: spec.contractAfter does not delay that.',
    },
    {
      policy: 'failedForGood',
      fact: 'a contract that failed',
      schema: held({ ...expanded, ...failedWith('MigrationFailed') }),
      rollOuts: states(updated),
      effect: 'none',
      reason: 'MigrationFailed',
    },
    {
      policy: 'migrationDue',
      fact: 'somebody has contracted what was to be expanded, and more is wanted',
      schema: held(
        { ...recordedAt('ocata01'), ...failedWith('DowngradeNotSupported') },
        { revision: 'pike' },
      ),
      now: new Date('2026-11-23T08:00:00Z'),
      effect: 'startJob',
      reason: 'MigrationPending',
      says: 'A Job that brings the database to pike01 (Migrate) is about to start.',
    },
  ];
}

function windowRows(): readonly Row[] {
  const closed = (status?: GlanceSchemaStatus, more: { window?: object; retry?: string } = {}) =>
    aSchema({
      metadata: more.retry === undefined ? {} : { annotations: { [RETRY_ANNOTATION]: more.retry } },
      spec: { window: more.window ?? CLOSED },
      ...(status === undefined ? {} : { status }),
    });
  const failed = recordedAt('mitaka02', failedWith('Interrupted'));
  return [
    {
      policy: 'outsideWindow',
      fact: 'a migration is due, and the window is closed',
      schema: closed(recordedAt('mitaka02')),
      effect: 'none',
      reason: 'OutsideWindow',
      says: WAITS,
      requeueAfter: 60_000,
      also: 'Reconciling',
    },
    {
      policy: 'outsideWindow',
      fact: 'the window opens in half a minute',
      schema: closed(recordedAt('mitaka02')),
      now: new Date('2026-11-23T07:59:30Z'),
      effect: 'none',
      reason: 'OutsideWindow',
      says: WAITS,
      requeueAfter: 30_000,
    },
    {
      policy: 'migrationDue',
      fact: 'the window has just opened',
      schema: closed(recordedAt('mitaka02')),
      now: new Date('2026-11-23T08:00:00Z'),
      effect: 'startJob',
      reason: 'MigrationPending',
    },
    {
      policy: 'migrationDue',
      fact: 'the window is open',
      schema: closed(recordedAt('mitaka02'), { window: OPEN }),
      effect: 'startJob',
      reason: 'MigrationPending',
    },
    {
      policy: 'targetReached',
      fact: 'the window is closed, and nothing is due',
      schema: closed(recordedAt('ocata01')),
      effect: 'none',
      reason: 'UpToDate',
    },
    {
      policy: 'targetBeforeRecorded',
      fact: 'the window is closed, and a lower revision is wanted',
      schema: closed(recordedAt('pike01')),
      effect: 'none',
      reason: 'DowngradeNotSupported',
    },
    {
      policy: 'jobAtWork',
      fact: 'the window is closed, and a migration runs',
      schema: closed(recordedAt('mitaka02')),
      jobs: [aJob()],
      pods: [aPod('Running', { running: {} })],
      effect: 'none',
      reason: 'MigrationRunning',
    },
    {
      policy: 'outsideWindow',
      fact: 'the window is closed, and the database was never read',
      schema: closed(),
      effect: 'startJob',
      reason: 'Observing',
      says: 'The database has not been read yet. Reading it now: spec.window does not delay that.',
    },
    {
      policy: 'outsideWindow',
      fact: 'the window is closed, and the Job was lost',
      schema: closed(recordedAt('mitaka02', unfinished())),
      effect: 'startJob',
      reason: 'Observing',
      says: 'The newest Job ended without a report of where the database is. Reading it again: spec.window does not delay that.',
    },
    {
      policy: 'observeAsked',
      fact: 'the window is closed, and observe is asked for',
      schema: aSchema({
        metadata: { annotations: { [OBSERVE_ANNOTATION]: 'now' } },
        spec: { window: CLOSED },
        status: recordedAt('mitaka02'),
      }),
      effect: 'startJob',
      reason: 'Observing',
    },
    {
      policy: 'outsideWindow',
      fact: 'an attempt has failed, and the window is closed',
      schema: closed(failed),
      effect: 'none',
      reason: 'OutsideWindow',
      says: `Cannot migrate: found Interrupted. ${WAITS}`,
    },
    {
      policy: 'outsideWindow',
      fact: 'the same, and retry is asked for',
      schema: closed(failed, { retry: 'now' }),
      effect: 'none',
      reason: 'OutsideWindow',
      says: WAITS,
    },
    {
      policy: 'failedForGood',
      fact: 'an attempt has failed for good, and the window is closed',
      schema: closed(recordedAt('mitaka02', failedWith('MigrationFailed'))),
      effect: 'none',
      reason: 'MigrationFailed',
      also: 'Stalled',
    },
    {
      policy: 'outsideWindow',
      fact: 'the same, and retry is asked for: it waits for the window',
      schema: closed(recordedAt('mitaka02', failedWith('MigrationFailed')), { retry: 'now' }),
      effect: 'none',
      reason: 'OutsideWindow',
      says: WAITS,
    },
    {
      policy: 'outsideWindow',
      fact: 'the window is open, and closes before the next attempt is due',
      schema: closed(failed, { window: CLOSING }),
      effect: 'none',
      reason: 'OutsideWindow',
      says: 'Cannot migrate: found Interrupted. The migration to ocata01 waits for spec.window, which opens at 2026-11-24T06:59:00Z, and closes at 2026-11-24T07:01:06Z. To migrate before that, remove spec.window.',
    },
    {
      policy: 'nextAttemptNotDue',
      fact: 'the window is open when the next attempt is due',
      schema: closed(failed, { window: OPEN }),
      effect: 'none',
      reason: 'MigrationPending',
      says: 'Cannot migrate: found Interrupted. The next attempt is at 2026-11-23T07:01:08Z.',
    },
    {
      policy: 'outsideWindow',
      fact: 'the window is closed and open without a gap for long',
      schema: closed(recordedAt('mitaka02'), {
        window: { schedule: '* 8 * * *', duration: '2m', timeZone: 'UTC' },
      }),
      effect: 'none',
      reason: 'OutsideWindow',
      says: WAITS.replace('10:00:00Z', '09:01:00Z'),
    },
    {
      policy: 'suspended',
      fact: 'the window is closed, and the schema is suspended',
      schema: aSchema({ spec: { window: CLOSED, suspend: true }, status: recordedAt('mitaka02') }),
      effect: 'none',
      reason: 'Suspended',
    },
    {
      policy: 'windowInvalid',
      fact: 'the window never opens, though nothing is due',
      schema: closed(recordedAt('ocata01'), { window: { ...CLOSED, schedule: '0 2 30 2 *' } }),
      effect: 'none',
      reason: 'WindowInvalid',
      says: "Cannot use spec.window.schedule '0 2 30 2 *': it never occurs. Write one that does, such as '0 2 * * SAT' for each Saturday at two. Nothing is migrated until it is corrected.",
      also: 'Stalled',
    },
  ];
}

function approvalRows(): readonly Row[] {
  interface Changes {
    readonly spec?: Record<string, unknown>;
    readonly retry?: string;
    readonly status?: GlanceSchemaStatus;
  }
  const manual = ({ spec, retry, status }: Changes = {}) =>
    aSchema({
      metadata: retry === undefined ? {} : { annotations: { [RETRY_ANNOTATION]: retry } },
      spec: { approval: 'Manual', ...spec },
      ...withoutUndefined({ status }),
    });
  const planned = (changes: Partial<StatusPlan> = {}, more: GlanceSchemaStatus = {}) =>
    recordedAt('mitaka02', { plan: aPlan(changes), ...more });
  const approved = { approvedPlan: PLANNED };
  const waits = `The migration from mitaka02 to ocata01 waits for approval of plan ${PLANNED}: 2 scripts to run, 700 rows to write. The log of Job glance-1-bd7662a5 has the whole plan.`;
  const how = "Approve it by 'kubectl glanceschema approve glance -n openstack', or by spec.approvedPlan.";
  const planning = {
    policy: 'notApproved',
    effect: 'startJob',
    reason: 'Observing',
    says: 'The migration to ocata01 is planned by a Job that only reads.',
  } as const;
  const awaiting = {
    policy: 'notApproved',
    effect: 'none',
    reason: 'AwaitingApproval',
    also: undefined,
  } as const;
  const starts = { policy: 'migrationDue', effect: 'startJob', reason: 'MigrationPending' } as const;
  const lost = { job: { ...failedJob(), finishedAt: undefined, failure: undefined } };
  return [
    { ...planning, fact: 'the database was never read', schema: manual() },
    { ...planning, fact: 'there is no plan', schema: manual({ status: recordedAt('mitaka02') }) },
    {
      ...planning,
      fact: 'there is no plan, whatever hash is approved',
      schema: manual({ spec: approved, status: recordedAt('mitaka02') }),
    },
    {
      ...planning,
      fact: 'the window is closed, which holds up no plan',
      schema: manual({ spec: { window: CLOSED }, status: recordedAt('mitaka02') }),
    },
    ...(
      [
        ['the plan is of another goal', { to: 'mitaka02' }],
        ['the plan is of another phase', { to: 'ocata01 (Expand)' }],
        ['the plan is from where the database is no more', { from: 'mitaka01' }],
        ['the plan is of an empty database', { from: undefined }],
        ['the plan is of another database', { database: 'other/connection' }],
        ['the plan is of another image', { image: 'older' }],
      ] as const
    ).map(([fact, changes]) => ({
      ...planning,
      fact: `${fact}, and its hash is approved`,
      schema: manual({ spec: approved, status: planned(changes) }),
    })),
    {
      ...planning,
      fact: 'the newest Job was lost, and the plan may be old',
      schema: manual({ status: planned({}, lost) }),
      now: DUE,
    },
    {
      policy: 'nextAttemptNotDue',
      fact: 'a migration found another plan, and the next is not due yet',
      schema: aSchema({ spec: {}, status: recordedAt('mitaka02', failedWith('PlanChanged')) }),
      effect: 'none',
      reason: 'MigrationPending',
    },
    {
      policy: 'notApproved',
      fact: 'a plan could not be made, and the next is not due yet',
      schema: manual({ status: recordedAt('mitaka02', failedWith('DatabaseUnreachable')) }),
      effect: 'none',
      reason: 'DatabaseUnreachable',
      says: 'Cannot migrate: found DatabaseUnreachable. The next attempt is at 2026-11-23T07:01:08Z.',
    },
    {
      ...planning,
      fact: 'a migration found another plan, and the next is due',
      schema: manual({ spec: approved, status: recordedAt('mitaka02', failedWith('PlanChanged')) }),
      now: DUE,
    },
    { ...awaiting, fact: 'a plan is there', schema: manual({ status: planned() }), says: `${waits} ${how}` },
    {
      ...awaiting,
      fact: 'the hash of another plan is approved',
      schema: manual({ spec: { approvedPlan: '0'.repeat(64) }, status: planned() }),
      says: `${waits} spec.approvedPlan names a different plan, so it does not count. ${how}`,
    },
    {
      ...awaiting,
      fact: 'something is in the way',
      schema: manual({ status: planned({ warnings: ['In the way: view v'] }) }),
      says: `${waits} In the way: view v. ${how}`,
    },
    {
      ...awaiting,
      fact: 'two things are in the way',
      schema: manual({ status: planned({ warnings: ['In the way: view v', 'In the way: view w'] }) }),
      says: `${waits} In the way: view v. In the way: view w. ${how}`,
    },
    {
      ...awaiting,
      fact: 'a plan for an empty database is there',
      schema: manual({ status: { databaseHeads: [], plan: aPlan({ from: undefined }) } }),
      says: `${waits.replace('mitaka02', 'nothing')} ${how}`,
    },
    {
      ...awaiting,
      fact: 'retry is asked for',
      schema: manual({ retry: 'now', status: planned() }),
    },
    {
      ...awaiting,
      fact: 'the window is closed',
      schema: manual({ spec: { window: CLOSED }, status: planned() }),
    },
    {
      ...awaiting,
      fact: 'the plan was approved and refused',
      schema: manual({ spec: approved, status: planned({}, { refusedPlan: PLANNED }) }),
      says: `${waits} This plan was approved before, but its migration refused it because what it would have run was different at that moment. To run it now, set the annotation db.glance.openstack.org/retry.`,
    },
    {
      ...starts,
      fact: 'the plan was approved and refused, and retry is asked for',
      schema: manual({ spec: approved, retry: 'now', status: planned({}, { refusedPlan: PLANNED }) }),
    },
    {
      ...awaiting,
      fact: 'the plan was approved and refused, and retry was asked for before',
      schema: manual({
        spec: approved,
        retry: 'now',
        status: planned({}, { refusedPlan: PLANNED, handledRetry: 'now' }),
      }),
    },
    {
      ...awaiting,
      fact: 'the plan was approved and refused, and the annotation retry was taken away since',
      schema: manual({ spec: approved, status: planned({}, { refusedPlan: PLANNED, handledRetry: 'now' }) }),
    },
    { ...starts, fact: 'its plan is approved', schema: manual({ spec: approved, status: planned() }) },
    {
      ...starts,
      fact: 'its plan is approved, and another was refused',
      schema: manual({ spec: approved, status: planned({}, { refusedPlan: '0'.repeat(64) }) }),
    },
    {
      ...starts,
      fact: 'its plan is approved, and the Job before was lost',
      schema: manual({ spec: approved, status: planned({}, lost) }),
      now: DUE,
    },
    {
      ...starts,
      fact: 'a plan is there, and nobody asks for approval',
      schema: aSchema({ status: planned() }),
    },
    {
      policy: 'outsideWindow',
      fact: 'its plan is approved, and the window is closed',
      schema: manual({ spec: { ...approved, window: CLOSED }, status: planned() }),
      effect: 'none',
      reason: 'OutsideWindow',
    },
    {
      policy: 'suspended',
      fact: 'a plan is to be made, and the schema is suspended',
      schema: manual({ spec: { suspend: true }, status: recordedAt('mitaka02') }),
      effect: 'none',
      reason: 'Suspended',
    },
    {
      policy: 'targetBeforeRecorded',
      fact: 'a plan is there that was approved, and the target is before what was read',
      schema: manual({ spec: { ...approved, revision: 'mitaka01' }, status: planned() }),
      effect: 'none',
      reason: 'DowngradeNotSupported',
    },
    {
      policy: 'targetReached',
      fact: 'nothing is to be approved',
      schema: manual({ status: recordedAt('ocata01') }),
      effect: 'none',
      reason: 'UpToDate',
    },
    {
      policy: 'failedForGood',
      fact: 'what was approved has failed for good',
      schema: manual({ spec: approved, status: planned({}, failedWith('MigrationFailed')) }),
      effect: 'none',
      reason: 'MigrationFailed',
    },
    {
      policy: 'jobAtWork',
      fact: 'a Job plans',
      schema: manual({ status: recordedAt('mitaka02') }),
      jobs: [aJob({ purpose: { kind: 'Plan', target: null, plans: at('ocata01') } })],
      pods: [aPod('Running', { running: {} })],
      effect: 'none',
      reason: 'Observing',
      says: 'Job glance-1-bd7662a5 plans the migration to ocata01, and only reads.',
    },
  ];
}
