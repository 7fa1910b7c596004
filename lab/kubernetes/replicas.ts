import { setTimeout as sleep } from 'node:timers/promises';
import type { Operator } from './operator.ts';
import type { TestApi } from './test-api.ts';

/** Replicas of the operator, one of which leads. */
export interface Replicas {
  readonly running: readonly Operator[];
  /**
   * What those said last that ended though nobody had killed them; each was replaced, as a kubelet
   * does it.
   */
  readonly losses: readonly string[];
  /** Starts so many more. */
  start(count: number): Promise<void>;
  /** The one that the Lease names, once it is one of those that run. */
  leader(): Promise<Operator>;
  /** SIGKILL to the leader; then `afterwards`, and another one is started in its place. */
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
  const losses: string[] = [];

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

  async function replaceLost(): Promise<void> {
    const lost = running.filter((operator) => !operator.running());
    for (const operator of lost) {
      running.splice(running.indexOf(operator), 1);
      losses.push(operator.log().at(-2)?.message ?? 'nothing');
    }
    await startMore(lost.length);
  }

  await startMore(count);
  let replaced = Promise.resolve();
  const watching = setInterval(() => {
    replaced = replaced.then(replaceLost);
  }, 500);
  return {
    running,
    losses,
    start: startMore,
    leader,
    async killLeader(afterwards = async () => undefined) {
      const victim = await leader();
      victim.kill('SIGKILL');
      running.splice(running.indexOf(victim), 1);
      await afterwards();
      await startMore(1);
    },
    async stop() {
      clearInterval(watching);
      await replaced;
      await Promise.all(running.splice(0).map((operator) => operator.stop()));
    },
  };
}
