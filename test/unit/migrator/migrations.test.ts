import { readdirSync } from 'node:fs';
import { expect } from 'chai';
import { goldenSchema } from '../../../lab/databases/golden.ts';
import { DATA_MIGRATIONS, FUSED, MIGRATIONS } from '../../../migrations/registry.ts';
import { everCreated, foldSchema } from '../../../src/glance/fold.ts';
import { appliedScripts } from '../../../src/glance/heads.ts';
import type { Goal } from '../../../src/glance/plan.ts';
import { DATA_MIGRATION_NAMES, SCRIPTS } from '../../../src/glance/revisions.ts';
import { leftTriggers, openData, planMigrations } from '../../../src/migrator/plan-migrations.ts';

const REGISTRY = { migrations: MIGRATIONS, fused: FUSED, data: DATA_MIGRATIONS };

interface Look {
  readonly heads: readonly string[];
  readonly pending: readonly string[];
  readonly triggers: ReadonlySet<string>;
  readonly online: boolean;
}

const OFFLINE = { applied: new Set<string>(), pending: new Set<string>(), online: false };

/** The goal of `db sync`. */
function to(revision: string, phase: 'Expand' | 'Migrate' | 'Contract' = 'Contract'): Goal {
  return { kind: 'position', target: { revision, phase } };
}

function goldenColumns(name: string): Map<string, Set<string>> {
  return new Map(
    Object.entries(goldenSchema(name).tables).map(([table, { columns }]) => [
      table,
      new Set(columns.map((column) => column.name)),
    ]),
  );
}

/** What a file under migrations/ exports for itself; the registry's lists and the vocabulary of several files are none. */
function isMigration(value: unknown): value is { readonly name: string } {
  return (
    typeof value === 'object' && value !== null && 'name' in value && ('steps' in value || 'pending' in value)
  );
}

describe('the registry', () => {
  it('has exactly the scripts of the chain, in its order', () => {
    expect(MIGRATIONS.flatMap((migration) => migration.scripts)).to.deep.equal(
      SCRIPTS.map((script) => script.name),
    );
  });

  it('has a file for each script that changes something, and no other', async () => {
    const changing = SCRIPTS.filter(({ changes }) => changes !== undefined).map(({ name }) => name);
    expect(MIGRATIONS.filter(({ steps }) => steps.length > 0).map(({ name }) => name)).to.deep.equal(
      changing,
    );
    const folder = new URL('../../../migrations/', import.meta.url);
    const names = await Promise.all(
      readdirSync(folder).map(async (file) => {
        const values = Object.values(await import(new URL(file, folder).href));
        return values.flatMap((value) => (isMigration(value) ? [value.name] : []));
      }),
    );
    expect(names.flat().sort()).to.deep.equal(
      [...changing, ...DATA_MIGRATIONS.map(({ name }) => name), ...FUSED.map(({ name }) => name)].sort(),
    );
  });

  it('has the data migrations of the chain', () => {
    expect(DATA_MIGRATIONS.map(({ name, revision }) => `${name} of ${revision}`)).to.deep.equal(
      DATA_MIGRATION_NAMES.map(({ name, revision }) => `${name} of ${revision}`),
    );
  });

  it('fuses only scripts that follow one another', () => {
    const chain = SCRIPTS.map((script) => script.name).join(' ');
    for (const migration of FUSED) {
      expect(chain).to.include(migration.scripts.join(' '));
    }
  });
});

describe('the schema folded from the scripts', () => {
  for (const { name } of SCRIPTS) {
    it(`${name} has the tables and columns of the real one`, () => {
      const applied = appliedScripts([name]);
      const scripts = MIGRATIONS.filter((migration) =>
        migration.scripts.every((script) => applied.has(script)),
      );
      expect(foldSchema(scripts)).to.deep.equal(goldenColumns(name));
    });
  }

  it('is the same by the fused way', () => {
    const fused = planMigrations(OFFLINE, to('ocata01'), REGISTRY);
    expect(
      foldSchema(fused.flatMap((step) => (step.kind === 'script' ? [step.migration] : []))),
    ).to.deep.equal(goldenColumns('ocata_contract01'));
  });

  it('remembers what was dropped', () => {
    expect([...(everCreated(MIGRATIONS).get('images') ?? [])]).to.include.members([
      'is_public',
      'visibility',
    ]);
  });
});

