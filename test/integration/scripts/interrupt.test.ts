import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { hasMariaDb, NO_MARIADB } from '../../../lab/databases/mariadb.ts';
import { NO_SMALL_DISK, withSmallDisk } from '../../../lab/databases/small-disk.ts';
import { eventually } from '../../../lab/process/eventually.ts';
import { leaveOut } from '../../../lab/process/needs.ts';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));

/** A test that takes a while. */
const LONG = 'simulation/controller';

/** One that has a small file system mounted for it, see lab/databases/small-disk.ts. */
const WITH_SMALL_DISK = 'integration/mariadb/full-disk';

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
  async function atWork(only = LONG): Promise<number> {
    const { CI: _, TALLY: __, ...env } = process.env;
    run = spawn(process.execPath, [join(ROOT, 'scripts/test/main.ts')], {
      cwd: ROOT,
      stdio: 'ignore',
      env: { ...env, ONLY: only, SIMULATIONS: '1000000', TMPDIR: folder },
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
      await expectEnd(await atWork(), signal, code);
    });
  }

  it('by SIGTERM: the small file system of its tests is gone too', async function () {
    if (withSmallDisk(join(folder, 'disk')) === undefined) leaveOut(this, NO_SMALL_DISK);
    if (!hasMariaDb()) leaveOut(this, NO_MARIADB);
    const mocha = await atWork(WITH_SMALL_DISK);
    await eventually(() =>
      expect(readFileSync(`/proc/${mocha}/mounts`, 'utf8')).to.include(`tmpfs ${folder}/`),
    );
    await expectEnd(mocha, 'SIGTERM', 143);
  });

  async function expectEnd(mocha: number, signal: NodeJS.Signals, code: number | null): Promise<void> {
    expect(readdirSync(folder)).not.to.deep.equal([]);
    const ended = run === undefined ? [] : once(run, 'exit');
    run?.kill(signal);
    expect((await ended)[0]).to.equal(code);
    await eventually(() => {
      expect(existsSync(`/proc/${mocha}`), 'its mocha process').to.equal(false);
      expect(readdirSync(folder)).to.deep.equal([]);
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
