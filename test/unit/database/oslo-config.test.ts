import { expect } from 'chai';
import { Failure } from '../../../src/database/failure.ts';
import { readDatabaseConnection } from '../../../src/database/oslo-config.ts';

describe('glance-api.conf', () => {
  const rows: readonly (readonly [string, string, string])[] = [
    ['an equals sign', '[database]\nconnection = postgresql://a\n', 'postgresql://a'],
    ['a colon', '[database]\nconnection: postgresql://a', 'postgresql://a'],
    ['no space', '[database]\nconnection=postgresql://a', 'postgresql://a'],
    ['line ends of Windows', '[database]\r\nconnection = a\r\n', 'a'],
    ['equals signs in the value', '[database]\nconnection = a?b=c', 'a?b=c'],
    ['comments', '# x\n[database]\n; y\n#connection = no\nconnection = a\n', 'a'],
    ['a # in a value, which is no comment', '[database]\nconnection = a#b ; c', 'a#b ; c'],
    ['double quotes', '[database]\nconnection = "a b"', 'a b'],
    ['single quotes', "[database]\nconnection = 'a'", 'a'],
    ['one quote only', '[database]\nconnection = "a', '"a'],
    ['another section with the same name', '[other]\nconnection = no\n[database]\nconnection = a', 'a'],
    ['the last of several', '[database]\nconnection = a\nconnection = b', 'b'],
    ['a section that comes twice', '[database]\nconnection = a\n[x]\ny = 1\n[database]\nz = 1', 'a'],
    ["oslo's old name", '[DEFAULT]\nsql_connection = a', 'a'],
    ['the new name before the old', '[DEFAULT]\nsql_connection = old\n[database]\nconnection = a', 'a'],
    ['another option', '[database]\npw = s\nconnection = a:$pw@b', 'a:s@b'],
    ['another option in braces', '[database]\npw = s\nconnection = a:${pw}x', 'a:sx'],
    ['an option of DEFAULT', '[DEFAULT]\nhost = h\n[database]\nconnection = a@$host', 'a@h'],
    ['an option of a section by name', '[x]\nhost = h\n[database]\nconnection = a@${x.host}', 'a@h'],
    ['a dollar sign', '[database]\nconnection = a:p$$w', 'a:p$w'],
    ['a dollar sign before nothing known', '[database]\nconnection = a:p$w', 'a:p$w'],
    ['a list on many lines before it', '[DEFAULT]\nx = 1,\n  2,\n  3\n[database]\nconnection = a', 'a'],
  ];
  for (const [name, text, expected] of rows) {
    it(name, () => {
      expect(readDatabaseConnection([{ path: 'glance-api.conf', text }])).to.equal(expected);
    });
  }

  it('ends where options name one another', () => {
    const text = '[database]\nconnection = $x\nx = $connection';
    expect(readDatabaseConnection([{ path: 'glance-api.conf', text }])).to.be.a('string');
  });

  it('of several files the last one with the option holds', () => {
    const files = ['[database]\nconnection = a', '[database]\nconnection = b', '[other]\nx = 1'];
    expect(readDatabaseConnection(files.map((text, index) => ({ path: `${index}`, text })))).to.equal('b');
  });

  const wrong: readonly (readonly [string, string, string])[] = [
    [
      'no such option',
      '[database]\n# connection = hunter2',
      "found no 'connection' under [database] in glance-api.conf",
    ],
    [
      'a line that is nothing',
      '[database]\nhunter2',
      "found neither a section nor a 'key = value' in line 2",
    ],
    ['an indented line first', '  hunter2 = x', 'found an indented line that continues nothing in line 1'],
  ];
  for (const [name, text, expected] of wrong) {
    it(`refuses ${name}, and shows no line`, () => {
      expect(() => readDatabaseConnection([{ path: 'glance-api.conf', text }]))
        .to.throw(Failure, expected)
        .that.satisfies(
          (failure: Failure) => failure.reason === 'Usage' && !failure.message.includes('hunter2'),
        );
    });
  }
});
