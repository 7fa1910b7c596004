import { expect } from 'chai';
import fc from 'fast-check';
import { type Goal, isPast, isReached, planScripts, targetOf } from '../../../src/glance/goal.ts';
import {
  appliedScripts,
  expandedOnly,
  headsOf,
  nextScripts,
  positionOf,
  scriptsOf,
  unknownHeads,
} from '../../../src/glance/heads.ts';
import { PHASES } from '../../../src/glance/phase.ts';
import {
  comparePositions,
  formatPosition,
  ordinal,
  type Position,
  wantedPosition,
} from '../../../src/glance/position.ts';
import { explainUnresolved, isLatest, resolveRevision } from '../../../src/glance/resolve.ts';
import {
  DATA_MIGRATION_NAMES,
  LATEST_SUPPORTED,
  LEGACY_NUMBERS,
  REVISIONS,
  SCRIPTS,
} from '../../../src/glance/revisions.ts';

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

  it('is a trunk, and then an expand and a contract of each revision', () => {
    expect(SCRIPTS.map(({ kind }) => kind)).to.deep.equal([
      ...Array.from({ length: 3 }, () => 'trunk'),
      ...Array.from({ length: 13 }, () => ['expand', 'contract']).flat(),
    ]);
  });

  it('refuses a script that it does not have', () => {
    expect(() => headsOf(new Set(['liberty', 'x']))).to.throw(
      RangeError,
      "Cannot find the script 'x': it is not in Glance's chain",
    );
  });

  it('says in words what a script or a data migration changes that changes anything', () => {
    for (const { name, changes } of [...SCRIPTS, ...DATA_MIGRATION_NAMES]) {
      expect(changes, name).to.not.equal('');
    }
  });

  it('begins with the four numbers of the tool before that have a revision', () => {
    expect(LEGACY_NUMBERS).to.deep.equal({ 42: 'liberty', 43: 'mitaka01', 44: 'mitaka02', 45: 'ocata01' });
  });

  it('ends with the newest revision', () => {
    expect(REVISIONS.at(-1)?.name).to.equal(LATEST_SUPPORTED);
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
    [
      ['ocata_contract01', '2024_1_expand01'],
      ['2024_1_expand01', 'ocata_contract01'],
    ],
    [['liberty', 'x'], ['liberty']],
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
  const rows: readonly (readonly [readonly string[], string, (readonly string[])?])[] = [
    [['liberty'], 'liberty'],
    [['mitaka02'], 'mitaka02'],
    [['ocata_expand01'], 'ocata01 (Migrate)'],
    [['ocata_expand01'], 'ocata01 (Expand)', ['ocata01']],
    [['ocata_contract01'], 'ocata01', ['ocata01']],
    [['2024_1_expand01', 'ocata_contract01'], 'pike01 (Migrate)', ['train01']],
    [['2024_1_expand01', 'ussuri_contract01'], 'wallaby01 (Migrate)', ['train01']],
    [['2024_1_expand01', 'rocky_contract02'], 'train01 (Expand)', ['train01']],
    [['2024_1_contract01'], '2024_1_01'],
  ];
  for (const [heads, expected, pending = []] of rows) {
    it(`${heads.join(', ')}${pending.length === 0 ? '' : ` with rows of ${pending.join()} to move`}: ${expected}`, () => {
      const position = positionOf(appliedScripts(heads), new Set(pending));
      expect(position === undefined ? undefined : formatPosition(position)).to.equal(expected);
    });
  }

  it('of nothing is undefined', () => {
    expect(positionOf(NONE)).to.equal(undefined);
  });

  it('know which revisions are expanded and not contracted, and what can come next', () => {
    const applied = appliedScripts(['rocky_expand01', 'pike_contract01']);
    expect(expandedOnly(applied)).to.deep.equal(['queens01', 'rocky01']);
    expect(nextScripts(applied)).to.deep.equal(['queens_contract01', 'rocky_expand02']);
    expect(nextScripts(NONE)).to.deep.equal(['liberty']);
  });

  const moves: readonly (readonly [Position, Position, 'reached' | 'past' | 'ahead'])[] = [
    [at('ocata01', 'Migrate'), at('ocata01', 'Expand'), 'reached'],
    [at('ocata01', 'Expand'), at('ocata01', 'Migrate'), 'ahead'],
    [at('ocata01', 'Contract'), at('ocata01', 'Migrate'), 'past'],
    [at('ocata01', 'Contract'), at('ocata01', 'Contract'), 'reached'],
    [at('pike01', 'Expand'), at('ocata01', 'Contract'), 'past'],
    [at('pike01', 'Migrate'), at('ocata01', 'Expand'), 'past'],
    [at('pike01', 'Contract'), at('pike01', 'Expand'), 'past'],
    [at('pike01', 'Migrate'), at('pike01', 'Migrate'), 'reached'],
    [at('pike01', 'Contract'), at('queens01', 'Expand'), 'ahead'],
  ];
  for (const [here, target, expected] of moves) {
    it(`at ${formatPosition(here)}, ${formatPosition(target)} is ${expected}`, () => {
      expect([isReached(here, target), isPast(here, target)]).to.deep.equal([
        expected === 'reached',
        expected === 'past',
      ]);
    });
  }

  it('are of revisions of Glance', () => {
    expect(() => ordinal(at('x', 'Expand'))).to.throw(
      RangeError,
      "Cannot order 'x': it is not a revision of Glance",
    );
  });

  it('a goal leads to at the most', () => {
    const kinds = ['expand', 'migrate', 'contract'] as const;
    expect(
      [to('ocata01', 'Migrate'), ...kinds.map((kind) => ({ kind, revision: 'pike01' }))].map(targetOf),
    ).to.deep.equal([
      at('ocata01', 'Migrate'),
      at('pike01', 'Expand'),
      at('pike01', 'Migrate'),
      at('pike01', 'Contract'),
    ]);
  });

  it('are in one total order', () => {
    const all = REVISIONS.flatMap((revision) => PHASES.map((phase) => ({ revision: revision.name, phase })));
    expect(all.map(ordinal)).to.deep.equal(all.map((_, index) => index));
  });
});

