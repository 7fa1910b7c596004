import { expect } from 'chai';
import fc from 'fast-check';
import { printable } from '../../../src/contract/printable.ts';

describe('printable', () => {
  it('leaves what can be read as it is', () => {
    for (const text of ['', 'plain, with «quotes» and 中文', 'é', 'a/b_c-d: "e" (SQLSTATE 42P07)', '🙂']) {
      expect(printable(text, 100)).to.equal(text);
    }
  });

  it('leaves nothing that a terminal acts upon, and no more than was asked', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.nat(40), (text, longest) => {
        const shown = printable(text, longest);
        expect(shown).not.to.match(/[\p{Cc}\p{Cf}\p{Cs}\u2028\u2029]/u);
        expect([...shown].length).to.be.at.most(longest);
        expect(printable(shown, longest), 'twice is as once').to.equal(shown);
      }),
    );
  });

  it('cuts no character in two', () => {
    expect(printable('🙂🙂🙂', 2)).to.equal('🙂🙂');
  });
});
