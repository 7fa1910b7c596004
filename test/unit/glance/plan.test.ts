import { expect } from 'chai';
import { REGISTRY } from '../../../migrations/registry.ts';
import type { Facts } from '../../../src/glance/detect.ts';
import type { Goal, OpenGoal } from '../../../src/glance/goal.ts';
import { appliedScripts } from '../../../src/glance/heads.ts';
import { knownSchema } from '../../../src/glance/known-schema.ts';
import {
  dataToAsk,
  filledToAsk,
  nextPhase,
  openData,
  planRun,
  type RunPlan,
  scriptsIn,
  stepsOf,
} from '../../../src/glance/plan.ts';
import type { Position } from '../../../src/glance/position.ts';
import { LATEST_SUPPORTED } from '../../../src/glance/revisions.ts';
import { withoutUndefined } from '../../../src/glance/without-undefined.ts';

/**
 * What is otherwise than in a database that is whole where its version table says; tables are left
 * out, columns put beside.
 */
interface Otherwise extends Partial<Facts> {
  readonly without?: readonly string[];
  readonly with?: readonly string[];
}

/** A database with these rows in its version table, and rows of these revisions still to move. */
function at(heads: readonly string[], pending: readonly string[] = [], otherwise: Otherwise = {}): Facts {
  const { without = [], with: more = [], ...facts } = otherwise;
  const tables = new Map(
    [...knownSchema(REGISTRY, true).after(appliedScripts(heads))].flatMap(([table, columns]) => {
      const added = more.flatMap((name) =>
        name.startsWith(`${table}.`) ? [name.slice(table.length + 1)] : [],
      );
      const left = [...columns, ...added].filter((column) => !without.includes(`${table}.${column}`));
      return without.includes(table) ? [] : [[table, new Set(left)] as const];
    }),
  );
  return {
    address: 'db:5432/glance',
    transactional: true,
    tables,
    alembic: heads,
    pending: new Set(pending),
    ...facts,
  };
}

const EMPTY: Facts = { address: 'db:5432/glance', transactional: true, tables: new Map() };

/** An expand that has begun without its record, with nodes at work. */
const BEGUN: Otherwise = { with: ['images.visibility'] };

/** Ocata's scripts in one, run statement by statement as far as to drop the old form. */
const ENDED: Otherwise = {
  transactional: false,
  triggers: new Set(),
  with: ['images.visibility'],
  without: ['images.is_public'],
};

function to(revision: string, phase: Position['phase'] = 'Contract'): Goal {
  return { kind: 'position', target: { revision, phase } };
}

/** The names of the steps, and `online` where nodes may be at work; or the refusal. */
function brief(plan: RunPlan): string {
  if (plan.kind === 'refused') {
    return `${plan.reason}: ${plan.message}`;
  }
  const names = plan.kind === 'run' ? stepsOf(plan.units).map(({ name }) => name) : [];
  return [...(plan.online ? ['online:'] : []), ...names].join(' ');
}

function plan(facts: Facts, goal: Goal | OpenGoal): RunPlan {
  return planRun(facts, goal, REGISTRY);
}

