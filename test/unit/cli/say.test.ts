import { expect } from 'chai';
import { onOneLine, withoutPassword } from '../../../src/cli/say.ts';

describe('what is said of what others have written', () => {
  for (const [text, said] of [
    ["'postgresql://glance:hunter2@db/glance' is none", "'postgresql://glance:***@db/glance' is none"],
    ['mysql://glance:hun:t/e@r2@db:3306/glance?ssl_ca=x', 'mysql://glance:***@db:3306/glance?ssl_ca=x'],
    [
      'mysql+pymysql://:hunter2@db/x, and redis://a:hunter2@b',
      'mysql+pymysql://:***@db/x, and redis://a:***@b',
    ],
    ["'mysql+pymysql://glance:hun ter@2 @db/x' is none", "'mysql+pymysql://glance:***@db/x' is none"],
    // How a URL is written, and addresses that have none.
    ['Write mysql://USER:PASSWORD@HOST:PORT/DATABASE.', 'Write mysql://USER:PASSWORD@HOST:PORT/DATABASE.'],
    ['https://10.0.0.1:6443 does not answer me@here', 'https://10.0.0.1:6443 does not answer me@here'],
    ['postgresql://glance@db/glance', 'postgresql://glance@db/glance'],
  ] as const) {
    it(said, () => {
      expect(withoutPassword(text)).to.equal(said);
      expect(onOneLine(text)).to.equal(said);
    });
  }

  it('is on one line', () => {
    expect(onOneLine('a\r\nb \u001b[2Jc\u2028d')).to.equal('a b  [2Jc d');
  });
});
