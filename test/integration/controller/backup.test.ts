import { createHash } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { type ClientFolder, makeClientFolder } from '../../../lab/databases/backup-clients.ts';
import { hasMariaDb, NO_MARIADB, startMariaDb, type TestMariaDb } from '../../../lab/databases/mariadb.ts';
import { startPostgres, type TestPostgres } from '../../../lab/databases/postgres.ts';
import { type Environment, startEnvironment, type Tenant } from '../../../lab/kubernetes/environment.ts';
import type { Operator } from '../../../lab/kubernetes/operator.ts';
import type { KubeObject } from '../../../lab/kubernetes/test-api.ts';
import { bundle } from '../../../lab/process/bundle.ts';
import { eventually } from '../../../lab/process/eventually.ts';
import { leaveOut } from '../../../lab/process/needs.ts';
import { findPostgres } from '../../../lab/tools/distribution-packages.ts';
import { restoreJob } from '../../../src/cli/kubectl/restore-job.ts';
import { OBSERVE_ANNOTATION } from '../../../src/contract/names.ts';
import { mysqlEngine } from '../../support/mysql-engine.ts';
import { postgresEngine } from '../../support/postgres-engine.ts';
import type { TestEngine } from '../../support/test-engine.ts';

const WAIT = 60_000;

/** An image of the operator that has the clients of the databases, as the target of the Dockerfile. */
const WITH_CLIENTS = 'with-clients';

/** One that has none, whatever is on the machine of the tests. */
const WITHOUT_CLIENTS = 'no-clients';

