import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { resolveConnection } from '../../../src/cli/db/connection-options.ts';
import { readConnectionValue } from '../../../src/migrator/connection/connection-value.ts';
import type { ConnectionTarget } from '../../../src/migrator/connection/target.ts';
import { checkTls } from '../../../src/migrator/connection/tls-mode.ts';
import { parseConnectionUrl } from '../../../src/migrator/connection/url.ts';
import { Failure } from '../../../src/migrator/errors/failure.ts';

const TEXT = readFileSync(fileURLToPath(new URL('../../../docs/connections.md', import.meta.url)), 'utf8');

/** The rows of the table below a heading: the first cell as text, the second as it is written. */
function rowsBelow(heading: string): readonly (readonly [string, string])[] {
  const [, section = ''] = TEXT.split(`\n## ${heading}\n`);
  const [here = ''] = section.split('\n## ');
  return here
    .split('\n')
    .map((line) => /^\| (?:`(?<code>.*?)`|\(none\)) \| (?<result>.*) \|$/.exec(line)?.groups)
    .filter((groups) => groups !== undefined)
    .map(({ code = '', result = '' }) => [code.replaceAll('\\n', '\n'), result]);
}

/** The text in the first code of a cell. */
function code(cell: string): string {
  return /`(.*?)`/.exec(cell)?.[1] ?? '';
}

function read(value: string): ConnectionTarget {
  const { url, parameters } = readConnectionValue(value, 'X');
  const target = parseConnectionUrl(url, parameters, {
    environment: {},
    home: '/home/glance',
    readText: (path) => (path === '/etc/my.cnf' ? '[client]\nssl-ca=/ca\n' : undefined),
  });
  if (target.missingOptionFile !== undefined) {
    throw new Failure('ConnectionInvalid', 'there is no such file, and it may ask for TLS');
  }
  checkTls(target.tls, target.engine);
  return target;
}

function check(value: string, result: string, found: (target: ConnectionTarget) => string): void {
  if (result.startsWith('refused: ')) {
    expect(() => read(value))
      .to.throw(Failure, code(result))
      .that.satisfies(({ message }: Failure) => !message.includes(':secret'));
  } else {
    expect(found(read(value))).to.equal(result.startsWith('read') ? 'read' : code(result));
  }
}

/** The environment of a Job's container. */
function ofJob(value: string): Readonly<Record<string, string>> {
  return { DATABASE_CONNECTION: value, GLANCE_SCHEMA_CONNECTION_SOURCE: "key 'url' of Secret ns/db" };
}

describe('docs/connections.md', () => {
  it('nothing in the Secret is reported as such in a Job', () => {
    for (const value of ['', ' \n']) {
      expect(() => resolveConnection({}, ofJob(value))).to.throw(
        Failure,
        "Cannot read a connection from key 'url' of Secret ns/db: it is empty. Write a URL such as",
      );
    }
  });

  const tables: readonly (readonly [string, number, string, (target: ConnectionTarget) => string])[] = [
    ['The value', 18, '', () => 'read'],
    [
      'Hosts',
      14,
      '',
      (target) =>
        [target, ...(target.others ?? [])]
          .map(({ host, port }) => `${host.includes(':') ? `[${host}]` : host}:${port}`)
          .join(','),
    ],
    ['TLS with MariaDB and MySQL', 19, 'mysql://glance:secret@db/glance?', ({ tls }) => tls.mode],
    ['TLS with PostgreSQL', 16, 'postgresql://glance:secret@db/glance?', ({ tls }) => tls.mode],
  ];
  for (const [heading, count, prefix, found] of tables) {
    const rows = rowsBelow(heading);
    it(`${heading}: has ${count} rows`, () => {
      expect(rows).to.have.length(count);
    });
    for (const [value] of rows.filter(([, result]) => result.startsWith('refused: '))) {
      it(`${heading}, in a Job: ${value.split('\n')[0]} is reported by its Secret and key`, () => {
        expect(() => resolveConnection({}, ofJob(prefix + value)))
          .to.throw(Failure, "key 'url' of Secret ns/db")
          .that.satisfies(
            ({ message, reason }: Failure) =>
              reason === 'ConnectionInvalid' && !/secret@|:secret/.test(message) && !/--[a-z]/.test(message),
          );
      });
    }
    for (const [value, result] of rows) {
      it(`${heading}: ${value.split('\n')[0]}`, () => {
        check(prefix + value, result, found);
      });
    }
  }
});
