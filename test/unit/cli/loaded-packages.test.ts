import { execFile } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect } from 'chai';

const MAIN = new URL('../../../src/main.ts', import.meta.url).pathname;

describe('what a command loads', () => {
  it('db version: commander and the driver of its engine', async () => {
    const { packages, said } = await loadedBy([
      'db',
      'version',
      '--connection',
      'postgresql://a@127.0.0.1:1/x',
    ]);
    expect(said).to.match(/^Cannot connect to 127\.0\.0\.1:1\/x/);
    expect(packages).to.include.members(['commander', 'pg']);
    expect(packages.filter((name) => !/^(commander$|pg|postgres-|xtend$|split2$)/.test(name))).to.deep.equal(
      [],
    );
  });

  it('db history: commander alone', async () => {
    expect((await loadedBy(['db', 'history'])).packages).to.deep.equal(['commander']);
  });
});

/** The packages of which a run of the program loads anything, by what V8 says of it. */
async function loadedBy(args: readonly string[]) {
  const folder = mkdtempSync(join(tmpdir(), 'glance-schema-loaded-'));
  try {
    const said = await promisify(execFile)(process.execPath, [MAIN, ...args], {
      env: { PATH: process.env.PATH, NODE_V8_COVERAGE: folder },
    }).then(
      ({ stdout }) => stdout,
      ({ stderr }: { readonly stderr: string }) => stderr,
    );
    const files = readdirSync(folder).map((name) => readFileSync(join(folder, name), 'utf8'));
    const urls = files.flatMap((text): string[] =>
      JSON.parse(text).result.map(({ url }: { readonly url: string }) => url),
    );
    const names = urls.map((url) => /.*\/node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(url)?.[1]);
    return { said, packages: [...new Set(names.filter((name) => name !== undefined))].sort() };
  } finally {
    rmSync(folder, { recursive: true });
  }
}
