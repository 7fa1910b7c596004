import { expect } from 'chai';
import fc from 'fast-check';
import { exponentialBackoff } from '../../../../src/operator/time/backoff.ts';

const BOUNDS = { first: 100, most: 1000 };

describe('exponential backoff', () => {
  it('doubles from the first delay to the longest', () => {
    const delays = [1, 2, 3, 4, 5, 50].map((failures) => exponentialBackoff(failures, BOUNDS, () => 0));
    expect(delays).to.deep.equal([100, 200, 400, 800, 1000, 1000]);
  });

  it('takes at most a fifth off, and never exceeds the longest', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 10_000 }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (failures, random) => {
          const delay = exponentialBackoff(failures, BOUNDS, () => random);
          const full = exponentialBackoff(failures, BOUNDS, () => 0);
          expect(delay).to.be.within(Math.floor(full * 0.8), full);
          expect(full).to.be.at.most(BOUNDS.most);
        },
      ),
    );
  });
});
