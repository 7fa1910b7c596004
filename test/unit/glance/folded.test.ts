import { expect } from 'chai';
import { REGISTRY } from '../../../migrations/registry.ts';
import { expectedTables } from '../../../src/glance/expected-schema.ts';
import { dropped, everCreated, foldSchema, triggersOf } from '../../../src/glance/fold.ts';
import { appliedScripts } from '../../../src/glance/heads.ts';
import { knownSchema } from '../../../src/glance/known-schema.ts';
import { filledFrom } from '../../../src/glance/lost-columns.ts';
import type { Column, Migration, Step, Trigger } from '../../../src/glance/steps.ts';

const NAME: Column = { name: 'name', type: 'varchar(40)' };
const SIZE: Column = { name: 'size', type: 'integer' };
const OPEN: Column = { name: 'open', type: 'boolean' };
const BY_NAME = { name: 'by_name', columns: ['name'] };
const NOTHING = { postgres: '', mysql: '' };
const KEPT: Trigger = { name: 'kept', before: 'insert', body: NOTHING, glances: '' };

const CREATE: Step = {
  do: 'create table',
  table: { name: 'things', columns: [NAME], primaryKey: ['name'] },
};

/** Every step there is that changes a table, here of one that is not there. */
const ON_NO_TABLE: readonly Step[] = [
  { do: 'drop table', table: 'things' },
  { do: 'create index', table: 'things', index: BY_NAME },
  { do: 'drop index', table: 'things', index: 'by_name' },
  { do: 'add column', table: 'things', column: SIZE },
  { do: 'add filled column', table: 'things', column: SIZE, from: 'name', value: NOTHING },
  { do: 'change column', table: 'things', column: SIZE },
  { do: 'drop column', table: 'things', column: 'size' },
  { do: 'create trigger', table: 'things', trigger: KEPT },
  { do: 'drop trigger', table: 'things', trigger: 'kept' },
];

function run(name: string, ...steps: readonly Step[]): Migration {
  return { name, scripts: [name], steps };
}

/** The names of the columns of each table. */
function columnsOf(tables: ReadonlyMap<string, ReadonlySet<string>>) {
  return Object.fromEntries([...tables].map(([table, columns]) => [table, [...columns]]));
}

describe('tables and columns folded from the scripts', () => {
  const added = run(
    'added',
    CREATE,
    { do: 'add column', table: 'things', column: SIZE },
    { do: 'add filled column', table: 'things', column: OPEN, from: 'name', value: NOTHING },
  );

  it('have each column that is added', () => {
    expect(columnsOf(foldSchema([added]))).to.deep.equal({ things: ['name', 'size', 'open'] });
  });

  it('lack what is dropped, which is remembered', () => {
    const other: Step = { do: 'create table', table: { name: 'other', columns: [NAME], primaryKey: [] } };
    const all = [
      added,
      run('then', other, { do: 'drop column', table: 'things', column: 'size' }),
      run('last', { do: 'drop table', table: 'other' }),
    ];
    expect(columnsOf(foldSchema(all))).to.deep.equal({ things: ['name', 'open'] });
    expect(columnsOf(everCreated(all))).to.deep.equal({ things: ['name', 'size', 'open'], other: ['name'] });
    expect([...dropped(all)]).to.deep.equal(['things.size', 'other']);
  });

  it('are none where there is no table to change', () => {
    expect(columnsOf(foldSchema([run('none', ...ON_NO_TABLE)]))).to.deep.equal({});
  });

  it('have the triggers that are made, and no other name', () => {
    const made = run('made', CREATE, { do: 'create trigger', table: 'things', trigger: KEPT });
    expect([...triggersOf([added, made])]).to.deep.equal(['kept']);
  });

  it('nothing is dropped where nothing is', () => {
    expect([...dropped([added])]).to.deep.equal([]);
  });
});

