import { execFile } from 'node:child_process';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

/** Runs apt-get with these arguments. */
export type Apt = (args: readonly string[]) => Promise<void>;

/**
 * apt-get with lists, archives and locks in folders of its own, so that any user may run it.
 *
 * @param more further settings.
 */
export async function aptOn(scratch: string, more: Readonly<Record<string, string>> = {}): Promise<Apt> {
  const archives = join(scratch, 'archives');
  for (const name of ['lists/partial', 'archives/partial'])
    await mkdir(join(scratch, name), { recursive: true });
  const settings = {
    'Dir::State::lists': `${join(scratch, 'lists')}/`,
    'Dir::Cache': `${scratch}/`,
    'Dir::Cache::archives': `${archives}/`,
    'Debug::NoLocking': 'true',
    'APT::Sandbox::User': String(process.getuid?.() === 0 ? 'root' : ''),
    'Acquire::Languages': 'none',
    'Acquire::Retries': '3',
    'Acquire::IndexTargets::deb::DEP-11::DefaultEnabled': 'false',
    ...more,
  };
  const options = Object.entries(settings).flatMap(([name, value]) =>
    value === '' ? [] : ['-o', `${name}=${value}`],
  );
  return async (args) => {
    try {
      await promisify(execFile)('apt-get', [...options, ...args], {
        cwd: archives,
        env: { ...process.env, LC_ALL: 'C', DEBIAN_FRONTEND: 'noninteractive' },
        maxBuffer: 2 ** 24,
      });
    } catch (error) {
      const said = error instanceof Error && 'stderr' in error ? String(error.stderr).trim() : String(error);
      const last = said.split('\n').slice(-3).join(' ');
      throw new Error(`\`apt-get ${args[0]}\` failed: ${last}`, { cause: error });
    }
  };
}

/**
 * Where this machine has its own packages of Debian from.
 *
 * @throws an Error of one sentence where apt knows no mirror.
 */
export async function debianMirror(): Promise<string> {
  const { stdout } = await promisify(execFile)('apt-get', [
    'indextargets',
    '--format',
    '$(REPO_URI) $(COMPONENT)',
    'Created-By: Packages',
  ]);
  const found = stdout.split('\n').find((line) => /\/debian\/? main$/.test(line));
  if (found === undefined) throw new Error('Cannot fetch packages of Debian: apt knows no mirror of it');
  return found.split(' ')[0] ?? '';
}
