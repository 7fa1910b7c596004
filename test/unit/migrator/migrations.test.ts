import { readdirSync } from 'node:fs';
import { expect } from 'chai';
import { goldenSchema } from '../../../lab/databases/golden.ts';
import { DATA_MIGRATIONS, MIGRATIONS, SQUASHED } from '../../../migrations/registry.ts';
import { everCreated, foldSchema } from '../../../src/glance/fold.ts';
import { appliedScripts } from '../../../src/glance/heads.ts';
import { DATA_MIGRATION_NAMES, SCRIPTS } from '../../../src/glance/revisions.ts';

function goldenColumns(name: string): Map<string, Set<string>> {
  return new Map(
    Object.entries(goldenSchema(name).tables).map(([table, { columns }]) => [
      table,
      new Set(columns.map((column) => column.name)),
    ]),
  );
}

/**
 * What a file under migrations/ exports for itself; the registry's lists and the vocabulary of
 * several files are none.
 */
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
      [...changing, ...DATA_MIGRATIONS.map(({ name }) => name), ...SQUASHED.map(({ name }) => name)].sort(),
    );
  });

  it('has the data migrations of the chain', () => {
    expect(DATA_MIGRATIONS.map(({ name, revision }) => `${name} of ${revision}`)).to.deep.equal(
      DATA_MIGRATION_NAMES.map(({ name, revision }) => `${name} of ${revision}`),
    );
  });

  it('fuses only scripts that follow one another', () => {
    const chain = SCRIPTS.map((script) => script.name).join(' ');
    for (const migration of SQUASHED) {
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

  it('is the same by the squashed way', () => {
    const before = MIGRATIONS.slice(0, 3);
    expect(foldSchema([...before, ...SQUASHED])).to.deep.equal(goldenColumns('ocata_contract01'));
  });

  it('remembers what was dropped', () => {
    expect([...(everCreated(MIGRATIONS).get('images') ?? [])]).to.include.members([
      'is_public',
      'visibility',
    ]);
  });
});
