import { expect } from 'chai';
import { FUSED, MIGRATIONS } from '../../../migrations/registry.ts';
import { everCreated, foldSchema } from '../../../src/database/fold.ts';
import { planMigrations } from '../../../src/database/plan-migrations.ts';
import { appliedScripts, scriptsOf } from '../../../src/revision/heads.ts';
import { CARRIED } from '../../../src/revision/revisions.ts';
import { SCRIPTS } from '../../../src/revision/scripts.ts';
import { goldenSchema } from '../../support/golden.ts';

const REGISTRY = { migrations: MIGRATIONS, fused: FUSED };

function goldenColumns(name: string): Map<string, Set<string>> {
  return new Map(
    Object.entries(goldenSchema(name).tables).map(([table, { columns }]) => [
      table,
      new Set(columns.map((column) => column.name)),
    ]),
  );
}

describe('the registry', () => {
  it('has exactly the scripts of the carried revisions, in the order of the chain', () => {
    const carried = CARRIED.flatMap((revision) => scriptsOf(revision.name)).map((script) => script.name);
    expect(MIGRATIONS.flatMap((migration) => migration.scripts)).to.deep.equal(carried);
  });

  it('fuses only scripts that follow one another', () => {
    const chain = SCRIPTS.map((script) => script.name).join(' ');
    for (const migration of FUSED) {
      expect(chain).to.include(migration.scripts.join(' '));
    }
  });
});

describe('the schema folded from the scripts', () => {
  for (const name of ['liberty', 'mitaka01', 'mitaka02', 'ocata_expand01', 'ocata_contract01']) {
    it(`${name} has the tables and columns of the real one`, () => {
      const applied = appliedScripts([name]);
      const scripts = MIGRATIONS.filter((migration) =>
        migration.scripts.every((script) => applied.has(script)),
      );
      expect(foldSchema(scripts)).to.deep.equal(goldenColumns(name));
    });
  }

  it('is the same by the fused way', () => {
    const fused = planMigrations(new Set(), { revision: 'ocata01', phase: 'Contract' }, REGISTRY);
    expect(foldSchema(fused)).to.deep.equal(goldenColumns('ocata_contract01'));
  });

  it('remembers what was dropped', () => {
    expect([...(everCreated(MIGRATIONS).get('images') ?? [])]).to.include.members([
      'is_public',
      'visibility',
    ]);
  });
});

describe('the plan of migrations', () => {
  const rows: readonly (readonly [string, readonly string[], 'Expand' | 'Contract', string])[] = [
    ['an empty database', [], 'Contract', 'liberty mitaka01 mitaka02 ocata01'],
    ['mitaka02', ['mitaka02'], 'Contract', 'ocata01'],
    ['mitaka02, to expand', ['mitaka02'], 'Expand', 'ocata_expand01'],
    ['ocata_expand01', ['ocata_expand01'], 'Contract', 'ocata_contract01'],
    ['ocata_contract01', ['ocata_contract01'], 'Contract', ''],
  ];
  for (const [name, heads, phase, expected] of rows) {
    it(`${name}: ${expected || 'nothing'}`, () => {
      const plan = planMigrations(appliedScripts(heads), { revision: 'ocata01', phase }, REGISTRY);
      expect(plan.map((migration) => migration.name).join(' ')).to.equal(expected);
    });
  }

  it('refuses a script that the registry lacks', () => {
    expect(() => planMigrations(new Set(), { revision: 'pike01', phase: 'Contract' }, REGISTRY)).to.throw(
      RangeError,
      "'pike_expand01'",
    );
  });
});
