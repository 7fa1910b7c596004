import { expect } from 'chai';
import { formatAge } from '../../../../src/cli/kubectl/times.ts';

describe('formatAge', () => {
  const MINUTE = 60;
  const HOUR = 60 * MINUTE;
  const DAY = 24 * HOUR;
  for (const [seconds, age] of [
    [-5, '0s'],
    [0.9, '0s'],
    [119, '119s'],
    [2 * MINUTE, '2m'],
    [9 * MINUTE + 59, '9m59s'],
    [10 * MINUTE + 30, '10m'],
    [3 * HOUR - 1, '179m'],
    [3 * HOUR, '3h'],
    [3 * HOUR + 20 * MINUTE, '3h20m'],
    [8 * HOUR + 20 * MINUTE, '8h'],
    [2 * DAY - 1, '47h'],
    [2 * DAY + 5 * HOUR, '2d5h'],
    [8 * DAY + 5 * HOUR, '8d'],
    [2 * 365 * DAY - 1, '729d'],
    [2 * 365 * DAY, '2y'],
    [3 * 365 * DAY + 7 * DAY, '3y7d'],
    [9 * 365 * DAY + 7 * DAY, '9y'],
  ] as const) {
    it(`of ${seconds} seconds is ${age}, as kubectl tells it`, () => {
      const now = new Date('2026-11-23T07:00:00Z');
      const then = new Date(now.getTime() - seconds * 1000);
      expect(formatAge(then.toISOString(), now.toISOString())).to.equal(age);
    });
  }
});
