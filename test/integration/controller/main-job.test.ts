import { expect } from 'chai';
import { seedNewton } from '../../../lab/databases/glance-data.ts';
import { goldenSchema, readSchema, withAlembicVersion } from '../../../lab/databases/golden.ts';
import { startGlanceNodes } from '../../../lab/glance/glance-nodes.ts';
import { eventually } from '../../../lab/process/eventually.ts';
import { holdMigration } from '../../support/held-migration.ts';
import { describeWithOperator } from '../../support/with-operator.ts';

describeWithOperator('GlanceSchema, from apply to Ready', (shared) => {
  it('adopts a Newton database, migrates it, and refuses to go back, at admission and after a new creation', async () => {
    const url = await shared.environment.postgres.createDatabase('newton');
    await seedNewton(url, { images: 500 });
    const tenant = await shared.environment.tenant('newton', url);

    await tenant.apply({ revision: 'mitaka02' });
    const adopted = await tenant.reaches('UpToDate');
    expect(adopted.status).to.deep.include({
      recordedRevision: 'mitaka02',
      recordedPhase: 'Contract',
      databaseHeads: ['mitaka02'],
      targetRevision: 'mitaka02',
    });
    expect(adopted.status.lastMigration, 'nothing ran').to.equal(undefined);

    await tenant.apply({ revision: 'ocata01' });
    const wait = await tenant.kubectl(
      'wait',
      '--for=condition=Ready',
      'glanceschema/glance',
      '--timeout=300s',
    );
    expect(wait.code, wait.stderr).to.equal(0);
    const schema = await tenant.read();
    expect(schema.status.recordedRevision).to.equal('ocata01');
    expect(schema.status.lastMigration).to.include({ from: 'mitaka02', to: 'ocata01' });
    expect(schema.status.lastMigration.applied).to.deep.equal(['ocata01']);
    expect(await readSchema(url)).to.deep.equal(withAlembicVersion(goldenSchema('ocata_era__ocata01')));

    expect(await tenant.refusal({ revision: 'mitaka01' })).to.contain(
      "Cannot lower the revision to 'mitaka01': the database is already at 'ocata01'",
    );

    await tenant.kubectl('delete', 'glanceschema', 'glance');
    await tenant.apply({ revision: 'mitaka01' });
    const refused = await tenant.reaches('DowngradeNotSupported');
    expect(refused.status.recordedRevision).to.equal('ocata01');
    expect(refused.status.conditions.map((condition: { type: string }) => condition.type)).to.deep.equal([
      'Ready',
      'Stalled',
    ]);
    expect(refused.status.job.failure.reason).to.equal('DowngradeNotSupported');
    expect(await readSchema(url), 'nothing was changed').to.deep.equal(
      withAlembicVersion(goldenSchema('ocata_era__ocata01')),
    );
    // Its Event is told of after the status has been written.
    await eventually(async () => {
      const warnings = (await tenant.events()).filter(
        (event) => event.type === 'Warning' && event.reason === 'DowngradeNotSupported',
      );
      expect(warnings).to.have.length(1);
    });
  });

  it('goes through Expand, Migrate and Contract with nodes of Glance at work, and never back a phase', async () => {
    const url = await shared.environment.postgres.createDatabase('phases');
    await seedNewton(url, { images: 2000 });
    const tenant = await shared.environment.tenant('phases', url);
    const old = await startGlanceNodes(url, 'old', 2);
    await tenant.apply({ revision: 'ocata01', through: 'Expand' });
    const expanded = await tenant.reaches('UpToDate');
    expect(expanded.status).to.deep.include({
      recordedRevision: 'ocata01',
      recordedPhase: 'Expand',
      databaseHeads: ['ocata_expand01'],
    });
    const fresh = await startGlanceNodes(url, 'new', 2);
    await tenant.apply({ revision: 'ocata01', through: 'Migrate' });
    const migrated = await tenant.reaches('UpToDate');
    expect(migrated.status).to.deep.include({ recordedPhase: 'Migrate', databaseHeads: ['ocata_expand01'] });
    expect(migrated.status.lastMigration).to.deep.include({
      from: 'ocata01 (Expand)',
      to: 'ocata01 (Migrate)',
      applied: ['ocata_migrate01'],
    });
    expect(await tenant.refusal({ revision: 'ocata01', through: 'Expand' })).to.contain(
      "Cannot lower the revision to 'ocata01' (Expand): the database is already at 'ocata01' (Migrate)",
    );
    const seenByOld = await old.stop();
    await tenant.apply({ revision: 'ocata01', through: 'Contract' });
    const contracted = await tenant.reaches('UpToDate');
    expect(contracted.status).to.deep.include({
      recordedRevision: 'ocata01',
      recordedPhase: 'Contract',
      databaseHeads: ['ocata_contract01'],
    });
    const seenByNew = await fresh.stop();
    expect([...seenByOld.errors, ...seenByNew.errors]).to.deep.equal([]);
    expect(await readSchema(url)).to.deep.equal(withAlembicVersion(goldenSchema('ocata_era__ocata01')));
    expect(await tenant.refusal({ revision: 'ocata01', through: 'Migrate' })).to.contain(
      "Cannot lower the revision to 'ocata01' (Migrate): the database is already at 'ocata01'",
    );
    const jobs = (await tenant.jobs()).map((job) =>
      job.spec.template.spec.containers[0].args.slice(0, 5).join(' '),
    );
    expect(jobs.sort()).to.deep.equal([
      'db sync ocata01 --report /dev/termination-log',
      'db sync ocata01 --through Expand',
      'db sync ocata01 --through Migrate',
    ]);
  });

  it('leaves Jobs with their TTL and no finalizer once the result is in the status', async () => {
    const tenant = await shared.environment.tenant(
      'empty',
      await shared.environment.postgres.createDatabase('empty'),
    );
    await tenant.apply({});
    const schema = await tenant.reaches('UpToDate');
    expect(schema.status).to.include({ recordedRevision: '2024_1_01', targetRevision: '2024_1_01' });
    const [job] = await tenant.jobs();
    expect(job?.spec.podReplacementPolicy).to.equal('Failed');
    // Both are written after the status.
    await eventually(async () => {
      expect((await tenant.jobs())[0]?.spec.ttlSecondsAfterFinished).to.equal(86400);
      expect((await tenant.read()).metadata?.finalizers).to.equal(undefined);
    });
  });

  it('waits for a Secret that is missing, and goes on by itself', async () => {
    const url = await shared.environment.postgres.createDatabase('secretless');
    const tenant = await shared.environment.tenant('secretless', url);
    await tenant.apply({ database: { secretRef: { name: 'later' } } });
    const blocked = await tenant.reaches('SecretNotReady');
    expect(blocked.status.conditions[0].message).to.contain('secret "later" not found');
    await shared.environment.api.call('POST', `/api/v1/namespaces/${tenant.namespace}/secrets`, {
      metadata: { name: 'later' },
      stringData: { connection: url },
    });
    await tenant.reaches('UpToDate');
    expect(await tenant.jobs()).to.have.length(1);
  });

  it('replaces a Job that never started when the spec that shaped it changes', async () => {
    const url = await shared.environment.postgres.createDatabase('mistyped');
    const tenant = await shared.environment.tenant('mistyped', url);
    await tenant.apply({ database: { secretRef: { name: 'glance-bd' } } });
    await tenant.reaches('SecretNotReady');
    await tenant.apply({ database: { secretRef: { name: 'glance-db' } } });
    await tenant.reaches('UpToDate');
    expect(await tenant.jobs()).to.have.length(1);
  });

  it('says what the API server says when it takes no Job, and is not in a hurry', async () => {
    const tenant = await shared.environment.tenant(
      'quota',
      await shared.environment.postgres.createDatabase('quota'),
    );
    await shared.environment.api.call('POST', `/api/v1/namespaces/${tenant.namespace}/resourcequotas`, {
      metadata: { name: 'none' },
      spec: { hard: { 'count/jobs.batch': '0' } },
    });
    await tenant.apply({ job: { labels: { 'no label': 'x' } } });
    const blocked = await tenant.reaches('JobBlocked');
    expect(blocked.status.conditions[0].message).to.contain('The API server refused to create Job glance-1-');
    // Its Event is told of after the status has been written.
    await eventually(async () => {
      expect((await tenant.events()).map(({ reason }) => reason)).to.include('JobBlocked');
    });
    const before = shared.environment.proxy.requests.length;
    await new Promise((resolve) => setTimeout(resolve, 2000));
    const since = shared.environment.proxy.requests
      .slice(before)
      .filter((request) => request.path.includes(tenant.namespace));
    expect(since.map((request) => `${request.method} ${request.path}`)).to.deep.equal([]);
  });

  it('says why a database cannot be reached, without the password, and when it tries again', async () => {
    const tenant = await shared.environment.tenant(
      'unreachable',
      'postgresql://glance:hunter2@127.0.0.1:1/glance',
    );
    await tenant.apply({ job: { backoffLimit: 0 } });
    const schema = await tenant.reaches('DatabaseUnreachable');
    expect(schema.status.conditions[0].message).to.match(/127\.0\.0\.1:1/);
    expect(JSON.stringify(schema)).not.to.contain('hunter2');
    const retrying = await tenant.reaches('DatabaseUnreachable');
    expect(retrying.status.conditions.map((condition: { type: string }) => condition.type)).to.include(
      'Reconciling',
    );
  });

  it('deletes a resource only when its migration has ended', async () => {
    const url = await shared.environment.postgres.createDatabase('deleted');
    await seedNewton(url, { images: 100 });
    const tenant = await shared.environment.tenant('deleted', url);
    const held = await holdMigration(url);
    await tenant.apply({ revision: 'ocata01' });
    await held.waits();
    await tenant.reaches('MigrationRunning');
    const asked = await tenant.kubectl('delete', 'glanceschema', 'glance', '--wait=false');
    expect(asked.code, asked.stderr).to.equal(0);
    expect((await tenant.read()).metadata?.deletionTimestamp, 'it waits').to.be.a('string');
    await held.release();
    const gone = await tenant.kubectl('wait', '--for=delete', 'glanceschema/glance', '--timeout=300s');
    expect(gone.code, gone.stderr).to.equal(0);
    expect(await readSchema(url)).to.deep.equal(withAlembicVersion(goldenSchema('ocata_era__ocata01')));
  });

  it('deletes a resource whose migration can never start', async () => {
    const url = await shared.environment.postgres.createDatabase('never_started');
    const tenant = await shared.environment.tenant('never-started', url);
    await tenant.apply({ revision: 'ocata01', job: { image: 'mistyped:latest' } });
    await tenant.reaches('JobBlocked');
    const deleted = await tenant.kubectl('delete', 'glanceschema', 'glance', '--timeout=300s');
    expect(deleted.code, deleted.stderr).to.equal(0);
    await eventually(async () => expect(await tenant.jobs()).to.deep.equal([]));
  });

  it('reads the database again when the annotation observe asks for it', async () => {
    const url = await shared.environment.postgres.createDatabase('restored');
    await seedNewton(url, { images: 10 });
    const tenant = await shared.environment.tenant('restored', url);
    await tenant.apply({ revision: 'ocata01' });
    await tenant.reaches('UpToDate');
    // A restore: another database, of Newton again, under the same connection.
    const older = await shared.environment.postgres.createDatabase('restored_older');
    await seedNewton(older, { images: 10 });
    await shared.environment.api.call('PATCH', `/api/v1/namespaces/${tenant.namespace}/secrets/glance-db`, {
      stringData: { connection: older },
    });
    await tenant.kubectl('annotate', 'glanceschema', 'glance', 'db.glance.openstack.org/observe=restore-1');
    await tenant.apply(
      { revision: 'ocata01', suspend: true },
      { 'db.glance.openstack.org/observe': 'restore-1' },
    );
    await tenant.apply({ revision: 'ocata01' }, { 'db.glance.openstack.org/observe': 'restore-1' });
    const schema = await tenant.reaches('UpToDate');
    expect(schema.status.handledObserve).to.equal('restore-1');
    expect(schema.status.recordedRevision).to.equal('ocata01');
    expect(await readSchema(older)).to.deep.equal(withAlembicVersion(goldenSchema('ocata_era__ocata01')));
  });
});
