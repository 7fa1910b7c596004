import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { expect } from 'chai';
import pg from 'pg';
import { seedNewton } from '../../../lab/databases/glance-data.ts';
import { seedMysqlNewton } from '../../../lab/databases/glance-data-mysql.ts';
import { withClient } from '../../../lab/databases/images.ts';
import { hasMariaDb, NO_MARIADB, startMariaDb, type TestMariaDb } from '../../../lab/databases/mariadb.ts';
import { withMysql } from '../../../lab/databases/mysql-client.ts';
import { type Environment, startEnvironment, type Tenant } from '../../../lab/kubernetes/environment.ts';
import type { Operator } from '../../../lab/kubernetes/operator.ts';
import { bundle } from '../../../lab/process/bundle.ts';
import { eventually } from '../../../lab/process/eventually.ts';
import { leaveOut } from '../../../lab/process/needs.ts';
import { REASONS, type Reason } from '../../../src/contract/reasons.ts';
import { documentedHealth } from '../../support/documented-health.ts';
import { argoHealth, kstatus } from '../../support/health.ts';

const GOLDEN = new URL('../../golden/reasons/', import.meta.url);

const OBSERVE = 'db.glance.openstack.org/observe';

/** What differs from run to run, and what stands for it in the recorded files. */
const NORMALIZED: readonly (readonly [RegExp, string])[] = [
  [/\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ/g, '2026-11-23T12:00:00Z'],
  [/\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z/g, '2026-11-23T12:00:00.000Z'],
  [/\b(glance-\d+)-[0-9a-f]{8}\b/g, '$1-7f3c9a2b'],
  [/\b(u?uid): [0-9a-f-]{36}/g, '$1: 5f0c2f0e-7d0b-4f0a-9d5e-3b1f6f6a2c11'],
  [/\b[0-9a-f]{64}\b/g, '4f1c0d5e'.repeat(8)],
  [/\bresourceVersion: "\d+"/g, 'resourceVersion: "1000"'],
  [/\b127\.0\.0\.1:\d{4,}/g, '127.0.0.1:5432'],
];

/** Reasons of a resource whose Job is there and has not ended. */
const AT_WORK: readonly Reason[] = ['MigrationRunning', 'Observing', 'SecretNotReady', 'JobBlocked'];

