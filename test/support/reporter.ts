// mocha --reporter test/support/reporter.ts
//
// Prints as mocha's `spec` does, and sends each result to the process that started mocha: `make
// test` runs many at once.

import { existsSync, readFileSync } from 'node:fs';
import Mocha from 'mocha';
import { withoutUndefined } from '../../src/glance/without-undefined.ts';

/** One test as it ends. */
export interface TestResult {
  readonly kind: 'test';
  readonly state: 'passed' | 'failed' | 'skipped';
  /** With the titles of the suites around it. */
  readonly title: string;
  readonly milliseconds: number;
  /** Of a failed one: what mocha prints of the error. */
  readonly error?: string;
}

/** The last message: all tests of this process have ended. */
export interface RunEnd {
  readonly kind: 'end';
  /**
   * What this process and those that it started and saw end have computed; null where the system
   * does not tell.
   */
  readonly cpuSeconds: number | null;
}

class Reporter extends Mocha.reporters.Spec {
  constructor(runner: Mocha.Runner, options: Mocha.MochaOptions) {
    super(runner, options);
    const send = (message: TestResult | RunEnd): void => void process.send?.(message);
    const told = (test: Mocha.Runnable, state: TestResult['state'], error?: string): void =>
      send({
        kind: 'test',
        state,
        title: test.fullTitle(),
        milliseconds: test.duration ?? 0,
        ...withoutUndefined({ error }),
      });
    runner.on('pass', (test) => told(test, 'passed'));
    runner.on('pending', (test) => told(test, 'skipped'));
    runner.on('fail', (test, error) => told(test, 'failed', describeError(error)));
    runner.on('end', () => send({ kind: 'end', cpuSeconds: cpuSeconds() }));
  }
}

/** Linux counts in hundredths of a second, for every program that reads this file. */
const TICKS = 100;

/** The servers of the tests have been stopped by now, and count. */
function cpuSeconds(): number | null {
  if (!existsSync('/proc/self/stat')) return null;
  // Behind the program's name, which may have blanks: utime, stime, cutime and cstime.
  const fields = readFileSync('/proc/self/stat', 'utf8')
    .replace(/^.*\) /s, '')
    .split(' ');
  return fields.slice(11, 15).reduce((sum, ticks) => sum + Number(ticks), 0) / TICKS;
}

/**
 * The message, what was expected and found where the assertion knows, and the places of our own in
 * the stack.
 */
function describeError(error: Error & { readonly expected?: unknown; readonly actual?: unknown }): string {
  const own = (error.stack ?? '').split('\n').filter((line) => /^\s+at .*\/test\//.test(line));
  const values =
    'expected' in error && 'actual' in error
      ? [`expected: ${shown(error.expected)}`, `found:    ${shown(error.actual)}`]
      : [];
  return [error.message, ...values, ...own.slice(0, 3).map((line) => line.trim())].join('\n');
}

function shown(value: unknown): string {
  const text = (typeof value === 'string' ? value : JSON.stringify(value)) ?? String(value);
  return text.length > 600 ? `${text.slice(0, 600)}...` : text;
}

// Mocha loads reporters with `require`, which gives what an ES module exports under this name.
export { Reporter as 'module.exports' };
