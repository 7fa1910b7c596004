import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { eventually } from '../../../lab/process/eventually.ts';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));

/** A test that takes a while, and needs no port that another run could want. */
const LONG = 'simulation/controller';

describe('make test that is broken off', () => {
  let folder: string;
  let run: ChildProcess | undefined;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'glance-schema-broken-off-'));
  });

  afterEach(() => {
    run?.kill('SIGKILL');
    rmSync(folder, { recursive: true, force: true });
  });

  /**
   * Starts a run whose temporary files are in `folder`, and gives the mocha process that is at
   * work.
   */
  async function atWork(): Promise<number> {
    const { CI: _, TALLY: __, ...env } = process.env;
    run = spawn(process.execPath, [join(ROOT, 'scripts/test/main.ts')], {
      cwd: ROOT,
      stdio: 'ignore',
      env: { ...env, ONLY: LONG, SIMULATIONS: '1000000', TMPDIR: folder },
    });
    return eventually(() => {
      const mocha = readdirSync('/proc').find((pid) => isMochaIn(pid, folder));
      expect(mocha, 'a mocha process').not.to.equal(undefined);
      return Number(mocha);
    });
  }

  for (const [signal, code] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
    ['SIGKILL', null],
  ] as const) {
    it(`by ${signal}: ends its tests and leaves no folder`, async function () {
      if (!existsSync('/proc/self/environ')) this.skip();
      const mocha = await atWork();
      expect(readdirSync(folder)).not.to.deep.equal([]);
      const ended = run === undefined ? [] : once(run, 'exit');
      run?.kill(signal);
      expect((await ended)[0]).to.equal(code);
      await eventually(() => {
        expect(existsSync(`/proc/${mocha}`), 'its mocha process').to.equal(false);
        expect(readdirSync(folder)).to.deep.equal([]);
      });
    });
  }
});

function isMochaIn(pid: string, folder: string): boolean {
  try {
    const read = (name: string): string => readFileSync(`/proc/${pid}/${name}`, 'utf8');
    return read('environ').includes(`TMPDIR=${folder}/`) && read('cmdline').includes('mocha');
  } catch {
    // Not a process, or one that has just gone.
    return false;
  }
}
