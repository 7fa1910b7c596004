import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { eventually } from '../../../lab/process/eventually.ts';

const REAPER = fileURLToPath(new URL('../../../lab/process/reaper.ts', import.meta.url));

describe('the reaper of a process that is killed', () => {
  let folder: string;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'glance-schema-reaper-'));
  });

  afterEach(() => {
    rmSync(folder, { recursive: true, force: true });
  });

  /**
   * Runs a script that has `reaper` and `START`, which starts a program that says that it has begun
   * and goes on forever. Its `KILL` kills it. Returns what it printed.
   */
  function run(script: string): string {
    const begun = join(folder, 'begun');
    const prelude = `
      import { existsSync, openSync, writeSync } from 'node:fs';
      import { Socket } from 'node:net';
      import { reaper } from ${JSON.stringify(REAPER)};
      const START = () => reaper.start('sh', ['-c', 'echo yes >"$0"; exec sleep 1000', ${JSON.stringify(begun)}],
        { env: process.env, output: openSync('/dev/null', 'w') });
      const KILL = () => process.kill(process.pid, 'SIGKILL');
    `;
    const { signal, stdout } = spawnSync(
      process.execPath,
      ['--input-type=module', '--eval', prelude + script],
      {
        env: { ...process.env, TMPDIR: folder },
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'inherit'],
      },
    );
    expect(signal).to.equal('SIGKILL');
    return stdout;
  }

  it('ends a program and removes a folder', async () => {
    const [pid, made] = run(`
      const made = reaper.makeFolder('made-');
      const { pid } = START();
      setInterval(() => {
        if (!existsSync(${JSON.stringify(join(folder, 'begun'))})) return;
        writeSync(1, [pid, made].join(' '));
        KILL();
      }, 10);
    `).split(' ');
    expect(made).to.contain(join(folder, 'made-'));
    await eventually(() => {
      expect(isRunning(Number(pid)), 'the program').to.equal(false);
      expect(existsSync(made ?? ''), 'the folder').to.equal(false);
    });
  });

  it('lets no program begin that it does not know of yet', async () => {
    const pid = Number(
      run(`
        const write = Socket.prototype.write;
        Socket.prototype.write = function (line, ...rest) {
          const [, group] = /^watch-group (\\d+)/.exec(String(line)) ?? [];
          if (group === undefined) return write.call(this, line, ...rest);
          writeSync(1, group);
          KILL();
        };
        START();
      `),
    );
    await eventually(() => expect(isRunning(pid), 'the program').to.equal(false));
    expect(existsSync(join(folder, 'begun'))).to.equal(false);
  });
});

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch {
    return false;
  }
  // A zombie has ended; whoever is the parent of orphans here may not ask for it.
  return !/^State:\s+Z/m.test(existsSync(`/proc/${pid}`) ? readFileSync(`/proc/${pid}/status`, 'utf8') : '');
}
