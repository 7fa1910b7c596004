import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { bundle, pluginBundle } from '../../../lab/process/bundle.ts';
import { endOf } from '../../../lab/process/program-end.ts';
import { documented } from '../../support/documented.ts';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const { version } = JSON.parse(readFileSync(`${ROOT}package.json`, 'utf8'));

describe('the first steps of a newcomer', () => {
  let home: string;

  before(() => {
    bundle();
    home = mkdtempSync(join(tmpdir(), 'glance-schema-newcomer-'));
  });

  after(() => rmSync(home, { recursive: true, force: true }));

  /** Runs lines in a shell of a person's own, whose PATH has what the system has. */
  function types(...lines: readonly string[]) {
    const env = { PATH: '/usr/local/bin:/usr/bin:/bin', HOME: home };
    const script = ['shopt -s expand_aliases', ...lines].join('\n');
    return endOf(spawn('bash', ['-ec', script], { cwd: ROOT, env, stdio: ['ignore', 'pipe', 'pipe'] }));
  }

  for (const [section, program] of [
    ['The command line', 'glance-schema'],
    ['The kubectl plugin', 'kubectl-glanceschema'],
  ] as const) {
    it(`the lines of "${section}" in the README put ${program} where a shell finds it`, async () => {
      const lines = documented('README.md', section).filter((line) => /^(export|alias|install) /.test(line));
      expect(lines).to.have.length.greaterThan(1);
      const { code, stdout, stderr } = await types(...lines, `${program} --version`);
      expect([code, stdout], stderr).to.deep.equal([0, `${version}\n`]);
    });
  }

  it('an older Node is told apart, in a sentence', async () => {
    const older = join(home, 'older.cjs');
    writeFileSync(
      older,
      "Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '22.19.0' } });",
    );
    for (const program of [bundle(), pluginBundle()]) {
      const child = spawn(process.execPath, ['--require', older, program, '--version']);
      const { code, stdout, stderr } = await endOf(child);
      expect([code, stdout]).to.deep.equal([1, '']);
      expect(stderr).to.equal(
        "Cannot go on: this needs Node.js 24 or newer, and the 'node' that runs it is 22.19.0. Put a newer one first on the PATH.\n",
      );
    }
    const { engines } = JSON.parse(readFileSync(`${ROOT}package.json`, 'utf8'));
    expect(engines.node).to.equal('>=24.0.0');
  });
});
