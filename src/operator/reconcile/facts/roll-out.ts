import type { Workload } from '../../../contract/glance-schema.ts';
import type { WorkloadObject, WorkloadReading } from '../../kube/cluster.ts';
import { inSeconds } from '../../time/in-seconds.ts';

/** A workload of `spec.contractAfter`, and how it is. */
export interface RollOut {
  readonly workload: Workload;
  readonly state: RollOutState;
}

/** Whether all nodes of a workload are new ones; `why` is the second half of a sentence. */
export type RollOutState =
  | { readonly kind: 'rolled out' }
  | { readonly kind: 'under way'; readonly why: string }
  | { readonly kind: 'forbidden' }
  | { readonly kind: 'unreadable'; readonly why: string; readonly retryAfter: number | undefined };

/**
 * How a workload is, by its own controller's word and by more than `kubectl rollout status` asks for:
 * no old pod may be left, nor be ending, and the image has to be the one that is named.
 *
 * @param now milliseconds since the epoch
 */
export function rollOutOf(workload: Workload, reading: WorkloadReading, now: number): RollOut {
  return { workload, state: stateOf(workload, reading, now) };
}

function stateOf(workload: Workload, reading: WorkloadReading, now: number): RollOutState {
  switch (reading.kind) {
    case 'missing':
      return { kind: 'under way', why: 'does not exist' };
    case 'forbidden':
      return reading;
    case 'unreadable':
      return { kind: 'unreadable', why: reading.message, retryAfter: reading.retryAfter };
    case 'read': {
      const why = whyNotRolledOut(workload, reading.object, now);
      return why === undefined ? { kind: 'rolled out' } : { kind: 'under way', why };
    }
  }
}

function whyNotRolledOut({ kind, image }: Workload, object: WorkloadObject, now: number): string | undefined {
  const { metadata, spec, status = {} } = object;
  if (metadata.deletionTimestamp !== undefined) {
    return 'is being deleted';
  }
  if (image !== undefined && !hasImage(spec.template, image)) {
    return `does not have the image ${image} in its template`;
  }
  if ((status.observedGeneration ?? 0) < (metadata.generation ?? 0)) {
    return 'has a newer spec than its controller has seen';
  }
  const why = kind === 'DaemonSet' ? whyDaemonsNotUpdated(status) : whyReplicasNotUpdated(object);
  if (why !== undefined) {
    return why + whatHoldsItUp(object);
  }
  switch (kind) {
    case 'Deployment':
      return whyOldPodsMayServe(object, now);
    case 'DaemonSet':
      return whyOldDaemonsMayServe(object);
    case 'StatefulSet':
      // A pod is replaced only when it has ended.
      return undefined;
  }
}

function hasImage({ spec }: WorkloadObject['spec']['template'], image: string): boolean {
  return spec?.containers?.some((container) => container.image === image) === true;
}

/** One that is scaled to zero is rolled out: no pod of it serves. */
function whyReplicasNotUpdated({ spec, status = {} }: WorkloadObject): string | undefined {
  const { replicas = 1 } = spec;
  const { replicas: all = 0, updatedReplicas: updated = 0, availableReplicas: available = 0 } = status;
  if (updated < replicas) {
    return `has ${updated} of ${replicas} pods updated`;
  }
  // More than are wanted may be old ones.
  return all > replicas
    ? `has ${podCount(all)} in place of ${replicas}`
    : whyNotAvailable(available, replicas);
}

function whyDaemonsNotUpdated(status: NonNullable<WorkloadObject['status']>): string | undefined {
  const { desiredNumberScheduled: wanted = 0 } = status;
  const { updatedNumberScheduled: updated = 0, numberAvailable: available = 0 } = status;
  return updated < wanted ? `has ${updated} of ${wanted} pods updated` : whyNotAvailable(available, wanted);
}

function whyNotAvailable(available: number, wanted: number): string | undefined {
  return available < wanted ? `has ${available} of ${wanted} pods available` : undefined;
}

function podCount(pods: number): string {
  return `${pods} ${pods === 1 ? 'pod' : 'pods'}`;
}

function whatHoldsItUp({ spec, status = {} }: WorkloadObject): string {
  if (spec.paused === true) {
    return ' and is paused';
  }
  return status.conditions?.some(({ reason }) => reason === 'ProgressDeadlineExceeded') === true
    ? ' and has exceeded its progress deadline'
    : '';
}

/** How long a pod may take to end where its template says nothing, in seconds. */
const TERMINATION_GRACE = 30;

/**
 * A Deployment does not count pods that are ending, and they still serve. Before Kubernetes 1.35 it
 * does not say either that there are any: then they have their grace from the end of the roll-out
 * on, which the Deployment tells only where it has a progress deadline.
 */
function whyOldPodsMayServe({ spec, status = {} }: WorkloadObject, now: number): string | undefined {
  const { terminatingReplicas: ending, conditions } = status;
  if (ending !== undefined) {
    return ending === 0 ? undefined : `has ${podCount(ending)} still ending`;
  }
  const { lastUpdateTime } = conditions?.find(({ type }) => type === 'Progressing') ?? {};
  if (lastUpdateTime === undefined) {
    return 'may have old pods that are still ending, and does not report when its roll-out ended: set its spec.progressDeadlineSeconds';
  }
  const grace = 1000 * (spec.template.spec?.terminationGracePeriodSeconds ?? TERMINATION_GRACE);
  const ended = Date.parse(lastUpdateTime) + grace;
  return now < ended ? `may have old pods that are still ending, until ${inSeconds(ended)}` : undefined;
}

/**
 * With a surge an old pod ends after its successor has become available, and nothing tells when.
 * Without, a pod is replaced only when it has ended.
 */
function whyOldDaemonsMayServe({ spec }: WorkloadObject): string | undefined {
  const { maxSurge = 0 } = spec.updateStrategy?.rollingUpdate ?? {};
  return Number.parseInt(String(maxSurge), 10) === 0
    ? undefined
    : `may have old pods that are still ending, as it is updated with a maxSurge of ${maxSurge}: set that to 0`;
}
