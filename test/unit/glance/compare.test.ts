import { expect } from 'chai';
import {
  canRepair,
  compareSchema,
  describeDifference,
  type FoundColumn,
  type FoundTable,
} from '../../../src/glance/compare.ts';
import { expectedTables } from '../../../src/glance/expected-schema.ts';
import type { Engine, Migration, Step, Trigger } from '../../../src/glance/steps.ts';

const TRIGGER: Trigger = {
  name: 'kept',
  before: 'insert',
  body: { postgres: 'BEGIN RETURN NEW; END', mysql: 'BEGIN\n  SET NEW.a = 1;\nEND' },
  glances: 'BEGIN\n  SET NEW.a = (1);\nEND',
};

const STEPS: readonly Step[] = [
  {
    do: 'create table',
    table: {
      name: 'owners',
      columns: [{ name: 'id', type: 'bigserial' }],
      primaryKey: ['id'],
    },
  },
  {
    do: 'create table',
    table: {
      name: 'things',
      columns: [
        { name: 'id', type: 'serial' },
        { name: 'owner', type: 'bigint' },
        { name: 'name', type: 'varchar(40)', nullable: true },
        { name: 'note', type: 'text', nullable: true },
        { name: 'size', type: 'integer', default: '1' },
        { name: 'price', type: 'numeric', nullable: true },
        { name: 'made', type: 'datetime' },
        { name: 'open', type: 'boolean', default: false },
        { name: 'shut', type: 'boolean', default: true },
        { name: 'gone', type: 'boolean' },
        { name: 'kind', type: { enum: 'kinds', values: ['a', 'b'] } },
      ],
      primaryKey: ['id'],
      uniques: [{ columns: ['owner', 'name'] }],
      foreignKeys: [{ columns: ['owner'], references: { table: 'owners', columns: ['id'] } }],
      indexes: [
        { name: 'by_name', columns: ['name'] },
        { name: 'by_both', columns: ['owner', 'name'] },
        { name: 'dropped', columns: ['size'] },
      ],
    },
  },
  {
    do: 'create table',
    table: { name: 'old', columns: [{ name: 'id', type: 'serial' }], primaryKey: ['id'] },
  },
  { do: 'drop table', table: 'old' },
  { do: 'drop index', table: 'things', index: 'dropped' },
  { do: 'drop column', table: 'things', column: 'gone' },
  { do: 'add column', table: 'things', column: { name: 'late', type: 'boolean', nullable: true } },
  { do: 'create trigger', table: 'things', trigger: { ...TRIGGER, name: 'dropped' } },
  { do: 'drop trigger', table: 'things', trigger: 'dropped' },
  { do: 'create trigger', table: 'things', trigger: TRIGGER },
  { do: 'create trigger', table: 'things', trigger: { ...TRIGGER, name: 'other' } },
];

const MIGRATION: Migration = { name: 'all', scripts: ['all'], steps: STEPS };

const EXPECTED = expectedTables([MIGRATION]);

function column(type: string, more: Partial<FoundColumn> = {}): FoundColumn {
  return { type, nullable: false, default: null, counted: false, ...more };
}

