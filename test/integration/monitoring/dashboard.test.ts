import { expect } from 'chai';
import { readable, readDashboard } from '../../support/dashboard.ts';
import { type Promtool, startPromtool } from '../../support/promtool.ts';

describe('the dashboard', () => {
  const dashboard = readDashboard();
  const panels = dashboard.panels.filter((panel) => panel.type !== 'row');
  let promtool: Promtool;

  before(async function () {
    this.timeout(1_800_000);
    promtool = await startPromtool();
  });

  it('has panels, each with a number of its own, a title, and words on what it shows', () => {
    expect(panels).to.have.length.greaterThan(10);
    expect(new Set(dashboard.panels.map((panel) => panel.id)).size).to.equal(dashboard.panels.length);
    expect(new Set(panels.map((panel) => panel.title)).size).to.equal(panels.length);
    expect(panels.filter((panel) => !panel.description)).to.deep.equal([]);
  });

  it('has no panel on top of another, and none beyond the right edge', () => {
    const taken = new Set<string>();
    for (const { title, gridPos } of dashboard.panels) {
      expect(gridPos.x + gridPos.w, title).to.be.at.most(24);
      for (let x = gridPos.x; x < gridPos.x + gridPos.w; x += 1) {
        for (let y = gridPos.y; y < gridPos.y + gridPos.h; y += 1) {
          expect(taken.has(`${x},${y}`), `${title} at ${x},${y}`).to.equal(false);
          taken.add(`${x},${y}`);
        }
      }
    }
  });

  it('asks the Prometheus that is chosen at its top', () => {
    expect(dashboard.templating.list.map(({ name, type }) => `${name} ${type}`)).to.include(
      'datasource datasource',
    );
    for (const { title, datasource, targets = [] } of panels) {
      expect(
        [datasource, ...targets.map((target) => target.datasource)].map((source) => source?.uid),
        title,
      ).to.deep.equal(Array(targets.length + 1).fill('$datasource'));
    }
  });

  it('uses no variable that it does not have', () => {
    const known = [...dashboard.templating.list.map((variable) => variable.name), '__rate_interval', '__all'];
    const used = [...JSON.stringify(dashboard).matchAll(/\$(\w+)/g)].map(([, name]) => name);
    expect(used.filter((name) => name === undefined || !known.includes(name))).to.deep.equal([]);
  });

  it('counts each GlanceSchema once while the series of two replicas overlap', () => {
    const labels = (pod: string, more = '') => `{namespace="openstack", name="glance", pod="${pod}"${more}}`;
    const series = ['a', 'b'].flatMap((pod) => [
      `glanceschema_info${labels(pod)}`,
      ...['Ready", status="True', 'Stalled", status="True'].map(
        (is) => `glanceschema_status_condition${labels(pod, `, condition="${is}", reason="x"`)}`,
      ),
    ]);
    const counts = panels
      .flatMap(({ targets = [] }) => targets.map(({ expr }) => expr))
      .filter((expr) => /^count.*glanceschema_(info|status_condition)/.test(expr))
      .map(readable);
    expect(counts).to.have.length(4);
    const tests = {
      evaluation_interval: '30s',
      tests: [
        {
          interval: '30s',
          input_series: series.map((each) => ({ series: each, values: '1x2' })),
          promql_expr_test: counts.map((expr) => ({
            expr,
            eval_time: '30s',
            exp_samples: [{ labels: expr.startsWith('count by') ? '{reason="x"}' : '{}', value: 1 }],
          })),
        },
      ],
    };
    expect(promtool.testRules({ groups: [] }, JSON.stringify(tests))).to.equal('');
  });

  it('asks nothing that Prometheus does not understand', () => {
    const rules = panels.flatMap(({ id, targets = [] }) =>
      targets.map(({ refId, expr }) => ({ record: `panel:${id}:${refId}`, expr: readable(expr) })),
    );
    expect(rules).to.have.length.greaterThan(panels.length);
    expect(promtool.checkRules({ groups: [{ name: 'dashboard', rules }] })).to.equal('');
  });
});