describe('the plan of migrations', () => {
  const rows: readonly (readonly [string, Partial<Look>, Goal, string])[] = [
    ['an empty database', {}, to('ocata01'), 'liberty mitaka01 mitaka02 ocata01'],
    ['mitaka02', { heads: ['mitaka02'] }, to('ocata01'), 'ocata01'],
    [
      'mitaka02 with nodes at work',
      { heads: ['mitaka02'], online: true },
      to('ocata01'),
      'ocata_expand01 ocata_migrate01 ocata_contract01',
    ],
    ['mitaka02, to expand', { heads: ['mitaka02'], online: true }, to('ocata01', 'Expand'), 'ocata_expand01'],
    [
      'mitaka02, to migrate',
      { heads: ['mitaka02'], online: true },
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
      'the data of Train, in its place',
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
      'the data of two revisions, each in its place',
      { heads: ['mitaka02'], online: true },
      to('train01'),
      'ocata_expand01 ocata_migrate01 ocata_contract01 pike_expand01 pike_contract01 queens_expand01 queens_contract01 rocky_expand01 rocky_contract01 rocky_expand02 rocky_contract02 train_expand01 train_migrate01 train_contract01',
    ],
    ['nothing to do', { heads: ['2024_1_contract01'] }, to('2024_1_01'), ''],
    [
      'mitaka02, to expand, without nodes',
      { heads: ['mitaka02'] },
      to('ocata01', 'Expand'),
      'ocata_expand01',
    ],
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
      { heads: ['train_expand01', 'rocky_contract02'], pending: ['train01'] },
      { kind: 'contract', revision: 'train01' },
      'train_contract01',
    ],
    [
      'all expands',
      { heads: ['rocky_contract02'], online: true },
      { kind: 'expand', revision: 'ussuri01' },
      'train_expand01 ussuri_expand01',
    ],
    [
      'all data',
      { heads: ['2024_1_expand01'], pending: ['ocata01', 'train01'], online: true },
      { kind: 'migrate', revision: '2024_1_01' },
      'ocata_migrate01 train_migrate01',
    ],
    [
      'all contracts',
      { heads: ['ussuri_expand01', 'rocky_contract02'], online: true },
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
  for (const [name, look, goal, expected] of [...rows, ...left]) {
    it(`${name}: ${expected || 'nothing'}`, () => {
      const plan = planMigrations(
        {
          ...(look.triggers === undefined ? {} : { triggers: look.triggers }),
          applied: appliedScripts(look.heads ?? []),
          pending: new Set(look.pending),
          online: look.online === true,
        },
        goal,
        REGISTRY,
      );
      const names = plan.map((step) => (step.kind === 'data' ? step.data.name : step.migration.name));
      expect(names.join(' ')).to.equal(expected);
    });
  }

  it('drops those of the triggers left behind that are there, and records nothing', () => {
    expect(leftTriggers({ applied: appliedScripts(['ocata_contract01']), triggers }, REGISTRY)).to.deep.equal(
      {
        name: 'left_triggers',
        scripts: [],
        steps: [{ do: 'drop trigger', table: 'images', trigger: 'insert_visibility' }],
      },
    );
  });

  it('knows whose rows tell the position', () => {
    const open = (heads: readonly string[]) =>
      openData(appliedScripts(heads), REGISTRY).map((data) => data.name);
    expect(open(['2024_1_expand01'])).to.deep.equal(['ocata_migrate01', 'train_migrate01']);
    expect(open(['2024_1_expand01', 'ocata_contract01'])).to.deep.equal(['train_migrate01']);
    expect(open(['2024_1_contract01'])).to.deep.equal([]);
  });

  it('refuses a script that the registry lacks', () => {
    const empty = { ...REGISTRY, migrations: [], fused: [] };
    expect(() => planMigrations(OFFLINE, to('liberty'), empty)).to.throw(RangeError, "'liberty'");
  });
});