/** What a server tells of these tables. */
function found(engine: Engine, things: Partial<FoundTable> = {}): ReadonlyMap<string, FoundTable> {
  const of = (mysql: string, postgres: string): string => (engine === 'mysql' ? mysql : postgres);
  const nothing = { foreignKeys: [], checked: new Set<string>(), triggers: new Map<string, string>() };
  const primary = { name: 'PRIMARY', columns: ['id'], unique: true, primary: true, usable: true };
  const truth = of('tinyint(1)', 'boolean');
  return new Map<string, FoundTable>([
    [
      'owners',
      { ...nothing, columns: new Map([['id', column('bigint', { counted: true })]]), indexes: [primary] },
    ],
    [
      'things',
      {
        columns: new Map([
          ['id', column(of('int', 'integer'), { counted: true })],
          ['owner', column('bigint')],
          ['name', column(of('varchar(40)', 'character varying(40)'), { nullable: true })],
          ['note', column('text', { nullable: true })],
          ['size', column(of('int', 'integer'), { default: '1' })],
          ['price', column(of('decimal(10,0)', 'numeric'), { nullable: true })],
          ['made', column(of('datetime', 'timestamp without time zone'))],
          ['open', column(truth, { default: of('0', 'false') })],
          ['shut', column(truth, { default: of('1', 'true') })],
          ['kind', column(of("enum('a','b')", 'kinds'))],
          ['late', column(truth, { nullable: true })],
          ['cost_centre', column('text')],
        ]),
        indexes: [
          primary,
          { name: 'unique', columns: ['owner', 'name'], unique: true, primary: false, usable: true },
          { name: 'by_name', columns: ['name'], unique: false, primary: false, usable: true },
          { name: 'by_both', columns: ['owner', 'name'], unique: false, primary: false, usable: true },
          { name: 'ours', columns: ['size'], unique: false, primary: false, usable: true },
        ],
        foreignKeys: [{ columns: ['owner'], references: { table: 'owners', columns: ['id'] } }],
        checked: new Set(engine === 'mysql' ? ['open', 'shut'] : []),
        triggers: new Map([
          ['kept', engine === 'mysql' ? TRIGGER.body.mysql : TRIGGER.body.postgres],
          ['other', engine === 'mysql' ? `${TRIGGER.glances};` : `\n${TRIGGER.body.postgres}\n`],
          ['ours', 'SET NEW.a = 2'],
        ]),
        ...things,
      },
    ],
  ]);
}

function things(engine: Engine): FoundTable {
  const table = found(engine).get('things');
  if (table === undefined) throw new RangeError('there is one');
  return table;
}

function differencesIn(engine: Engine, change: Partial<FoundTable>) {
  return compareSchema(EXPECTED, found(engine, change), engine);
}

function wordsOf(engine: Engine, change: Partial<FoundTable>): readonly string[] {
  return differencesIn(engine, change).map(describeDifference);
}

