import { expect } from 'chai';
import type { ProxiedRequest, ProxyAction } from '../../../lab/kubernetes/api-proxy.ts';
import { type Environment, startEnvironment, type Tenant } from '../../../lab/kubernetes/environment.ts';
import type { Operator } from '../../../lab/kubernetes/operator.ts';
import { eventually } from '../../../lab/process/eventually.ts';

const RESOURCES = 30;

/**
 * What can become of a POST: the API server does not take it, never sees it, or takes it and is not
 * heard.
 */
const FAULTS: readonly ProxyAction[] = [
  { kind: 'respond', status: 500 },
  { kind: 'drop' },
  { kind: 'drop-answer' },
];

const isEvent = ({ method, path }: ProxiedRequest) => method === 'POST' && path.endsWith('/events');
const isStatus = ({ method, path }: ProxiedRequest) => method === 'PUT' && path.endsWith('/status');

describe('Events under faults', () => {
  let environment: Environment;
  let operator: Operator;

  before(async () => {
    environment = await startEnvironment();
  });

  after(async () => {
    await environment?.stop();
  });

  beforeEach(async () => {
    operator = await environment.operator(['--no-leader-elect']);
  });

  afterEach(async () => {
    await operator?.stop();
  });

  /** A namespace with GlanceSchemas of which each has one thing to tell: that it is suspended. */
  async function suspended(name: string): Promise<{ readonly tenant: Tenant; apply(): Promise<void> }> {
    const tenant = await environment.tenant(name, 'postgresql://glance:secret@db.invalid/glance');
    return {
      tenant,
      async apply() {
        for (let count = 0; count < RESOURCES; count += 1) {
          await environment.api.call('POST', tenant.path, {
            apiVersion: 'db.glance.openstack.org/v1alpha1',
            kind: 'GlanceSchema',
            metadata: { name: `glance-${count}` },
            spec: { revision: 'latest', suspend: true, database: { secretRef: { name: `db-${count}` } } },
          });
        }
      },
    };
  }

  /** Of which GlanceSchema each Event tells. */
  async function told(tenant: Tenant): Promise<readonly string[]> {
    const events = await tenant.events();
    expect(new Set(events.map(({ reason }) => reason))).to.deep.equal(new Set(['Suspended']));
    return events.map(({ regarding }) => regarding.name).sort();
  }

  const EACH_ONCE = Array.from({ length: RESOURCES }, (_, count) => `glance-${count}`).sort();

  function inNamespace({ namespace }: Tenant, matches: (request: ProxiedRequest) => boolean) {
    return (request: ProxiedRequest) => request.path.includes(`/${namespace}/`) && matches(request);
  }

  it('half of the POSTs fail: none is lost, and none is there twice', async () => {
    const { tenant, apply } = await suspended('half');
    const seen = { posts: 0 };
    const isInHalf = (half: number) =>
      inNamespace(tenant, (request) => {
        if (!isEvent(request)) {
          return false;
        }
        // Each rule is asked of each request until one acts.
        seen.posts += half === 0 ? 1 : 0;
        return seen.posts % (2 * FAULTS.length) === 2 * half;
      });
    const rules = FAULTS.map((fault, index) => environment.proxy.onRequest(isInHalf(index), fault));
    await apply();
    await eventually(async () => expect(await told(tenant)).to.deep.equal(EACH_ONCE));
    const failed = rules.reduce((sum, { hits }) => sum + hits, 0);
    expect(failed, 'POSTs that failed').to.be.within(RESOURCES / 2, RESOURCES * 2);
    for (const rule of rules) {
      rule.remove();
    }
  });

  it('the answer to each first write of a status is lost: its Event is not', async () => {
    const { tenant, apply } = await suspended('unanswered');
    const written = new Set<string>();
    const isFirst = inNamespace(tenant, (request) => {
      const first = isStatus(request) && !written.has(request.path);
      return first && written.add(request.path).size > 0;
    });
    const rule = environment.proxy.onRequest(isFirst, { kind: 'drop-answer' });
    await apply();
    await eventually(async () => expect(await told(tenant)).to.deep.equal(EACH_ONCE));
    expect(rule.hits).to.equal(RESOURCES);
    rule.remove();
  });

  it('an operator that is asked to end delivers what waits', async () => {
    const { tenant, apply } = await suspended('end');
    const rule = environment.proxy.onRequest(inNamespace(tenant, isEvent), { kind: 'respond', status: 503 });
    await apply();
    // The fourth try of each comes seconds later by itself.
    await eventually(() => expect(rule.hits).to.be.at.least(3 * RESOURCES));
    rule.remove();
    expect(await operator.stop()).to.equal(0);
    expect(await told(tenant)).to.deep.equal(EACH_ONCE);
  });
});
