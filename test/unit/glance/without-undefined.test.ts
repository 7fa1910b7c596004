import { expect } from 'chai';
import { withoutUndefined } from '../../../src/glance/without-undefined.ts';

describe('withoutUndefined', () => {
  it('keeps every value but undefined, in order', () => {
    const kept = withoutUndefined({ a: null, b: undefined, c: 0, d: '', e: false });
    expect(kept).to.deep.equal({ a: null, c: 0, d: '', e: false });
    expect(Object.keys(kept)).to.deep.equal(['a', 'c', 'd', 'e']);
  });
});
