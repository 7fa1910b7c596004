import { expect } from 'chai';
import { beforeContract } from '../../../src/glance/goal.ts';
import { formatPosition } from '../../../src/glance/position.ts';
import { at } from '../../support/builders.ts';

describe('how far a database can go before anything is contracted', () => {
  const rows = [
    { from: at('mitaka02'), to: at('ocata01'), stop: 'ocata01 (Migrate)', fact: 'to the next revision' },
    {
      from: at('liberty'),
      to: at('ocata01'),
      stop: 'ocata01 (Migrate)',
      fact: 'over revisions without phases',
    },
    {
      from: at('mitaka02'),
      to: at('rocky02'),
      stop: 'ocata01 (Migrate)',
      fact: 'past a contract that drops',
    },
    { from: at('ocata01', 'Expand'), to: at('rocky02'), stop: 'ocata01 (Migrate)', fact: 'from its expand' },
    {
      from: at('ocata01'),
      to: at('rocky02'),
      stop: 'pike01 (Migrate)',
      fact: 'once that is done, to the next one',
    },
    { from: at('ocata01'), to: at('ocata01'), stop: 'ocata01 (Migrate)', fact: 'and not beyond the target' },
    {
      from: at('pike01'),
      to: at('2024_1_01'),
      stop: '2024_1_01 (Migrate)',
      fact: 'over contracts that drop nothing',
    },
    {
      from: at('2024_1_01'),
      to: at('2024_1_01'),
      stop: '2024_1_01 (Migrate)',
      fact: 'from the target itself',
    },
  ];
  for (const { from, to, stop, fact } of rows) {
    it(`${fact}: ${formatPosition(from)} to ${formatPosition(to)} stops at ${stop}`, () => {
      expect(formatPosition(beforeContract(from, to))).to.equal(stop);
    });
  }
});
