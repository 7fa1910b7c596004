import { expect } from 'chai';
import { describeStep, type Step } from '../../../src/glance/steps.ts';

const COLUMN = { name: 'size', type: 'integer' } as const;
const TRIGGER = {
  name: 'kept',
  before: 'insert',
  body: { postgres: '', mysql: '' },
  glances: '',
} as const;

describe('a step in a few words', () => {
  const rows: readonly (readonly [Step, string])[] = [
    [
      { do: 'create table', table: { name: 'things', columns: [], primaryKey: ['id'] } },
      'create table things',
    ],
    [{ do: 'drop table', table: 'things' }, 'drop table things'],
    [{ do: 'create enum', type: { enum: 'kinds', values: ['a'] } }, 'create type kinds'],
    [
      { do: 'create index', table: 'things', index: { name: 'by_size', columns: ['size'] } },
      'create index by_size on things',
    ],
    [{ do: 'drop index', table: 'things', index: 'by_size' }, 'drop index by_size on things'],
    [{ do: 'add column', table: 'things', column: COLUMN }, 'add column things.size'],
    [
      {
        do: 'add filled column',
        table: 'things',
        column: COLUMN,
        from: 'old',
        value: { postgres: 'old', mysql: 'old' },
      },
      'add column things.size',
    ],
    [{ do: 'change column', table: 'things', column: COLUMN }, 'change column things.size'],
    [{ do: 'drop column', table: 'things', column: 'size' }, 'drop column things.size'],
    [{ do: 'create trigger', table: 'things', trigger: TRIGGER }, 'create trigger kept on things'],
    [{ do: 'drop trigger', table: 'things', trigger: 'kept' }, 'drop trigger kept on things'],
    [
      { do: 'change data', table: 'things', what: 'empty the sizes', sql: { postgres: '', mysql: '' } },
      'empty the sizes',
    ],
  ];
  for (const [step, words] of rows) {
    it(`${step.do}: ${words}`, () => expect(describeStep(step)).to.equal(words));
  }
});
