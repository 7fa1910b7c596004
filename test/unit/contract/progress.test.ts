import { expect } from 'chai';
import { parseProgress, progressLine } from '../../../src/contract/progress.ts';

const LINE = progressLine({ migration: 'ocata_migrate01', done: 41_000, total: 1_000_000 });

const ROWS: readonly (readonly [string, string, ReturnType<typeof parseProgress>])[] = [
  [
    'the line that a run writes',
    `${LINE}\n`,
    { migration: 'ocata_migrate01', done: 41_000, total: 1_000_000 },
  ],
  [
    'the newest of several lines',
    `ocata_migrate01: 1 of 9 rows\nocata_migrate01: 5 of 9 rows\nwaiting for images, in use by others\n`,
    { migration: 'ocata_migrate01', done: 5, total: 9 },
  ],
  ['a data migration that has ended', `${LINE}\nocata_migrate01: 9 rows moved after 1.00 s\n`, 'none'],
  [
    'a log without any',
    'from mitaka02: to run ocata_expand01\nocata_expand01: committed after 0.10 s\n',
    undefined,
  ],
  ['an empty log', '', undefined],
  ['a migration that nobody knows', 'no_migrate01: 1 of 2 rows', undefined],
  ['a revision script', 'ocata_expand01: 1 of 2 rows', undefined],
  ['more done than there is', 'ocata_migrate01: 3 of 2 rows', undefined],
  ['a number that JSON cannot carry', 'ocata_migrate01: 1 of 9999999999999999 rows', undefined],
  ['a number below zero', 'ocata_migrate01: -1 of 2 rows', undefined],
  ['a line with something before it', `x ${LINE}`, undefined],
  ['a line with something after it', `${LINE}, or so`, undefined],
  ['a line that was cut', LINE.slice(0, -2), undefined],
];

describe('progress line', () => {
  for (const [fact, log, reported] of ROWS) {
    it(fact, () => expect(parseProgress(log)).to.deep.equal(reported));
  }
});
