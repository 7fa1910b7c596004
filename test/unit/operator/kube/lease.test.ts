import { expect } from 'chai';
import type { KubeClient, KubeRequest } from '../../../../src/operator/kube/client.ts';
import { KubeError } from '../../../../src/operator/kube/kube-error.ts';
import { LeaderLease } from '../../../../src/operator/kube/lease.ts';

interface StoredLease {
  readonly metadata: { readonly resourceVersion?: string };
  readonly spec: { readonly holderIdentity?: string; readonly leaseTransitions?: number };
}

describe('LeaderLease', () => {
  let stored: StoredLease | undefined;
  let version: number;
  let requests: string[];
  let troubles: string[];
  let others: string[];
  let fails: Error | undefined;

  beforeEach(() => {
    [stored, version, requests, troubles, others, fails] = [undefined, 0, [], [], [], undefined];
  });

  /** An API server with one Lease, which compares resource versions. */
  async function request({ method, body }: KubeRequest): Promise<StoredLease> {
    requests.push(method);
    if (fails !== undefined) {
      throw fails;
    }
    if (method === 'GET') {
      if (stored === undefined) {
        throw new KubeError('not found', { status: 404 });
      }
      return stored;
    }
    const lease = body as StoredLease;
    if (lease.metadata.resourceVersion !== stored?.metadata.resourceVersion) {
      throw new KubeError('conflict', { status: 409 });
    }
    version += 1;
    stored = { ...lease, metadata: { ...lease.metadata, resourceVersion: String(version) } };
    return stored;
  }

  function lease(identity: string): LeaderLease {
    return new LeaderLease({
      client: { request } as unknown as KubeClient,
      namespace: 'glance-schema-system',
      name: 'leader',
      identity,
      onTrouble: (error) => troubles.push(error.message),
      onOtherLeader: (other) => others.push(other),
    });
  }

  /** Tries once: the signal is aborted while the first attempt is on its way. */
  async function tryOnce(by: LeaderLease): Promise<boolean> {
    const stop = new AbortController();
    const acquired = by.acquire(stop.signal);
    stop.abort();
    return acquired;
  }

  it('is made where there is none', async () => {
    expect(await tryOnce(lease('one'))).to.equal(true);
    expect(requests).to.deep.equal(['GET', 'POST']);
    expect(stored?.spec).to.include({ holderIdentity: 'one', leaseTransitions: 0 });
  });

  it('is not taken from a holder that was just seen, whose name is reported once', async () => {
    await tryOnce(lease('one'));
    const two = lease('two');
    expect(await tryOnce(two)).to.equal(false);
    expect(await tryOnce(two)).to.equal(false);
    expect(stored?.spec.holderIdentity).to.equal('one');
    expect(others).to.deep.equal(['one']);
  });

  it('goes to the next at once when it was released', async () => {
    const one = lease('one');
    await tryOnce(one);
    await one.release();
    expect(await tryOnce(lease('two'))).to.equal(true);
    expect(stored?.spec).to.include({ holderIdentity: 'two', leaseTransitions: 1 });
  });

  it('is released by its holder only', async () => {
    await tryOnce(lease('one'));
    const two = lease('two');
    await tryOnce(two);
    await two.release();
    expect(stored?.spec.holderIdentity).to.equal('one');
  });

  it('goes to one of two that ask at the same time', async () => {
    const acquired = await Promise.all([tryOnce(lease('one')), tryOnce(lease('two'))]);
    expect(acquired.filter(Boolean)).to.have.length(1);
  });

  it('an error of the API server is reported, and is not taken for the lease', async () => {
    fails = new KubeError('too many requests', { status: 429 });
    expect(await tryOnce(lease('one'))).to.equal(false);
    expect(troubles).to.deep.equal(['too many requests']);
  });

  it('is kept until the signal', async () => {
    const one = lease('one');
    await tryOnce(one);
    const stop = new AbortController();
    const kept = one.keep(stop.signal);
    stop.abort();
    expect(await kept).to.equal('stopped');
  });
});
