import { PanelBuilder as BarGauge } from '@grafana/grafana-foundation-sdk/bargauge';
import {
  type Dashboard,
  DashboardBuilder,
  DatasourceVariableBuilder,
  QueryVariableBuilder,
  RowBuilder,
  ThresholdsConfigBuilder,
  ThresholdsMode,
  VariableRefresh,
} from '@grafana/grafana-foundation-sdk/dashboard';
import { DataqueryBuilder, PromQueryFormat } from '@grafana/grafana-foundation-sdk/prometheus';
import { PanelBuilder as Stat } from '@grafana/grafana-foundation-sdk/stat';
import { PanelBuilder as Table } from '@grafana/grafana-foundation-sdk/table';
import { PanelBuilder as TimeSeries } from '@grafana/grafana-foundation-sdk/timeseries';

// The variables below, as Grafana puts them in.
const DATASOURCE = { type: 'prometheus', uid: '$datasource' };
const CHOSEN = 'namespace=~"$namespace"';
const OPERATOR = 'job=~"$job"';
const RATE = '[$__rate_interval]';

// While one replica takes over, the series of both are there for some minutes: each GlanceSchema
// counts once.
const BY_SCHEMA = 'max by (namespace, name)';
const SCHEMA = '{{namespace}}/{{name}}';
const PASSES = 'controller_runtime_reconcile_time_seconds';

/** The Grafana dashboard: the databases first, then the operator itself. */
export function dashboard(): Dashboard {
  const panels = [
    new RowBuilder('Databases'),
    number('GlanceSchemas', 'How many there are.', `count(${BY_SCHEMA} (glanceschema_info{${CHOSEN}}))`),
    number(
      'Ready',
      'How many databases are where they are wanted.',
      `count(${BY_SCHEMA} (${condition('Ready', 'True')}))`,
    ),
    number(
      'Stalled',
      'How many wait for a person.',
      `count(${BY_SCHEMA} (${condition('Stalled', 'True')}))`,
    ).thresholds(
      new ThresholdsConfigBuilder().mode(ThresholdsMode.Absolute).steps([
        { value: null, color: 'green' },
        { value: 1, color: 'red' },
      ]),
    ),
    number(
      'Leaders',
      'One replica leads, the others wait.',
      `sum(leader_election_master_status{${OPERATOR}})`,
    ),
    whereTheyAre(),
    lines('Why they are ready, or not', 'By the reason of the condition Ready.', 'short', [
      [`count by (reason) (max by (namespace, name, reason) (${condition('Ready')}))`, '{{reason}}'],
    ]),
    dataMigrations(),
    lines(
      'Drift',
      'How many schemas are not what their revision has, of those that are checked for drift.',
      'short',
      [
        [`sum(${BY_SCHEMA} (glanceschema_drift{${CHOSEN}}))`, 'drifted'],
        [`count(${BY_SCHEMA} (glanceschema_drift{${CHOSEN}}))`, 'checked for drift'],
      ],
    ),
    lines('Age of the newest backup', 'Of those that were taken before a migration, and proven.', 's', [
      [`time() - ${BY_SCHEMA} (glanceschema_last_backup_timestamp_seconds{${CHOSEN}})`, SCHEMA],
    ]),
    lines('Backups', 'In each interval, by what came of them.', 'short', [
      [`sum by (result) (increase(glanceschema_backups_total${RATE})) > 0`, '{{result}}'],
    ]),
    lines('Results of Jobs', 'In each interval, by how they ended.', 'short', [
      [`sum by (reason) (increase(glanceschema_job_results_total${RATE})) > 0`, '{{reason}}'],
    ]),
    lines('Refused specs', 'In each interval. A refusal changes nothing.', 'short', [
      [`sum by (reason) (increase(glanceschema_refusals_total${RATE})) > 0`, '{{reason}}'],
    ]),
    lines('How long migrations take', 'Of those that ended within a day.', 's', [
      [quantile(0.5, 'glanceschema_migration_duration_seconds', '', '[1d]'), 'half of them'],
      [quantile(0.95, 'glanceschema_migration_duration_seconds', '', '[1d]'), '95 of 100'],
    ]),
    lines('Rows moved', 'In each interval, by data migrations that have ended.', 'short', [
      [`sum(increase(glanceschema_migrated_rows_total${RATE}))`, 'rows'],
    ]),
    lines('Since the last success', 'Grows from one upgrade to the next.', 's', [
      [`time() - ${BY_SCHEMA} (glanceschema_last_success_timestamp_seconds{${CHOSEN}})`, SCHEMA],
    ]),
    lines('Attempts', 'Jobs that the newest spec has had: after a few, something is in the way.', 'short', [
      [`${BY_SCHEMA} (glanceschema_attempts{${CHOSEN}})`, SCHEMA],
    ]),
    new RowBuilder('Operator'),
    lines('Versions', 'Of the replicas, and the latest revision that each supports.', 'short', [
      [
        `count by (version, newest_revision) (glanceschema_operator_info{${OPERATOR}})`,
        '{{version}} up to {{newest_revision}}',
      ],
    ]),
    lines('Reconciles', 'Each second, by how they ended.', 'ops', [
      [`sum by (result) (rate(controller_runtime_reconcile_total{${OPERATOR}}${RATE}))`, '{{result}}'],
    ]),
    lines('How long a reconcile takes', '99 of 100 take no longer.', 's', [
      [quantile(0.99, PASSES, OPERATOR), 'a reconcile'],
      [quantile(0.99, 'workqueue_queue_duration_seconds', OPERATOR), 'a key waits'],
      [quantile(0.99, 'workqueue_work_duration_seconds', OPERATOR), 'a key is worked on'],
    ]),
    lines('Work queue', 'Keys that wait, and those that come and are put off each second.', 'short', [
      [`sum by (pod) (workqueue_depth{${OPERATOR}})`, 'waiting in {{pod}}'],
      [`sum(rate(workqueue_adds_total{${OPERATOR}}${RATE}))`, 'added'],
      [`sum(rate(workqueue_retries_total{${OPERATOR}}${RATE}))`, 'put off'],
    ]),
    lines('Requests to the API server', 'Each second, by status.', 'ops', [
      [`sum by (code) (rate(rest_client_requests_total{${OPERATOR}}${RATE}))`, '{{code}}'],
    ]),
    lines('How long the API server takes', '99 of 100 requests take no longer.', 's', [
      [quantile(0.99, 'rest_client_request_duration_seconds', OPERATOR), 'a request'],
    ]),
    lines('Memory', 'Of each replica.', 'bytes', [
      [`sum by (pod) (process_resident_memory_bytes{${OPERATOR}})`, '{{pod}}'],
    ]),
    lines('Processor', 'Cores, of each replica.', 'short', [
      [`sum by (pod) (rate(process_cpu_seconds_total{${OPERATOR}}${RATE}))`, '{{pod}}'],
    ]),
  ];
  const built = new DashboardBuilder('glance-schema')
    .uid('glance-schema')
    .description('The schemas of Glance databases, and the operator that migrates them.')
    .tags(['glance', 'openstack', 'database'])
    .time({ from: 'now-6h', to: 'now' })
    .refresh('1m')
    .withVariable(new DatasourceVariableBuilder('datasource').label('Prometheus').type('prometheus'))
    .withVariable(oneOrMore('namespace', 'Namespace', 'label_values(glanceschema_info, namespace)'))
    .withVariable(oneOrMore('job', 'Operator', 'label_values(glanceschema_operator_info, job)'));
  for (const [index, panel] of panels.entries()) {
    if (panel instanceof RowBuilder) {
      built.withRow(panel.id(index + 1));
    } else {
      built.withPanel(panel.id(index + 1));
    }
  }
  return built.build();
}