describe('a run', () => {
  const rows: readonly (readonly [string, Facts, Goal | OpenGoal, string])[] = [
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
      at(['mitaka02'], [], BEGUN),
      to('ocata01'),
      'online: ocata_expand01 ocata_migrate01 ocata_contract01',
    ],
    [
      'one whose contract has begun without its record has no row left to move',
      at(['ocata_expand01'], [], { transactional: false, without: ['images.is_public'] }),
      to('ocata01'),
      'online: ocata_contract01',
    ],
    [
      'one whose contract has begun without its record has the rows of other revisions left to move',
      at(['2024_1_expand01', 'ocata_contract01'], ['train01'], {
        transactional: false,
        without: ['artifact_tags'],
      }),
      to('train01'),
      'online: train_migrate01 pike_contract01 queens_contract01 rocky_contract01 rocky_contract02 train_contract01',
    ],
    [
      'the contract of such a one',
      at(['2024_1_expand01', 'ocata_contract01'], ['train01'], {
        transactional: false,
        without: ['artifact_tags'],
      }),
      { kind: 'contract', revision: undefined },
      "OutOfOrder: Cannot contract db:5432/glance up to '2024_1_01': rows of train01 are still to be moved. Run 'db migrate 2024_1_01' first.",
    ],
    [
      'one in which several scripts in one have ended without their record, to the expand of the first',
      at(['mitaka02'], [], ENDED),
      { kind: 'expand', revision: 'pike01' },
      'online: ocata01 pike_expand01',
    ],
    [
      'such a one, to the whole',
      at(['mitaka02'], [], ENDED),
      to('pike01'),
      'ocata01 pike_expand01 pike_contract01',
    ],
    ['such a one, to where it is', at(['mitaka02'], [], ENDED), to('mitaka02'), ''],
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
      "DowngradeNotSupported: Cannot upgrade db:5432/glance to 'mitaka02': the database is already at 'ocata01', which is later, and Glance has no downgrades. Restore a backup, or name 'ocata01' or later.",
    ],
    [
      'what could not be placed',
      at([], [], { alembic: ['2027_1_expand01'] }),
      to('ocata01', 'Expand'),
      "DatabaseNewer: Cannot upgrade db:5432/glance to 'ocata01 (Expand)': alembic_version says '2027_1_expand01', which is newer than '2024_1_01', the latest revision that this version supports. Use a newer glance-schema.",
    ],
    [
      'the data before its expand',
      at(['mitaka02']),
      { kind: 'migrate', revision: 'ocata01' },
      "OutOfOrder: Cannot migrate db:5432/glance up to 'ocata01': 'ocata_expand01' has not run yet. Run 'db expand ocata01' first.",
    ],
    [
      'the data of whatever is expanded, where nothing is',
      at(['mitaka02']),
      { kind: 'migrate', revision: undefined },
      "OutOfOrder: Cannot migrate db:5432/glance up to '2024_1_01': 'ocata_expand01' has not run yet. Run 'db expand 2024_1_01' first.",
    ],
    [
      'the contract of an empty database',
      EMPTY,
      { kind: 'contract', revision: 'ocata01' },
      "DatabaseNotGlance: Cannot contract db:5432/glance up to 'ocata01': the database is empty. Run 'db sync' to fill it.",
    ],
    [
      'the contract of an empty database, of whatever is expanded',
      EMPTY,
      { kind: 'contract', revision: undefined },
      "DatabaseNotGlance: Cannot contract db:5432/glance up to '2024_1_01': the database is empty. Run 'db sync' to fill it.",
    ],
    [
      'the contract before its data',
      at(['2024_1_expand01'], ['ocata01', 'train01']),
      { kind: 'contract', revision: 'train01' },
      "OutOfOrder: Cannot contract db:5432/glance up to 'train01': rows of ocata01 and train01 are still to be moved. Run 'db migrate train01' first.",
    ],
    [
      'the data, of which rows are to be moved',
      at(['2024_1_expand01'], ['ocata01', 'train01']),
      { kind: 'migrate', revision: 'ocata01' },
      'online: ocata_migrate01',
    ],
  ];
  for (const [fact, facts, goal, expected] of rows) {
    it(`${fact}: ${expected || 'nothing'}`, () => expect(brief(plan(facts, goal))).to.equal(expected));
  }

  it('says by which phase a database that is expanded is named', () => {
    expect(brief(plan(at(['ocata_expand01']), to('mitaka02')))).to.equal(
      "DowngradeNotSupported: Cannot upgrade db:5432/glance to 'mitaka02': the database is already at 'ocata01 (Migrate)', which is later, and Glance has no downgrades. Restore a backup, or name 'ocata01' with --through Migrate or later.",
    );
  });

  it('leaves an empty database alone where it is not to be filled', () => {
    const goal: Goal = {
      kind: 'position',
      target: { revision: 'ocata01', phase: 'Contract' },
      leaveEmpty: true,
    };
    expect(brief(plan(EMPTY, goal))).to.equal(
      "DatabaseNotGlance: Cannot upgrade db:5432/glance to 'ocata01': the database is empty. Run 'db sync' to fill it.",
    );
  });

  it('goes from what has run, by the name that it is adopted under', () => {
    const { alembic: _, ...legacy } = at(['mitaka02'], [], {
      migrate: [{ repository: 'Glance Migrations', version: 44 }],
    });
    const baseline = { from: 'migrate_version 44', heads: ['mitaka02'] };
    const found = plan(legacy, to('mitaka02'));
    expect(found).to.deep.include({ kind: 'run', baseline, units: [], online: false });
    expect(found).to.have.deep.property('applied', appliedScripts(['mitaka02']));
    expect(plan(at(['mitaka02']), to('ocata01'))).to.not.have.property('adopt');
  });

  it('is settled where there is neither a step nor a name to adopt', () => {
    const { detected, ...settled } = plan(at(['mitaka02']), to('mitaka02'));
    expect(detected.kind).to.equal('at');
    expect(settled).to.deep.equal({ kind: 'settled', applied: appliedScripts(['mitaka02']), online: false });
  });

  it('refuses a script that the registry lacks', () => {
    const empty = { ...REGISTRY, squashed: [], migrations: [] };
    expect(() => planRun(EMPTY, to('liberty'), empty)).to.throw(RangeError, "'liberty'");
  });
});

