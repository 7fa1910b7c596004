import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { parse } from 'yaml';
import { kubectl } from '../../../lab/kubernetes/kubectl.ts';
import { parseObjects } from '../../../lab/kubernetes/manifests.ts';
import { REASONS } from '../../../src/contract/reasons.ts';
import { type AlertRule, alertRules, type Promtool, startPromtool } from '../../support/promtool.ts';

const TESTS = readFileSync(new URL('alerts.yaml', import.meta.url), 'utf8');
const MONITORING = fileURLToPath(new URL('../../../manifests/monitoring', import.meta.url));

describe('alerts', () => {
  const rules = alertRules();
  const alerts = rules.groups.flatMap((group) => group.rules);
  let promtool: Promtool;

  before(async function () {
    this.timeout(1_800_000);
    promtool = await startPromtool();
  });

  it('are rules that Prometheus takes', () => {
    expect(promtool.checkRules(rules)).to.equal('');
  });

  it('fire, and do not fire, as alerts.yaml says', () => {
    expect(promtool.testRules(rules, TESTS)).to.equal('');
  });

  it('of a reason lead, by their runbook_url, to the headings of all reasons that they can be of', () => {
    const page = readFileSync(new URL('../../../docs/monitoring.md', import.meta.url), 'utf8');
    const final = Object.entries(REASONS).flatMap(([name, { also }]) => (also === 'Stalled' ? [name] : []));
    const found = alerts.flatMap(({ alert, expr }) => {
      const [, section = ''] = page.split(`\n### ${alert}\n`);
      const others = /reason!~"([^"]+)"/.exec(expr)?.[1]?.split('|');
      const named = [...expr.matchAll(/[{ ]reason=~?"([^"]+)"/g)].flatMap(([, names = '']) =>
        names.split('|'),
      );
      const reasons = others === undefined ? named : final.filter((name) => !others.includes(name));
      for (const reason of reasons) {
        expect(section.split('\n### ')[0], `${alert} of ${reason}`).to.contain(
          `(glance-schema.md#${reason.toLowerCase()})`,
        );
      }
      return reasons;
    });
    expect(found).to.include.members([...final, 'JobBlocked', 'ConnectionInvalid']);
  });

  it('lead to the page that runbooks.yaml names', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'glance-schema-monitoring-'));
    try {
      cpSync(MONITORING, folder, { recursive: true });
      const page = join(folder, 'runbooks.yaml');
      const text = readFileSync(page, 'utf8');
      writeFileSync(page, text.replace('page: docs/monitoring.md', 'page: https://runbooks.test/glance'));
      const rendered = parseObjects((await kubectl('', ['kustomize', folder])).stdout);
      expect(rendered.map(({ kind }) => kind)).to.include('ConfigMap');
      expect(rendered.map(({ metadata }) => metadata?.name)).not.to.include('glance-schema-runbooks');
      const rule = rendered.find(({ kind }) => kind === 'PrometheusRule');
      const led = rule?.spec.groups[0].rules.map((each: AlertRule) => each.annotations.runbook_url);
      expect(led).to.deep.equal(
        alerts.map(({ alert }) => `https://runbooks.test/glance#${alert.toLowerCase()}`),
      );
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  for (const { alert, labels, annotations } of alerts) {
    it(`${alert} has a test in which it fires and one in which it does not`, () => {
      const { tests } = parse(TESTS);
      const cases = tests
        .flatMap((test: { readonly alert_rule_test: readonly object[] }) => test.alert_rule_test)
        .filter((one: { readonly alertname: string }) => one.alertname === alert)
        .map((one: { readonly exp_alerts: readonly object[] }) => one.exp_alerts.length);
      expect(cases).to.include(0);
      expect(cases).to.include(1);
    });

    it(`${alert} says what is wrong and what to do, and leads to a page that is there`, () => {
      expect(Object.keys(annotations)).to.deep.equal(['summary', 'description', 'runbook_url']);
      expect(labels.severity).to.be.oneOf(['critical', 'warning']);
      const [path = '', heading] = annotations.runbook_url?.split('#') ?? [];
      const page = new URL(`../../../${path}`, import.meta.url);
      expect(existsSync(page), path).to.equal(true);
      const headings = [...readFileSync(page, 'utf8').matchAll(/^#+ (.*)$/gm)].map(([, text]) => text);
      expect(headings).to.include(alert);
      expect(heading).to.equal(alert.toLowerCase());
    });
  }
});
