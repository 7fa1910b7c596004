import { pause } from '../time/pause.ts';
import type { KubeClient } from './client.ts';
import { hasStatus } from './kube-error.ts';

/** Which lease is held, and as whom. */
export interface LeaderLeaseOptions {
  readonly client: KubeClient;
  readonly namespace: string;
  readonly name: string;
  /** Who we are: unique among the replicas, also after a restart. */
  readonly identity: string;
  /** Called when a request for the lease has failed and is tried again. */
  readonly onTrouble: (error: Error) => void;
  /** Called when another replica is seen to hold the lease who was not seen before. */
  readonly onOtherLeader: (identity: string) => void;
}

/** How long others wait after the last renewal that they saw, in seconds. */
const DURATION = 15;

/** Without a renewal for so long we stop, in milliseconds: before anybody else may begin. */
const RENEW_DEADLINE = 10_000;

const RENEW_EVERY = 5_000;

/** How often one that waits reads the Lease, in milliseconds; also the pause after a failed renewal. */
const RETRY_EVERY = 2_000;

interface Lease {
  readonly metadata: { readonly name: string; readonly namespace: string; readonly resourceVersion?: string };
  readonly spec: {
    readonly holderIdentity?: string;
    readonly leaseDurationSeconds?: number;
    readonly acquireTime?: string;
    readonly renewTime?: string;
    readonly leaseTransitions?: number;
  };
}

/**
 * One leader among the replicas, by a Lease. Others' clocks are not trusted: a lease has expired
 * when it has not changed for its duration while we watched it. It keeps two leaders from working
 * side by side for long; that none acts twice is made sure by the resource versions in every write.
 *
 * Source: k8s.io/client-go, tools/leaderelection; kubernetes.io/docs/concepts/architecture/leases.
 */
export class LeaderLease {
  readonly #options: LeaderLeaseOptions;
  readonly #path: string;
  #otherLeader: string | undefined;
  #seen: { readonly lease: Lease; readonly at: number } | undefined;

  constructor(options: LeaderLeaseOptions) {
    this.#options = options;
    this.#path = `/apis/coordination.k8s.io/v1/namespaces/${options.namespace}/leases`;
  }

  /** Resolves with true once we lead; with false when `signal` ends the waiting. */
  async acquire(signal: AbortSignal): Promise<boolean> {
    while (!signal.aborted) {
      try {
        if (await this.#tryToHold()) {
          return true;
        }
      } catch (error) {
        this.#options.onTrouble(asError(error));
      }
      await pause(RETRY_EVERY * (1 + Math.random() * 0.2), signal);
    }
    return false;
  }

  /**
   * Keeps the lease until `signal`; resolves with `stopped` then, or with `lost` when it could not
   * be kept.
   */
  async keep(signal: AbortSignal): Promise<'stopped' | 'lost'> {
    let renewed = performance.now();
    let next = RENEW_EVERY;
    while (!signal.aborted) {
      await pause(next, signal);
      if (signal.aborted) {
        break;
      }
      try {
        if (!(await withDeadline(this.#tryToHold(), RENEW_DEADLINE - (performance.now() - renewed)))) {
          return 'lost';
        }
        renewed = performance.now();
        next = RENEW_EVERY;
      } catch (error) {
        this.#options.onTrouble(asError(error));
        next = RETRY_EVERY;
      }
      if (performance.now() - renewed >= RENEW_DEADLINE) {
        return 'lost';
      }
    }
    return 'stopped';
  }

  /** Gives the lease away, so that the next leader need not wait for its end. */
  async release(): Promise<void> {
    const held = this.#seen?.lease;
    if (held?.spec.holderIdentity !== this.#options.identity) {
      return;
    }
    try {
      await this.#write({
        ...held,
        spec: { ...held.spec, holderIdentity: '', leaseDurationSeconds: 1, renewTime: now() },
      });
    } catch (error) {
      this.#options.onTrouble(asError(error));
    }
  }

  /** Takes, or renews, the lease if no other replica holds it. */
  async #tryToHold(): Promise<boolean> {
    const { client, name, namespace, identity } = this.#options;
    const held = this.#seen?.lease.spec.holderIdentity === identity ? this.#seen.lease : undefined;
    if (held !== undefined) {
      try {
        await this.#write({ ...held, spec: { ...held.spec, renewTime: now() } });
        return true;
      } catch (error) {
        if (!hasStatus(error, 409) && !hasStatus(error, 404)) {
          throw error;
        }
        this.#seen = undefined;
      }
    }
    const lease = await this.#read();
    if (lease === undefined) {
      const spec = {
        holderIdentity: identity,
        leaseDurationSeconds: DURATION,
        acquireTime: now(),
        renewTime: now(),
        leaseTransitions: 0,
      };
      try {
        this.#see(
          await client.request<Lease>({
            method: 'POST',
            path: this.#path,
            body: {
              apiVersion: 'coordination.k8s.io/v1',
              kind: 'Lease',
              metadata: { name, namespace },
              spec,
            },
          }),
        );
        return true;
      } catch (error) {
        if (hasStatus(error, 409)) {
          return false;
        }
        throw error;
      }
    }
    const seen = this.#see(lease);
    const free = !lease.spec.holderIdentity;
    const expired = performance.now() - seen.at > (lease.spec.leaseDurationSeconds ?? DURATION) * 1000;
    if (!free && !expired && lease.spec.holderIdentity !== identity) {
      this.#reportOtherLeader(lease.spec.holderIdentity);
      return false;
    }
    try {
      await this.#write({
        ...lease,
        spec: {
          holderIdentity: identity,
          leaseDurationSeconds: DURATION,
          acquireTime: now(),
          renewTime: now(),
          leaseTransitions: (lease.spec.leaseTransitions ?? 0) + 1,
        },
      });
      return true;
    } catch (error) {
      if (hasStatus(error, 409)) {
        return false;
      }
      throw error;
    }
  }

  #reportOtherLeader(identity: string | undefined): void {
    if (identity !== undefined && identity !== this.#otherLeader) {
      this.#otherLeader = identity;
      this.#options.onOtherLeader(identity);
    }
  }

  async #read(): Promise<Lease | undefined> {
    try {
      return await this.#options.client.request<Lease>({
        method: 'GET',
        path: `${this.#path}/${this.#options.name}`,
      });
    } catch (error) {
      if (hasStatus(error, 404)) {
        return undefined;
      }
      throw error;
    }
  }

  async #write(lease: Lease): Promise<void> {
    const path = `${this.#path}/${this.#options.name}`;
    this.#see(await this.#options.client.request<Lease>({ method: 'PUT', path, body: lease }));
  }

  #see(lease: Lease): { readonly at: number } {
    if (this.#seen?.lease.metadata.resourceVersion !== lease.metadata.resourceVersion) {
      this.#seen = { lease, at: performance.now() };
    }
    return this.#seen ?? { at: performance.now() };
  }
}

/** Now as a MicroTime, which Leases have. */
function now(): string {
  return new Date().toISOString().replace('Z', '000Z');
}

function withDeadline<T>(work: Promise<T>, milliseconds: number): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(
      () => reject(new Error('The lease could not be renewed in time')),
      Math.max(0, milliseconds),
    );
  });
  return Promise.race([work, late]).finally(() => clearTimeout(timer));
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}
