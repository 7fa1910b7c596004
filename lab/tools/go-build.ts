import { execFile, spawn } from 'node:child_process';
import { mkdir, mkdtemp, readdir, rename, rm } from 'node:fs/promises';
import { setPriority } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { readGoMod } from './go-mod.ts';

/** What is built from one pinned module, and where the programs are put. */
export interface GoBuild {
  /** What is built, with its version, as messages name it. */
  readonly what: string;
  /** How long it takes where nothing is cached, in a reader's words. */
  readonly takes: string;
  /** The folder with the go.mod and go.sum that pin it. */
  readonly moduleFolder: string;
  readonly programs: readonly GoProgram[];
  /** Of `go build`, besides those that every build here has. */
  readonly flags: readonly string[];
  /**
   * The folder that holds the programs once all of them are built; a build that fails leaves
   * nothing there.
   */
  readonly into: string;
  readonly say: (line: string) => void;
}

/** One program of a build. */
export interface GoProgram {
  /** Its file in `into`. */
  readonly name: string;
  readonly package: string;
  /** What `go build` calls it, after the last part of its path. */
  readonly builtAs: string;
}

const tailOfOutput = 15;

/**
 * The niceness of a build. Tests run meanwhile, and some of them watch the clock: they come first.
 * With 10, a build got almost no time on a machine that had other work as well.
 */
const NICE = 5;

/**
 * Builds programs from the Go module proxy with one `go build`, which shares what they share.
 *
 * @throws an Error of one sentence when Go is missing or too old, or with the end of Go's output
 *   when the build fails.
 */
export async function goBuild(options: GoBuild): Promise<void> {
  const { what, programs, say } = options;
  await checkGo(`build ${options.what}`, options.moduleFolder);
  const packages = programs.map((program) => program.package);
  const title = `Building ${what} for the tests (first time only, ${options.takes})`;
  say(`${title}: fetching the sources`);

  const flags = ['-trimpath', ...options.flags];
  // Asking for what is stale, and not for all, keeps the percentage honest where Go's own cache is
  // partly warm.
  const stale = ['list', '-deps', ...flags, '-f', '{{if .Stale}}{{.ImportPath}}{{end}}', ...packages];
  let fetched = 0;
  const listed = await go(options, stale, (line) => {
    if (line.startsWith('go: downloading'))
      say(`${title}: fetching the sources, ${++fetched} modules so far`);
  });
  const wanted = listed.stdout.length;

  const scratch = await newScratch(options.into);
  try {
    let begun = 0;
    await go(options, ['build', '-v', ...flags, '-o', `${scratch}/`, ...packages], (line) => {
      if (line.startsWith('go: ') || line.startsWith('#')) return;
      begun = Math.min(begun + 1, wanted);
      say(`${title}: ${Math.floor((100 * begun) / Math.max(wanted, 1))} % ${line}`);
    });
    await mkdir(options.into, { recursive: true });
    for (const { name, builtAs } of programs) {
      await rename(join(scratch, builtAs), join(options.into, name));
    }
    say(`Built ${what} into ${options.into}`);
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

/**
 * A folder beside the one that is to be filled, so that the last step is a rename. What a killed
 * build left goes.
 */
async function newScratch(into: string): Promise<string> {
  const parent = dirname(into);
  await mkdir(parent, { recursive: true });
  const prefix = `${basename(into)}.build-`;
  for (const name of await readdir(parent)) {
    if (name.startsWith(prefix)) await rm(join(parent, name), { recursive: true, force: true });
  }
  return await mkdtemp(join(parent, prefix));
}

/**
 * The folder in which Go has the source of a module, which it fetches where it is not there yet.
 *
 * @param moduleFolder the folder with the go.mod and go.sum that pin it
 * @throws an Error of one sentence when Go is missing or too old.
 */
export async function moduleSource(module: string, moduleFolder: string): Promise<string> {
  await checkGo(`fetch ${module}`, moduleFolder);
  const { stdout } = await promisify(execFile)('go', ['mod', 'download', '-json', module], {
    cwd: moduleFolder,
  });
  return JSON.parse(stdout).Dir;
}

async function checkGo(why: string, moduleFolder: string): Promise<void> {
  const wanted = readGoMod(moduleFolder).go;
  const need = `Go ${wanted} or newer is needed to ${why} for the tests`;
  const get = 'install it from https://go.dev/dl/ and put it on PATH';
  let have: string;
  try {
    have = (await promisify(execFile)('go', ['env', 'GOVERSION'], { cwd: moduleFolder })).stdout.trim();
  } catch (error) {
    throw new Error(`${need}, and \`go\` cannot be run here: ${get}`, { cause: error });
  }
  if (isOlder(have.replace(/^go/, ''), wanted)) throw new Error(`${need}, and ${have} is here: ${get}`);
}

function isOlder(have: string, need: string): boolean {
  const wanted = need.split('.').map(Number);
  const parts = have.split(/[^0-9]+/).map(Number);
  for (const [index, part] of wanted.entries()) {
    const other = parts[index] ?? 0;
    if (other !== part) return other < part;
  }
  return false;
}

interface GoOutput {
  readonly stdout: readonly string[];
}

async function go(
  { what, moduleFolder }: GoBuild,
  args: readonly string[],
  onErrorLine: (line: string) => void,
): Promise<GoOutput> {
  const child = spawn('go', args, {
    cwd: moduleFolder,
    env: { ...process.env, CGO_ENABLED: '0' },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  if (child.pid !== undefined) setPriority(child.pid, NICE);
  const killed = (): void => void child.kill();
  process.once('exit', killed);
  const stdout: string[] = [];
  const tail: string[] = [];
  createInterface({ input: child.stdout }).on('line', (line) => void (line !== '' && stdout.push(line)));
  createInterface({ input: child.stderr }).on('line', (line) => {
    tail.push(line);
    if (tail.length > tailOfOutput) tail.shift();
    onErrorLine(line);
  });
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
  process.off('exit', killed);
  if (code !== 0)
    throw new Error(`Cannot build ${what}: \`go ${args[0]}\` ended with ${code}\n${tail.join('\n')}`);
  return { stdout };
}
