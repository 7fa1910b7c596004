import { setTimeout as sleep } from 'node:timers/promises';
import type { Operator } from './operator.ts';
import type { TestApi } from './test-api.ts';

/** Replicas of the operator, one of which leads. */
export interface Replicas {
  readonly running: readonly Operator[];
  /** Starts so many more. */
  start(count: number): Promise<void>;
  /** The one that the Lease names, once it is one of those that run. */
  leader(): Promise<Operator>;
  /**
   * SIGKILL to the leader; then `afterwards`, and another one is started in its place.
   */
  killLeader(afterwards?: () => Promise<unknown>): Promise<void>;
  stop(): Promise<void>;
}

/** Where the API server has the operators' Lease. */
export const LEASE = '/apis/coordination.k8s.io/v1/namespaces/glance-schema-system/leases/glance-schema';

/** Starts `count` replicas by `start`, which resolves once one is ready. */
export async function startReplicas(
  api: TestApi,
  count: number,
  start: () => Promise<Operator>,
): Promise<Replicas> {
  const running: Operator[] = [];

  async function startMore(more: number): Promise<void> {
    for (let index = 0; index < more; index += 1) running.push(await start());
  }

  async function leader(): Promise<Operator> {
    for (;;) {
      const { body } = await api.request('GET', LEASE);
      const found = running.find(({ identity }) => identity === body.spec?.holderIdentity);
      if (found !== undefined) return found;
      await sleep(100);
    }
  }

  await startMore(count);
  return {
    running,
    start: startMore,
    leader,
    async killLeader(afterwards = async () => undefined) {
      const victim = await leader();
      victim.kill('SIGKILL');
      await afterwards();
      running.splice(running.indexOf(victim), 1);
      running.push(await start());
    },
    async stop() {
      await Promise.all(running.splice(0).map((operator) => operator.stop()));
    },
  };
}
