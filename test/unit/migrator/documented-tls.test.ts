import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import { RESULTS, SERVERS } from '../../support/tls-cases.ts';
import {
  MYSQL_TLS_FLAGS,
  MYSQL_TLS_FORMS,
  POSTGRES_TLS_FLAGS,
  POSTGRES_TLS_FORMS,
  type TlsFlags,
  type TlsForm,
} from '../../support/tls-forms.ts';

const DOCUMENT = readFileSync(new URL('../../../docs/connections.md', import.meta.url), 'utf8');

const WORDS = { tls: 'TLS', plain: 'no TLS', refused: 'refused' } as const;

/** The rows that a document has of what the tests of TLS try on real servers. */
function table(forms: readonly TlsForm[], flags: readonly TlsFlags[]): string {
  const row = (what: string, expected: string): string =>
    `| ${what} | ${SERVERS.map((_, index) => WORDS[RESULTS[expected[index] ?? ''] ?? 'refused']).join(' | ')} |`;
  return [
    ...forms.map(([options, expected]) => row(options === '' ? 'nothing' : `\`${options}\``, expected)),
    ...flags.map(([mode, ca, options, expected]) => {
      const given = [...(mode === undefined ? [] : [`--tls-mode ${mode}`]), ...(ca ? ['--tls-ca CA'] : [])];
      return row(`\`${given.join(' ')}\`${options === '' ? '' : ` over \`${options}\``}`, expected);
    }),
  ].join('\n');
}

describe('what docs/connections.md says of each form of TLS and each server', () => {
  for (const [engine, expected] of [
    ['MariaDB and MySQL', table(MYSQL_TLS_FORMS, MYSQL_TLS_FLAGS)],
    ['PostgreSQL', table(POSTGRES_TLS_FORMS, POSTGRES_TLS_FLAGS)],
  ] as const) {
    it(`${engine}: what the tests try on real servers`, () => expect(DOCUMENT).to.contain(expected));
  }
});
