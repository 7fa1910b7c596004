import { expect } from 'chai';
import fc from 'fast-check';
import { appliedScripts, headsOf, positionOf, scriptsOf, unknownHeads } from '../../../src/revision/heads.ts';
import { PHASES } from '../../../src/revision/phase.ts';
import { planScripts } from '../../../src/revision/plan.ts';
import { comparePositions, formatPosition, ordinal } from '../../../src/revision/position.ts';
import { resolveRevision } from '../../../src/revision/resolve.ts';
import { CARRIED, REVISIONS } from '../../../src/revision/revisions.ts';
import { SCRIPTS } from '../../../src/revision/scripts.ts';

const NONE: ReadonlySet<string> = new Set();

describe('the chain', () => {
  it('has 29 scripts, each after those that it needs', () => {
    expect(SCRIPTS).to.have.length(29);
    for (const [index, script] of SCRIPTS.entries()) {
      const before = SCRIPTS.slice(0, index).map((earlier) => earlier.name);
      expect(before).to.include.members([...script.after]);
    }
  });

  it('has the revisions in the order of the manual', () => {
    expect(REVISIONS.map((revision) => revision.name).join(' ')).to.equal(
      'liberty mitaka01 mitaka02 ocata01 pike01 queens01 rocky01 rocky02 train01 ussuri01 wallaby01 xena01 yoga01 zed01 2023_1_01 2024_1_01',
    );
  });

  it('is carried from liberty to ocata01', () => {
    expect(CARRIED.map((revision) => revision.name)).to.deep.equal([
      'liberty',
      'mitaka01',
      'mitaka02',
      'ocata01',
    ]);
  });
});

describe('heads', () => {
  const rows: readonly (readonly [readonly string[], readonly string[]])[] = [
    [['liberty'], ['liberty']],
    [['ocata_expand01'], ['ocata_expand01']],
    [['ocata_contract01'], ['ocata_contract01']],
    [['ocata_contract01', 'ocata_expand01'], ['ocata_contract01']],
    [
      ['2024_1_expand01', 'ocata_contract01'],
      ['2024_1_expand01', 'ocata_contract01'],
    ],
    [['2024_1_contract01'], ['2024_1_contract01']],
  ];
  for (const [heads, expected] of rows) {
    it(`${heads.join(', ')}: rows ${expected.join(', ')}`, () => {
      expect(headsOf(appliedScripts(heads))).to.deep.equal(expected);
    });
  }

  it('names what is unknown', () => {
    expect(unknownHeads(['liberty', 'ocata01', 'x'])).to.deep.equal(['ocata01', 'x']);
  });

  it('are the same after any order of scripts that Alembic allows', () => {
    fc.assert(
      fc.property(fc.subarray(SCRIPTS.map((script) => script.name)), (chosen) => {
        const applied = appliedScripts(chosen);
        expect(appliedScripts(headsOf(applied))).to.deep.equal(applied);
      }),
    );
  });
});

describe('positions', () => {
  const rows: readonly (readonly [readonly string[], string])[] = [
    [['liberty'], 'liberty'],
    [['mitaka02'], 'mitaka02'],
    [['ocata_expand01'], 'ocata01 (Expand)'],
    [['ocata_contract01'], 'ocata01'],
    [['2024_1_expand01', 'ocata_contract01'], 'pike01 (Expand)'],
    [['2024_1_contract01'], '2024_1_01'],
  ];
  for (const [heads, expected] of rows) {
    it(`${heads.join(', ')}: ${expected}`, () => {
      const position = positionOf(appliedScripts(heads));
      expect(position === undefined ? undefined : formatPosition(position)).to.equal(expected);
    });
  }

  it('of nothing is undefined', () => {
    expect(positionOf(NONE)).to.equal(undefined);
  });

  it('are in one total order', () => {
    const all = REVISIONS.flatMap((revision) => PHASES.map((phase) => ({ revision: revision.name, phase })));
    expect(all.map(ordinal)).to.deep.equal(all.map((_, index) => index));
  });
});

describe('the plan', () => {
  const rows: readonly (readonly [string, ReadonlySet<string>, string, (typeof PHASES)[number], string])[] = [
    ['from nothing to mitaka02', NONE, 'mitaka02', 'Contract', 'liberty mitaka01 mitaka02'],
    [
      'from mitaka02 to ocata01',
      appliedScripts(['mitaka02']),
      'ocata01',
      'Contract',
      'ocata_expand01 ocata_contract01',
    ],
    ['from mitaka02 to the expand', appliedScripts(['mitaka02']), 'ocata01', 'Expand', 'ocata_expand01'],
    ['from the expand on', appliedScripts(['ocata_expand01']), 'ocata01', 'Contract', 'ocata_contract01'],
    ['at the target', appliedScripts(['ocata_contract01']), 'ocata01', 'Contract', ''],
  ];
  for (const [name, applied, revision, phase, expected] of rows) {
    it(`${name}: ${expected || 'nothing'}`, () => {
      expect(planScripts(applied, { revision, phase }).join(' ')).to.equal(expected);
    });
  }

  it('done, leaves the database at its target with nothing pending, from wherever it began', () => {
    const positions = REVISIONS.flatMap((revision) =>
      scriptsOf(revision.name).map((script) => ({
        revision: revision.name,
        phase: script.kind === 'expand' ? ('Expand' as const) : ('Contract' as const),
      })),
    );
    fc.assert(
      fc.property(fc.constantFrom(...positions), fc.constantFrom(...positions), (from, to) => {
        fc.pre(comparePositions(from, to) <= 0);
        const before = new Set(planScripts(NONE, from));
        const after = new Set([...before, ...planScripts(before, to)]);
        expect(positionOf(after)).to.deep.equal(to);
        expect(planScripts(after, to)).to.deep.equal([]);
        expect(after).to.deep.equal(new Set(planScripts(NONE, to)));
      }),
    );
  });
});

describe('names of revisions', () => {
  const rows: readonly (readonly [string | undefined, string])[] = [
    [undefined, 'revision ocata01'],
    ['ocata01', 'revision ocata01'],
    ['ocata_contract01', 'revision ocata01'],
    ['ocata', 'revision ocata01'],
    ['newton', 'revision mitaka02'],
    ['liberty_initial', 'revision liberty'],
    ['liberty-initial', 'revision liberty'],
    ['44', 'legacy-number mitaka02'],
    ['7', 'legacy-number undefined'],
    ['2024_1_01', 'not-carried 2024_1_01'],
    ['2023.1', 'not-carried 2023_1_01'],
    ['OCATA01', 'unknown'],
    ['', 'unknown'],
    ['head', 'unknown'],
  ];
  for (const [name, expected] of rows) {
    it(`${name ?? 'none'}: ${expected}`, () => {
      const resolved = resolveRevision(name);
      expect(
        [resolved.kind, ...('revision' in resolved ? [String(resolved.revision)] : [])].join(' '),
      ).to.equal(expected);
    });
  }
});
