import { expect } from 'chai';
import { type Environment, startEnvironment, type Tenant } from '../../../lab/kubernetes/environment.ts';
import type { Operator } from '../../../lab/kubernetes/operator.ts';
import { eventually } from '../../../lab/process/eventually.ts';

const ACCOUNT = 'system:serviceaccount:glance-schema-system:glance-schema-operator';

describe('controller --namespaces, with Roles only', () => {
  let environment: Environment;
  let operator: Operator | undefined;

  before(async () => {
    environment = await startEnvironment({ rights: 'namespaced' });
  });

  after(async () => {
    await environment?.stop();
  });

  afterEach(async () => {
    await operator?.stop();
    operator = undefined;
  });

  async function tenant(name: string): Promise<Tenant> {
    const url = await environment.postgres.createDatabase(name.replaceAll('-', '_'));
    return environment.tenant(name, url);
  }

  it('serves the namespaces that are named, asks nothing of others, and is refused nothing', async () => {
    const one = await tenant('one');
    const two = await tenant('two');
    const other = await tenant('other');
    operator = await environment.operator(['--namespaces', 'one,two']);
    for (const each of [other, one, two]) {
      await each.apply({ revision: 'mitaka02' });
    }
    for (const each of [one, two]) {
      expect((await each.reaches('UpToDate')).status.recordedRevision).to.equal('mitaka02');
    }
    expect((await other.read()).status, 'another namespace').to.deep.equal({ observedGeneration: -1 });
    const asked = environment.plane.auditEvents({ user: ACCOUNT });
    const namespaces = new Set(asked.map((event) => event.objectRef?.namespace));
    expect([...namespaces].sort()).to.deep.equal(['glance-schema-system', 'one', 'two']);
    expect(asked.filter((event) => event.responseStatus?.code === 403)).to.deep.equal([]);
  });

  it('serves more namespaces than it has connections for requests', async () => {
    const names = Array.from({ length: 8 }, (_each, index) => `many-${index}`);
    const tenants = await Promise.all(names.map(tenant));
    operator = await environment.operator(['--namespaces', names.join(',')]);
    const last = tenants[7] ?? expect.fail();
    await last.apply({ revision: 'mitaka02' });
    await last.reaches('UpToDate');
  });

  it('goes on in the others where it has no rights in one, and says that it is not ready', async () => {
    const served = await tenant('served');
    operator = await environment.operator(['--namespaces', 'served,no-rights'], { unready: true });
    await served.apply({ revision: 'mitaka02' });
    await served.reaches('UpToDate');
    expect((await fetch(`${operator.health}/readyz`)).status).to.equal(503);
    const found = operator.log().find((line) => line.level === 'warn');
    expect(found?.error).to.match(/is forbidden: .* in the namespace "no-rights"/);

    await environment.tenant('no-rights', await environment.postgres.createDatabase('no_rights'));
    await eventually(async () => {
      expect((await fetch(`${operator?.health}/readyz`)).status, 'once it has them').to.equal(200);
    });
  });
});
