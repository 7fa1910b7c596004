// mocha --reporter test/support/tally-reporter.ts --reporter-option output=FILE
//
// Prints as mocha's `spec` does, and leaves what ran in a file, for a summary over several runs of mocha.

import { writeFileSync } from 'node:fs';
import Mocha from 'mocha';

export interface Tally {
  readonly passed: number;
  readonly failed: number;
  /** Full titles of the tests that failed, each with the first line of why. */
  readonly failures: readonly string[];
  /** Full titles of the tests that were left out. */
  readonly skipped: readonly string[];
}

class TallyReporter extends Mocha.reporters.Spec {
  constructor(runner: Mocha.Runner, options: Mocha.MochaOptions) {
    super(runner, options);
    const output: unknown = options.reporterOptions?.output;
    if (typeof output !== 'string')
      throw new Error('Cannot write the tally: --reporter-option output=FILE is missing');
    const skipped: string[] = [];
    const failures: string[] = [];
    runner.on('pending', (test) => void skipped.push(test.fullTitle()));
    runner.on('fail', (test, error) => {
      const [why = ''] = String(error.message).split('\n');
      failures.push(`${test.fullTitle()}: ${why}`);
    });
    runner.on('end', () => {
      const tally: Tally = { passed: this.stats.passes, failed: this.stats.failures, failures, skipped };
      writeFileSync(output, JSON.stringify(tally));
    });
  }
}

// Mocha loads reporters with `require`, which gives what an ES module exports under this name.
export { TallyReporter as 'module.exports' };
