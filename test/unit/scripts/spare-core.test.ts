import { expect } from 'chai';
import { spareCore } from '../../../scripts/test/spare-core.ts';

const never = (): boolean => false;

/** A clock of idle time that shows one number after the other, and the last one from then on. */
function clock(...times: readonly number[]): { readonly idle: () => number; read(): number } {
  let read = 0;
  return {
    idle: () => times[Math.min(read++, times.length - 1)] ?? 0,
    read: () => read,
  };
}

describe('a spare core for another test process', () => {
  it('is waited for while the cores are at work', async () => {
    const { idle, read } = clock(0, 0, 0, 4, 4, 9);
    await spareCore(never, { idle, watched: 10 });
    expect(read(), 'three times before and after').to.equal(6);
  });

  it('is waited for no longer once no test is left', async () => {
    const { idle, read } = clock(0);
    await spareCore(() => read() >= 4, { idle, watched: 10 });
    expect(read()).to.equal(4);
  });

  it('is given to one caller at a time', async () => {
    const { idle, read } = clock(0, 10, 10, 20);
    let first = 0;
    await Promise.all([
      spareCore(never, { idle, watched: 10 }).then(() => {
        first = read();
      }),
      spareCore(never, { idle, watched: 10 }),
    ]);
    expect([first, read()]).to.deep.equal([2, 4]);
  });
});
