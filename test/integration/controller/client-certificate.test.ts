import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import {
  type Certificates,
  type CertifiedKey,
  hasOpenssl,
  makeCertificates,
  NO_OPENSSL,
} from '../../../lab/databases/certificates.ts';
import { withClient } from '../../../lab/databases/images.ts';
import { hasMariaDb, NO_MARIADB, startMariaDb, type TestMariaDb } from '../../../lab/databases/mariadb.ts';
import { withMysql } from '../../../lab/databases/mysql-client.ts';
import { startPostgres, type TestPostgres } from '../../../lab/databases/postgres.ts';
import { type Environment, startEnvironment, type Tenant } from '../../../lab/kubernetes/environment.ts';
import type { Operator } from '../../../lab/kubernetes/operator.ts';
import { leaveOut } from '../../../lab/process/needs.ts';

const SECRET = { secretRef: { name: 'glance-db' } };

describe('a client certificate from the Job to the database', () => {
  let certificates: Certificates;
  let environment: Environment;
  let operator: Operator;
  let mariadb: TestMariaDb;
  let postgres: TestPostgres;

  before(async function () {
    if (!hasMariaDb()) leaveOut(this, NO_MARIADB);
    if (!hasOpenssl()) leaveOut(this, NO_OPENSSL);
    certificates = makeCertificates();
    const { ca, otherName } = certificates;
    [environment, mariadb, postgres] = await Promise.all([
      startEnvironment(),
      startMariaDb({ settings: { 'ssl-ca': ca, 'ssl-cert': otherName.cert, 'ssl-key': otherName.key } }),
      startPostgres({ certificate: otherName, settings: { ssl_ca_file: ca } }),
    ]);
    operator = await environment.operator();
    await withMysql(mariadb.adminUrl('mysql'), async (client) => {
      await client.query("CREATE USER 'client'@'%' IDENTIFIED BY 'secret' REQUIRE X509");
      await client.query("GRANT ALL ON *.* TO 'client'@'%'");
    });
    const hba = join(postgres.dataDirectory, 'pg_hba.conf');
    writeFileSync(hba, `hostssl all client all cert\n${readFileSync(hba, 'utf8')}`);
    await withClient(postgres.url('postgres'), async (client) => {
      await client.query('CREATE ROLE client SUPERUSER LOGIN');
      await client.query('SELECT pg_reload_conf()');
    });
  });

  after(async () => {
    await operator?.stop();
    await environment?.stop();
    await Promise.all([mariadb?.stop(), postgres?.stop()]);
    certificates?.remove();
  });

  /**
   * The URL of a database in which nothing is said of TLS, for the user who must show a
   * certificate.
   */
  const URLS = {
    mariadb: async (name: string) => asClient(await mariadb.createDatabase(name), 'client:secret'),
    postgres: async (name: string) => asClient(await postgres.createDatabase(name), 'client'),
  } as const;

  function asClient(url: string, user: string): string {
    return url.replace(/\/\/([^@]*@)?/, `//${user}@`);
  }

  async function tenantWith(name: string, url: string, { cert, key }: CertifiedKey): Promise<Tenant> {
    const tenant = await environment.tenant(name, url);
    const path = `/api/v1/namespaces/${name}`;
    await environment.api.call('POST', `${path}/secrets`, {
      metadata: { name: 'glance-db-client' },
      type: 'kubernetes.io/tls',
      stringData: { 'tls.crt': readFileSync(cert, 'utf8'), 'tls.key': readFileSync(key, 'utf8') },
    });
    await environment.api.call('POST', `${path}/configmaps`, {
      metadata: { name: 'trust' },
      data: { 'bundle.pem': readFileSync(certificates.ca, 'utf8') },
    });
    return tenant;
  }

  const certSecretRef = { name: 'glance-db-client' };
  const caConfigMapRef = { name: 'trust', key: 'bundle.pem' };

  for (const engine of ['mariadb', 'postgres'] as const) {
    it(`${engine}: is believed, with a CA from a ConfigMap`, async () => {
      const name = `${engine}-both`;
      const tenant = await tenantWith(name, await URLS[engine]('both'), certificates.client);
      await tenant.apply({ database: { ...SECRET, tls: { certSecretRef, caConfigMapRef } } });
      expect((await tenant.reaches('UpToDate', 120_000)).status.recordedRevision).to.equal('2024_1_01');
    });

    it(`${engine}: speaks TLS by itself, whatever the URL leaves open`, async () => {
      const name = `${engine}-alone`;
      const tenant = await tenantWith(name, await URLS[engine]('alone'), certificates.client);
      await tenant.apply({ database: { ...SECRET, tls: { certSecretRef } } });
      await tenant.reaches('UpToDate', 120_000);
    });

    it(`${engine}: is missed where there is none, and that is reported without a secret`, async () => {
      const name = `${engine}-none`;
      const tenant = await tenantWith(name, await URLS[engine]('missing'), certificates.client);
      await tenant.apply({ database: { ...SECRET, tls: { caConfigMapRef } }, job: { backoffLimit: 0 } });
      const { status } = await tenant.reaches('DatabaseUnreachable', 120_000);
      expect(status.conditions[0].message)
        .to.contain('Cannot connect to 127.0.0.1:')
        .and.not.contain('secret');
    });
  }

  it('one CA at most is taken', async () => {
    const tenant = await environment.tenant('twice', 'postgresql://nowhere/glance');
    const tls = { caConfigMapRef, caSecretRef: { name: 'trust' } };
    expect(await tenant.refusal({ database: { ...SECRET, tls } })).to.contain(
      'Cannot use two CAs for one database. Name it by caSecretRef or by caConfigMapRef.',
    );
  });
});
