import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parse, stringify } from 'yaml';
import { progressLine } from '../../lab/cluster/progress-line.ts';
import { ensureTool } from '../../lab/tools/ensure-tool.ts';

/** The real promtool. Each answer is empty when it has nothing to object to, else what it said. */
export interface Promtool {
  /** Checks the rules, and runs a file of unit tests on them that calls them `rules.yaml`. */
  testRules(rules: object, tests: string): string;
  checkRules(rules: object): string;
  /** Checks the format and the names of metrics. */
  checkMetrics(text: string): string;
}

/** Builds it first where it is not there yet, which takes minutes. */
export async function startPromtool(): Promise<Promtool> {
  const progress = progressLine(process.stderr);
  const path = await ensureTool('promtool', progress.say);
  progress.end();

  function run(args: readonly string[], files: Readonly<Record<string, string>>, input = ''): string {
    const folder = mkdtempSync(join(tmpdir(), 'glance-schema-promtool-'));
    try {
      for (const [name, text] of Object.entries(files)) {
        writeFileSync(join(folder, name), text);
      }
      const { status, stdout, stderr } = spawnSync(path, args, { cwd: folder, input, encoding: 'utf8' });
      return status === 0 ? '' : stdout + stderr;
    } finally {
      rmSync(folder, { recursive: true });
    }
  }
  return {
    testRules: (rules, tests) =>
      run(['test', 'rules', 'tests.yaml'], { 'rules.yaml': stringify(rules), 'tests.yaml': tests }),
    checkRules: (rules) => run(['check', 'rules', 'rules.yaml'], { 'rules.yaml': stringify(rules) }),
    checkMetrics: (text) => run(['check', 'metrics'], {}, text),
  };
}

/** A rule of manifests/monitoring. */
export interface AlertRule {
  readonly alert: string;
  readonly expr: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
}

/** The spec of our PrometheusRule, which is a file of rules to promtool. */
export function alertRules(): { readonly groups: readonly { readonly rules: readonly AlertRule[] }[] } {
  return parse(
    readFileSync(new URL('../../manifests/monitoring/prometheus-rule.yaml', import.meta.url), 'utf8'),
  ).spec;
}