describe('every reason, as kubectl shows it', () => {
  let environment: Environment;
  let operator: Operator;
  let mariadb: TestMariaDb | undefined;
  const sessions: pg.Client[] = [];

  before(async function () {
    this.timeout(1_200_000);
    await Promise.all([kstatus([]), argoHealth([])]);
    environment = await startEnvironment({
      claims: new Map([['glance-backups', tmpdir()]]),
      // Without the clients of any database, whatever is on this machine.
      images: { 'no-clients': ['/usr/bin/env', 'PATH=/nowhere', process.execPath, bundle()] },
    });
    operator = await environment.operator();
  });

  afterEach(async () => {
    await Promise.all(sessions.splice(0).map((session) => session.end()));
  });

  after(async () => {
    await operator?.stop();
    await mariadb?.stop();
    await environment?.stop();
  });

  async function emptyDatabase(name: string): Promise<{ url: string; tenant: Tenant }> {
    const url = await environment.postgres.createDatabase(name);
    return { url, tenant: await environment.tenant(name, url) };
  }

  async function newton(name: string): Promise<{ url: string; tenant: Tenant }> {
    const given = await emptyDatabase(name);
    await seedNewton(given.url, { images: 20 });
    return given;
  }

  /** Another session that keeps what these statements take until the test has ended. */
  async function hold(url: string, statements: string): Promise<void> {
    const session = new pg.Client({ connectionString: url });
    sessions.push(session);
    await session.connect();
    await session.query(`BEGIN; ${statements}`);
  }

  /**
   * Waits for the reason, checks the three conditions against its table, and what GitOps tools make
   * of it against theirs, and compares with the recorded file.
   */
  async function shows(tenant: Tenant, reason: Reason, word = ''): Promise<void> {
    await eventually(
      async () => {
        const schema = await tenant.reaches(reason, 0);
        const [ready] = schema.status.conditions;
        expect(ready.message).to.contain(word);
        // The finalizer is released by a write after that of the status.
        expect(schema.metadata?.finalizers !== undefined, 'finalizer').to.equal(AT_WORK.includes(reason));
      },
      { timeoutMilliseconds: 60_000 },
    );
    const { code, stdout, stderr } = await tenant.kubectl('get', 'glanceschema', 'glance', '-o', 'yaml');
    expect(code, stderr).to.equal(0);
    const schema = await tenant.read();
    const conditions = schema.status.conditions.map(
      (condition: { type: string; status: string }) => `${condition.type}=${condition.status}`,
    );
    const { ready, also } = REASONS[reason];
    expect(conditions).to.deep.equal([
      `Ready=${ready}`,
      ...(also === undefined ? [] : [`${also}=True`]),
      // The one that has no part in Ready, and says the same.
      ...(reason === 'SchemaDrift' ? ['SchemaDrift=True'] : []),
    ]);
    const [[flux], [argo]] = await Promise.all([kstatus([schema]), argoHealth([schema])]);
    expect([flux?.status, argo?.status], 'kstatus and Argo CD').to.deep.equal(documentedHealth(reason));
    expect(stdout, 'no password').not.to.match(/glance-secret|hunter2/);
    const text = NORMALIZED.reduce((yaml, [pattern, stands]) => yaml.replace(pattern, stands), stdout);
    const file = new URL(`${reason}.yaml`, GOLDEN);
    if (process.env.UPDATE_GOLDEN) {
      mkdirSync(GOLDEN, { recursive: true });
      writeFileSync(file, text);
    }
    expect(text).to.equal(
      existsSync(file) ? readFileSync(file, 'utf8') : 'a file that UPDATE_GOLDEN=1 writes',
    );
  }

  it('UpToDate, and then Suspended', async () => {
    const { tenant } = await newton('uptodate');
    await tenant.apply({ revision: 'ocata01' });
    await shows(tenant, 'UpToDate');
    await tenant.apply({ revision: 'rocky01', suspend: true });
    await shows(tenant, 'Suspended');
  });

  it('MigrationRunning while a Job is at work, and MigrationPending when it was asked to stop', async () => {
    const { url, tenant } = await newton('running');
    await hold(url, 'LOCK TABLE images IN ACCESS SHARE MODE');
    await tenant.apply({ revision: 'ocata01', job: { backoffLimit: 0 } });
    await eventually(async () => {
      expect((await tenant.pods())[0]?.status?.phase).to.equal('Running');
    });
    await shows(tenant, 'MigrationRunning');
    const [pod] = await tenant.pods();
    await waitsForTable(url);
    environment.node.kill(tenant.namespace, pod?.metadata?.name ?? '', 'SIGTERM');
    await shows(tenant, 'MigrationPending', 'The next attempt is at');
  });

  it('OutsideWindow until the window is removed, and WindowInvalid for one that never opens', async () => {
    const { tenant } = await newton('window');
    await tenant.apply({ revision: 'mitaka02' });
    await tenant.reaches('UpToDate');
    await tenant.apply({ revision: 'ocata01', window: { schedule: '0 0 29 2 *', duration: '1m' } });
    await shows(tenant, 'OutsideWindow', 'waits for spec.window, which opens at');
    await tenant.apply({ revision: 'ocata01', window: { schedule: '0 2 30 2 *', duration: '1h' } });
    await shows(tenant, 'WindowInvalid', 'it never occurs');
  });

  it('AwaitingApproval while a plan is there that nobody has approved', async () => {
    const { tenant } = await newton('approval');
    await tenant.apply({ revision: 'ocata01', approval: 'Manual' });
    await shows(tenant, 'AwaitingApproval', 'waits for approval of plan');
  });

  it('WaitingForRollOut while a contract waits for a Deployment', async () => {
    const { tenant } = await newton('waiting');
    const applied = await tenant.kubectl('apply', '-k', 'manifests/roll-outs');
    expect(applied.code, applied.stderr).to.equal(0);
    const gate = { kind: 'Deployment', name: 'glance-api', image: 'glance-api:ocata' };
    await tenant.apply({ revision: 'ocata01', contractAfter: [gate] });
    await shows(tenant, 'WaitingForRollOut', 'Deployment glance-api does not exist');
  });

  it('SchemaDrift while an index is missing, and Block is asked for', async () => {
    const { url, tenant } = await newton('drift');
    await withClient(url, (client) => client.query('DROP INDEX owner_image_idx'));
    await tenant.apply({ revision: 'ocata01', drift: { beforeMigration: 'Block' } });
    await shows(tenant, 'SchemaDrift', 'The next attempt is at');
  });

  it('BackupFailed while the image has no program that dumps', async () => {
    const { tenant } = await newton('backup');
    const backup = { policy: 'BeforeUpgrade', volumeClaimName: 'glance-backups', image: 'no-clients' };
    await tenant.apply({ revision: 'ocata01', backup });
    await shows(tenant, 'BackupFailed', 'The next attempt is at');
  });

  it('Observing while the reading Job is at work', async () => {
    const { url, tenant } = await newton('observing');
    await tenant.apply({ revision: 'mitaka02' });
    await tenant.reaches('UpToDate');
    await hold(url, 'LOCK TABLE alembic_version IN ACCESS EXCLUSIVE MODE');
    await tenant.apply({ revision: 'mitaka02' }, { [OBSERVE]: 'restore-1' });
    await shows(tenant, 'Observing', 'reads the database');
  });

  it('DowngradeNotSupported for a resource that was recreated with a lower revision', async () => {
    const { tenant } = await newton('downgrade');
    await tenant.apply({ revision: 'ocata01' });
    await tenant.reaches('UpToDate');
    await tenant.kubectl('delete', 'glanceschema', 'glance');
    await tenant.apply({ revision: 'mitaka01' });
    await shows(tenant, 'DowngradeNotSupported');
  });

  it('DatabaseNewer for a database that a later release has migrated', async () => {
    const { url, tenant } = await newton('newer');
    await tenant.apply({ revision: 'ocata01' });
    await tenant.reaches('UpToDate');
    await withClient(url, (client) =>
      client.query("UPDATE alembic_version SET version_num = '2031_1_contract01'"),
    );
    await tenant.apply({ revision: 'rocky01' });
    await shows(tenant, 'DatabaseNewer');
  });

  it('DatabaseUnreachable for a port where nobody listens', async () => {
    const tenant = await environment.tenant('unreachable', 'postgresql://glance:hunter2@127.0.0.1:1/glance');
    await tenant.apply({ job: { backoffLimit: 0 } });
    await shows(tenant, 'DatabaseUnreachable', 'The next attempt is at');
  });

  it('ConnectionInvalid for a value that was encoded twice, and what it looks like', async () => {
    const url = 'mysql+pymysql://glance:hunter2@db/glance';
    const tenant = await environment.tenant('invalid', Buffer.from(url).toString('base64'));
    await tenant.apply({});
    await shows(
      tenant,
      'ConnectionInvalid',
      "Cannot read a connection from key 'connection' of Secret invalid/glance-db: it looks like base64",
    );
    // A Job has one pod for it: another would be given the same value.
    expect(await tenant.pods()).to.have.length(1);
    const { message } = (await tenant.read()).status.conditions[0];
    expect(message)
      .to.match(/The next attempt is at \S+Z\.$/)
      .and.not.to.match(/ --\w/);
    const { url: right } = await emptyDatabase('corrected');
    await environment.api.call('PATCH', `/api/v1/namespaces/invalid/secrets/glance-db`, {
      stringData: { connection: right },
    });
    await tenant.reaches('UpToDate', 60_000);
  });

  it("DatabaseNotGlance for somebody else's tables", async () => {
    const { url, tenant } = await emptyDatabase('notglance');
    await withClient(url, (client) => client.query('CREATE TABLE instances (id int)'));
    await tenant.apply({});
    await shows(tenant, 'DatabaseNotGlance');
  });

  it('SecretNotReady for a Secret that is missing', async () => {
    const { tenant } = await emptyDatabase('secretless');
    await tenant.apply({ database: { secretRef: { name: 'later' } } });
    await shows(tenant, 'SecretNotReady');
  });

  it('JobBlocked for an image that nobody has', async () => {
    const { tenant } = await emptyDatabase('blocked');
    await tenant.apply({ job: { image: 'mistyped:latest' } });
    await shows(tenant, 'JobBlocked', 'Back-off pulling image');
  });

  it('MigrationFailed for a statement that the database refuses', async () => {
    const { url, tenant } = await newton('failed');
    await withClient(url, (client) => client.query("CREATE TYPE image_visibility AS ENUM ('x')"));
    await tenant.apply({ revision: 'ocata01', job: { backoffLimit: 0 } });
    await shows(tenant, 'MigrationFailed');
  });

  it('PartiallyApplied for one that MariaDB refuses after others that stay', async function () {
    if (!hasMariaDb()) {
      leaveOut(this, NO_MARIADB);
    }
    mariadb = await startMariaDb();
    const url = await mariadb.createDatabase('partly');
    await seedMysqlNewton(url, { images: 20 });
    await standInTheWay(url);
    const tenant = await environment.tenant('partly', url);
    await tenant.apply({ revision: 'ocata01', job: { backoffLimit: 0 } });
    await shows(tenant, 'PartiallyApplied');
  });

  it('RevisionNotFound for one that the CRD of a later operator has let in', async () => {
    const { tenant } = await emptyDatabase('notfound');
    await withoutAdmissionRules();
    // The API server takes a moment to heed the new CRD.
    await eventually(() => tenant.apply({ revision: '2031_1_01' }));
    await shows(tenant, 'RevisionNotFound');
  });

  it('there is none besides, and no recorded file without one', () => {
    const document = readFileSync(new URL('../../../docs/glance-schema.md', import.meta.url), 'utf8');
    const linked = [...document.matchAll(/\[`\w+`\]\(\.\.\/test\/golden\/reasons\/(\w+)\.yaml\)/g)].map(
      ([, name]) => name,
    );
    expect(linked, 'the links of the reference').to.deep.equal(Object.keys(REASONS));
    const files = readdirSync(GOLDEN).map((file) => file.replace('.yaml', ''));
    expect(files.sort()).to.deep.equal(Object.keys(REASONS).sort());
  });

  /** Waits until the migrator stands before the table that is held. */
  async function waitsForTable(url: string): Promise<void> {
    await withClient(url, (client) =>
      eventually(async () => {
        const { rows } = await client.query(
          "SELECT 1 FROM pg_stat_activity WHERE application_name = 'glance-schema' AND state = 'active' AND query LIKE '%LOCK TABLE images%'",
        );
        expect(rows).to.have.length(1);
      }),
    );
  }

  /** Somebody's check keeps the last statement of ocata01 from dropping the column. */
  async function standInTheWay(url: string): Promise<void> {
    await withMysql(url, (client) =>
      client.query(`ALTER TABLE images ADD COLUMN base varchar(36) CHARACTER SET utf8mb3, ADD INDEX visibility_image_idx (base),
        ADD CONSTRAINT in_the_way FOREIGN KEY (base) REFERENCES images (id)`),
    );
  }

  /**
   * The rules and the list of revisions are this operator's own: those of a later one would know
   * the revision.
   */
  async function withoutAdmissionRules(): Promise<void> {
    const path =
      '/apis/apiextensions.k8s.io/v1/customresourcedefinitions/glanceschemas.db.glance.openstack.org';
    const crd = await environment.api.call('GET', path);
    const text = JSON.stringify(crd, (key, value) =>
      key === 'x-kubernetes-validations' ? undefined : value,
    );
    await environment.api.call('PUT', path, JSON.parse(text));
  }
});