function at(revision: string, phase: Position['phase']): Position {
  return { revision, phase };
}

/** The goal of `db sync`. */
function to(revision: string, phase: Position['phase'] = 'Contract'): Goal {
  return { kind: 'position', target: { revision, phase } };
}

describe('the plan', () => {
  const rows: readonly (readonly [string, readonly string[], Goal, string])[] = [
    ['from nothing to mitaka02', [], to('mitaka02'), 'liberty mitaka01 mitaka02'],
    ['from mitaka02 to ocata01', ['mitaka02'], to('ocata01'), 'ocata_expand01 ocata_contract01'],
    ['from mitaka02 to the expand', ['mitaka02'], to('ocata01', 'Expand'), 'ocata_expand01'],
    ['from the expand to the data', ['ocata_expand01'], to('ocata01', 'Migrate'), ''],
    ['from the expand on', ['ocata_expand01'], to('ocata01'), 'ocata_contract01'],
    ['at the target', ['ocata_contract01'], to('ocata01'), ''],
    [
      'over a revision to the expand of the next',
      ['mitaka02'],
      to('pike01', 'Expand'),
      'ocata_expand01 ocata_contract01 pike_expand01',
    ],
    [
      'every expand',
      ['mitaka01'],
      { kind: 'expand', revision: 'pike01' },
      'mitaka02 ocata_expand01 pike_expand01',
    ],
    ['no script for the data', ['mitaka02'], { kind: 'migrate', revision: 'pike01' }, ''],
    [
      'every contract',
      ['2024_1_expand01', 'mitaka02'],
      { kind: 'contract', revision: 'queens01' },
      'ocata_contract01 pike_contract01 queens_contract01',
    ],
    [
      'every contract, though no expand has run',
      ['mitaka02'],
      { kind: 'contract', revision: 'ocata01' },
      'ocata_contract01',
    ],
    ['every expand from nothing', [], { kind: 'expand', revision: 'mitaka02' }, 'liberty mitaka01 mitaka02'],
  ];
  for (const [name, heads, goal, expected] of rows) {
    it(`${name}: ${expected || 'nothing'}`, () => {
      expect(planScripts(appliedScripts(heads), goal).join(' ')).to.equal(expected);
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
      fc.property(fc.constantFrom(...positions), fc.constantFrom(...positions), (from, target) => {
        fc.pre(comparePositions(from, target) <= 0);
        const goal: Goal = { kind: 'position', target };
        const before = new Set(planScripts(NONE, { kind: 'position', target: from }));
        const after = new Set([...before, ...planScripts(before, goal)]);
        const reached = positionOf(after);
        expect(reached !== undefined && isReached(reached, target)).to.equal(true);
        expect(planScripts(after, goal)).to.deep.equal([]);
        expect(after).to.deep.equal(new Set(planScripts(NONE, goal)));
      }),
    );
  });

  it('of all expands and then all contracts is the whole chain', () => {
    const expanded = new Set(planScripts(NONE, { kind: 'expand', revision: LATEST_SUPPORTED }));
    const whole = new Set([
      ...expanded,
      ...planScripts(expanded, { kind: 'contract', revision: LATEST_SUPPORTED }),
    ]);
    expect(whole).to.deep.equal(new Set(SCRIPTS.map((script) => script.name)));
  });
});

