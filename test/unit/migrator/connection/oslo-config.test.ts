import { expect } from 'chai';
import { readDatabaseConnection } from '../../../../src/migrator/connection/oslo-config.ts';
import { Failure } from '../../../../src/migrator/errors/failure.ts';

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
    ['a section in another case', '[Database]\nconnection = a', 'a'],
    [
      'a section that comes twice, in another case',
      '[DATABASE]\nconnection = a\n[database]\nconnection = b',
      'b',
    ],
    [
      'DEFAULT in another case, which is another section',
      '[default]\nsql_connection = a\n[sql]\nconnection = b',
      'b',
    ],
    ['the old name in [DATABASE]', '[DATABASE]\nsql_connection = a', 'a'],
    ['the old section', '[sql]\nconnection = a', 'a'],
    ['a value on the next line', '[database]\nconnection =\n  a', 'a'],
    [
      'an option of a section by name, without braces',
      '[x]\nhost = h\n[database]\nconnection = a@$x.host',
      'a@h',
    ],
    ['a dollar sign behind a backslash', '[database]\npw = s\nconnection = a:p\\$pw', 'a:p$pw'],
    ['a dollar sign', '[database]\nconnection = a:p$$w', 'a:p$w'],
    ['a dollar sign before nothing known', '[database]\nconnection = a:p$w', 'a:p$w'],
    ['a list on many lines before it', '[DEFAULT]\nx = 1,\n  2,\n  3\n[database]\nconnection = a', 'a'],
  ];
  for (const [name, text, expected] of rows) {
    it(name, () => {
      expect(readDatabaseConnection([{ path: 'glance-api.conf', text }])).to.deep.equal({
        url: expected,
        parameters: '',
      });
    });
  }

  it('ends where options name one another', () => {
    const text = '[database]\nconnection = $x\nx = $connection';
    expect(readDatabaseConnection([{ path: 'glance-api.conf', text }]).url).to.be.a('string');
  });

  it('of several files the last one with the option holds', () => {
    const files = ['[database]\nconnection = a', '[database]\nconnection = b', '[other]\nx = 1'];
    expect(readDatabaseConnection(files.map((text, index) => ({ path: `${index}`, text }))).url).to.equal(
      'b',
    );
  });

  it('of several files the last one holds, by whichever name it has the option', () => {
    const files = ['[database]\nconnection = a', '[DEFAULT]\nsql_connection = b'];
    expect(readDatabaseConnection(files.map((text, index) => ({ path: `${index}`, text }))).url).to.equal(
      'b',
    );
  });

  const placeholder = [{ path: 'a.conf', text: '[database]\nconnection = placeholder\npw = file' }];

  it('the environment overrides the files, and needs none', () => {
    const environment = { OS_DATABASE__CONNECTION: 'a:p$$w' };
    expect(readDatabaseConnection(placeholder, environment).url).to.equal('a:p$w');
    expect(readDatabaseConnection([], environment).url).to.equal('a:p$w');
    expect(readDatabaseConnection(placeholder, { OS_DATABASE__CONNECTION: '' }).url).to.equal('');
  });

  it('another option may come from the environment too', () => {
    const environment = { OS_DATABASE__CONNECTION: 'a:$pw', OS_DATABASE__PW: 's' };
    expect(readDatabaseConnection(placeholder, environment).url).to.equal('a:s');
    expect(readDatabaseConnection(placeholder, { OS_DEFAULT__SQL_CONNECTION: 'a' }).url).to.equal(
      'placeholder',
    );
  });

  it('connection_parameters come with it, from any file and from the environment', () => {
    const files = ['[database]\nconnection = a', '[database]\nca = /ca\nconnection_parameters = ssl_ca=$ca'];
    const read = files.map((text, index) => ({ path: `${index}`, text }));
    expect(readDatabaseConnection(read)).to.deep.equal({ url: 'a', parameters: 'ssl_ca=/ca' });
    const environment = { OS_DATABASE__CONNECTION_PARAMETERS: 'b=c' };
    expect(readDatabaseConnection(read, environment).parameters).to.equal('b=c');
  });

  it('a piece of a file has a section of its own until the first header', () => {
    const text = 'connection = a\n[x]\nconnection = b';
    expect(readDatabaseConnection([{ path: 'x', text, section: 'database' }]).url).to.equal('a');
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
    [
      'a comment between a value and its continuation',
      '[database]\nconnection = hunter2\n# c\n  ?hunter2',
      'found an indented line that continues nothing in line 4',
    ],
    [
      'an option before any section',
      'connection = hunter2',
      'found an option before the first section in line 1',
    ],
    [
      'a header with a comment',
      '[database] # hunter2=x',
      "found a section that does not end with ']' in line 1",
    ],
    ['names with a dash', '[DEFAULT]\nsql-connection = hunter2', "found no 'connection'"],
    ['an indented line first', '  hunter2 = x', 'found an indented line that continues nothing in line 1'],
  ];
  for (const [name, text, expected] of wrong) {
    it(`refuses ${name}, and shows no line`, () => {
      expect(() => readDatabaseConnection([{ path: 'glance-api.conf', text }]))
        .to.throw(Failure, expected)
        .that.satisfies(
          (failure: Failure) =>
            failure.reason === 'ConnectionInvalid' && !failure.message.includes('hunter2'),
        );
    });
  }
});
