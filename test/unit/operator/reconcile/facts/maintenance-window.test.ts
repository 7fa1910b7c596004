import { expect } from 'chai';
import fc from 'fast-check';
import { readWindow } from '../../../../../src/operator/reconcile/facts/maintenance-window.ts';

function windowOf(schedule: string, duration: string, timeZone = 'UTC') {
  const window = readWindow({ schedule, duration, timeZone });
  if (window.kind === 'invalid') throw new Error(window.why);
  return window;
}

function whyInvalid(schedule: string, duration: string, timeZone = 'UTC'): string {
  const window = readWindow({ schedule, duration, timeZone });
  return window.kind === 'invalid' ? window.why : 'valid';
}

/** From the opening to the closing, each in UTC, and the millisecond before either. */
interface Row {
  readonly what: string;
  readonly schedule: string;
  readonly duration: string;
  readonly timeZone?: string;
  /** Some time while it is closed. */
  readonly before: string;
  readonly opens: string;
  readonly closes: string;
}

const BERLIN = 'Europe/Berlin';
const NEW_YORK = 'America/New_York';

const ROWS: readonly Row[] = [
  {
    what: 'each day at noon',
    schedule: '0 12 * * *',
    duration: '30m',
    before: '2026-11-23T12:30:00Z',
    opens: '2026-11-24T12:00:00Z',
    closes: '2026-11-24T12:30:00Z',
  },
  {
    what: 'across midnight and the end of a year',
    schedule: '30 23 31 12 *',
    duration: '2h30m',
    timeZone: BERLIN,
    before: '2026-11-23T12:30:00Z',
    opens: '2026-12-31T22:30:00Z',
    closes: '2027-01-01T01:00:00Z',
  },
  {
    what: 'each overlaps the next: one window from the first to the last',
    schedule: '*/20 2-3 * * *',
    duration: '45m',
    before: '2026-11-23T12:00:00Z',
    opens: '2026-11-24T02:00:00Z',
    closes: '2026-11-24T04:25:00Z',
  },
  {
    what: 'each begins as the one before ends',
    schedule: '0 2,3 * * *',
    duration: '1h',
    before: '2026-11-23T12:00:00Z',
    opens: '2026-11-24T02:00:00Z',
    closes: '2026-11-24T04:00:00Z',
  },
  {
    what: 'Berlin in winter',
    schedule: '30 2 * * *',
    duration: '2h',
    timeZone: BERLIN,
    before: '2026-03-27T12:00:00Z',
    opens: '2026-03-28T01:30:00Z',
    closes: '2026-03-28T03:30:00Z',
  },
  {
    what: 'Berlin, clocks go forward over 02:30: it opens as soon as the hour that there is not is over, and is as long',
    schedule: '30 2 * * *',
    duration: '2h',
    timeZone: BERLIN,
    before: '2026-03-28T12:00:00Z',
    opens: '2026-03-29T01:00:00Z',
    closes: '2026-03-29T03:00:00Z',
  },
  {
    what: 'Berlin, clocks go forward while it is open: it is as long',
    schedule: '0 1 * * *',
    duration: '2h',
    timeZone: BERLIN,
    before: '2026-03-28T12:00:00Z',
    opens: '2026-03-29T00:00:00Z',
    closes: '2026-03-29T02:00:00Z',
  },
  {
    what: 'Berlin, clocks go back over 02:30: it opens once, the first time',
    schedule: '30 2 * * *',
    duration: '20m',
    timeZone: BERLIN,
    before: '2026-10-24T12:00:00Z',
    opens: '2026-10-25T00:30:00Z',
    closes: '2026-10-25T00:50:00Z',
  },
  {
    what: 'Berlin, after the second 02:30 of that night comes that of the next',
    schedule: '30 2 * * *',
    duration: '20m',
    timeZone: BERLIN,
    before: '2026-10-25T00:50:00Z',
    opens: '2026-10-26T01:30:00Z',
    closes: '2026-10-26T01:50:00Z',
  },
  {
    what: 'New York, clocks go forward over 02:30',
    schedule: '30 2 * * SUN',
    duration: '1h',
    timeZone: NEW_YORK,
    before: '2026-03-07T12:00:00Z',
    opens: '2026-03-08T07:00:00Z',
    closes: '2026-03-08T08:00:00Z',
  },
  {
    what: 'New York, clocks go back over 01:30',
    schedule: '30 1 * * SUN',
    duration: '20m',
    timeZone: NEW_YORK,
    before: '2026-10-31T12:00:00Z',
    opens: '2026-11-01T05:30:00Z',
    closes: '2026-11-01T05:50:00Z',
  },
  {
    what: 'New York, the Sunday after',
    schedule: '30 1 * * SUN',
    duration: '20m',
    timeZone: NEW_YORK,
    before: '2026-11-01T05:50:00Z',
    opens: '2026-11-08T06:30:00Z',
    closes: '2026-11-08T06:50:00Z',
  },
  {
    what: 'the first Sunday of a month',
    schedule: '0 2 * * SUN#1',
    duration: '4h',
    before: '2026-11-23T12:00:00Z',
    opens: '2026-12-06T02:00:00Z',
    closes: '2026-12-06T06:00:00Z',
  },
  {
    what: 'the last day of a month',
    schedule: '0 2 L * *',
    duration: '90m',
    before: '2027-02-01T00:00:00Z',
    opens: '2027-02-28T02:00:00Z',
    closes: '2027-02-28T03:30:00Z',
  },
  {
    what: '29 February, which is years away',
    schedule: '0 2 29 FEB *',
    duration: '1h',
    before: '2026-11-23T12:00:00Z',
    opens: '2028-02-29T02:00:00Z',
    closes: '2028-02-29T03:00:00Z',
  },
  {
    what: 'a day of the month or a day of the week, as in a CronJob',
    schedule: '0 2 1 * FRI',
    duration: '1h',
    before: '2026-11-28T12:00:00Z',
    opens: '2026-12-01T02:00:00Z',
    closes: '2026-12-01T03:00:00Z',
  },
  {
    what: '@weekly',
    schedule: '@weekly',
    duration: '1h0m',
    before: '2026-11-23T12:00:00Z',
    opens: '2026-11-29T00:00:00Z',
    closes: '2026-11-29T01:00:00Z',
  },
];