describe('names of revisions', () => {
  const rows: readonly (readonly [string | number, string])[] = [
    ['latest', 'revision 2024_1_01'],
    ['Latest', 'revision 2024_1_01'],
    [2024101, 'revision 2024_1_01'],
    [2023101.0, 'revision 2023_1_01'],
    ['2024101.0', 'revision 2024_1_01'],
    ['2.024101e+06', 'revision 2024_1_01'],
    ['2.023101E+06', 'revision 2023_1_01'],
    [20240101, 'number'],
    ['2.02501e+06', 'number'],
    ['2e5', 'number'],
    ['20e5', 'number'],
    ['2e5x', 'unknown'],
    ['x2e5', 'unknown'],
    ['20250101.00', 'number'],
    ['2027.1', 'unknown'],
    ['ocata01', 'revision ocata01'],
    ['ocata_contract01', 'revision ocata01'],
    ['ocata', 'revision ocata01'],
    ['newton', 'revision mitaka02'],
    ['liberty_initial', 'revision liberty'],
    ['liberty-initial', 'revision liberty'],
    ['44', 'legacy-number mitaka02'],
    ['7', 'legacy-number undefined'],
    ['2023.1', 'revision 2023_1_01'],
    ['2026.2', 'revision 2024_1_01'],
    ['zed_contract01', 'revision zed01'],
    ['zed', 'revision wallaby01'],
    ['2027_1_01', 'unknown'],
    ['OCATA01', 'revision ocata01'],
    ['OCATA', 'revision ocata01'],
    ['caracal', 'revision 2024_1_01'],
    ['Dalmatian', 'revision 2024_1_01'],
    ['flamingo', 'revision 2024_1_01'],
    ['2025.2', 'revision 2024_1_01'],
    ['Antelope', 'revision 2023_1_01'],
    ['Stein', 'revision rocky02'],
    ['2024_1_CONTRACT01', 'revision 2024_1_01'],
    ['2024101', 'revision 2024_1_01'],
    ['2023101', 'revision 2023_1_01'],
    ['2025101', 'number'],
    ['', 'unknown'],
    ['head', 'unknown'],
  ];
  for (const [name, expected] of rows) {
    it(`${name}: ${expected}`, () => {
      const resolved = resolveRevision(name);
      expect(
        [resolved.kind, ...('revision' in resolved ? [String(resolved.revision)] : [])].join(' '),
      ).to.equal(expected);
    });
  }

  it('ask for the newest in any case, and by no other word', () => {
    const asked = ['latest', 'Latest', LATEST_SUPPORTED, 'hibiscus', 2024101].filter(isLatest);
    expect(asked).to.deep.equal(['latest', 'Latest']);
  });

  it('that are no target are explained', () => {
    const explained = ['44', '7', 20240101, 'x'].map((name) => {
      const resolved = resolveRevision(name);
      return resolved.kind === 'revision' ? '' : explainUnresolved(name, resolved);
    });
    expect(explained).to.deep.equal([
      "'44' is a number of the migration tool before Ocata. Name the revision 'mitaka02'.",
      "'7' is a number of the migration tool before Ocata. Name a revision, such as '2024_1_01'.",
      "the number 20240101 stands for no revision. Write the revision's name in quotes, such as \"2024_1_01\": YAML reads a name of digits as a number. Known are liberty, mitaka01, mitaka02, ocata01, pike01, queens01, rocky01, rocky02, train01, ussuri01, wallaby01, xena01, yoga01, zed01, 2023_1_01, 2024_1_01, and 'latest'.",
      "'x' is no revision of Glance. Name one of liberty, mitaka01, mitaka02, ocata01, pike01, queens01, rocky01, rocky02, train01, ussuri01, wallaby01, xena01, yoga01, zed01, 2023_1_01, 2024_1_01, or 'latest'.",
    ]);
  });

  it('have these aliases', () => {
    expect(Object.fromEntries(REVISIONS.map(({ name, aliases }) => [name, aliases.join(' ')]))).to.deep.equal(
      {
        liberty: 'liberty_initial liberty-initial',
        mitaka01: 'mitaka01_add_image_created_updated_idx',
        mitaka02: 'mitaka02_update_metadef_os_nova_server mitaka newton',
        ocata01: 'ocata01_add_visibility_remove_is_public ocata_contract01 ocata',
        pike01: 'pike_contract01 pike',
        queens01: 'queens_contract01 queens',
        rocky01: 'rocky_contract01',
        rocky02: 'rocky_contract02 rocky stein',
        train01: 'train_contract01 train',
        ussuri01: 'ussuri_contract01 ussuri victoria',
        wallaby01: 'wallaby_contract01 wallaby xena yoga zed',
        xena01: 'xena_contract01',
        yoga01: 'yoga_contract01',
        zed01: 'zed_contract01',
        '2023_1_01': '2023_1_contract01 2023.1 antelope 2023.2 bobcat 2023101 2023101.0 2.023101e+06',
        '2024_1_01':
          '2024_1_contract01 2024.1 caracal 2024.2 dalmatian 2025.1 epoxy 2025.2 flamingo 2026.1 gazpacho 2026.2 hibiscus 2024101 2024101.0 2.024101e+06 latest',
      },
    );
  });

  it('are taken by whether they have phases', () => {
    expect([wantedPosition('mitaka02', 'Expand'), wantedPosition('ocata01', 'Expand')]).to.deep.equal([
      at('mitaka02', 'Contract'),
      at('ocata01', 'Expand'),
    ]);
  });
});
