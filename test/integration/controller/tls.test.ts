import { chmodSync, chownSync, copyFileSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { withClient } from '../../../lab/databases/images.ts';
import { type Environment, startEnvironment, type Tenant } from '../../../lab/kubernetes/environment.ts';
import type { Operator } from '../../../lab/kubernetes/operator.ts';

const DATABASE = {
  secretRef: { name: 'glance-db' },
  tls: { caSecretRef: { name: 'glance-db-ca' } },
};

describe('TLS from the Job to the database', () => {
  let environment: Environment;
  let operator: Operator;

  before(async () => {
    environment = await startEnvironment();
    operator = await environment.operator();
    await serveTls();
  });

  after(async () => {
    await operator?.stop();
    await environment?.stop();
  });

  /**
   * PostgreSQL shows the certificate of the API server, which is made for 127.0.0.1 and has a CA of
   * its own.
   */
  async function serveTls(): Promise<void> {
    const { postgres, plane } = environment;
    const { uid, gid } = statSync(postgres.dataDirectory);
    for (const [from, to] of [
      [plane.servingCertFile, 'server.crt'],
      [plane.servingKeyFile, 'server.key'],
    ] as const) {
      const file = join(postgres.dataDirectory, to);
      copyFileSync(from, file);
      chmodSync(file, 0o600);
      chownSync(file, uid, gid);
    }
    await withClient(postgres.url('postgres'), async (client) => {
      await client.query('ALTER SYSTEM SET ssl = on');
      await client.query('SELECT pg_reload_conf()');
    });
  }

  async function tenantWithCa(name: string, ca: string): Promise<Tenant> {
    const tenant = await environment.tenant(name, await environment.postgres.createDatabase(name));
    await environment.api.call('POST', `/api/v1/namespaces/${name}/secrets`, {
      metadata: { name: 'glance-db-ca' },
      stringData: { 'ca.crt': ca },
    });
    return tenant;
  }

  it('a server whose certificate the CA has signed is believed', async () => {
    const tenant = await tenantWithCa('signed', readFileSync(environment.plane.caFile, 'utf8'));
    await tenant.apply({ database: DATABASE });
    await tenant.reaches('UpToDate');
  });

  it('a server of another CA is not, and the password is not sent', async () => {
    const stranger = '-----BEGIN CERTIFICATE-----\nMIIBszCCAVmgAwIBAgIUQ0\n-----END CERTIFICATE-----\n';
    const tenant = await tenantWithCa('stranger', stranger);
    await tenant.apply({ database: DATABASE, job: { backoffLimit: 0 } });
    const schema = await tenant.reaches('DatabaseUnreachable');
    expect(schema.status.conditions[0].message).to.contain('Cannot connect to 127.0.0.1:');
  });

  it('a database without TLS is not spoken to when verify-full is asked for', async () => {
    await withClient(environment.postgres.url('postgres'), async (client) => {
      await client.query('ALTER SYSTEM SET ssl = off');
      await client.query('SELECT pg_reload_conf()');
    });
    const tenant = await tenantWithCa('plain', readFileSync(environment.plane.caFile, 'utf8'));
    await tenant.apply({ database: DATABASE, job: { backoffLimit: 0 } });
    const schema = await tenant.reaches('DatabaseUnreachable');
    expect(schema.status.conditions[0].message).to.contain(
      'the server has no TLS, and sslmode=verify-full asks for it',
    );
  });
});
