import { expect } from 'chai';
import mysql from 'mysql2/promise';
import { withClient } from '../../../lab/databases/images.ts';
import { hasMariaDb, NO_MARIADB, startMariaDb, type TestMariaDb } from '../../../lab/databases/mariadb.ts';
import { askMysql, mysqlOptions } from '../../../lab/databases/mysql-client.ts';
import { type Environment, startEnvironment, type Tenant } from '../../../lab/kubernetes/environment.ts';
import type { Operator } from '../../../lab/kubernetes/operator.ts';
import { eventually } from '../../../lab/process/eventually.ts';
import { leaveOut } from '../../../lab/process/needs.ts';

/** MariaDB takes no smaller one. */
const FEWEST_CONNECTIONS = 10;

const LONG_WAIT = { timeoutMilliseconds: 90_000 };

interface Trouble {
  readonly connection: string;
  /** Takes the cause away. */
  cure(tenant: Tenant): Promise<unknown>;
}

interface Cause {
  readonly name: string;
  readonly what: string;
  readonly onMariaDb?: boolean;
  make(): Promise<Trouble>;
  /** What the GlanceSchema asks for besides. */
  readonly spec?: Record<string, unknown>;
  readonly reason: string;
  readonly says: RegExp;
}

describe('what passes is tried again, and then succeeds', () => {
  let environment: Environment;
  let operator: Operator;
  let mariadb: TestMariaDb | undefined;
  let replica: TestMariaDb | undefined;
  let runs: Map<string, Promise<void>>;

  const CAUSES: readonly Cause[] = [
    {
      name: 'limit-postgres',
      what: 'PostgreSQL has no connection left (53300)',
      async make() {
        const admin = environment.postgres.url('postgres');
        await ask(admin, "CREATE ROLE few LOGIN PASSWORD 'few' CONNECTION LIMIT 0");
        await ask(admin, 'CREATE DATABASE few OWNER few');
        const { host, port } = environment.postgres;
        return {
          connection: `postgresql://few:few@${host}:${port}/few`,
          cure: () => ask(admin, 'ALTER ROLE few CONNECTION LIMIT -1'),
        };
      },
      reason: 'DatabaseUnreachable',
      says: /no connection left: too many connections for role/,
    },
    {
      name: 'readonly-postgres',
      what: 'PostgreSQL is read-only, as after a switchover (25006)',
      async make() {
        const connection = await environment.postgres.createDatabase('standby');
        const admin = environment.postgres.url('postgres');
        await ask(admin, 'ALTER DATABASE standby SET default_transaction_read_only = on');
        return {
          connection,
          cure: () => ask(admin, 'ALTER DATABASE standby RESET default_transaction_read_only'),
        };
      },
      reason: 'DatabaseUnreachable',
      says: /read-only/,
    },
    {
      name: 'limit-mariadb',
      what: 'MariaDB has no connection left (1040)',
      onMariaDb: true,
      async make() {
        const server = mariadb ?? expect.fail(NO_MARIADB);
        const connection = await server.createDatabase('crowded');
        const guests: mysql.Connection[] = [];
        for (let count = 0; count < FEWEST_CONNECTIONS; count += 1) {
          // The session that made the database may not be gone yet.
          guests.push(await eventually(() => mysql.createConnection(mysqlOptions(connection))));
        }
        return { connection, cure: () => Promise.all(guests.map((guest) => guest.end())) };
      },
      reason: 'DatabaseUnreachable',
      says: /no connection left: Too many connections/,
    },
    {
      name: 'readonly-mariadb',
      what: 'MariaDB is read-only, as after a switchover (1290)',
      onMariaDb: true,
      async make() {
        // A server of its own, as all of it is read-only.
        const server = replica ?? expect.fail(NO_MARIADB);
        const connection = await server.createDatabase('switched');
        const admin = server.adminUrl('switched');
        await askMysql(admin, 'SET GLOBAL read_only = 1');
        return { connection, cure: () => askMysql(admin, 'SET GLOBAL read_only = 0') };
      },
      reason: 'DatabaseUnreachable',
      says: /read-only/,
    },
    {
      name: 'deadline',
      what: 'job.activeDeadlineSeconds runs out while the Secret is missing',
      async make() {
        const connection = await environment.postgres.createDatabase('late');
        return {
          connection,
          cure: (tenant) =>
            environment.api.call('POST', `/api/v1/namespaces/${tenant.namespace}/secrets`, {
              metadata: { name: 'later' },
              stringData: { connection },
            }),
        };
      },
      spec: {
        database: { secretRef: { name: 'later' } },
        job: { activeDeadlineSeconds: 40, backoffLimit: 0 },
      },
      reason: 'MigrationPending',
      says: /reached job\.activeDeadlineSeconds before its migration began\. The pod .* cannot start: .*later/,
    },
  ];

  before(async () => {
    environment = await startEnvironment();
    operator = await environment.operator(['--no-leader-elect']);
    mariadb = hasMariaDb()
      ? await startMariaDb({ settings: { max_connections: String(FEWEST_CONNECTIONS) } })
      : undefined;
    replica = hasMariaDb() ? await startMariaDb() : undefined;
    // Side by side: each waits for its next attempt most of the time.
    runs = new Map(
      CAUSES.filter(({ onMariaDb }) => !onMariaDb || mariadb !== undefined).map((cause) => [
        cause.name,
        run(cause),
      ]),
    );
    await Promise.allSettled(runs.values());
  });

  after(async () => {
    await operator?.stop();
    await environment?.stop();
    await mariadb?.stop();
    await replica?.stop();
  });

  async function run({
    name,
    make,
    spec = { job: { backoffLimit: 0 } },
    reason,
    says,
  }: Cause): Promise<void> {
    const { connection, cure } = await make();
    const tenant = await environment.tenant(name, connection);
    await tenant.apply({ revision: 'liberty', ...spec });
    const { status } = await eventually(async () => {
      const schema = await tenant.read();
      expect(schema.status?.nextAttemptAt, 'it waits for the next attempt').not.to.equal(undefined);
      return schema;
    }, LONG_WAIT);
    const [ready, also] = status.conditions;
    expect([ready.reason, ready.status, also.type]).to.deep.equal([reason, 'False', 'Reconciling']);
    expect(ready.message)
      .to.match(says)
      .and.to.match(/The next attempt is at \S+\.$/);
    await cure(tenant);
    const done = await tenant.reaches('UpToDate', LONG_WAIT.timeoutMilliseconds);
    // More than two where the next one was due before the cause was taken away.
    const { attempt } = done.status.job;
    expect(attempt).to.be.at.least(2);
    expect(done.status.job.failure).to.equal(undefined);
    expect(done.status.nextAttemptAt).to.equal(undefined);
    expect(await tenant.jobs()).to.have.length(attempt);
  }

  for (const { name, what, onMariaDb } of CAUSES) {
    it(what, async function () {
      if (onMariaDb && mariadb === undefined) {
        leaveOut(this, NO_MARIADB);
      }
      await runs.get(name);
    });
  }
});

async function ask(url: string, sql: string): Promise<void> {
  await withClient(url, (client) => client.query(sql));
}
