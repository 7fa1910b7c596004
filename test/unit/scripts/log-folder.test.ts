import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { takeLogFolder } from '../../../scripts/test/log-folder.ts';

/** No process has it. */
const GONE = 4_194_305;

describe('the folder of what tests print', () => {
  let dist: string;

  beforeEach(() => {
    dist = mkdtempSync(join(tmpdir(), 'glance-schema-dist-'));
  });

  afterEach(() => {
    rmSync(dist, { recursive: true, force: true });
  });

  it('is dist/test, emptied, after a run that has ended or was killed', () => {
    const first = takeLogFolder(dist, process.pid);
    writeFileSync(join(first.path, 'unit.log'), 'old');
    first.giveBack();
    expect(readdirSync(first.path), 'to be read afterwards').to.deep.equal(['unit.log']);
    const killed = takeLogFolder(dist, GONE);
    const next = takeLogFolder(dist, process.pid);
    for (const { path, other } of [first, killed, next]) {
      expect({ path, other }).to.deep.equal({ path: join(dist, 'test'), other: null });
    }
    expect(readdirSync(next.path)).to.deep.equal(['pid']);
  });

  it('is one of its own beside a run that is at work, which keeps its files', () => {
    const first = takeLogFolder(dist, process.pid);
    writeFileSync(join(first.path, 'unit.log'), 'kept');
    const second = takeLogFolder(dist, process.ppid);
    expect(second).to.include({ path: join(dist, `test-${process.ppid}`), other: process.pid });
    expect(existsSync(join(first.path, 'unit.log'))).to.equal(true);
  });

  it('does not stay forever when it was one of its own', () => {
    mkdirSync(join(dist, `test-${GONE}`));
    takeLogFolder(dist, process.pid);
    expect(readdirSync(dist)).to.deep.equal(['test']);
  });
});
