import { withoutUndefined } from '../../src/glance/without-undefined.ts';
import type { WorkloadObject } from '../../src/operator/kube/cluster.ts';

/** What a row changes of a workload; undefined takes a field away. */
export interface WorkloadChanges {
  readonly metadata?: Partial<WorkloadObject['metadata']>;
  readonly spec?: { readonly [K in keyof WorkloadObject['spec']]?: WorkloadObject['spec'][K] | undefined };
  readonly status?: {
    readonly [K in keyof NonNullable<WorkloadObject['status']>]?:
      | NonNullable<WorkloadObject['status']>[K]
      | undefined;
  };
}

const TEMPLATE = {
  spec: {
    containers: [
      { name: 'proxy', image: 'registry.example/proxy:1' },
      { name: 'api', image: 'registry.example/glance-api:ocata' },
    ],
  },
};

/** A Deployment of three pods that is rolled out, on a cluster that counts pods which are ending. */
export function aDeployment(changes: WorkloadChanges = {}): WorkloadObject {
  return workload(changes, {
    replicas: 3,
    updatedReplicas: 3,
    availableReplicas: 3,
    terminatingReplicas: 0,
  });
}

/** A StatefulSet of three pods that is rolled out. */
export function aStatefulSet(changes: WorkloadChanges = {}): WorkloadObject {
  return workload(changes, { replicas: 3, updatedReplicas: 3, availableReplicas: 3 });
}

/** A DaemonSet on three nodes that is rolled out. */
export function aDaemonSet(changes: WorkloadChanges = {}): WorkloadObject {
  return workload(
    { ...changes, spec: { replicas: undefined, ...changes.spec } },
    { desiredNumberScheduled: 3, updatedNumberScheduled: 3, numberAvailable: 3 },
  );
}

function workload(changes: WorkloadChanges, status: NonNullable<WorkloadObject['status']>): WorkloadObject {
  const { template = TEMPLATE, ...spec } = changes.spec ?? {};
  return {
    metadata: {
      name: 'glance-api',
      namespace: 'openstack',
      uid: '44444444-4444-4444-8444-444444444444',
      resourceVersion: '40',
      creationTimestamp: '2026-11-23T06:00:00Z',
      generation: 4,
      ...changes.metadata,
    },
    spec: { ...withoutUndefined({ replicas: 3, ...spec }), template },
    status: withoutUndefined({ observedGeneration: 4, ...status, ...changes.status }),
  };
}
