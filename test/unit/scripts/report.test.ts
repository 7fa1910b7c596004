import { expect } from 'chai';
import { summary } from '../../../scripts/test/report.ts';

const MISSING = ['PgBouncer is not on this machine (Debian: apt-get install pgbouncer). No network.'];

describe('the summary of make test', () => {
  function of(missing: readonly string[], failures: number) {
    return summary([], [], { missing: () => missing, failures: () => failures }, 60);
  }

  it('counts a package that could not be brought where it is to be brought as a failure, with its sentence', () => {
    const { text, sum } = of(MISSING, 1);
    expect(sum).to.deep.equal({ passed: 0, failed: 1, skipped: 0 });
    expect(text).to.contain(`Missing: ${MISSING[0]}`);
    expect(text).to.match(/^0 passed, 1 failed, 0 skipped$/m);
  });

  it('names what nobody can bring to this system, which is no failure', () => {
    const { text, sum } = of(MISSING, 0);
    expect(sum).to.deep.equal({ passed: 0, failed: 0, skipped: 0 });
    expect(text).to.contain(`Missing: ${MISSING[0]}`);
  });
});