describe('what is committed together', () => {
  const units = (facts: Facts, goal: Goal): readonly string[] => {
    const run = plan(facts, goal);
    return (run.kind === 'run' ? run.units : []).map((unit) =>
      unit.kind === 'data'
        ? `${unit.name}: rows`
        : `${unit.name}: ${unit.migrations.map(({ name }) => name).join(' ')} -> ${unit.heads.join(' ')}`,
    );
  };
  const rows: readonly (readonly [string, Facts, Goal, readonly string[]])[] = [
    [
      'a script with steps alone',
      at(['liberty']),
      to('mitaka02'),
      ['mitaka01: mitaka01 -> mitaka01', 'mitaka02: mitaka02 -> mitaka02'],
    ],
    [
      'a script with those behind it that have no steps',
      at(['ocata_contract01']),
      to('rocky01'),
      [
        'pike_expand01: pike_expand01 -> ocata_contract01 pike_expand01',
        'queens_contract01: pike_contract01 queens_expand01 queens_contract01 -> queens_contract01',
        'rocky_contract01: rocky_expand01 rocky_contract01 -> rocky_contract01',
      ],
    ],
    [
      'no script with rows, on either side',
      at(['rocky_contract02'], []),
      to('ussuri01'),
      [
        'train_expand01: train_expand01 -> rocky_contract02 train_expand01',
        'train_migrate01: rows',
        'ussuri_contract01: train_contract01 ussuri_expand01 ussuri_contract01 -> ussuri_contract01',
      ],
    ],
    [
      'several scripts in one, by the last of them',
      at(['mitaka02']),
      to('ocata01'),
      ['ocata_contract01: ocata01 -> ocata_contract01'],
    ],
    [
      'what is no script of the chain, which changes no head',
      at(['ussuri_contract01'], [], { triggers: new Set(['insert_visibility']) }),
      to('ussuri01'),
      ['left_triggers: left_triggers -> ussuri_contract01'],
    ],
  ];
  for (const [fact, facts, goal, expected] of rows) {
    it(fact, () => expect(units(facts, goal)).to.deep.equal(expected));
  }
});