describe('a migration that takes a backup first', () => {
  const claims = new Map<string, string>();
  let clients: ClientFolder;
  let environment: Environment;
  let operator: Operator;

  before(async () => {
    clients = makeClientFolder();
    environment = await startEnvironment({
      claims,
      images: {
        [WITH_CLIENTS]: ['/usr/bin/env', `PATH=${clients.path}`, process.execPath, bundle()],
        [WITHOUT_CLIENTS]: ['/usr/bin/env', 'PATH=/nowhere', process.execPath, bundle()],
      },
    });
    operator = await environment.operator();
  });

  after(async () => {
    await operator?.stop();
    await environment?.stop();
    clients?.remove();
    for (const folder of claims.values()) rmSync(folder, { recursive: true, force: true });
  });

  /** A Newton database, a tenant for it, and a claim of its own with its folder. */
  async function newton(engine: TestEngine, name: string) {
    const url = await engine.createDatabase(name.replaceAll('-', '_'));
    await engine.seedNewton(url, { images: 20 });
    const folder = mkdtempSync(join(tmpdir(), 'glance-schema-claim-'));
    claims.set(name, folder);
    return { url, folder, tenant: await environment.tenant(name, url) };
  }

  function wants(
    tenant: Tenant,
    claim: string,
    image = WITH_CLIENTS,
    more: Record<string, unknown> = {},
    annotations: Record<string, string> = {},
  ) {
    const backup = { policy: 'BeforeUpgrade', volumeClaimName: claim, image };
    return tenant.apply({ revision: 'ocata01', backup, job: { backoffLimit: 0 }, ...more }, annotations);
  }

  function cases(engine: () => TestEngine, prefix: string): void {
    it('has it proven on the claim, in the status, the history and an Event, and then migrates', async () => {
      const name = `${prefix}-taken`;
      const { tenant, folder } = await newton(engine(), name);
      await wants(tenant, name);
      const { status } = await tenant.reaches('UpToDate', WAIT);
      const [backup, ...others] = status.backups;
      expect(others).to.deep.equal([]);
      expect(backup).to.include({ revision: 'mitaka02', phase: 'Contract', volumeClaimName: name });
      const file = readFileSync(join(folder, backup.file));
      expect(file).to.have.length(backup.bytes);
      expect(createHash('sha256').update(file).digest('hex')).to.equal(backup.sha256);
      expect(readdirSync(folder).sort()).to.deep.equal([backup.file, `${backup.file}.json`]);
      expect(status.history).to.have.length(1);
      expect(status.history[0]).to.include({ from: 'mitaka02', to: 'ocata01', backup: backup.file });
      expect(status.job.backup).to.equal('Proven');
      await eventually(async () => {
        const notes = (await tenant.events()).filter(({ reason }) => reason === 'BackupTaken');
        expect(notes).to.have.length(1);
        expect(notes[0]?.note).to.contain(`Backup ${backup.file} of the database at mitaka02 is on claim`);
      });
      const said = await tenant.kubectl('logs', `job/${status.job.name}`, '-c', 'backup');
      expect(said.stdout + said.stderr)
        .to.contain(backup.file)
        .and.not.to.contain('glance-secret');
    });

    it('leads the way back: restored, read again at mitaka02, each row as it was, and migrated again', async () => {
      const name = `${prefix}-back`;
      const { url, tenant } = await newton(engine(), name);
      const [schema, tables] = [await engine().readSchema(url), await engine().readTables(url)];
      await wants(tenant, name);
      const upgraded = await tenant.reaches('UpToDate', WAIT);
      const images = await engine().readImages(url);

      await wants(tenant, name, WITH_CLIENTS, { suspend: true });
      const suspended = await tenant.reaches('Suspended', WAIT);
      const { metadata = {}, spec, status } = suspended;
      const job = restoreJob(
        { metadata: { name: 'glance', namespace: name, creationTimestamp: '', ...metadata }, spec, status },
        upgraded.status.backups[0],
      );
      const jobs = `/apis/batch/v1/namespaces/${name}/jobs`;
      const made = await environment.api.call('POST', jobs, job);
      await eventually(
        async () => {
          const { status: state } = await environment.api.call('GET', `${jobs}/${made.metadata?.name}`);
          expect(state.conditions?.map(({ type }: KubeObject) => type)).to.include('Complete');
        },
        { timeoutMilliseconds: WAIT },
      );
      expect(await engine().readSchema(url)).to.deep.equal(schema);
      expect(await engine().readTables(url)).to.deep.equal(tables);

      await wants(tenant, name, WITH_CLIENTS, { suspend: true }, { [OBSERVE_ANNOTATION]: 'restored' });
      await eventually(
        async () => expect((await tenant.read()).status.recordedRevision).to.equal('mitaka02'),
        { timeoutMilliseconds: WAIT },
      );
      await wants(tenant, name);
      const again = await tenant.reaches('UpToDate', WAIT);
      expect(again.status.backups, 'a backup of its own').to.have.length(2);
      expect(await engine().readImages(url)).to.deep.equal(images);
    });

    it('migrates nothing without it, says why, and goes on once that is fixed', async () => {
      const name = `${prefix}-mended`;
      const { url, tenant, folder } = await newton(engine(), name);
      const before = await engine().readSchema(url);
      await wants(tenant, name, WITHOUT_CLIENTS);
      const failed = await tenant.reaches('BackupFailed', WAIT);
      const [ready] = failed.status.conditions;
      expect(ready.message)
        .to.match(/pg_dump|mariadb-dump/)
        .and.to.contain('The next attempt is at');
      expect(failed.status).not.to.have.any.keys('backups', 'history');
      expect(readdirSync(folder)).to.deep.equal([]);
      expect(await engine().readSchema(url)).to.deep.equal(before);
      await wants(tenant, name);
      const { status } = await tenant.reaches('UpToDate', WAIT);
      expect(status.backups).to.have.length(1);
    });
  }

  describe('on PostgreSQL', () => {
    let server: TestPostgres;
    before(async function () {
      const bin = findPostgres();
      if (bin === null)
        leaveOut(this, 'PostgreSQL with its clients is not on this machine: `make test` brings it.');
      server = await startPostgres({ bin });
    });
    after(() => server?.stop());
    const engine = (): TestEngine => postgresEngine(() => server);
    cases(engine, 'pg');

    it('waits for a claim that is not there, says its name, and takes another', async () => {
      const { tenant } = await newton(engine(), 'pg-claim');
      await wants(tenant, 'nowhere');
      const blocked = await tenant.reaches('JobBlocked', WAIT);
      expect(blocked.status.conditions[0].message).to.contain('persistentvolumeclaim "nowhere" not found');
      await wants(tenant, 'pg-claim');
      expect((await tenant.reaches('UpToDate', WAIT)).status.backups).to.have.length(1);
    });

    it('of an empty database takes none', async () => {
      const url = await engine().createDatabase('pg_empty');
      const tenant = await environment.tenant('pg-empty', url);
      claims.set('pg-empty', mkdtempSync(join(tmpdir(), 'glance-schema-claim-')));
      await wants(tenant, 'pg-empty');
      const { status } = await tenant.reaches('UpToDate', WAIT);
      expect(status.job.backup).to.equal('NotNeeded');
      expect(status).not.to.have.property('backups');
    });
  });

  describe('on MariaDB', () => {
    let server: TestMariaDb;
    before(async function () {
      if (!hasMariaDb()) leaveOut(this, NO_MARIADB);
      server = await startMariaDb();
    });
    after(() => server?.stop());
    cases(() => mysqlEngine(() => server), 'maria');
  });
});
