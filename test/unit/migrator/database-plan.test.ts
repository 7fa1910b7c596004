import { expect } from 'chai';
import { type DatabasePlan, mostRowsOf, planHash } from '../../../src/migrator/database-plan.ts';
import { at } from '../../support/builders.ts';

const SCOPE = { version: '0.1.0', planFor: 'a uid' };

const PLAN: Omit<DatabasePlan, 'hash'> = {
  database: 'db:5432/glance',
  engine: 'postgres',
  from: at('mitaka02'),
  target: at('ocata01'),
  online: false,
  adopt: { from: 'migrate_version 44', heads: ['mitaka02'] },
  steps: [
    {
      name: 'ocata01',
      kind: 'script',
      rows: 700,
      statements: [{ sql: 'ALTER TABLE images', autocommit: false }],
    },
  ],
  obstacles: [],
  rows: 700,
  mostRows: 100_000,
};

describe('the hash of a plan', () => {
  const [step] = PLAN.steps;
  const hash = planHash(PLAN, SCOPE);

  for (const [what, plan, scope] of [
    ['the version of the scripts', PLAN, { ...SCOPE, version: '0.1.1' }],
    ['what it is for', PLAN, { ...SCOPE, planFor: 'another uid' }],
    ['the database', { ...PLAN, database: 'db:5432/other' }, SCOPE],
    ['the engine', { ...PLAN, engine: 'mysql' }, SCOPE],
    ['the start', { ...PLAN, from: at('mitaka01') }, SCOPE],
    ['that there is nothing', { ...PLAN, from: null }, SCOPE],
    ['the phase of the start', { ...PLAN, from: at('mitaka02', 'Expand') }, SCOPE],
    ['the goal', { ...PLAN, target: at('pike01') }, SCOPE],
    ['the phase of the goal', { ...PLAN, target: at('ocata01', 'Expand') }, SCOPE],
    ['that Glance is at work', { ...PLAN, online: true }, SCOPE],
    ['what is adopted', { ...PLAN, adopt: { from: 'migrate_version 44', heads: ['mitaka01'] } }, SCOPE],
    ['that nothing is adopted', { ...PLAN, adopt: null }, SCOPE],
    ['a step', { ...PLAN, steps: [{ ...step, name: 'pike01' }] }, SCOPE],
    ['one step more', { ...PLAN, steps: [step, step] }, SCOPE],
    [
      'a statement',
      { ...PLAN, steps: [{ ...step, statements: [{ sql: 'DROP', autocommit: false }] }] },
      SCOPE,
    ],
    [
      'how a statement is committed',
      { ...PLAN, steps: [{ ...step, statements: [{ sql: 'ALTER TABLE images', autocommit: true }] }] },
      SCOPE,
    ],
    ['the bound of its rows', { ...PLAN, mostRows: 1_000_000 }, SCOPE],
  ] as const) {
    it(`is another with another in its place: ${what}`, () => {
      const other = planHash(plan as Omit<DatabasePlan, 'hash'>, scope);
      expect(other).to.match(/^[0-9a-f]{64}$/);
      expect(other).not.to.equal(hash);
    });
  }

  it('is the same however many rows there are, and whatever is in the way', () => {
    const steps = PLAN.steps.map((each) => ({ ...each, rows: 12 }));
    expect(planHash({ ...PLAN, steps, rows: 12, obstacles: ['view v'] }, SCOPE)).to.equal(hash);
  });

  it('bounds the rows at ten times as many and 10,000, up to a power of ten', () => {
    expect([0, 1, 9_000, 9_001, 1_000_000].map(mostRowsOf)).to.deep.equal([
      10_000, 100_000, 100_000, 1_000_000, 100_000_000,
    ]);
  });
});