describe('a version table that is written by hand', () => {
  const stamp = (facts: Facts, revision: string): string => {
    const run = planRun(facts, { kind: 'stamp', revision }, REGISTRY);
    return run.kind === 'refused'
      ? `${run.reason}: ${run.message}`
      : run.kind === 'settled'
        ? 'settled'
        : `${run.baseline?.from} -> ${run.baseline?.heads.join()}, ${run.units.length} units`;
  };
  const { alembic: _, ...lost } = at(['pike_contract01']);
  const rows: readonly (readonly [string, Facts, string, string])[] = [
    ['a table that is lost', lost, 'pike01', 'no version table -> pike_contract01, 0 units'],
    [
      'a table that lies',
      { ...lost, alembic: ['mitaka02'] },
      'pike01',
      "alembic_version 'mitaka02' -> pike_contract01, 0 units",
    ],
    [
      'a number of the old tool that lies',
      { ...lost, migrate: [{ repository: 'Glance Migrations', version: 42 }] },
      'pike01',
      'migrate_version 42 -> pike_contract01, 0 units',
    ],
    [
      'a table of two rows that lies',
      { ...lost, alembic: ['ocata_contract01', '2024_1_expand01'] },
      'pike01',
      "alembic_version 'ocata_contract01', '2024_1_expand01' -> pike_contract01, 0 units",
    ],
    [
      'a table of the old tool without rows',
      { ...lost, migrate: [] },
      'pike01',
      'no version table -> pike_contract01, 0 units',
    ],
    ['what is there already', at(['pike_contract01']), 'pike01', 'settled'],
    [
      'a revision before the one that the tables agree with',
      at(['pike_contract01']),
      'ocata01',
      "DowngradeNotSupported: Cannot stamp db:5432/glance with 'ocata01': its version table says 'pike01', its tables agree, and that is later. Name 'pike01', or leave it as it is.",
    ],
    [
      'a revision whose tables are others',
      lost,
      'rocky01',
      "DatabaseNotGlance: Cannot stamp db:5432/glance with 'rocky01': images.os_hidden is missing. Name the revision that the tables are of.",
    ],
    [
      'a revision after which the next has begun',
      { ...at(['mitaka02'], [], BEGUN), alembic: [] },
      'mitaka02',
      "DatabaseNotGlance: Cannot stamp db:5432/glance with 'mitaka02': the script after it has begun. Name the revision that the tables are of.",
    ],
    [
      'a database whose restore has not ended',
      { ...at(['pike_contract01']), restoring: 'glance.sql.gz' },
      'pike01',
      "DatabaseNotGlance: Cannot stamp db:5432/glance with 'pike01': a restore of 'glance.sql.gz' has not ended, and the database may be incomplete. Wait for it where it still runs; else run 'db restore' of that file again.",
    ],
    [
      'a database of a newer release',
      { ...lost, alembic: ['2027_1_expand01'] },
      'pike01',
      "DatabaseNewer: Cannot stamp db:5432/glance with 'pike01': alembic_version says '2027_1_expand01', which is newer than '2024_1_01', the latest revision that this version supports. Use a newer glance-schema.",
    ],
  ];
  for (const [fact, facts, revision, expected] of rows) {
    it(`${fact}: ${expected}`, () => expect(stamp(facts, revision)).to.equal(expected));
  }
});

