import { expect } from 'chai';
import fc from 'fast-check';
import { appliedScripts, headsOf } from '../../../src/glance/heads.ts';
import { SCRIPTS } from '../../../src/glance/revisions.ts';
import { createVersionTable, versionRowChanges } from '../../../src/migrator/engine/version-rows.ts';
import { planControl, planRecord } from '../../../src/migrator/plan-version-table.ts';

const CREATE =
  'CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL, CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num))';

describe('the rows of the version table', () => {
  const rows: readonly (readonly [string, readonly string[], readonly string[], readonly string[]])[] = [
    ['the same rows in another order', ['a', 'b'], ['b', 'a'], []],
    ['a first row', [], ['a'], ["INSERT INTO alembic_version (version_num) VALUES ('a')"]],
    [
      'two first rows',
      [],
      ['a', 'b'],
      [
        "INSERT INTO alembic_version (version_num) VALUES ('a')",
        "INSERT INTO alembic_version (version_num) VALUES ('b')",
      ],
    ],
    [
      'one that follows another, beside one that stays',
      ['a', 'x'],
      ['b', 'x'],
      [
        "DELETE FROM alembic_version WHERE version_num IN ('a')",
        "INSERT INTO alembic_version (version_num) VALUES ('b')",
      ],
    ],
    [
      'one that takes in two',
      ['a', 'b', 'c'],
      ['c'],
      ["DELETE FROM alembic_version WHERE version_num IN ('a', 'b')"],
    ],
  ];
  for (const [fact, before, after, sql] of rows) {
    it(`${fact}: ${sql.length} statements`, () => {
      expect(planRecord(before, after)).to.deep.equal(sql.map((each) => ({ sql: each, autocommit: false })));
    });
  }

  it('keep their values out of the statements that run', () => {
    expect(versionRowChanges(['a'], ['b'])).to.deep.equal([
      { sql: 'DELETE FROM alembic_version WHERE version_num IN (:gone)', values: { gone: ['a'] } },
      { sql: 'INSERT INTO alembic_version (version_num) VALUES (:row)', values: { row: 'b' } },
    ]);
  });

  it('are turned from any heads into any others', () => {
    const heads = fc.subarray(SCRIPTS.map(({ name }) => name)).map((names) => headsOf(appliedScripts(names)));
    fc.assert(
      fc.property(heads, heads, (before, after) => {
        const rows = new Set(before);
        for (const { values } of versionRowChanges(before, after)) {
          for (const gone of [values.gone ?? []].flat()) {
            expect(rows.delete(String(gone)), 'nothing is deleted that is not there').to.equal(true);
          }
          if (values.row !== undefined) {
            expect(rows.has(String(values.row)), 'nothing is written twice').to.equal(false);
            rows.add(String(values.row));
          }
        }
        expect([...rows].sort()).to.deep.equal([...after].sort());
      }),
    );
  });
});

describe('a database comes under version control', () => {
  const baseline = { from: 'migrate_version 44', heads: ['mitaka02'] };
  const insert = "INSERT INTO alembic_version (version_num) VALUES ('mitaka02')";
  const rows: readonly (readonly [
    string,
    readonly string[] | undefined,
    Parameters<typeof planControl>[2],
    readonly string[],
  ])[] = [
    ['no table and scripts to run', undefined, { kind: 'run' }, [CREATE]],
    ['no table and nothing to run', undefined, { kind: 'settled' }, []],
    ['an empty table and scripts to run', [], { kind: 'run' }, []],
    ['rows and scripts to run', ['liberty'], { kind: 'run' }, []],
    ['no table and an older record', undefined, { kind: 'run', baseline }, [CREATE, insert]],
    ['an empty table and an older record', [], { kind: 'run', baseline }, [insert]],
    [
      'a row by an older name',
      ['pike01'],
      { kind: 'run', baseline: { from: "alembic_version 'pike01'", heads: ['pike_contract01'] } },
      [
        "DELETE FROM alembic_version WHERE version_num IN ('pike01')",
        "INSERT INTO alembic_version (version_num) VALUES ('pike_contract01')",
      ],
    ],
  ];
  for (const [fact, before, run, sql] of rows) {
    it(`${fact}: ${sql.length} statements`, () => {
      expect(planControl('postgres', before, run)).to.deep.equal(
        sql.map((each) => ({ sql: each, autocommit: false })),
      );
    });
  }

  it('by the very table that Alembic makes', () => {
    expect(createVersionTable('postgres')).to.equal(CREATE);
    expect(createVersionTable('mysql')).to.equal(`${CREATE} ENGINE=InnoDB`);
  });
});
