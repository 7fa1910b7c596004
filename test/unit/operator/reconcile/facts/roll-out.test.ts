import { expect } from 'chai';
import type { Workload } from '../../../../../src/contract/glance-schema.ts';
import type { WorkloadObject } from '../../../../../src/operator/kube/cluster.ts';
import { type RollOutState, rollOutOf } from '../../../../../src/operator/reconcile/facts/roll-out.ts';
import { aDaemonSet, aDeployment, aStatefulSet } from '../../../../support/workloads.ts';

const NOW = Date.parse('2026-11-23T07:00:00Z');
const IMAGE = 'registry.example/glance-api:ocata';

const PROGRESSING = { type: 'Progressing', reason: 'NewReplicaSetAvailable' };

interface Row {
  readonly fact: string;
  readonly object: WorkloadObject;
  readonly image?: string;
  /** Why it is not rolled out; absent where it is. */
  readonly why?: string;
}

const DEPLOYMENTS: readonly Row[] = [
  { fact: 'all pods updated and available', object: aDeployment() },
  { fact: 'the image is in some container of the template', object: aDeployment(), image: IMAGE },
  {
    fact: 'another image',
    object: aDeployment(),
    image: `${IMAGE}-1`,
    why: `does not have the image ${IMAGE}-1 in its template`,
  },
  {
    fact: 'no container',
    object: aDeployment({ spec: { template: {} } }),
    image: IMAGE,
    why: `does not have the image ${IMAGE} in its template`,
  },
  {
    fact: 'a newer spec that its controller has not seen',
    object: aDeployment({ metadata: { generation: 5 } }),
    why: 'has a newer spec than its controller has seen',
  },
  {
    fact: 'no status yet',
    object: aDeployment({ status: { observedGeneration: undefined } }),
    why: 'has a newer spec than its controller has seen',
  },
  {
    fact: 'some pods updated',
    object: aDeployment({ status: { replicas: 4, updatedReplicas: 1 } }),
    why: 'has 1 of 3 pods updated',
  },
  {
    fact: 'none updated, all of the old ones available',
    object: aDeployment({ status: { updatedReplicas: undefined } }),
    why: 'has 0 of 3 pods updated',
  },
  {
    fact: 'an old pod beside the new ones',
    object: aDeployment({ status: { replicas: 4 } }),
    why: 'has 4 pods in place of 3',
  },
  {
    fact: 'an old pod in place of none',
    object: aDeployment({
      spec: { replicas: 0 },
      status: { replicas: 1, updatedReplicas: 0, availableReplicas: 1 },
    }),
    why: 'has 1 pod in place of 0',
  },
  {
    fact: 'a new pod that is not available',
    object: aDeployment({ status: { availableReplicas: 2 } }),
    why: 'has 2 of 3 pods available',
  },
  {
    fact: 'paused in the middle',
    object: aDeployment({ spec: { paused: true }, status: { updatedReplicas: 2 } }),
    why: 'has 2 of 3 pods updated and is paused',
  },
  { fact: 'paused, and all is updated', object: aDeployment({ spec: { paused: true } }) },
  {
    fact: 'a roll-out that is stuck',
    object: aDeployment({
      status: {
        updatedReplicas: 1,
        conditions: [{ type: 'Progressing', reason: 'ProgressDeadlineExceeded' }],
      },
    }),
    why: 'has 1 of 3 pods updated and has exceeded its progress deadline',
  },
  {
    fact: 'scaled to zero',
    object: aDeployment({
      spec: { replicas: 0 },
      status: { replicas: undefined, updatedReplicas: undefined, availableReplicas: undefined },
    }),
  },
  {
    fact: 'one pod where the spec names no number',
    object: aDeployment({
      spec: { replicas: undefined },
      status: { replicas: 1, updatedReplicas: undefined, availableReplicas: 1 },
    }),
    why: 'has 0 of 1 pods updated',
  },
  {
    fact: 'being deleted',
    object: aDeployment({ metadata: { deletionTimestamp: '2026-11-23T06:59:00Z' } }),
    why: 'is being deleted',
  },
  {
    fact: 'pods that are ending',
    object: aDeployment({ status: { terminatingReplicas: 2 } }),
    why: 'has 2 pods still ending',
  },
  {
    fact: 'a pod that is ending',
    object: aDeployment({ status: { terminatingReplicas: 1 } }),
    why: 'has 1 pod still ending',
  },
  {
    fact: 'nothing said of pods that are ending, and the roll-out has just ended',
    object: aDeployment({
      status: {
        terminatingReplicas: undefined,
        conditions: [{ ...PROGRESSING, lastUpdateTime: '2026-11-23T06:59:31Z' }],
      },
    }),
    why: 'may have old pods that are still ending, until 2026-11-23T07:00:01Z',
  },
  {
    fact: 'the same after the grace of a pod',
    object: aDeployment({
      status: {
        terminatingReplicas: undefined,
        conditions: [{ ...PROGRESSING, lastUpdateTime: '2026-11-23T06:59:30Z' }],
      },
    }),
  },
  {
    fact: 'the same with a grace of its own',
    object: aDeployment({
      spec: { template: { spec: { terminationGracePeriodSeconds: 300 } } },
      status: {
        terminatingReplicas: undefined,
        conditions: [{ ...PROGRESSING, lastUpdateTime: '2026-11-23T06:59:30Z' }],
      },
    }),
    why: 'may have old pods that are still ending, until 2026-11-23T07:04:30Z',
  },
  {
    fact: 'no pod is ending, and the roll-out has just ended',
    object: aDeployment({
      status: { conditions: [{ ...PROGRESSING, lastUpdateTime: '2026-11-23T06:59:59Z' }] },
    }),
  },
  {
    fact: 'nothing said of pods that are ending, nor of when the roll-out ended',
    object: aDeployment({ status: { terminatingReplicas: undefined, conditions: undefined } }),
    why: 'may have old pods that are still ending, and does not report when its roll-out ended: set its spec.progressDeadlineSeconds',
  },
];

