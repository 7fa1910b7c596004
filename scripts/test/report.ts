import { progressLine } from '../../lab/cluster/progress-line.ts';
import type { TestResult } from '../../test/support/reporter.ts';
import type { Part, Suite } from './suites.ts';
import type { Supplies } from './supplies.ts';

/** One part, as it stands or as it ended. */
export interface Outcome {
  readonly part: Part;
  readonly results: TestResult[];
  seconds: number;
  /**
   * What its processes have computed; null as long as it runs, and where the system does not tell.
   */
  cpuSeconds: number | null;
  /** Why it did not run, or did not run to its end. */
  trouble: string | null;
}

export interface Sum {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

/** Says what goes on, while parts run side by side. */
export interface Report {
  say(line: string): void;
  started(part: Part): void;
  result(part: Part, result: TestResult): void;
  ended(outcome: Outcome): void;
  /** Ends the line of progress. */
  end(): void;
}

const HEARTBEAT = 30_000;

/** Of an error, as it is told when it happens; the log has all of it. */
const MOST_LINES = 25;

/** @param builds what is fetched or built meanwhile, a line for each. */
export function report(
  total: number,
  logOf: (part: Part) => string | null,
  builds: () => readonly string[],
): Report {
  const progress = progressLine(process.stdout, HEARTBEAT);
  const running = new Set<string>();
  let done = 0;
  let passed = 0;
  let failed = 0;

  function say(line: string): void {
    progress.end();
    process.stdout.write(`${line}\n`);
  }

  function tick(): void {
    const names = [...running].map((name) => name.replace(/^integration\//, ''));
    const counts = `${done} of ${total} done, ${passed} tests passed, ${failed} failed`;
    progress.say([`${counts}; running: ${names.join(', ') || 'nothing'}`, ...builds()].join('; '));
  }

  const ticking = setInterval(tick, 1_000);
  return {
    say,
    started(part) {
      running.add(part.name);
    },
    result(part, result) {
      if (result.state === 'passed') passed += 1;
      if (result.state !== 'failed') return;
      failed += 1;
      say(`\nFAILED ${part.name}: ${result.title}`);
      const lines = (result.error ?? '').split('\n');
      for (const line of lines.slice(0, MOST_LINES)) say(`    ${line}`);
      if (lines.length > MOST_LINES) say(`    ... and ${lines.length - MOST_LINES} lines more`);
      say(`    Run it alone: ${aloneCommand(part, result.title)}`);
      const log = logOf(part);
      if (log !== null) say(`    All that it printed: ${log}\n`);
    },
    ended(outcome) {
      const { part, trouble } = outcome;
      running.delete(part.name);
      done += 1;
      if (logOf(part) === null) return;
      const verdict = trouble ?? describe(sumOf(outcome));
      say(
        `[${String(done).padStart(String(total).length)}/${total}] ${part.name}: ${verdict}, ${describeTime([outcome])}`,
      );
    },
    end() {
      clearInterval(ticking);
      progress.end();
    },
  };
}

/**
 * The table at the end: each suite, what failed or was skipped and why, what is missing, and the
 * sum.
 */
export function summary(
  suites: readonly Suite[],
  outcomes: readonly Outcome[],
  supplies: Pick<Supplies, 'missing' | 'failures'>,
  seconds: number,
): { readonly text: string; readonly sum: Sum } {
  const lines = ['', '== Summary =='];
  let sum: Sum = { passed: 0, failed: 0, skipped: 0 };
  for (const suite of suites) {
    const own = outcomes.filter(({ part }) =>
      suite.parts.some(({ files }) => files.includes(part.files[0] ?? '')),
    );
    if (own.length === 0) {
      lines.push(`${suite.name.padEnd(24)} not asked for`);
      continue;
    }
    const its = own.map(sumOf).reduce(add);
    sum = add(sum, its);
    lines.push(`${suite.name.padEnd(24)} ${describe(its)}, ${describeTime(own)}`);
    for (const { part, trouble, results } of own) {
      if (trouble !== null) lines.push(`  ${part.name}: ${trouble}`);
      for (const { state, title, error } of results) {
        if (state === 'failed') lines.push(`  failed: ${title}: ${error?.split('\n')[0]}`);
        if (state === 'skipped') lines.push(`  skipped: ${title}`);
      }
    }
  }
  for (const sentence of supplies.missing()) lines.push(`Missing: ${sentence}`);
  const failures = supplies.failures();
  if (failures > 0) {
    lines.push(
      'What is missing was to be brought to this system: it counts as failed, as its tests did not run.',
    );
    sum = add(sum, { passed: 0, failed: failures, skipped: 0 });
  }
  const computed = cpuOf(outcomes);
  const minutes = computed === null ? '' : `, and computed for ${(computed / 60).toFixed(1)} minutes`;
  lines.push(`All of it took ${(seconds / 60).toFixed(1)} minutes${minutes}; suites run side by side.`);
  lines.push(describe(sum));
  return { text: lines.join('\n'), sum };
}

/** A part that could not run, or broke off, counts as one failure besides those that it found. */
function sumOf({ results, trouble }: Outcome): Sum {
  const count = (state: TestResult['state']): number =>
    results.filter((result) => result.state === state).length;
  return {
    passed: count('passed'),
    failed: count('failed') + (trouble === null ? 0 : 1),
    skipped: count('skipped'),
  };
}

function add(one: Sum, other: Sum): Sum {
  return {
    passed: one.passed + other.passed,
    failed: one.failed + other.failed,
    skipped: one.skipped + other.skipped,
  };
}

function describeTime(outcomes: readonly Outcome[]): string {
  const seconds = outcomes.reduce((all, outcome) => all + outcome.seconds, 0);
  const computed = cpuOf(outcomes);
  return `${seconds.toFixed(1)} s${computed === null ? '' : ` (CPU ${computed.toFixed(1)} s)`}`;
}

function cpuOf(outcomes: readonly Outcome[]): number | null {
  const known = outcomes.flatMap(({ cpuSeconds }) => (cpuSeconds === null ? [] : [cpuSeconds]));
  return known.length === 0 ? null : known.reduce((sum, each) => sum + each, 0);
}

function describe({ passed, failed, skipped }: Sum): string {
  return `${passed} passed, ${failed} failed, ${skipped} skipped`;
}

/** A failed hook has no title of its own that mocha could be asked for. */
function aloneCommand(part: Part, title: string): string {
  // A title is not looked for in what runs by its name only.
  if (part.needs.includes('pods')) return `make test-e2e ONLY=${part.name}`;
  if (part.needs.includes('flux')) return 'make test-gitops';
  const only = / hook (for|in) "/.test(title) ? part.name : title;
  // For the shell and for make.
  return `make test ONLY='${only.replaceAll("'", `'\\''`).replaceAll('$', '$$$$')}'`;
}
