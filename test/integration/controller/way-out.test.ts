import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import { seedNewton } from '../../../lab/databases/glance-data.ts';
import { withClient } from '../../../lab/databases/images.ts';
import { type Environment, startEnvironment, type Tenant } from '../../../lab/kubernetes/environment.ts';
import type { Operator } from '../../../lab/kubernetes/operator.ts';
import { eventually } from '../../../lab/process/eventually.ts';
import { OBSERVE_ANNOTATION, RETRY_ANNOTATION } from '../../../src/contract/names.ts';

const USER = 'system:serviceaccount:glance-schema-system:glance-schema-operator';

describe('what a person fixes, the operator goes on with', () => {
  let environment: Environment;
  let operator: Operator;

  before(async () => {
    environment = await startEnvironment();
    operator = await environment.operator(['--no-leader-elect']);
  });

  after(async () => {
    await operator?.stop();
    await environment?.stop();
  });

  async function database(name: string): Promise<string> {
    const url = await environment.postgres.createDatabase(name);
    await seedNewton(url, { images: 20 });
    return url;
  }

  async function tenantAt(name: string): Promise<Tenant> {
    return environment.tenant(name, await database(name.replaceAll('-', '_')));
  }

  it('a webhook that does not answer: a few requests, its words in the status, and Ready when it is fixed', async () => {
    const tenant = await tenantAt('webhook');
    const webhooks = '/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations';
    await environment.api.call('POST', webhooks, {
      apiVersion: 'admissionregistration.k8s.io/v1',
      kind: 'ValidatingWebhookConfiguration',
      metadata: { name: 'away' },
      webhooks: [
        {
          name: 'jobs.away.example.org',
          clientConfig: { url: 'https://127.0.0.1:1/' },
          rules: [{ apiGroups: ['batch'], apiVersions: ['v1'], operations: ['CREATE'], resources: ['jobs'] }],
          namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'webhook' } },
          failurePolicy: 'Fail',
          sideEffects: 'None',
          admissionReviewVersions: ['v1'],
        },
      ],
    });
    // The API server takes a moment to heed it.
    await eventually(async () => {
      const tried = await tenant.kubectl('create', 'job', 'probe', '--image=none', '--dry-run=server');
      expect(tried.stderr).to.include('failed calling webhook');
    });
    const since = new Date();
    await tenant.apply({ revision: 'ocata01' });
    await sleep(10_000);
    await eventually(() => {
      const asked = environment.plane
        .auditEvents({ user: USER, since, stage: 'ResponseComplete' })
        .filter((event) => event.objectRef?.namespace === 'webhook');
      const tries = asked.filter(({ verb }) => verb === 'create').length;
      // Doubled delays from 50 ms on, and what the operator's own writes bring about.
      expect(tries, 'it is asked again').to.be.greaterThan(3);
      expect(asked.length, `${tries} tries`).to.be.lessThan(60);
    });
    const schema = await tenant.reaches('MigrationPending');
    expect(schema.status.conditions[0].message).to.match(
      /^The API server cannot take Job glance-1-\w+ for now: .*failed calling webhook.*It is asked again\.$/,
    );
    await environment.api.call('DELETE', `${webhooks}/away`);
    const ready = await tenant.reaches('UpToDate', 90_000);
    expect(ready.status.job.sequence, 'one Job').to.equal(1);
  });

  it('a ServiceAccount that does not exist: no pod, and a corrected spec or a deletion takes the Job away', async () => {
    const tenant = await tenantAt('no-pod');
    await tenant.apply({ revision: 'ocata01', job: { serviceAccountName: 'nobody' } });
    const blocked = await tenant.reaches('JobBlocked', 60_000);
    expect(blocked.status.conditions[0].message).to.include('has no pod yet');
    await tenant.apply({ revision: 'ocata01', job: { serviceAccountName: 'default' } });
    await tenant.reaches('UpToDate', 60_000);
    await tenant.apply({ revision: 'pike01', job: { serviceAccountName: 'nobody' } });
    await tenant.reaches('JobBlocked', 60_000);
    const deleted = await tenant.kubectl('delete', 'glanceschema', 'glance', '--timeout=300s');
    expect(deleted.code, deleted.stderr).to.equal(0);
  });

  it('a window that is far away: the database is read, retry starts nothing, and without the window it migrates', async () => {
    const tenant = await tenantAt('window');
    const window = { schedule: '0 0 29 2 *', duration: '1m' };
    await tenant.apply({ revision: 'ocata01', window });
    const waiting = await tenant.reaches('OutsideWindow');
    const { status } = waiting;
    expect(status).to.include({ recordedRevision: 'mitaka02' });
    expect(status.job).to.include({ purpose: 'Observe', sequence: 1 });
    const opens = status.nextAttemptAt;
    expect(opens).to.match(/-02-29T00:00:00Z$/);
    expect(Date.parse(opens)).to.be.greaterThan(Date.now());
    expect(status.conditions.map(({ type }: { type: string }) => type)).to.deep.equal([
      'Ready',
      'Reconciling',
    ]);
    expect(status.conditions[0].message).to.equal(
      `The migration to ocata01 waits for spec.window, which opens at ${opens}, and closes at ${opens.replace('T00:00:00Z', 'T00:01:00Z')}. To migrate before that, remove spec.window.`,
    );
    await tenant.apply({ revision: 'ocata01', window }, { [RETRY_ANNOTATION]: 'now' });
    // A reading that is asked for comes after the retry, and before anything else could.
    await tenant.apply(
      { revision: 'ocata01', window },
      { [RETRY_ANNOTATION]: 'now', [OBSERVE_ANNOTATION]: 'now' },
    );
    await eventually(async () => {
      const { handledObserve, job } = (await tenant.read()).status;
      expect([handledObserve, job.purpose, job.sequence]).to.deep.equal(['now', 'Observe', 2]);
    });
    await tenant.reaches('OutsideWindow');
    const patch = ['--type=merge', '--patch', '{"spec": {"window": null}}'];
    expect((await tenant.kubectl('patch', 'glanceschema', 'glance', ...patch)).code).to.equal(0);
    const ready = await tenant.reaches('UpToDate', 60_000);
    expect(ready.status.job).to.include({ purpose: 'Migrate', sequence: 3 });
    expect(ready.status).not.to.have.property('nextAttemptAt');
  });

  it('another Secret: its database is read first, and the record follows it, down too', async () => {
    const tenant = await tenantAt('moved');
    await tenant.apply({ revision: 'ocata01' });
    const before = await tenant.reaches('UpToDate');
    expect(before.status.recordedFrom).to.equal('glance-db/connection');
    await environment.api.call('POST', '/api/v1/namespaces/moved/secrets', {
      metadata: { name: 'glance-new' },
      stringData: { connection: await database('moved_to') },
    });
    const there = { secretRef: { name: 'glance-new' } };
    await tenant.apply({ revision: 'ocata01', suspend: true, database: there });
    const read = await eventually(async () => {
      const schema = await tenant.read();
      expect(schema.status.recordedFrom).to.equal('glance-new/connection');
      return schema;
    });
    expect(read.status).to.include({ recordedRevision: 'mitaka02' });
    await tenant.apply({ revision: 'ocata01', database: there });
    const after = await tenant.reaches('UpToDate');
    expect(after.status.lastMigration).to.include({ from: 'mitaka02', to: 'ocata01' });
    expect(after.status.history).to.have.length(2);
  });

  it('a database that was too new for the operator: its next version reads again', async () => {
    const url = await database('too_new');
    const tenant = await environment.tenant('too-new', url);
    await withClient(url, (client) =>
      client.query(`CREATE TABLE alembic_version (version_num varchar(32) PRIMARY KEY);
        INSERT INTO alembic_version VALUES ('2027_1_contract01')`),
    );
    await tenant.apply({ revision: 'ocata01' });
    await tenant.reaches('DatabaseNewer');
    await operator.stop();
    // Stands in for a version that knows this database.
    await withClient(url, (client) => client.query(`UPDATE alembic_version SET version_num = 'mitaka02'`));
    operator = await environment.operator(['--no-leader-elect', '--image', 'glance-schema:next']);
    const schema = await tenant.reaches('UpToDate', 60_000);
    expect(schema.status.job.image).to.equal('glance-schema:next');
  });
});
