import { readFileSync } from 'node:fs';
import { expect } from 'chai';

const ROOT = new URL('../../', import.meta.url);

describe('the tables of docs/faults.md', () => {
  const document = readFileSync(new URL('docs/faults.md', ROOT), 'utf8');
  const rows = document.split('\n').filter((line) => /^\| [^-]/.test(line) && !line.startsWith('| failure'));
  const tests = [...document.matchAll(/`([^`]+)` in \[[^\]]+\]\(\.\.\/(test\/[^)]+)\)/g)];

  it('have a test in each row', () => {
    expect(rows.length).to.be.greaterThan(20);
    expect(rows.filter((row) => !row.includes('](../test/'))).to.deep.equal([]);
    expect(tests.length, 'every link is of a test').to.equal(document.split('](../test/').length - 1);
  });

  for (const [, title = '', path = ''] of tests) {
    it(`${path} has: ${title}`, () => {
      expect(readFileSync(new URL(path, ROOT), 'utf8')).to.contain(title);
    });
  }
});
