import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Where a run puts what its processes print. */
export interface LogFolder {
  readonly path: string;
  /** The process of another run that has dist/test just now; null where this one has it. */
  readonly other: number | null;
  /** To be called when the run has ended: its files stay, and the next run may take the folder. */
  giveBack(): void;
}

/** The name of the file that has the owner's pid. */
const OWNER = 'pid';

/**
 * Takes `test` in the folder `dist`, emptied; where another run is at work with it, a folder of its
 * own beside it. What earlier runs left in folders of their own goes.
 */
export function takeLogFolder(dist: string, pid: number): LogFolder {
  const shared = join(dist, 'test');
  mkdirSync(dist, { recursive: true });
  for (const name of readdirSync(dist).filter((entry) => /^test-\d+$/.test(entry))) {
    if (ownerOf(join(dist, name)) === null) rmSync(join(dist, name), { recursive: true, force: true });
  }
  const other = ownerOf(shared);
  const path = other === null ? shared : join(dist, `test-${pid}`);
  rmSync(path, { recursive: true, force: true });
  mkdirSync(path);
  writeFileSync(join(path, OWNER), String(pid));
  return { path, other, giveBack: () => rmSync(join(path, OWNER), { force: true }) };
}

/** The process that has the folder, as long as it lives. */
function ownerOf(folder: string): number | null {
  const file = join(folder, OWNER);
  const pid = existsSync(file) ? Number.parseInt(readFileSync(file, 'utf8'), 10) : Number.NaN;
  return Number.isInteger(pid) && isAlive(pid) ? pid : null;
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
}