describe('the whole schema folded from the scripts', () => {
  const things = (...steps: readonly Step[]) => {
    const table = expectedTables([run('all', CREATE, ...steps)]).get('things');
    return {
      columns: [...(table?.columns.values() ?? [])],
      indexes: [...(table?.indexes.values() ?? [])],
      triggers: [...(table?.triggers.keys() ?? [])],
      checked: [...(table?.checked ?? [])],
    };
  };
  const plain = { columns: [NAME], indexes: [], triggers: [], checked: [] };

  const rows: readonly (readonly [string, readonly Step[], Partial<ReturnType<typeof things>>])[] = [
    ['a table alone', [], {}],
    [
      'a column that is added',
      [{ do: 'add column', table: 'things', column: SIZE }],
      { columns: [NAME, SIZE] },
    ],
    [
      'a column that is added and filled',
      [{ do: 'add filled column', table: 'things', column: SIZE, from: 'name', value: NOTHING }],
      { columns: [NAME, SIZE] },
    ],
    [
      'a column that is changed',
      [{ do: 'change column', table: 'things', column: { ...NAME, nullable: true } }],
      { columns: [{ ...NAME, nullable: true }] },
    ],
    ['a column that is dropped', [{ do: 'drop column', table: 'things', column: 'name' }], { columns: [] }],
    [
      'an index that is made',
      [{ do: 'create index', table: 'things', index: BY_NAME }],
      { indexes: [BY_NAME] },
    ],
    [
      'an index that is made and dropped',
      [
        { do: 'create index', table: 'things', index: BY_NAME },
        { do: 'drop index', table: 'things', index: 'by_name' },
      ],
      {},
    ],
    [
      'a trigger that is made',
      [{ do: 'create trigger', table: 'things', trigger: KEPT }],
      { triggers: ['kept'] },
    ],
    [
      'a trigger that is made and dropped',
      [
        { do: 'create trigger', table: 'things', trigger: KEPT },
        { do: 'drop trigger', table: 'things', trigger: 'kept' },
      ],
      {},
    ],
    [
      'a type and rows',
      [
        { do: 'create enum', type: { enum: 'kinds', values: ['a'] } },
        { do: 'change data', table: 'things', what: '', sql: NOTHING },
      ],
      {},
    ],
  ];
  for (const [fact, steps, more] of rows) {
    it(fact, () => expect(things(...steps)).to.deep.equal({ ...plain, ...more }));
  }

  it('is empty where there is no table to change', () => {
    expect([...expectedTables([run('none', ...ON_NO_TABLE)])]).to.deep.equal([]);
  });
});

describe('what is filled from a column before it is dropped', () => {
  const filled = (table: string, column: Column): Step => ({
    do: 'add filled column',
    table,
    column,
    from: 'name',
    value: NOTHING,
  });
  const steps: readonly Step[] = [
    filled('things', OPEN),
    { do: 'change column', table: 'things', column: SIZE },
    filled('things', { ...OPEN, name: 'may_be_empty', nullable: true }),
    { do: 'change column', table: 'things', column: { ...SIZE, name: 'may_be_empty', nullable: true } },
    filled('others', { ...OPEN, name: 'of_others' }),
    { do: 'add column', table: 'things', column: { ...SIZE, name: 'not_filled' } },
    { do: 'drop column', table: 'things', column: 'name' },
    { do: 'drop column', table: 'things', column: 'kept' },
  ];

  it('is each column of its table that takes no NULL then', () => {
    const registry = { migrations: [run('all', ...steps)], squashed: [run('same', ...steps)], data: [] };
    const things = { table: 'things', column: 'name' };
    expect(filledFrom(['things.name'], registry)).to.deep.equal([
      { ...things, successor: 'open' },
      { ...things, successor: 'size' },
    ]);
  });
});

describe('what the scripts make', () => {
  const registryOf = (scripts: readonly string[], ...steps: readonly Step[]) =>
    knownSchema({ migrations: [{ name: 'both', scripts, steps }], squashed: [], data: [] }, false);

  it('is there once all scripts of a migration have run', () => {
    const known = registryOf(['mitaka01', 'mitaka02'], CREATE);
    expect(columnsOf(known.after(new Set(['mitaka01'])))).to.deep.equal({});
    expect(columnsOf(known.after(new Set(['mitaka01', 'mitaka02'])))).to.deep.equal({ things: ['name'] });
  });

  it('may lack what a migration drops of which one script can come next', () => {
    const known = registryOf(['ocata_expand01', 'ocata_contract01'], { do: 'drop table', table: 'things' });
    expect([...known.mayLack(appliedScripts(['mitaka02']), new Map())]).to.deep.equal(['things']);
  });

  it('may lack what several scripts in one drop of which the first can come next, beside others', () => {
    const drop: Step = { do: 'drop table', table: 'things' };
    const squashed = [{ name: 'both', scripts: ['ocata_contract01', 'pike_expand01'], steps: [drop] }];
    const known = knownSchema({ migrations: [], squashed, data: [] }, true);
    expect([...known.mayLack(appliedScripts(['ocata_expand01']), new Map())]).to.deep.equal(['things']);
    expect([...known.mayLack(appliedScripts(['mitaka01']), new Map())]).to.deep.equal([]);
  });

  it('may lack nothing that only a later script drops', () => {
    const known = knownSchema(REGISTRY, false);
    const lacking = (head: string) => [...known.mayLack(appliedScripts([head]), new Map())];
    expect(lacking('mitaka01')).to.deep.equal([]);
    expect(lacking('ocata_expand01')).to.deep.equal(['images.is_public']);
  });
});
