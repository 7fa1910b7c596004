import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import { seedNewton } from '../../../lab/databases/glance-data.ts';
import { seedMysqlNewton } from '../../../lab/databases/glance-data-mysql.ts';
import { goldenSchema, readSchema, withAlembicVersion } from '../../../lab/databases/golden.ts';
import {
  goldenMysqlSchema,
  readMysqlSchema,
  withMysqlAlembicVersion,
} from '../../../lab/databases/golden-mysql.ts';
import { hasMariaDb, NO_MARIADB, startMariaDb, type TestMariaDb } from '../../../lab/databases/mariadb.ts';
import { askMysql, openMysqlSession } from '../../../lab/databases/mysql-client.ts';
import { type Environment, startEnvironment, type Tenant } from '../../../lab/kubernetes/environment.ts';
import { crdsEstablished, kubectl } from '../../../lab/kubernetes/kubectl.ts';
import type { Operator } from '../../../lab/kubernetes/operator.ts';
import type { KubeObject } from '../../../lab/kubernetes/test-api.ts';
import { eventually } from '../../../lab/process/eventually.ts';
import { type HeldMigration, holdMigration } from '../../support/held-migration.ts';

/** How often each case is run, and how many of them at once. */
const RUNS = Number(process.env.RUNS ?? 1);
const AT_ONCE = 5;

const CRD = 'glanceschemas.db.glance.openstack.org';
const FINALIZER = 'db.glance.openstack.org/migration-running';
const LONG_WAIT = { timeoutMilliseconds: 120_000 };

/** A database in the middle of whose migration something is deleted. */
interface Database {
  readonly url: string;
  readonly held: HeldMigration;
  /** Its schema is Glance's own of that revision. */
  expectMigrated(): Promise<void>;
}

interface AtWork extends Database {
  readonly tenant: Tenant;
}

