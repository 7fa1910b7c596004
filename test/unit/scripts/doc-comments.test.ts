import { expect } from 'chai';
import { undocumentedExports } from '../../../scripts/check-doc-comments.ts';

describe('the check of doc comments', () => {
  it('finds each export that has none', () => {
    const source = [
      'export const PACE = 5;',
      '/** What is said. */',
      'export interface Said {}',
      '// No doc comment.',
      'export async function say(): Promise<void> {}',
      "export { other } from './other.ts';",
      'const own = 1;',
    ].join('\n');
    expect(undocumentedExports(source)).to.deep.equal([
      { line: 1, name: 'PACE' },
      { line: 5, name: 'say' },
    ]);
  });
});
