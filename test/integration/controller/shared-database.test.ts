import { expect } from 'chai';
import type { Tenant } from '../../../lab/kubernetes/environment.ts';
import type { KubeObject } from '../../../lab/kubernetes/test-api.ts';
import { eventually } from '../../../lab/process/eventually.ts';
import { describeWithOperator } from '../../support/with-operator.ts';

describeWithOperator('two GlanceSchemas of one database', (shared) => {
  async function upToDate(tenant: Tenant, name: string): Promise<KubeObject> {
    return eventually(async () => {
      const schema = await shared.environment.api.call('GET', `${tenant.path}/${name}`);
      expect(schema.status?.conditions?.[0]?.reason).to.equal('UpToDate');
      return schema;
    });
  }

  it('both work; the later one says so and warns once, until the other is gone', async () => {
    const tenant = await shared.environment.tenant(
      'shared',
      await shared.environment.postgres.createDatabase('shared'),
    );
    await tenant.apply({ revision: 'mitaka01' });
    await upToDate(tenant, 'glance');
    await shared.environment.api.call('POST', tenant.path, {
      apiVersion: 'db.glance.openstack.org/v1alpha1',
      kind: 'GlanceSchema',
      metadata: { name: 'again' },
      spec: { revision: 'mitaka02', database: { secretRef: { name: 'glance-db' } } },
    });
    const later = await upToDate(tenant, 'again');
    expect(later.status.sharesDatabaseWith).to.equal('glance');
    expect(later.status.conditions[0].message).to.equal(
      'The database is at mitaka02. GlanceSchema glance, which is older, names the same database: their migrations wait for each other. Delete one of the two, or give each a database of its own.',
    );
    const first = await upToDate(tenant, 'glance');
    expect(first.status.conditions[0].message).to.equal('The database is at mitaka01.');
    await eventually(async () => {
      const warnings = (await tenant.events()).filter(({ reason }) => reason === 'DatabaseShared');
      expect(warnings.map(({ type, regarding }) => `${type} ${regarding.name}`)).to.deep.equal([
        'Warning again',
      ]);
    });
    await tenant.kubectl('delete', 'glanceschema', 'glance');
    await eventually(async () => {
      const { status } = await upToDate(tenant, 'again');
      expect(status.conditions[0].message).to.equal('The database is at mitaka02.');
      expect(status.sharesDatabaseWith).to.equal(undefined);
    });
  });
});