describe('a plan', () => {
  const stamped = { applied: appliedScripts(['pike_contract01']), online: false };

  it('that only writes the version table has nothing to run, and no node of Glance at work', () => {
    const { alembic: _, ...lost } = at(['pike_contract01']);
    const { detected, ...run } = planRun(lost, { kind: 'stamp', revision: 'pike01' }, REGISTRY);
    expect(detected.kind).to.equal('refused');
    const baseline = { from: 'no version table', heads: ['pike_contract01'] };
    expect(run).to.deep.equal({ kind: 'run', ...stamped, baseline, units: [] });
  });

  it('that finds the version table as it is to be is settled there', () => {
    const { detected, ...settled } = planRun(
      at(['pike_contract01']),
      { kind: 'stamp', revision: 'pike01' },
      REGISTRY,
    );
    expect(detected.kind).to.equal('at');
    expect(settled).to.deep.equal({ kind: 'settled', ...stamped });
  });

  it('has the scripts that it runs, without the rows that it moves', () => {
    const scripts = (facts: Facts) => {
      const run = plan(facts, to('ocata01'));
      return run.kind === 'refused' ? [] : scriptsIn(run).map(({ name }) => name);
    };
    expect(scripts(at(['ocata_expand01'], ['ocata01']))).to.deep.equal(['ocata_contract01']);
    expect(scripts(at(['ocata_contract01']))).to.deep.equal([]);
  });

  it('takes several scripts in one only where all of them are pending in a row', () => {
    const both = { name: 'both', scripts: ['liberty', 'mitaka01'], steps: [] };
    expect(brief(planRun(EMPTY, to('liberty'), { ...REGISTRY, squashed: [both] }))).to.equal('liberty');
    expect(brief(planRun(EMPTY, to('mitaka01'), { ...REGISTRY, squashed: [both] }))).to.equal('both');
  });
});

describe('the phase that is next', () => {
  const rows: readonly (readonly [string, Facts, string, string | undefined])[] = [
    ['an empty database', EMPTY, 'ocata01', 'expand'],
    ['one before the revision', at(['mitaka02']), 'ocata01', 'expand'],
    ['one whose rows are to be moved', at(['ocata_expand01'], ['ocata01']), 'ocata01', 'migrate'],
    ['one whose rows are moved', at(['ocata_expand01']), 'ocata01', 'contract'],
    ['one with rows of a later revision', at(['2024_1_expand01'], ['train01']), 'ocata01', 'contract'],
    ['one that is there', at(['ocata_contract01']), 'ocata01', undefined],
    [
      'one that is there by the number of the old tool',
      at(['mitaka02'], [], { alembic: [], migrate: [{ repository: 'Glance Migrations', version: 44 }] }),
      'mitaka02',
      undefined,
    ],
    ['one that cannot be placed', at([], [], { alembic: ['2027_1_expand01'] }), 'ocata01', undefined],
    ['one that is past it', at(['pike_contract01']), 'ocata01', undefined],
    [
      'one whose triggers were left behind',
      at(['2024_1_contract01'], [], { triggers: new Set(['insert_visibility']) }),
      LATEST_SUPPORTED,
      'contract',
    ],
  ];
  for (const [fact, facts, revision, expected] of rows) {
    it(`${fact}: ${expected ?? 'none'}`, () =>
      expect(nextPhase(facts, revision, REGISTRY)).to.equal(expected));
  }
});

interface Seen {
  readonly heads: readonly string[];
  readonly pending: readonly string[];
  readonly triggers: ReadonlySet<string>;
  readonly begun: boolean;
}