describe('deletions while a migration runs', function () {
  this.timeout(1_800_000);
  let environment: Environment;
  let operator: Operator;
  let mariadb: TestMariaDb;
  let names = 0;

  before(async () => {
    environment = await startEnvironment();
    operator = await environment.operator(['--no-leader-elect']);
    await collectorKnowsSchemas();
  });

  after(async () => {
    await operator?.stop();
    await mariadb?.stop();
    await environment?.stop();
  });

  const read = async (path: string) => (await environment.api.request('GET', path)).status;
  const admin = (...args: string[]) => kubectl(environment.plane.kubeconfigPath, args);

  async function done(...args: string[]): Promise<void> {
    const result = await admin(...args);
    expect(result.code, result.stderr).to.equal(0);
  }

  /**
   * The garbage collector looks for new kinds every 30 s, and does nothing for those that it does
   * not know.
   */
  async function collectorKnowsSchemas(): Promise<void> {
    names += 1;
    const tenant = await environment.tenant(`probe-${names}`, 'postgresql://nobody@127.0.0.1:1/glance');
    await tenant.apply({ revision: 'ocata01', suspend: true });
    await dependent(tenant);
    const deleted = await tenant.kubectl(
      'delete',
      'glanceschema',
      'glance',
      '--cascade=foreground',
      '--wait=false',
    );
    expect(deleted.code, deleted.stderr).to.equal(0);
    await eventually(async () => {
      expect(await read(`/api/v1/namespaces/${tenant.namespace}/configmaps/dependent`)).to.equal(404);
    }, LONG_WAIT);
  }

  /**
   * A ConfigMap that the resource owns as it owns its Jobs: what becomes of it shows that the
   * garbage collector was there.
   */
  async function dependent({ namespace, read }: Tenant): Promise<void> {
    const { metadata } = await read();
    const owner = { name: 'glance', uid: metadata?.uid, controller: true, blockOwnerDeletion: false };
    await environment.api.call('POST', `/api/v1/namespaces/${namespace}/configmaps`, {
      metadata: {
        name: 'dependent',
        ownerReferences: [{ apiVersion: 'db.glance.openstack.org/v1alpha1', kind: 'GlanceSchema', ...owner }],
      },
    });
  }

  async function onPostgres(name: string): Promise<Database> {
    const url = await environment.postgres.createDatabase(name);
    await seedNewton(url, { images: 5 });
    return {
      url,
      held: await holdMigration(url),
      expectMigrated: async () => {
        expect(await readSchema(url)).to.deep.equal(withAlembicVersion(goldenSchema('ocata_era__ocata01')));
      },
    };
  }

  async function onMariaDb(name: string): Promise<Database> {
    mariadb ??= await startMariaDb();
    const url = await mariadb.createDatabase(name);
    await seedMysqlNewton(url, { images: 5 });
    return {
      url,
      held: await holdMysqlMigration(url),
      expectMigrated: async () => {
        const golden = withMysqlAlembicVersion(goldenMysqlSchema('ocata_era__ocata01'));
        expect(await readMysqlSchema(url)).to.deep.equal(golden);
      },
    };
  }

  /**
   * The same as `holdMigration`: a transaction that has read a table keeps everybody from changing
   * it.
   */
  async function holdMysqlMigration(url: string): Promise<HeldMigration> {
    const session = await openMysqlSession(url);
    await session.query('BEGIN');
    await session.query('SELECT id FROM images LIMIT 1');
    return {
      waits: () =>
        eventually(async () => {
          const waiting = await askMysql(
            url,
            `SELECT 1 FROM information_schema.PROCESSLIST
              WHERE DB = DATABASE() AND STATE = 'Waiting for table metadata lock'`,
          );
          expect(waiting, 'it waits for the table').to.have.length(1);
        }, LONG_WAIT),
      release: () => session.end(),
    };
  }

  async function atWork(make: (name: string) => Promise<Database>): Promise<AtWork> {
    names += 1;
    const number = names;
    const database = await make(`deleted_${number}`);
    const tenant = await environment.tenant(`deleted-${number}`, database.url);
    await tenant.apply({ revision: 'ocata01' });
    await dependent(tenant);
    await database.held.waits();
    await tenant.reaches('MigrationRunning');
    return { ...database, tenant };
  }

  /** Runs a case so many times, some at once, and counts. */
  async function times(run: (index: number) => Promise<void>): Promise<void> {
    const failures: unknown[] = [];
    for (let begun = 0; begun < RUNS; begun += AT_ONCE) {
      const batch = Array.from({ length: Math.min(AT_ONCE, RUNS - begun) }, (_each, index) =>
        run(begun + index),
      );
      for (const result of await Promise.allSettled(batch)) {
        if (result.status === 'rejected') {
          failures.push(result.reason);
        }
      }
    }
    console.log(`      ${RUNS - failures.length} of ${RUNS}`);
    expect(failures.map(String), `${failures.length} of ${RUNS} failed`).to.deep.equal([]);
  }

  async function expectAtWork({ tenant, held }: AtWork): Promise<void> {
    // What the garbage collector has begun would be seen by now.
    await sleep(1000);
    const isKept = ({ metadata }: KubeObject) => metadata?.deletionTimestamp === undefined;
    const [jobs, pods] = await Promise.all([tenant.jobs(), tenant.pods()]);
    expect(jobs.map(isKept), 'the Job').to.deep.equal([true]);
    expect(pods.map(isKept), 'its pod').to.deep.equal([true]);
    await held.waits();
  }

  /** The one Job has succeeded with its first pod, and Kubernetes deletes it in a day. */
  async function expectEnded({ tenant, expectMigrated }: AtWork): Promise<void> {
    await eventually(async () => {
      const [job] = await tenant.jobs();
      expect(job?.status.succeeded).to.equal(1);
      expect(job?.status.failed ?? 0).to.equal(0);
      expect(job?.spec.ttlSecondsAfterFinished).to.equal(86_400);
    }, LONG_WAIT);
    await expectMigrated();
  }

  async function isDeleted({ tenant }: AtWork): Promise<void> {
    await eventually(async () => {
      const schema = await tenant.read();
      expect(schema.metadata?.deletionTimestamp).to.be.a('string');
      expect(schema.metadata?.finalizers).to.deep.equal([FINALIZER]);
      expect(schema.status.conditions[0].message).to.match(/ The deletion waits for it\.$/);
    }, LONG_WAIT);
  }

  for (const { engine, make } of [
    { engine: 'PostgreSQL', make: onPostgres },
    { engine: 'MariaDB', make: onMariaDb },
  ]) {
    describe(engine, () => {
      before(function () {
        if (engine === 'MariaDB' && !hasMariaDb()) {
          console.log(`      ${NO_MARIADB}`);
          this.skip();
        }
      });

      for (const cascade of ['background', 'foreground', 'orphan']) {
        it(`of the resource, --cascade=${cascade}: the migration goes on, and the resource goes after it`, () =>
          times(async () => {
            const work = await atWork(make);
            const { tenant } = work;
            const configMap = `/api/v1/namespaces/${tenant.namespace}/configmaps/dependent`;
            await tenant.kubectl('delete', 'glanceschema', 'glance', `--cascade=${cascade}`, '--wait=false');
            await isDeleted(work);
            if (cascade !== 'background') {
              await eventually(async () => {
                const { status, body } = await environment.api.request('GET', configMap);
                expect(status === 404 || body.metadata?.ownerReferences === undefined, 'collected').to.equal(
                  true,
                );
              }, LONG_WAIT);
            }
            await expectAtWork(work);
            await work.held.release();
            await eventually(
              async () => expect(await read(`${tenant.path}/glance`)).to.equal(404),
              LONG_WAIT,
            );
            await expectEnded(work);
          }));
      }

      for (const cascade of ['background', 'foreground']) {
        it(`of the CRD, --cascade=${cascade}: migrations go on, and it goes after them`, async () => {
          for (let begun = 0; begun < RUNS; begun += AT_ONCE) {
            const count = Math.min(AT_ONCE, RUNS - begun);
            const works = await Promise.all(Array.from({ length: count }, () => atWork(make)));
            await done('delete', 'crd', CRD, `--cascade=${cascade}`, '--wait=false');
            await Promise.all(works.map(isDeleted));
            await Promise.all(works.map(expectAtWork));
            await Promise.all(works.map(({ held }) => held.release()));
            await eventually(async () => {
              const path = `/apis/apiextensions.k8s.io/v1/customresourcedefinitions/${CRD}`;
              expect(await read(path)).to.equal(404);
            }, LONG_WAIT);
            await Promise.all(works.map(expectEnded));
            console.log(`      ${begun + count} of ${RUNS}`);
            await done('apply', '-k', 'crds');
            await crdsEstablished(environment.plane.kubeconfigPath);
            await collectorKnowsSchemas();
          }
        });

        it(`of the namespace, --cascade=${cascade}: it ends the migration and goes, and the next run finishes it`, () =>
          times(async () => {
            const work = await atWork(make);
            const { namespace } = work.tenant;
            await done('delete', 'namespace', namespace, `--cascade=${cascade}`, '--wait=false');
            await eventually(
              async () => expect(await read(`/api/v1/namespaces/${namespace}`)).to.equal(404),
              LONG_WAIT,
            );
            await work.held.release();
            const next = await environment.tenant(`${namespace}-next`, work.url);
            await next.apply({ revision: 'ocata01' });
            await next.reaches('UpToDate', LONG_WAIT.timeoutMilliseconds);
            await work.expectMigrated();
          }));
      }
    });
  }
});