const STATEFUL_SETS: readonly Row[] = [
  { fact: 'all pods updated and available', object: aStatefulSet() },
  {
    fact: 'a partition that leaves old pods',
    object: aStatefulSet({ status: { updatedReplicas: 2 } }),
    why: 'has 2 of 3 pods updated',
  },
  {
    fact: 'a pod that is not available',
    object: aStatefulSet({ status: { availableReplicas: 2 } }),
    why: 'has 2 of 3 pods available',
  },
  {
    fact: 'a pod too many',
    object: aStatefulSet({ status: { replicas: 4 } }),
    why: 'has 4 pods in place of 3',
  },
  { fact: 'a pod too few', object: aStatefulSet({ spec: { replicas: 4 } }), why: 'has 3 of 4 pods updated' },
];

const DAEMON_SETS: readonly Row[] = [
  { fact: 'all pods updated and available', object: aDaemonSet() },
  {
    fact: 'an old pod on one node',
    object: aDaemonSet({ status: { updatedNumberScheduled: 2 } }),
    why: 'has 2 of 3 pods updated',
  },
  {
    fact: 'a pod that is not available',
    object: aDaemonSet({ status: { numberAvailable: undefined } }),
    why: 'has 0 of 3 pods available',
  },
  {
    fact: 'a surge, with which old pods end last',
    object: aDaemonSet({ spec: { updateStrategy: { rollingUpdate: { maxSurge: '10%' } } } }),
    why: 'may have old pods that are still ending, as it is updated with a maxSurge of 10%: set that to 0',
  },
  {
    fact: 'the surge that the API server fills in',
    object: aDaemonSet({ spec: { updateStrategy: { rollingUpdate: { maxSurge: 0 } } } }),
  },
  {
    fact: 'no node for it',
    object: aDaemonSet({
      status: { desiredNumberScheduled: 0, updatedNumberScheduled: undefined, numberAvailable: undefined },
    }),
  },
  {
    fact: 'a newer spec that its controller has not seen',
    object: aDaemonSet({ metadata: { generation: 2 }, status: { observedGeneration: 1 } }),
    why: 'has a newer spec than its controller has seen',
  },
];

describe('whether a workload is rolled out', () => {
  for (const [kind, rows] of [
    ['Deployment', DEPLOYMENTS],
    ['StatefulSet', STATEFUL_SETS],
    ['DaemonSet', DAEMON_SETS],
  ] as const) {
    describe(`a ${kind}`, () => {
      for (const { fact, object, image, why } of rows) {
        it(`${fact}: ${why ?? 'rolled out'}`, () => {
          const workload: Workload = { kind, name: 'glance-api', ...(image === undefined ? {} : { image }) };
          const { state } = rollOutOf(workload, { kind: 'read', object }, NOW);
          const expected: RollOutState =
            why === undefined ? { kind: 'rolled out' } : { kind: 'under way', why };
          expect(state).to.deep.equal(expected);
        });
      }
    });
  }

  describe('one that could not be read', () => {
    const workload: Workload = { kind: 'Deployment', name: 'glance-api' };

    it('is waited for where it is missing, as it may come', () => {
      expect(rollOutOf(workload, { kind: 'missing' }, NOW).state).to.deep.equal({
        kind: 'under way',
        why: 'does not exist',
      });
    });

    it('is forbidden where the operator has no right', () => {
      expect(rollOutOf(workload, { kind: 'forbidden' }, NOW).state).to.deep.equal({ kind: 'forbidden' });
    });

    it('keeps the words of the API server, and when it may be asked again', () => {
      const reading = { kind: 'unreadable', message: 'too many requests', retryAfter: 7_000 } as const;
      expect(rollOutOf(workload, reading, NOW).state).to.deep.equal({
        kind: 'unreadable',
        why: 'too many requests',
        retryAfter: 7_000,
      });
    });
  });
});
