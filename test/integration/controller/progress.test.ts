import { expect } from 'chai';
import { seedNewton } from '../../../lab/databases/glance-data.ts';
import { withClient } from '../../../lab/databases/images.ts';
import type { ProxiedRequest } from '../../../lab/kubernetes/api-proxy.ts';
import type { Tenant } from '../../../lab/kubernetes/environment.ts';
import type { KubeObject } from '../../../lab/kubernetes/test-api.ts';
import { eventually } from '../../../lab/process/eventually.ts';
import { describeWithOperator } from '../../support/with-operator.ts';

const OPERATOR = 'system:serviceaccount:glance-schema-system:glance-schema-operator';
/** What a status says on a slow machine before the migration begins: its pod waits. */
const WHILE_WAITING = ['MigrationPending', 'JobBlocked'];

const ROLE = '/apis/rbac.authorization.k8s.io/v1/clusterroles/glance-schema-operator';

describeWithOperator('progress of a long data migration', (shared) => {
  /**
   * A tenant whose migration of `images` takes a hundredth of a second for each, and all of that
   * has begun.
   */
  async function slow(name: string, images: number): Promise<Tenant> {
    const url = await shared.environment.postgres.createDatabase(name);
    await seedNewton(url, { images });
    await withClient(url, async (client) => {
      await client.query(`CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS
        'BEGIN PERFORM pg_sleep(0.01); RETURN NEW; END'`);
      await client.query('CREATE TRIGGER wait BEFORE UPDATE ON images FOR EACH ROW EXECUTE FUNCTION wait()');
    });
    const tenant = await shared.environment.tenant(name, url);
    await tenant.apply({ revision: 'ocata01', through: 'Migrate' });
    return tenant;
  }

  /** Every status that could be seen until the database is there, each once. */
  async function statusesOf(tenant: Tenant): Promise<readonly KubeObject[]> {
    const seen = new Map<string, KubeObject>();
    await eventually(
      async () => {
        const { metadata, status } = await tenant.read();
        seen.set(metadata?.resourceVersion ?? '', status);
        expect(status?.conditions?.[0].reason).to.equal('UpToDate');
      },
      { timeoutMilliseconds: 120_000, everyMilliseconds: 200 },
    );
    return [...seen.values()];
  }

  function logsRead(tenant: Tenant): readonly ProxiedRequest[] {
    const logs = new RegExp(`^/api/v1/namespaces/${tenant.namespace}/pods/[^/]+/log$`);
    return shared.environment.proxy.requests.filter((request) => logs.test(request.path));
  }

  it('is reported while it goes on, about every ten seconds, and is gone in the end', async () => {
    const tenant = await slow('told', 3200);
    // Another one's node is away, which neither fails nor delays anything.
    shared.environment.proxy.onRequest(
      (request) => request.path.startsWith('/api/v1/namespaces/hung/pods/'),
      {
        kind: 'delay',
        milliseconds: 60_000,
      },
    );
    const hung = await slow('hung', 1300);
    const [statuses, ofHung, columns] = await Promise.all([
      statusesOf(tenant),
      statusesOf(hung),
      eventually(
        async () => {
          const { stdout } = await tenant.kubectl('get', 'glanceschema', '-o', 'wide');
          const [head = '', row = ''] = stdout.split('\n');
          const column = head.indexOf('PROGRESS');
          expect(row.slice(column)).to.match(/^\d+ .*; ocata_migrate01: /);
          return row.slice(column);
        },
        { timeoutMilliseconds: 60_000 },
      ),
    ]);
    const told = statuses.filter((status) => status?.progress !== undefined);
    const done = [...new Set(told.map(({ progress }) => progress.done))];
    expect(done.length, 'it grows').to.be.greaterThan(1);
    expect(done).to.deep.equal([...done].sort((one, other) => one - other));
    for (const { progress, conditions } of told) {
      expect(progress).to.include({ migration: 'ocata_migrate01', total: 3200 });
      expect(conditions[0].message).to.match(
        new RegExp(
          `to ocata01 \\(Migrate\\); ocata_migrate01: ${progress.done.toLocaleString('en-US')} of 3,200 rows\\.$`,
        ),
      );
    }
    const written = shared.environment.proxy.requests
      .filter(
        ({ method, path, status }) =>
          method === 'PUT' && status === 200 && path.endsWith('/namespaces/told/glanceschemas/glance/status'),
      )
      .map(({ body }) => body.status)
      .filter(({ conditions }) => !WHILE_WAITING.includes(conditions[0].reason));
    const reported = written.flatMap(({ progress }) => progress?.done ?? []);
    expect(reported, 'each once').to.deep.equal([...new Set(reported)]);
    expect(reported).to.include.members(done);
    expect(written.length, 'a write for each of them, one for the Job, one for its result').to.equal(
      reported.length + 2,
    );
    expect(columns).to.match(new RegExp(`^(${reported.join('|')}) `));
    expect(statuses.at(-1)?.progress).to.equal(undefined);
    expect(statuses.at(-1)).to.include({ recordedRevision: 'ocata01', recordedPhase: 'Migrate' });

    const times = logsRead(tenant).map(({ at }) => at.getTime());
    const pauses = times.slice(1).map((time, index) => time - (times[index] ?? 0));
    // One that a busy machine has delayed is nearer to the next; none waits for the node that is away.
    expect(Math.min(...pauses), 'the pace').to.be.within(5_000, 45_000);

    expect(logsRead(hung)).to.have.length.greaterThan(0);
    expect(ofHung.map((status) => status?.progress)).to.deep.equal(ofHung.map(() => undefined));
  });

  it('a short migration is not asked', async () => {
    const url = await shared.environment.postgres.createDatabase('short');
    await seedNewton(url, { images: 100 });
    const tenant = await shared.environment.tenant('short', url);
    await tenant.apply({ revision: 'ocata01', through: 'Migrate' });
    await tenant.reaches('UpToDate');
    const made = shared.environment.proxy.requests.find(
      ({ method, path }) => method === 'POST' && path.endsWith(`/namespaces/${tenant.namespace}/jobs`),
    );
    // On a busy machine it takes longer than that.
    const short = (made?.at.getTime() ?? 0) + 9_000;
    expect(logsRead(tenant).filter(({ at }) => at.getTime() < short)).to.deep.equal([]);
  });

  it('an operator without the right to read logs migrates all the same', async () => {
    const { rules } = await shared.environment.api.call('GET', ROLE);
    await shared.environment.api.call('PATCH', ROLE, {
      rules: rules.filter((rule: KubeObject) => !rule.resources.includes('pods/log')),
    });
    const since = new Date();
    try {
      const statuses = await statusesOf(await slow('forbidden', 1300));
      expect(statuses.map((status) => status?.progress)).to.deep.equal(statuses.map(() => undefined));
    } finally {
      await shared.environment.api.call('PATCH', ROLE, { rules });
    }
    const refused = shared.environment.plane
      .auditEvents({ user: OPERATOR, since, stage: 'ResponseComplete' })
      .filter((event) => event.objectRef?.subresource === 'log');
    expect(refused).to.have.length.greaterThan(0);
    expect(refused.map((event) => event.responseStatus?.code)).to.deep.equal(refused.map(() => 403));
  });
});