/** One big number; zero where there is nothing to count. */
function number(title: string, description: string, expression: string): Stat {
  return new Stat()
    .title(title)
    .description(description)
    .datasource(DATASOURCE)
    .span(6)
    .height(4)
    .withTarget(query(`${expression} or vector(0)`).instant());
}

/**
 * Lines over time, half as wide as the dashboard, from pairs of a query and the name of its lines.
 */
function lines(
  title: string,
  description: string,
  unit: string,
  queries: readonly (readonly [string, string])[],
): TimeSeries {
  const panel = new TimeSeries()
    .title(title)
    .description(description)
    .datasource(DATASOURCE)
    .span(12)
    .height(7)
    .unit(unit)
    .min(0);
  for (const [index, [expression, legend]] of queries.entries()) {
    panel.withTarget(
      query(expression)
        .legendFormat(legend)
        .refId(String.fromCharCode(65 + index)),
    );
  }
  return panel;
}

function whereTheyAre(): Table {
  const where = 'namespace, name, recorded_revision, recorded_phase, target_revision';
  const rows = (expression: string, refId: string) =>
    query(expression).refId(refId).instant().format(PromQueryFormat.Table);
  return new Table()
    .title('Where each database is')
    .description('What was last read, what is wanted, and why it is ready or not.')
    .datasource(DATASOURCE)
    .span(24)
    .height(7)
    .withTarget(rows(`max by (${where}) (glanceschema_info{${CHOSEN}})`, 'A'))
    .withTarget(rows(`max by (namespace, name, reason) (${condition('Ready')})`, 'B'))
    .withTransformation({ id: 'merge', options: {} })
    .withTransformation({
      id: 'organize',
      options: { excludeByName: { Time: true, 'Value #A': true, 'Value #B': true } },
    });
}

function dataMigrations(): BarGauge {
  const share = ['progress', 'progress_expected'].map(
    (what) => `${BY_SCHEMA} (glanceschema_${what}_rows{${CHOSEN}})`,
  );
  return new BarGauge()
    .title('Data migrations')
    .description('How many of its rows a data migration has moved that runs, or was broken off.')
    .datasource(DATASOURCE)
    .span(12)
    .height(7)
    .unit('percentunit')
    .min(0)
    .max(1)
    .withTarget(query(share.join(' / ')).legendFormat(SCHEMA).instant());
}

function oneOrMore(name: string, label: string, labelValues: string): QueryVariableBuilder {
  return new QueryVariableBuilder(name)
    .label(label)
    .datasource(DATASOURCE)
    .query({ query: labelValues, refId: name })
    .refresh(VariableRefresh.OnTimeRangeChanged)
    .multi(true)
    .includeAll(true)
    .allValue('.*')
    .current({ selected: true, text: 'All', value: '$__all' });
}

function query(expression: string): DataqueryBuilder {
  return new DataqueryBuilder().datasource(DATASOURCE).expr(expression).refId('A');
}

function condition(type: string, status?: string): string {
  const labels = [CHOSEN, `condition="${type}"`, ...(status === undefined ? [] : [`status="${status}"`])];
  return `glanceschema_status_condition{${labels.join(',')}}`;
}

function quantile(share: number, histogram: string, selector: string, range = RATE): string {
  return `histogram_quantile(${share}, sum by (le) (rate(${histogram}_bucket{${selector}}${range})))`;
}