for (const engine of ['postgres', 'mysql'] as const) {
  describe(`a schema compared with that of its revision, on ${engine}`, () => {
    const whole = things(engine);
    const withIndex = (name: string, change: object): Partial<FoundTable> => ({
      indexes: whole.indexes.map((index) => (index.name === name ? { ...index, ...change } : index)),
    });
    const withColumn = (name: string, change: Partial<FoundColumn>): Partial<FoundTable> => ({
      columns: new Map([...whole.columns, [name, { ...(whole.columns.get(name) ?? column('')), ...change }]]),
    });

    it('nothing is different in what the scripts leave, whatever is there besides', () => {
      expect(compareSchema(EXPECTED, found(engine), engine)).to.deep.equal([]);
    });

    it('a table that is missing is one difference, and nothing to repair', () => {
      const [difference, ...more] = compareSchema(
        EXPECTED,
        new Map([...found(engine)].filter(([name]) => name !== 'owners')),
        engine,
      );
      expect(more).to.deep.equal([]);
      expect(difference && describeDifference(difference)).to.equal('table owners is missing');
      expect(difference && canRepair(difference)).to.equal(false);
    });

    for (const [fact, change, words, repairable] of [
      [
        'an index that is missing',
        { indexes: whole.indexes.filter(({ name }) => name !== 'by_both') },
        'index by_both on things (owner, name) is missing',
        true,
      ],
      [
        'an index on other columns',
        withIndex('by_both', { columns: ['name', 'owner'] }),
        'index by_both on things (owner, name) is on (name, owner)',
        true,
      ],
      [
        'an index that is unique',
        withIndex('by_both', { unique: true }),
        'index by_both on things (owner, name) is unique',
        true,
      ],
      [
        'an index that is not finished',
        withIndex('by_both', { usable: false }),
        'index by_both on things (owner, name) is partial or not finished',
        false,
      ],
      [
        'a unique key that is partial',
        withIndex('unique', { usable: false }),
        'unique key on things (owner, name) is missing',
        true,
      ],
      [
        'a unique key of which one column is',
        withIndex('unique', { columns: ['owner'] }),
        'unique key on things (owner, name) is missing',
        true,
      ],
      [
        'another primary key',
        withIndex('PRIMARY', { columns: ['owner'] }),
        'primary key of things is not (id)',
        true,
      ],
      ['no primary key', withIndex('PRIMARY', { primary: false }), 'primary key of things is not (id)', true],
      [
        'a foreign key that is missing',
        { foreignKeys: [] },
        'foreign key of things (owner) to owners (id) is missing',
        true,
      ],
      [
        'a foreign key of another column',
        { foreignKeys: [{ columns: ['size'], references: { table: 'owners', columns: ['id'] } }] },
        'foreign key of things (owner) to owners (id) is missing',
        true,
      ],
      [
        'a foreign key to another table',
        { foreignKeys: [{ columns: ['owner'], references: { table: 'others', columns: ['id'] } }] },
        'foreign key of things (owner) to owners (id) is missing',
        true,
      ],
      [
        'a foreign key to another column',
        { foreignKeys: [{ columns: ['owner'], references: { table: 'owners', columns: ['other'] } }] },
        'foreign key of things (owner) to owners (id) is missing',
        true,
      ],
      [
        'a column that is missing',
        { columns: new Map([...whole.columns].filter(([name]) => name !== 'note')) },
        'column things.note is missing',
        false,
      ],
      [
        'a column of another type that takes no NULL',
        withColumn('note', { type: 'bytea', nullable: false }),
        'column things.note is bytea not null instead of text',
        false,
      ],
      [
        'a column of another default',
        withColumn('size', { default: '2' }),
        `column things.size is ${whole.columns.get('size')?.type} not null default '2' instead of ${whole.columns.get('size')?.type} not null default '1'`,
        false,
      ],
      [
        'a column that is not counted up',
        withColumn('id', { counted: false }),
        `column things.id is ${whole.columns.get('id')?.type} not null instead of ${whole.columns.get('id')?.type} not null counted up`,
        false,
      ],
      [
        'a trigger that does something else',
        { triggers: new Map([...whole.triggers, ['kept', 'BEGIN END']]) },
        'trigger kept on things does something else',
        false,
      ],
      [
        'one of two triggers',
        { triggers: new Map([...whole.triggers].filter(([name]) => name !== 'kept')) },
        'trigger kept on things is missing',
        false,
      ],
    ] as const) {
      it(`${fact}: ${repairable ? 'can' : 'cannot'} be repaired`, () => {
        expect(wordsOf(engine, change)).to.deep.equal([words]);
        expect(differencesIn(engine, change).map(canRepair)).to.deep.equal([repairable]);
      });
    }

    for (const [fact, name, change, caution] of [
      ['a shorter text', 'name', { type: 'varchar(30)' }, undefined],
      [
        'a text that may be longer',
        'name',
        { type: 'character varying(41)' },
        /^cuts or refuses each name that no .*\(40\) holds$/,
      ],
      [
        'a text of any length',
        'name',
        { type: 'text' },
        /^cuts or refuses each name that no .*\(40\) holds$/,
      ],
      ['a short text for a long one', 'note', { type: 'varchar(4000)' }, undefined],
      [
        'a text of the same length in the words of the other engine',
        'name',
        { type: engine === 'mysql' ? 'character varying(40)' : 'varchar(40)' },
        undefined,
      ],
      [
        'a type whose name only ends as that of a text',
        'name',
        { type: 'nvarchar(30)' },
        /^cuts or refuses each name that no .*\(40\) holds$/,
      ],
      [
        'a list of short texts',
        'name',
        { type: 'varchar(30)[]' },
        /^cuts or refuses each name that no .*\(40\) holds$/,
      ],
      [
        'a number for a text',
        'name',
        { type: 'integer' },
        /^cuts or refuses each name that no .*\(40\) holds$/,
      ],
      [
        'a type whose name only ends as that of a number',
        'owner',
        { type: 'point' },
        /^cuts or refuses each owner that no bigint holds$/,
      ],
      [
        'a type whose name only begins as that of a number',
        'owner',
        { type: 'interval' },
        /^cuts or refuses each owner that no bigint holds$/,
      ],
      ['a smaller number', 'owner', { type: 'integer' }, undefined],
      ['a smaller number in the other words', 'owner', { type: 'int' }, undefined],
      ['a larger number', 'size', { type: 'bigint' }, /^cuts or refuses each size that no int\w* holds$/],
      ['a number that takes NULL', 'size', { nullable: true }, /^refuses or empties each size that is NULL$/],
      [
        'a text for a number, NULL too',
        'owner',
        { type: 'text', nullable: true },
        /^cuts or refuses each owner that no bigint holds and refuses or empties each owner that is NULL$/,
      ],
      ['one that takes no NULL where it may', 'note', { nullable: false }, undefined],
    ] as const) {
      it(`${fact}: a change of it ${caution === undefined ? 'loses nothing' : 'may lose something, which is said'}`, () => {
        const [difference, ...more] = differencesIn(engine, withColumn(name, change));
        expect(more).to.deep.equal([]);
        expect(difference?.what).to.equal('column');
        const said = difference !== undefined && 'caution' in difference ? difference.caution : undefined;
        if (caution === undefined) expect(said).to.equal(undefined);
        else expect(said).to.match(caution);
      });
    }

    it('no trigger at all is no difference: Glance makes none on PostgreSQL', () => {
      expect(wordsOf(engine, { triggers: new Map([['ours', 'SET NEW.a = 2']]) })).to.deep.equal([]);
    });
  });
}

