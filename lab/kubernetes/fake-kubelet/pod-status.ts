import type { Container, Pod } from './pod.ts';

/** The state of a container as in `status.containerStatuses[].state` of a pod. */
export type ContainerState =
  | { readonly waiting: { readonly reason: string; readonly message?: string } }
  | { readonly running: { readonly startedAt: string } }
  | { readonly terminated: Terminated };

/** How a container ended, as in `state.terminated` of a pod; the times are RFC 3339. */
export interface Terminated {
  readonly exitCode: number;
  readonly signal?: number;
  readonly reason: string;
  readonly message?: string;
  readonly startedAt: string | null;
  readonly finishedAt: string | null;
  readonly containerID?: string;
}

/**
 * What the node knows of one container, from which the status that a kubelet would write is
 * derived.
 */
export interface ContainerRecord {
  readonly container: Container;
  state: ContainerState;
  lastState: ContainerState | null;
  restarts: number;
  ready: boolean;
  id: string | null;
  /** True once it has ended and its restart policy lets it rest. */
  finished: boolean;
}

/** The containers of a pod: those that run first, one by one, and the others. */
export interface PodRecords {
  readonly init: readonly ContainerRecord[];
  readonly main: readonly ContainerRecord[];
}

/** Whether it has succeeded, for good. */
export function hasSucceeded(record: ContainerRecord): boolean {
  return record.finished && exitCodeOf(record) === 0;
}

/** A condition of a pod, as in its `status.conditions`. */
export interface Condition {
  readonly type: string;
  readonly status: 'True' | 'False';
  readonly reason?: string;
  readonly message?: string;
  readonly lastTransitionTime?: string;
}

/** What is written to the subresource `status` of a pod. */
export interface PodStatus {
  readonly phase: Phase;
  readonly [field: string]: unknown;
}

/**
 * The phase of a pod.
 *
 * Source: https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/#pod-phase
 */
export type Phase = 'Pending' | 'Running' | 'Succeeded' | 'Failed';

/**
 * The phase as a kubelet computes it from its containers and the restart policy.
 * Source: getPhase in pkg/kubelet/kubelet_pods.go of Kubernetes 1.36.
 */
function phaseOf({ init, main: records }: PodRecords): Phase {
  if (!init.every(hasSucceeded)) {
    return init.some((record) => record.finished && !hasSucceeded(record)) ? 'Failed' : 'Pending';
  }
  if (records.every((record) => record.finished)) {
    return records.every((record) => exitCodeOf(record) === 0) ? 'Succeeded' : 'Failed';
  }
  const began = records.some(
    (record) => 'running' in record.state || record.restarts > 0 || record.lastState !== null,
  );
  return began || records.some((record) => 'terminated' in record.state) ? 'Running' : 'Pending';
}

/**
 * The part of the status that a kubelet owns; other conditions, such as DisruptionTarget, are left
 * as they are.
 */
export function podStatus(
  pod: Pod,
  records: PodRecords,
  startTime: string,
  conditions: ReadonlyMap<string, Condition>,
): PodStatus {
  const phase = phaseOf(records);
  return {
    phase,
    hostIP: '127.0.0.1',
    hostIPs: [{ ip: '127.0.0.1' }],
    podIP: '127.0.0.1',
    podIPs: [{ ip: '127.0.0.1' }],
    startTime,
    conditions: conditionsOf(pod, records.main, phase, records.init.every(hasSucceeded)).map((condition) =>
      withTransition(condition, conditions),
    ),
    ...(records.init.length === 0 ? {} : { initContainerStatuses: records.init.map(containerStatus) }),
    containerStatuses: records.main.map(containerStatus),
  };
}

/** Source: pkg/kubelet/status/generate.go of Kubernetes 1.36. */
function conditionsOf(
  pod: Pod,
  records: readonly ContainerRecord[],
  phase: Phase,
  initialized: boolean,
): readonly Condition[] {
  const always: Condition[] = [
    { type: 'PodReadyToStartContainers', status: phase === 'Running' ? 'True' : 'False' },
    {
      type: 'Initialized',
      status: initialized ? 'True' : 'False',
      ...(phase === 'Succeeded' ? { reason: 'PodCompleted' } : {}),
    },
    { type: 'PodScheduled', status: 'True' },
  ];
  const unready = records.filter((record) => !record.ready).map((record) => record.container.name);
  let ready: Omit<Condition, 'type'> = { status: 'True' };
  if (phase === 'Succeeded') ready = { status: 'False', reason: 'PodCompleted' };
  else if (phase === 'Failed') ready = { status: 'False', reason: 'PodFailed' };
  else if (unready.length > 0) {
    const message = `containers with unready status: [${unready.join(' ')}]`;
    ready = { status: 'False', reason: 'ContainersNotReady', message };
  }
  if (pod.spec.containers.length === 0) return always;
  return [...always, { type: 'ContainersReady', ...ready }, { type: 'Ready', ...ready }];
}

function withTransition(condition: Condition, before: ReadonlyMap<string, Condition>): Condition {
  const old = before.get(condition.type);
  const same = old !== undefined && old.status === condition.status;
  const now = new Date().toISOString().replace(/\.\d+Z$/, 'Z');
  // Nulls remove what an earlier write left: a strategic merge keeps the fields that it is not told
  // of.
  const cleared = { reason: null, message: null };
  return {
    ...cleared,
    ...condition,
    lastTransitionTime: (same && old.lastTransitionTime) || now,
  } as Condition;
}

function containerStatus(record: ContainerRecord): object {
  return {
    name: record.container.name,
    image: record.container.image,
    imageID: record.id === null ? '' : `stand-in://${record.container.image}`,
    containerID: record.id ?? '',
    state: record.state,
    lastState: record.lastState ?? {},
    restartCount: record.restarts,
    ready: record.ready,
    started: 'running' in record.state,
  };
}

function exitCodeOf(record: ContainerRecord): number | null {
  return 'terminated' in record.state ? record.state.terminated.exitCode : null;
}
