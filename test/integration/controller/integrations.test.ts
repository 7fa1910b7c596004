import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import {
  type Certificates,
  hasOpenssl,
  makeCertificates,
  NO_OPENSSL,
} from '../../../lab/databases/certificates.ts';
import { withClient } from '../../../lab/databases/images.ts';
import { hasMariaDb, NO_MARIADB, startMariaDb, type TestMariaDb } from '../../../lab/databases/mariadb.ts';
import { askMysql, withMysql } from '../../../lab/databases/mysql-client.ts';
import { type ClusterNames, clusterNames } from '../../../lab/kubernetes/cluster-names.ts';
import { type Environment, startEnvironment, type Tenant } from '../../../lab/kubernetes/environment.ts';
import type { Operator } from '../../../lab/kubernetes/operator.ts';
import { bundle } from '../../../lab/process/bundle.ts';
import { leaveOut } from '../../../lab/process/needs.ts';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const SAMPLES = `${ROOT}manifests/samples/integrations`;
const DOCUMENT = readFileSync(`${ROOT}docs/integrations.md`, 'utf8');

type Data = Readonly<Record<string, string>>;

interface Deployment {
  readonly engine: 'mariadb' | 'postgres';
  readonly database: string;
  /** The Secrets as the deployment's own tool writes them. */
  readonly secrets: (certificates: Certificates) => Readonly<Record<string, Data>>;
}

const MYSQL = 'mysql+pymysql://glance_ab12:p4ss@mariadb.openstack.svc:3306';
const CREDENTIALS = { username: 'glance_ab12', password: 'p4ss' };

/** By the name of the sample. */
const DEPLOYMENTS: Readonly<Record<string, Deployment>> = {
  'separate-keys': {
    engine: 'mariadb',
    database: 'glance',
    secrets: () => ({ 'glance-db': CREDENTIALS }),
  },
  'external-secrets': {
    engine: 'postgres',
    database: 'glance',
    secrets: () => ({ 'glance-db': CREDENTIALS }),
  },
  'cloudnative-pg': {
    engine: 'postgres',
    database: 'app',
    secrets: () => ({
      'glance-db-app': {
        ...CREDENTIALS,
        user: 'glance_ab12',
        host: 'postgresql',
        port: '5432',
        dbname: 'app',
        uri: 'postgresql://glance_ab12:p4ss@postgresql.openstack.svc:5432/app',
        'jdbc-uri': 'jdbc:postgresql://postgresql.openstack.svc:5432/app?password=p4ss&user=glance_ab12',
      },
    }),
  },
  'mariadb-operator': {
    engine: 'mariadb',
    database: 'operated',
    secrets: () => ({
      'glance-db': { connection: 'mysql://glance_ab12:p4ss@mariadb.openstack.svc:3306/operated' },
    }),
  },
  'openstack-helm': {
    engine: 'mariadb',
    database: 'helm',
    secrets: () => ({
      'glance-etc': {
        'glance-api.conf': `[DEFAULT]\ndebug = false\n[database]\nconnection = ${MYSQL}/helm\nmax_retries = -1\n[glance_store]\ndefault_backend = rbd\n`,
      },
    }),
  },
  'openstack-helm-mariadb-operator': {
    engine: 'mariadb',
    database: 'helm_operated',
    secrets: () => ({
      'glance-db-conn': { 'database.conf': `[database]\nconnection = ${MYSQL}/helm_operated\n` },
    }),
  },
  rhoso: {
    engine: 'mariadb',
    database: 'rhoso',
    secrets: ({ ca }) => ({
      'glance-config-data': {
        '00-config.conf': `[DEFAULT]\nenabled_backends = default_backend:file\n[database]\nmax_retries=-1\nconnection=mysql+pymysql://glance_ab12:p4ss@openstack.openstack.svc/rhoso?read_default_file=/etc/my.cnf\n`,
      },
      'combined-ca-bundle': { 'tls-ca-bundle.pem': readFileSync(ca, 'utf8') },
    }),
  },
  c5c3: {
    engine: 'mariadb',
    database: 'c5c3',
    secrets: ({ ca, client }) => ({
      'glance-db-connection': {
        connection:
          'mysql+pymysql://client:p4ss@mariadb.openstack.svc:3306/c5c3?charset=utf8&ssl_ca=/etc/glance-db-tls/ca.crt&ssl_cert=/etc/glance-db-tls/tls.crt&ssl_key=/etc/glance-db-tls/tls.key',
      },
      'glance-db-tls': {
        'ca.crt': readFileSync(ca, 'utf8'),
        'tls.crt': readFileSync(client.cert, 'utf8'),
        'tls.key': readFileSync(client.key, 'utf8'),
      },
    }),
  },
};

