import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { startPostgres, type TestPostgres } from '../../../lab/databases/postgres.ts';
import { runCli } from '../../../lab/process/bundle.ts';

/** Where nobody listens: whoever connects there has read the wrong place. */
const PLACEHOLDER = 'postgresql+psycopg2://glance:placeholder@127.0.0.1:1/placeholder';

describe('where the connection is read', () => {
  let server: TestPostgres;
  let folder = '';
  let url = '';

  before(async () => {
    server = await startPostgres();
    url = (await server.createDatabase('glance')).replace('postgresql:', 'postgresql+psycopg2:');
    folder = mkdtempSync(join(tmpdir(), 'glance-schema-sources-'));
    for (const [name, text] of Object.entries({
      'placeholder.conf': `[database]\nconnection = ${PLACEHOLDER}\n`,
      'good.conf': `[DATABASE]\nconnection = ${url}\n`,
      'helm.conf': `[DEFAULT]\ndebug = false\n[database]\nconnection = ${url}\nmax_retries = -1\n[glance_store]\nx = 1\n`,
      'parameters.conf': `[database]\nconnection = ${url}\nconnection_parameters = sslmode=require\n`,
      quoted: `"${url}"\n`,
      option: `connection = ${url}\n`,
      'last/00-placeholder.conf': `[database]\nconnection = ${PLACEHOLDER}\n`,
      'last/10-good.conf': `[database]\nconnection = ${url}\n`,
      'last/20-other.conf': '[DEFAULT]\ndebug = true\n',
      'last/99-not-a.conf~': `[database]\nconnection = ${PLACEHOLDER}\n`,
      'last/.hidden.conf': `[database]\nconnection = ${PLACEHOLDER}\n`,
      'placeholder/a.conf': `[database]\nconnection = ${PLACEHOLDER}\n`,
      'empty/x': '',
    })) {
      mkdirSync(join(folder, name, '..'), { recursive: true });
      writeFileSync(join(folder, name), text);
    }
  });

  after(async () => {
    rmSync(folder, { recursive: true });
    await server.stop();
  });

  function path(name: string): string {
    return join(folder, name);
  }

  /** What is given, from which environment; all of them find the database. */
  const found: readonly (() => readonly [string, readonly string[], Readonly<Record<string, string>>])[] = [
    () => ['a file', ['--config-file', path('good.conf')], {}],
    () => ['a folder, whose last file with the option holds', ['--config-dir', path('last')], {}],
    () => [
      'a folder behind a file',
      ['--config-file', path('placeholder.conf'), '--config-dir', path('last')],
      {},
    ],
    () => [
      'a file behind a folder',
      ['--config-dir', path('placeholder'), '--config-file', path('good.conf')],
      {},
    ],
    () => [
      'two folders',
      ['--config-dir', path('placeholder'), '--config-dir', path('last'), '--config-dir', path('empty')],
      {},
    ],
    () => [
      'the variable of oslo.config before the files',
      ['--config-file', path('placeholder.conf'), '--config-dir', path('placeholder')],
      { OS_DATABASE__CONNECTION: url },
    ],
    () => ['the variable of oslo.config alone', [], { OS_DATABASE__CONNECTION: url }],
    () => [
      'our own variable before that of oslo.config',
      [],
      { DATABASE_CONNECTION: url, OS_DATABASE__CONNECTION: PLACEHOLDER },
    ],
    () => [
      '--connection before any variable',
      ['--connection', url],
      { OS_DATABASE__CONNECTION: PLACEHOLDER },
    ],
    () => ['--connection with a piece of a file', ['--connection', `[database]\nconnection=${url}`], {}],
    () => ["--connection-file with openstack-helm's file", ['--connection-file', path('helm.conf')], {}],
    () => ['--connection-file in quotes', ['--connection-file', path('quoted')], {}],
    () => ['--connection-file with the option alone', ['--connection-file', path('option')], {}],
    () => [
      'our variable with a piece of a file',
      [],
      { DATABASE_CONNECTION: `[database]\nconnection=${url}` },
    ],
  ];
  it(`in ${found.length} ways`, async () => {
    const failures: string[] = [];
    for (const make of found) {
      const [name, args, env] = make();
      const { code, stderr } = await runCli(['db', 'version', ...args], env);
      if (code !== 0) {
        failures.push(`${name}: ${code} ${stderr}`);
      }
    }
    expect(failures).to.deep.equal([]);
  });

  const refused: readonly (() => readonly [
    string,
    readonly string[],
    Readonly<Record<string, string>>,
    number,
    string,
  ])[] = [
    () => [
      'connection_parameters are options of the URL',
      ['--config-file', path('parameters.conf')],
      {},
      20,
      'the server has no TLS',
    ],
    () => ['a folder that is not there', ['--config-dir', path('x')], {}, 2, 'no such file or directory'],
    () => ['a folder without files', ['--config-dir', path('empty')], {}, 17, "found no 'connection'"],
    () => [
      'a file and a URL',
      ['--config-dir', path('last'), '--connection', url],
      {},
      2,
      'Cannot choose between --connection and --config-dir. Give one of them.',
    ],
    () => [
      'an empty variable, which oslo.config takes for the URL',
      ['--config-file', path('good.conf')],
      { OS_DATABASE__CONNECTION: '' },
      17,
      'found nothing in it',
    ],
    () => [
      'two lines, the second of which is a secret',
      [],
      { DATABASE_CONNECTION: `${PLACEHOLDER}\nhunter2` },
      17,
      'DATABASE_CONNECTION: it has 2 lines',
    ],
    () => [
      'base64 twice',
      [],
      { DATABASE_CONNECTION: Buffer.from(PLACEHOLDER).toString('base64') },
      17,
      'it looks like base64, as of a Secret whose value was encoded twice. Encode it once',
    ],
    () => [
      'a Go DSN',
      [],
      { DATABASE_CONNECTION: 'glance:hunter2@tcp(db:3306)/glance' },
      17,
      'it looks like a Go DSN, which mariadb-operator writes by default. Write mysql://',
    ],
  ];
  it(`${refused.length} unusable values are refused in one line that shows nothing of them`, async () => {
    for (const make of refused) {
      const [name, args, env, code, says] = make();
      const result = await runCli(['db', 'sync', ...args], env);
      expect(result.code, `${name}: ${result.stderr}`).to.equal(code);
      expect(result.stderr, name).to.include(says);
      expect(result.stderr, name).to.not.match(/hunter2|placeholder|glance-secret/);
      expect(result.stderr.trim().split('\n'), name).to.have.length(1);
    }
  });
});
