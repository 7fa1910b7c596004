import { expect } from 'chai';
import { putOffMemory } from '../../../../../src/operator/reconcile/facts/put-offs.ts';

describe('what is put off', () => {
  let time = 0;
  const later = putOffMemory(() => new Date(time));

  it('is asked again after some seconds, then less and less often, and after an hour at most', () => {
    later.add('a/b', 'job');
    expect(later.of('a/b')).to.deep.equal(['job']);
    const first = later.dueAfter('a/b') ?? 0;
    expect(first).to.be.within(4_000, 5_000);
    time += first;
    expect(later.of('a/b')).to.deep.equal([]);
    expect(later.dueAfter('a/b')).to.equal(undefined);
    for (let failures = 2; failures < 20; failures += 1) {
      later.add('a/b', 'job');
    }
    expect(later.dueAfter('a/b')).to.be.within(2_800_000, 3_600_000);
  });

  it('waits no longer when the clock is put back, and is forgotten with its resource', () => {
    time -= 7_200_000;
    expect(later.of('a/b')).to.deep.equal([]);
    later.add('a/b', 'other');
    later.forget('a/b');
    expect(later.of('a/b')).to.deep.equal([]);
  });
});