/**
 * Users and passwords that would have a meaning in a URL, in an option file, to a shell or to
 * Kubernetes.
 */
const HOSTILE = { user: 'gl@nce:x/y?z#%41', password: '$(HOME) p@ss\'"\\;\nsecond line&ssl_mode=DISABLED' };

describe('credentials as deployments keep them', () => {
  let certificates: Certificates;
  let names: ClusterNames;
  let environment: Environment;
  let operator: Operator;
  let mariadb: TestMariaDb;
  let tenant: Tenant;

  before(async function () {
    if (!hasMariaDb()) leaveOut(this, NO_MARIADB);
    if (!hasOpenssl()) leaveOut(this, NO_OPENSSL);
    certificates = makeCertificates();
    names = clusterNames();
    const { ca, otherName } = certificates;
    [environment, mariadb] = await Promise.all([
      startEnvironment({
        images: { 'glance-schema': [process.execPath, ...names.nodeOptions, bundle()] },
      }),
      startMariaDb({ settings: { 'ssl-ca': ca, 'ssl-cert': otherName.cert, 'ssl-key': otherName.key } }),
    ]);
    const { postgres } = environment;
    names.lead({
      'mariadb.openstack.svc:3306': { host: mariadb.host, port: mariadb.port },
      'openstack.openstack.svc:3306': { host: mariadb.host, port: mariadb.port },
      'postgresql.openstack.svc:5432': { host: postgres.host, port: postgres.port },
    });
    operator = await environment.operator();
    tenant = await environment.tenant('openstack', 'postgresql://nowhere/glance');
    await tenant.kubectl('delete', 'secret', 'glance-db');
    await withMysql(mariadb.adminUrl('mysql'), async (client) => {
      for (const [user, password, more] of [
        ['glance_ab12', 'p4ss', ''],
        ['client', 'p4ss', 'REQUIRE X509'],
        [HOSTILE.user, HOSTILE.password, ''],
      ]) {
        await client.query(`CREATE USER ?@'%' IDENTIFIED BY ? ${more}`, [user, password]);
        await client.query("GRANT ALL ON *.* TO ?@'%'", [user]);
      }
    });
    await withClient(postgres.url('postgres'), async (client) => {
      for (const [user, password] of [
        ['glance_ab12', 'p4ss'],
        [HOSTILE.user, HOSTILE.password],
      ] as const) {
        await client.query(
          `CREATE ROLE ${client.escapeIdentifier(user)} SUPERUSER LOGIN PASSWORD ${client.escapeLiteral(password)}`,
        );
      }
    });
  });

  after(async () => {
    await operator?.stop();
    await environment?.stop();
    await mariadb?.stop();
    names?.remove();
    certificates?.remove();
  });

  /** The rows of alembic_version, by way of the server and not of what was tested. */
  async function versionsOf({ engine, database }: Pick<Deployment, 'engine' | 'database'>): Promise<unknown> {
    const sql = 'SELECT version_num FROM alembic_version';
    return engine === 'mariadb'
      ? askMysql(mariadb.url(database), sql)
      : withClient(environment.postgres.url(database), async (client) => (await client.query(sql)).rows);
  }

  async function makeSecret(name: string, stringData: Data): Promise<void> {
    await environment.api.call('POST', `/api/v1/namespaces/${tenant.namespace}/secrets`, {
      metadata: { name },
      stringData,
    });
  }

  it('every sample has a deployment here, and is in the document as it stands', () => {
    expect(readdirSync(SAMPLES)).to.have.members(Object.keys(DEPLOYMENTS).map((name) => `${name}.yaml`));
    for (const file of readdirSync(SAMPLES)) {
      const manifest = readFileSync(`${SAMPLES}/${file}`, 'utf8').replace(/^(#.*\n)+/, '');
      expect(DOCUMENT, file).to.contain(`\`\`\`yaml\n${manifest}\`\`\``);
    }
  });

  for (const [name, deployment] of Object.entries(DEPLOYMENTS)) {
    it(`${name}: a database is migrated through the sample as it stands`, async () => {
      const server = deployment.engine === 'mariadb' ? mariadb : environment.postgres;
      await server.createDatabase(deployment.database);
      const secrets = Object.entries(deployment.secrets(certificates));
      for (const [secret, data] of secrets) {
        await makeSecret(secret, data);
      }
      const applied = await tenant.kubectl('apply', '-f', `${SAMPLES}/${name}.yaml`);
      expect(applied.code, applied.stderr).to.equal(0);
      const { status } = await tenant.reaches('UpToDate', 120_000);
      expect(status.recordedRevision).to.equal('2024_1_01');
      expect(await versionsOf(deployment)).to.deep.equal([{ version_num: '2024_1_contract01' }]);
      expect((await tenant.kubectl('delete', 'glanceschema', 'glance')).code).to.equal(0);
      await tenant.kubectl('delete', 'secret', ...secrets.map(([secret]) => secret));
    });
  }

  for (const engine of ['mariadb', 'postgres'] as const) {
    it(`${engine}: a user and a password of any characters lead to the database, and are nowhere else`, async () => {
      const server = engine === 'mariadb' ? mariadb : environment.postgres;
      const database = 'hostile';
      await server.createDatabase(database);
      await makeSecret(`${engine}-user`, { user: `${HOSTILE.user}\n` });
      await makeSecret(`${engine}-password`, { password: HOSTILE.password });
      await tenant.apply({
        database: {
          engine: engine === 'mariadb' ? 'mysql' : 'postgresql',
          host: server.host,
          port: server.port,
          name: database,
          userSecretRef: { name: `${engine}-user`, key: 'user' },
          passwordSecretRef: { name: `${engine}-password`, key: 'password' },
        },
      });
      const schema = await tenant.reaches('UpToDate', 120_000);
      const from = `${engine === 'mariadb' ? 'mysql' : 'postgresql'}://${server.host}:${server.port}/${database}`;
      expect(schema.status.recordedFrom).to.equal(from);
      expect(await versionsOf({ engine, database })).to.deep.equal([{ version_num: '2024_1_contract01' }]);
      const written = JSON.stringify([
        schema,
        await tenant.jobs(),
        await tenant.pods(),
        await tenant.events(),
      ]);
      expect(written).not.to.contain('second line').and.not.to.contain('gl@nce');
      expect((await tenant.kubectl('delete', 'glanceschema', 'glance')).code).to.equal(0);
    });
  }

  it('a wrong password, and a user of nothing, are reported without a secret', async () => {
    await makeSecret('wrong', { user: 'glance_ab12', password: 'wr0ng-s3cret', nothing: '' });
    const key = (name: string) => ({ name: 'wrong', key: name });
    const parts = { engine: 'mysql', host: mariadb.host, port: mariadb.port, name: 'hostile' };
    const database = { ...parts, userSecretRef: key('user'), passwordSecretRef: key('password') };
    await tenant.apply({ database, job: { backoffLimit: 0 } });
    const { status } = await tenant.reaches('DatabaseUnreachable', 60_000);
    expect(status.conditions[0].message)
      .to.contain("Access denied for user 'glance_ab12'")
      .and.not.contain('wr0ng');
    await tenant.apply({
      database: { ...database, userSecretRef: key('nothing') },
      job: { backoffLimit: 0 },
    });
    const invalid = await tenant.reaches('ConnectionInvalid', 60_000);
    expect(invalid.status.conditions[0].message).to.contain(
      "Cannot use spec.database: found nothing in what 'userSecretRef' says. Write it.",
    );
  });
});
