import { expect } from 'chai';
import { seedNewton } from '../../../lab/databases/glance-data.ts';
import { type Environment, startEnvironment, type Tenant } from '../../../lab/kubernetes/environment.ts';
import type { Operator } from '../../../lab/kubernetes/operator.ts';
import { eventually } from '../../../lab/process/eventually.ts';
import { readable, readDashboard } from '../../support/dashboard.ts';
import { alertRules, type Promtool, startPromtool } from '../../support/promtool.ts';
import { queriedMetrics } from '../../support/queried-metrics.ts';

/** Put on a series by Prometheus itself, from where it found it. */
const OF_TARGET = ['job', 'instance', 'namespace', 'pod'];

describe('metrics', () => {
  let environment: Environment;
  let promtool: Promtool;
  let operator: Operator;
  let tenant: Tenant;

  before(async function () {
    this.timeout(1_800_000);
    [environment, promtool] = await Promise.all([startEnvironment(), startPromtool()]);
    operator = await environment.operator();
    const url = await environment.postgres.createDatabase('metrics');
    await seedNewton(url, { images: 700 });
    tenant = await environment.tenant('metrics', url);
    await tenant.apply({ revision: 'ocata01', through: 'Migrate' });
    await tenant.reaches('UpToDate');
  });

  after(async () => {
    await operator?.stop();
    await environment?.stop();
  });

  const OF_GLANCE = 'namespace="metrics",name="glance"';

  it('show a migration when it is done', async () => {
    // A result is counted once the API server has answered, when others can read the status
    // already.
    const text = await eventually(async () => {
      const now = await operator.metrics();
      expect(now).to.contain('glanceschema_job_results_total{purpose="Migrate",reason="Done"} 1');
      return now;
    });
    const about = `${OF_GLANCE},recorded_revision="ocata01",recorded_phase="Migrate",target_revision="ocata01"`;
    const ready = `${OF_GLANCE},condition="Ready",status="True",reason="UpToDate"`;
    for (const line of [
      `glanceschema_info{${about}} 1`,
      `glanceschema_status_condition{${ready}} 1`,
      `glanceschema_attempts{${OF_GLANCE}} 1`,
      'glanceschema_job_results_total{purpose="Migrate",reason="Done"} 1',
      'glanceschema_migration_duration_seconds_count{result="success"} 1',
      'glanceschema_migrated_rows_total 700',
      'leader_election_master_status{name="glance-schema"} 1',
      'workqueue_depth{name="glanceschema"} 0',
    ]) {
      expect(text.split('\n')).to.include(line);
    }
    const success = Number(seriesValue(text, `glanceschema_last_success_timestamp_seconds{${OF_GLANCE}}`));
    expect(Date.now() / 1000 - success).to.be.within(0, 600);
    expect(text.match(/^glanceschema_status_condition\{/gm)).to.have.length(1);
  });

  it('count what the operator did: passes, keys, and its requests with the watches', async () => {
    const text = await operator.metrics();
    // While a pod starts, or its log may tell more, a pass ends with the time of the next.
    const passes = ['success', 'requeue_after'].map((result) =>
      Number(
        seriesValue(text, `controller_runtime_reconcile_total{controller="glanceschema",result="${result}"}`),
      ),
    );
    expect(Math.min(...passes), 'of each kind').to.be.greaterThan(0);
    expect(Number(seriesValue(text, 'workqueue_adds_total{name="glanceschema"}'))).to.be.greaterThan(1);
    const host = new URL(environment.proxy.server).host;
    const requests = (code: string, method: string) =>
      Number(
        seriesValue(text, `rest_client_requests_total{code="${code}",method="${method}",host="${host}"}`),
      );
    const asked = environment.proxy.requests.length;
    const told = [...text.matchAll(/^rest_client_requests_total\{.*\} (\d+)$/gm)].map(([, count]) =>
      Number(count),
    );
    expect(requests('201', 'POST'), 'the Job and the Events').to.be.greaterThan(2);
    expect(told.reduce((sum, count) => sum + count)).to.be.within(asked - 5, asked + 1);
  });

  it('are text that promtool finds nothing to object to', async () => {
    const ours = (await operator.metrics())
      .split('\n\n')
      .filter((metric) => !/^# HELP (nodejs|process)_/.test(metric));
    expect(ours).to.have.length.greaterThan(20);
    expect(promtool.checkMetrics(`${ours.join('\n')}\n`)).to.equal('');
  });

  it('are all that the alerts and the dashboard ask for, with their labels', async () => {
    const text = await operator.metrics();
    const queries = [
      ...alertRules().groups.flatMap((group) => group.rules.map((rule) => rule.expr)),
      ...readDashboard().panels.flatMap((panel) =>
        (panel.targets ?? []).map((target) => readable(target.expr)),
      ),
      ...readDashboard().templating.list.flatMap(
        ({ query }) => /label_values\((\w+)/.exec(JSON.stringify(query))?.[1] ?? [],
      ),
    ];
    const asked = queries.flatMap(queriedMetrics);
    expect(asked).to.have.length.greaterThan(30);
    for (const { name, labels } of asked) {
      const known = labelsOf(text, name);
      expect(known, name).not.to.equal(undefined);
      expect([...OF_TARGET, ...(known ?? [])], name).to.include.members([...labels]);
    }
  });

  it('metrics of a waiting replica say that it does not lead, and have no GlanceSchemas', async () => {
    const other = await environment.operator([], { standby: true });
    try {
      const text = await other.metrics();
      expect(seriesValue(text, 'leader_election_master_status{name="glance-schema"}')).to.equal('0');
      expect(text).to.match(
        /^glanceschema_operator_info\{version="\d+\.\d+\.\d+",newest_revision="2024_1_01"\} 1$/m,
      );
      expect(text).not.to.match(/namespace="metrics"/);
    } finally {
      await other.stop();
    }
  });

  it('the work queue of a waiting replica is empty until it leads', async () => {
    const [depth, adds] = ['workqueue_depth', 'workqueue_adds_total'].map(
      (metric) => `${metric}{name="glanceschema"}`,
    );
    const other = await environment.operator([], { standby: true });
    const waiting = await other.metrics();
    await operator.stop();
    operator = other;
    expect([seriesValue(waiting, depth ?? ''), seriesValue(waiting, adds ?? '')]).to.deep.equal(['0', '0']);
    await eventually(async () => {
      expect(await operator.metrics()).to.match(
        /^controller_runtime_reconcile_total\{controller="glanceschema",result="success"\} [1-9]/m,
      );
    });
  });

  it('count a result no second time after a restart', async () => {
    await operator.stop();
    operator = await environment.operator();
    const text = await eventually(async () => {
      const now = await operator.metrics();
      expect(now).to.contain(`glanceschema_info{${OF_GLANCE}`);
      return now;
    });
    expect(seriesValue(text, 'glanceschema_job_results_total{purpose="Migrate",reason="Done"}')).to.equal(
      '0',
    );
    expect(seriesValue(text, 'glanceschema_migrated_rows_total')).to.equal('0');
  });

  it('count a refusal, and know nothing more of what is deleted', async () => {
    // Past the rules of admission, as with a resource that was made before its database moved on.
    await tenant.kubectl('delete', 'glanceschema', 'glance');
    await tenant.apply({ revision: 'mitaka01' });
    await tenant.reaches('DowngradeNotSupported');
    // It is counted once the API server has answered, when others can read the status already.
    const text = await eventually(async () => {
      const now = await operator.metrics();
      expect(seriesValue(now, 'glanceschema_refusals_total{reason="DowngradeNotSupported"}')).to.equal('1');
      return now;
    });
    const stalled = `${OF_GLANCE},condition="Stalled",status="True",reason="DowngradeNotSupported"`;
    expect(seriesValue(text, `glanceschema_status_condition{${stalled}}`)).to.equal('1');
    await tenant.kubectl('delete', 'glanceschema', 'glance');
    await eventually(async () => {
      expect(await operator.metrics()).not.to.contain(OF_GLANCE);
    });
  });

  it('are not served when the address is 0', async () => {
    const other = await environment.operator(['--metrics-address', '0'], { standby: true });
    try {
      expect(other.log().find((line) => 'healthPort' in line)).not.to.have.property('metricsPort');
    } finally {
      await other.stop();
    }
  });
});

/** The value of one series, undefined when there is none. */
function seriesValue(text: string, series: string): string | undefined {
  const line = text.split('\n').find((candidate) => candidate.startsWith(`${series} `));
  return line?.slice(series.length + 1);
}

/**
 * The labels of all series of a metric; undefined when it is not there at all, not even without a
 * series.
 */
function labelsOf(text: string, metric: string): readonly string[] | undefined {
  const family = metric.replace(/_(bucket|sum|count)$/, '');
  if (!new RegExp(`^# TYPE (${metric} |${family} histogram)`, 'm').test(text)) {
    return undefined;
  }
  const series = text.split('\n').filter((line) => line.startsWith(`${metric}{`));
  return series.flatMap((line) => [...line.matchAll(/[{,](\w+)="/g)].map(([, label = '']) => label));
}