describe('a maintenance window', () => {
  for (const { what, schedule, duration, timeZone, before, opens, closes } of ROWS) {
    it(`${what}: ${schedule} for ${duration}`, () => {
      const window = windowOf(schedule, duration, timeZone);
      const from = Date.parse(before);
      expect(window.isOpen(from), 'before').to.equal(false);
      const { opensAt, closesAt = 0 } = window.nextOpening(from);
      expect(new Date(opensAt).toISOString()).to.equal(new Date(opens).toISOString());
      expect(new Date(closesAt).toISOString()).to.equal(new Date(closes).toISOString());
      const edges = [opensAt - 1, opensAt, closesAt - 1, closesAt];
      expect(edges.map((time) => window.isOpen(time))).to.deep.equal([false, true, true, false]);
    });
  }

  it('one that is open without end says no closing', () => {
    const window = windowOf('* * * * *', '2m');
    const now = Date.parse('2026-11-23T12:00:00Z');
    expect(window.isOpen(now)).to.equal(true);
    expect(window.nextOpening(now).closesAt).to.equal(undefined);
  });

  it('is open from each opening to its closing, and at no other time, in any zone and year', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(BERLIN, NEW_YORK, 'UTC', 'Australia/Lord_Howe', 'Asia/Kathmandu', 'Pacific/Apia'),
        fc.constantFrom('30 2 * * *', '0 */6 * * *', '15 1,2,3 * * *', '0 0 * * SUN', '*/30 2 * * *'),
        fc.constantFrom(1, 30, 60, 90, 400),
        fc.nat(20 * 365 * 24 * 60),
        (timeZone, schedule, minutes, start) => {
          const window = windowOf(schedule, `${minutes}m`, timeZone);
          let time = Date.parse('2020-01-01T00:00:00Z') + start * 60_000;
          for (let openings = 0; openings < 3; openings += 1) {
            const { opensAt, closesAt } = window.nextOpening(time);
            if (closesAt === undefined) {
              expect(window.isOpen(opensAt + 400 * 60_000), 'each overlaps the next').to.equal(true);
              return;
            }
            const places = [opensAt, opensAt + minutes * 60_000 - 1, closesAt - 1, closesAt];
            expect(places.map((place) => window.isOpen(place))).to.deep.equal([true, true, true, false]);
            if (!window.isOpen(time)) {
              const between = time + (opensAt - time) / 2;
              expect([window.isOpen(between), window.isOpen(opensAt - 1)]).to.deep.equal([false, false]);
            }
            time = closesAt;
          }
        },
      ),
      { numRuns: 200 },
    );
  });

  const INVALID: readonly (readonly [what: string, why: string, found: string])[] = [
    ['30 February', 'it never occurs', whyInvalid('0 2 30 2 *', '1h')],
    ['31 April', 'it never occurs', whyInvalid('0 2 31 4 *', '1h')],
    [
      'a zone that is not there',
      "spec.window.timeZone 'Mars/Phobos'",
      whyInvalid('0 2 * * *', '1h', 'Mars/Phobos'),
    ],
    ['no zone', "spec.window.timeZone ''", whyInvalid('0 2 * * *', '1h', '')],
    ['a duration of zero', "spec.window.duration '0m'", whyInvalid('0 2 * * *', '0m')],
    ['a duration of nothing', "spec.window.duration ''", whyInvalid('0 2 * * *', '')],
    ['less than a minute', "spec.window.duration '59s'", whyInvalid('0 2 * * *', '59s')],
    ['more than a month', "spec.window.duration '745h'", whyInvalid('0 2 * * *', '745h')],
    ['a duration that is none', "spec.window.duration '2 hours'", whyInvalid('0 2 * * *', '2 hours')],
    ['a negative one', "spec.window.duration '-1h'", whyInvalid('0 2 * * *', '-1h')],
    ['four fields', "spec.window.schedule '0 2 * *'", whyInvalid('0 2 * *', '1h')],
    ['six fields', "spec.window.schedule '0 0 2 * * *'", whyInvalid('0 0 2 * * *', '1h')],
    ['a minute that there is not', "spec.window.schedule '60 2 * * *'", whyInvalid('60 2 * * *', '1h')],
    ['a date', "spec.window.schedule '2026-11-23T12:00:00'", whyInvalid('2026-11-23T12:00:00', '1h')],
    ['a name that is none', "spec.window.schedule '@never'", whyInvalid('@never', '1h')],
  ];
  for (const [what, why, found] of INVALID) {
    it(`${what} is invalid`, () => expect(found).to.include(why));
  }
});
