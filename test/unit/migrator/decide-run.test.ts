import { expect } from 'chai';
import type { Located } from '../../../src/glance/detect.ts';
import { appliedScripts, positionOf } from '../../../src/glance/heads.ts';
import type { Position } from '../../../src/glance/position.ts';
import { type DecideOptions, decideRun, isSettled, type RunPlan } from '../../../src/migrator/decide-run.ts';
import type { Placed } from '../../../src/migrator/detect-database.ts';

type At = Extract<Located, { kind: 'at' }>;

/** A database with these rows in its version table, and rows of these revisions still to move. */
function at(heads: readonly string[], pending: readonly string[] = [], more: Partial<At> = {}): Placed {
  const applied = appliedScripts(heads);
  const position = positionOf(applied, new Set(pending));
  if (position === undefined) {
    throw new RangeError('a database with heads is somewhere');
  }
  return {
    located: { kind: 'at', position, applied, underWay: false, lacking: [], ...more },
    pending: new Set(pending),
  };
}

const EMPTY: Placed = { located: { kind: 'empty' }, pending: new Set() };

function to(revision: string, phase: Position['phase'] = 'Contract'): DecideOptions['goal'] {
  return { kind: 'position', target: { revision, phase } };
}

function run(placed: Placed, goal: DecideOptions['goal'], fillEmpty = true): RunPlan {
  return decideRun(placed, { goal, fillEmpty, place: 'db:5432/glance' });
}

/** The names of the steps, and `online` where nodes may be at work; or the refusal. */
function brief({ refusal, steps, online }: RunPlan): string {
  const names = steps.map((step) => (step.kind === 'script' ? step.migration.name : step.data.name));
  return refusal === undefined
    ? [...(online ? ['online:'] : []), ...names].join(' ')
    : `${refusal.reason}: ${refusal.message}`;
}