describe('what runs, in order,', () => {
  const rows: readonly (readonly [string, Partial<Seen>, Goal, string])[] = [
    ['an empty database', {}, to('ocata01'), 'liberty mitaka01 mitaka02 ocata01'],
    ['mitaka02', { heads: ['mitaka02'] }, to('ocata01'), 'ocata01'],
    [
      'mitaka02 with nodes at work',
      { heads: ['mitaka02'], begun: true },
      to('ocata01'),
      'ocata_expand01 ocata_migrate01 ocata_contract01',
    ],
    ['mitaka02, to expand', { heads: ['mitaka02'] }, to('ocata01', 'Expand'), 'ocata_expand01'],
    [
      'mitaka02, to migrate',
      { heads: ['mitaka02'] },
      to('ocata01', 'Migrate'),
      'ocata_expand01 ocata_migrate01',
    ],
    [
      'ocata_expand01 with rows to move',
      { heads: ['ocata_expand01'], pending: ['ocata01'] },
      to('ocata01', 'Migrate'),
      'ocata_migrate01',
    ],
    ['ocata_expand01 without', { heads: ['ocata_expand01'] }, to('ocata01', 'Migrate'), ''],
    ['ocata_expand01', { heads: ['ocata_expand01'] }, to('ocata01'), 'ocata_migrate01 ocata_contract01'],
    ['ocata_contract01', { heads: ['ocata_contract01'] }, to('ocata01'), ''],
    [
      'the data of Train, in its turn',
      { heads: ['rocky_contract02'] },
      to('ussuri01'),
      'train_expand01 train_migrate01 train_contract01 ussuri_expand01 ussuri_contract01',
    ],
    [
      'the data of Train, where a tool that skipped it has contracted it',
      { heads: ['ussuri_contract01'] },
      to('wallaby01'),
      'train_migrate01 wallaby_expand01 wallaby_contract01',
    ],
    [
      'the data of two revisions, each in its turn',
      { heads: ['mitaka02'], begun: true },
      to('train01'),
      'ocata_expand01 ocata_migrate01 ocata_contract01 pike_expand01 pike_contract01 queens_expand01 queens_contract01 rocky_expand01 rocky_contract01 rocky_expand02 rocky_contract02 train_expand01 train_migrate01 train_contract01',
    ],
    ['nothing to do', { heads: ['2024_1_contract01'] }, to('2024_1_01'), ''],
    [
      'the data of Train alone, where a tool that skipped it has contracted it',
      { heads: ['ussuri_contract01'] },
      { kind: 'migrate', revision: 'ussuri01' },
      'train_migrate01',
    ],
    [
      'the data of Train, expanded and without rows to move',
      { heads: ['train_expand01', 'rocky_contract02'] },
      { kind: 'migrate', revision: 'train01' },
      '',
    ],
    [
      'the contracts of what has been moved',
      { heads: ['train_expand01', 'rocky_contract02'] },
      { kind: 'contract', revision: 'train01' },
      'train_contract01',
    ],
    [
      'all expands',
      { heads: ['rocky_contract02'] },
      { kind: 'expand', revision: 'ussuri01' },
      'train_expand01 ussuri_expand01',
    ],
    [
      'all data',
      { heads: ['2024_1_expand01'], pending: ['ocata01', 'train01'] },
      { kind: 'migrate', revision: '2024_1_01' },
      'ocata_migrate01 train_migrate01',
    ],
    [
      'all contracts',
      { heads: ['ussuri_expand01', 'rocky_contract02'] },
      { kind: 'contract', revision: 'ussuri01' },
      'train_contract01 ussuri_contract01',
    ],
  ];
  const triggers = new Set(['insert_visibility', 'audit_insert']);
  const left: typeof rows = [
    ['triggers left behind', { heads: ['2024_1_contract01'], triggers }, to('2024_1_01'), 'left_triggers'],
    [
      'triggers left behind, before all else',
      { heads: ['ussuri_contract01'], triggers },
      to('wallaby01'),
      'left_triggers train_migrate01 wallaby_expand01 wallaby_contract01',
    ],
    [
      'triggers left behind, by a contract',
      { heads: ['pike_expand01', 'ocata_contract01'], triggers },
      { kind: 'contract', revision: 'pike01' },
      'left_triggers pike_contract01',
    ],
    [
      'triggers left behind, by an expand',
      { heads: ['2024_1_contract01'], triggers },
      { kind: 'expand', revision: '2024_1_01' },
      '',
    ],
    [
      'triggers left behind, by a migrate',
      { heads: ['2024_1_contract01'], triggers },
      { kind: 'migrate', revision: 'ocata01' },
      '',
    ],
    [
      'triggers whose contract is to come',
      { heads: ['ocata_expand01'], triggers },
      to('ocata01'),
      'ocata_migrate01 ocata_contract01',
    ],
    [
      'triggers of somebody else',
      { heads: ['2024_1_contract01'], triggers: new Set(['audit_insert']) },
      to('2024_1_01'),
      '',
    ],
  ];
  for (const [name, { heads, pending, triggers: found, begun = false }, goal, expected] of [
    ...rows,
    ...left,
  ]) {
    it(`${name}: ${expected || 'nothing'}`, () => {
      const otherwise = { ...withoutUndefined({ triggers: found }), ...(begun ? BEGUN : {}) };
      const facts = heads === undefined ? EMPTY : at(heads, pending, otherwise);
      expect(brief(plan(facts, goal)).replace(/^online:( |$)/, '')).to.equal(expected);
    });
  }

  it('drops those of the triggers left behind that are there, and records nothing', () => {
    const run = plan(at(['ocata_contract01'], [], { triggers }), to('ocata01'));
    expect(run.kind === 'run' ? stepsOf(run.units) : []).to.deep.equal([
      {
        name: 'left_triggers',
        scripts: [],
        steps: [{ do: 'drop trigger', table: 'images', trigger: 'insert_visibility' }],
      },
    ]);
  });

  it('recreates those of the triggers that nobody can write with, but for a contract', () => {
    const broken = at(['ocata_expand01'], [], { triggers, brokenTriggers: new Set(['insert_visibility']) });
    expect(brief(plan(broken, { kind: 'migrate', revision: 'ocata01' }))).to.equal('online: remade_triggers');
    expect(brief(plan(broken, { kind: 'contract', revision: 'ocata01' }))).to.equal(
      'online: ocata_contract01',
    );
  });

  it('recreates a trigger by dropping it first, and records nothing', () => {
    const broken = at(['ocata_expand01'], [], { triggers, brokenTriggers: new Set(['insert_visibility']) });
    const run = plan(broken, { kind: 'migrate', revision: 'ocata01' });
    const [remade] = run.kind === 'run' ? run.units : [];
    expect(remade?.kind === 'scripts' && remade.migrations).to.deep.equal([
      {
        name: 'remade_triggers',
        scripts: [],
        steps: [
          { do: 'drop trigger', table: 'images', trigger: 'insert_visibility' },
          ...REGISTRY.migrations
            .flatMap(({ steps }) => steps)
            .filter((step) => step.do === 'create trigger' && step.trigger.name === 'insert_visibility'),
        ],
      },
    ]);
  });

  it('asks what is filled from a column that is gone before its contract', () => {
    const gone = { transactional: false, without: ['images.is_public'] };
    const asked = (facts: Facts) => filledToAsk(facts, REGISTRY);
    expect(asked(at(['ocata_expand01'], [], gone))).to.deep.equal([
      { table: 'images', column: 'is_public', successor: 'visibility' },
    ]);
    expect(asked(at(['ocata_expand01']))).to.deep.equal([]);
    expect(asked(EMPTY)).to.deep.equal([]);
  });

  it('knows whose rows tell the position', () => {
    const open = (heads: readonly string[]) =>
      openData(appliedScripts(heads), REGISTRY).map((data) => data.name);
    expect(open(['2024_1_expand01'])).to.deep.equal(['ocata_migrate01', 'train_migrate01']);
    expect(open(['2024_1_expand01', 'ocata_contract01'])).to.deep.equal(['train_migrate01']);
    expect(open(['2024_1_contract01'])).to.deep.equal([]);
  });

  it('asks no row of a revision whose contract has begun', () => {
    const asked = (facts: Facts) => dataToAsk(facts, REGISTRY).map(({ name }) => name);
    const begun = { transactional: false, without: ['images.is_public'] };
    expect(asked(at(['ocata_expand01']))).to.deep.equal(['ocata_migrate01']);
    expect(asked(at(['ocata_expand01'], [], begun))).to.deep.equal([]);
    expect(asked(EMPTY)).to.deep.equal([]);
  });
});