describe('what MariaDB and MySQL alone say', () => {
  const whole = things('mysql');

  it('a check that is missing where there is another', () => {
    const change = { checked: new Set(['shut']) };
    expect(wordsOf('mysql', change)).to.deep.equal(['check that things.open is 0 or 1 is missing']);
    expect(differencesIn('mysql', change).map(canRepair)).to.deep.equal([false]);
  });

  it('no check at all is what a server has left that keeps none', () => {
    expect(wordsOf('mysql', { checked: new Set() })).to.deep.equal([]);
  });

  it('of a column that is missing no check is', () => {
    const columns = new Map([...whole.columns].filter(([name]) => name !== 'open'));
    expect(wordsOf('mysql', { columns, checked: new Set(['shut']) })).to.deep.equal([
      'column things.open is missing',
    ]);
  });

  it('a trigger is the same with comments and in another layout', () => {
    const laidOut = '  BEGIN -- first\n\n    SET NEW.a = 1; -- then\n  END ;\n';
    expect(wordsOf('mysql', { triggers: new Map([...whole.triggers, ['kept', laidOut]]) })).to.deep.equal([]);
  });
});

it('keys of several columns are named with all of them', () => {
  const columns = ['owner', 'name'];
  const words = (
    [
      { what: 'primary key', table: 'things', columns },
      {
        what: 'foreign key',
        table: 'things',
        key: { columns, references: { table: 'owners', columns: ['id', 'called'] } },
      },
    ] as const
  ).map(describeDifference);
  expect(words).to.deep.equal([
    'primary key of things is not (owner, name)',
    'foreign key of things (owner, name) to owners (id, called) is missing',
  ]);
});

it('a trigger whose words run together is another', () => {
  const triggers = new Map([...things('mysql').triggers, ['kept', 'BEGIN\n  SETNEW.a = 1;\nEND']]);
  expect(wordsOf('mysql', { triggers })).to.deep.equal(['trigger kept on things does something else']);
});

it("Glance's body of a trigger is MySQL's only", () => {
  const triggers = new Map([...things('postgres').triggers, ['kept', TRIGGER.glances]]);
  expect(wordsOf('postgres', { triggers })).to.deep.equal(['trigger kept on things does something else']);
});

it("a column that is not Glance's is named with what it is", () => {
  const words = describeDifference({
    what: 'other column',
    table: 'things',
    column: 'cost_centre',
    found: 'text not null',
    caution: 'deletes each value of cost_centre that was written',
  });
  expect(words).to.equal("column things.cost_centre is not Glance's: text not null");
});