describe('a run', () => {
  const rows: readonly (readonly [string, Placed, DecideOptions['goal'], string])[] = [
    ['an empty database', EMPTY, to('ocata01'), 'liberty mitaka01 mitaka02 ocata01'],
    [
      'an empty database, to an expand',
      EMPTY,
      to('ocata01', 'Expand'),
      'online: liberty mitaka01 mitaka02 ocata_expand01',
    ],
    ['a whole revision, to a later one', at(['mitaka02']), to('ocata01'), 'ocata01'],
    ['at the target', at(['ocata_contract01']), to('ocata01'), ''],
    [
      'an expanded one, to whole',
      at(['ocata_expand01'], ['ocata01']),
      to('ocata01'),
      'online: ocata_migrate01 ocata_contract01',
    ],
    [
      'one whose expand has begun without its record',
      at(['mitaka02'], [], { underWay: true }),
      to('ocata01'),
      'online: ocata_expand01 ocata_migrate01 ocata_contract01',
    ],
    [
      'one whose contract has begun without its record has no row left to move',
      at(['ocata_expand01'], [], { lacking: ['images.is_public'] }),
      to('ocata01'),
      'online: ocata_contract01',
    ],
    [
      'one whose contract has begun without its record has the rows of other revisions left to move',
      at(['2024_1_expand01', 'ocata_contract01'], ['train01'], { lacking: ['artifact_tags'] }),
      to('train01'),
      'online: train_migrate01 pike_contract01 queens_contract01 rocky_contract01 rocky_contract02 train_contract01',
    ],
    [
      'the contract of such a one',
      at(['2024_1_expand01', 'ocata_contract01'], ['train01'], { lacking: ['artifact_tags'] }),
      { kind: 'contract', revision: undefined },
      "OutOfOrder: Cannot contract db:5432/glance up to '2024_1_01': rows of train01 are still to be moved, do run 'db migrate 2024_1_01' first",
    ],
    [
      'one in which several scripts in one have ended without their record, to the expand of the first',
      at(['mitaka02'], [], { lacking: ['images.is_public'] }),
      { kind: 'expand', revision: 'pike01' },
      'online: ocata01 pike_expand01',
    ],
    [
      'such a one, to the whole',
      at(['mitaka02'], [], { lacking: ['images.is_public'] }),
      to('pike01'),
      'ocata01 pike_expand01 pike_contract01',
    ],
    [
      'such a one, to where it is',
      at(['mitaka02'], [], { lacking: ['images.is_public'] }),
      to('mitaka02'),
      '',
    ],
    ['a whole one, to a later expand', at(['mitaka02']), to('ocata01', 'Expand'), 'online: ocata_expand01'],
    [
      'an empty database, expanded alone',
      EMPTY,
      { kind: 'expand', revision: 'ocata01' },
      'online: liberty mitaka01 mitaka02 ocata_expand01',
    ],
    [
      'the expand of a revision by name',
      at(['mitaka02']),
      { kind: 'expand', revision: 'pike01' },
      'online: ocata_expand01 pike_expand01',
    ],
    [
      'the data of whatever is expanded',
      at(['ocata_expand01'], ['ocata01']),
      { kind: 'migrate', revision: undefined },
      'online: ocata_migrate01',
    ],
    [
      'the contract of whatever is expanded',
      at(['pike_expand01']),
      { kind: 'contract', revision: undefined },
      'online: ocata_contract01 pike_contract01',
    ],
    [
      'the contract of a database where nothing is expanded',
      at(['2024_1_contract01']),
      { kind: 'contract', revision: undefined },
      'online:',
    ],
    [
      'the contract up to a revision before the one that has rows to move',
      at(['2024_1_expand01', 'pike_contract01'], ['train01']),
      { kind: 'contract', revision: 'queens01' },
      'online: queens_contract01',
    ],
    [
      'before the target',
      at(['ocata_contract01']),
      to('mitaka02'),
      "DowngradeNotSupported: Cannot upgrade db:5432/glance to 'mitaka02': the database is at 'ocata01', which comes after it, and Glance has no downgrades, do restore a backup or name 'ocata01' or later",
    ],
    [
      'what could not be placed',
      {
        located: { kind: 'refused', reason: 'DatabaseNewer', message: 'it is newer' },
        pending: new Set(),
      },
      to('ocata01', 'Expand'),
      "DatabaseNewer: Cannot upgrade db:5432/glance to 'ocata01 (Expand)': it is newer",
    ],
    [
      'the data before its expand',
      at(['mitaka02']),
      { kind: 'migrate', revision: 'ocata01' },
      "OutOfOrder: Cannot migrate db:5432/glance up to 'ocata01': 'ocata_expand01' has not run yet, do run 'db expand ocata01' first",
    ],
    [
      'the data of whatever is expanded, where nothing is',
      at(['mitaka02']),
      { kind: 'migrate', revision: undefined },
      "OutOfOrder: Cannot migrate db:5432/glance up to '2024_1_01': 'ocata_expand01' has not run yet, do run 'db expand 2024_1_01' first",
    ],
    [
      'the contract of an empty database',
      EMPTY,
      { kind: 'contract', revision: 'ocata01' },
      "OutOfOrder: Cannot contract db:5432/glance up to 'ocata01': 'liberty' has not run yet, do run 'db expand ocata01' first",
    ],
    [
      'the contract of an empty database, of whatever is expanded',
      EMPTY,
      { kind: 'contract', revision: undefined },
      "OutOfOrder: Cannot contract db:5432/glance up to '2024_1_01': 'liberty' has not run yet, do run 'db expand 2024_1_01' first",
    ],
    [
      'the contract before its data',
      at(['2024_1_expand01'], ['ocata01', 'train01']),
      { kind: 'contract', revision: 'train01' },
      "OutOfOrder: Cannot contract db:5432/glance up to 'train01': rows of ocata01 and train01 are still to be moved, do run 'db migrate train01' first",
    ],
    [
      'the data, of which rows are to be moved',
      at(['2024_1_expand01'], ['ocata01', 'train01']),
      { kind: 'migrate', revision: 'ocata01' },
      'online: ocata_migrate01',
    ],
  ];
  for (const [fact, placed, goal, expected] of rows) {
    it(`${fact}: ${expected || 'nothing'}`, () => expect(brief(run(placed, goal))).to.equal(expected));
  }

  it('leaves an empty database alone where it is not to be filled', () => {
    expect(brief(run(EMPTY, to('ocata01'), false))).to.equal(
      "DatabaseNotGlance: Cannot upgrade db:5432/glance to 'ocata01': the database is empty, do run 'db sync' to fill it",
    );
  });

  it('goes from what has run, by the name that it is adopted under', () => {
    const adopt = { from: 'migrate_version 44', heads: ['mitaka02'] };
    const placed = at(['mitaka02'], [], { adopt });
    const plan = run(placed, to('mitaka02'));
    expect(plan).to.deep.equal({
      ...placed,
      applied: appliedScripts(['mitaka02']),
      adopt,
      steps: [],
      online: false,
    });
    expect(run(at(['mitaka02']), to('mitaka02'))).to.not.have.property('adopt');
  });

  it('is settled when it has neither steps nor a name to adopt', () => {
    const adopt = { from: 'migrate_version 44', heads: ['mitaka02'] };
    const plans = [
      run(at(['mitaka02']), to('mitaka02')),
      run(at(['mitaka02']), to('liberty')),
      run(at(['mitaka02'], [], { adopt }), to('mitaka02')),
      run(at(['mitaka02']), to('ocata01')),
      run(EMPTY, to('ocata01')),
    ];
    expect(plans.map(isSettled)).to.deep.equal([true, true, false, false, false]);
  });

  it('that is refused has no steps and goes nowhere', () => {
    const { refusal: _refusal, ...plan } = run(at(['ocata_expand01']), to('mitaka02'));
    expect(plan).to.deep.equal({ ...at(['ocata_expand01']), applied: new Set(), steps: [], online: false });
  });
});
