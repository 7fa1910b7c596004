import { type ChildProcess, type StdioOptions, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { resolve } from 'node:path';

/**
 * Ends what a test run started when the run itself is gone, however it went: SIGKILL runs no
 * handler of ours.
 *
 * A small shell waits on a pipe from this process. When this process is gone the pipe closes, and
 * the shell kills each process group and removes each folder that was registered and not yet
 * forgotten. It runs in a session of its own, so that Ctrl-C at the terminal reaches this process
 * alone, which can then stop things in order.
 */
export const reaper = { start, watchGroup, forgetGroup, makeFolder, forgetFolder, watchCgroup };

const script = `
trap '' INT TERM HUP
groups=' '
folders=''
cgroups=''
while read -r verb what; do
  case $verb in
    watch-group) groups="$groups$what " ;;
    forget-group) groups=$(printf '%s' "$groups" | sed "s/ $what / /") ;;
    watch-cgroup) cgroups="$cgroups $what" ;;
    watch-folder) folders="$folders$what
" ;;
    forget-folder) folders=$(printf '%s' "$folders" | grep -vxF -- "$what"; echo .); folders=\${folders%.} ;;
  esac
done
for group in $groups; do kill -KILL "-$group" 2>/dev/null; done
[ -z "$folders$cgroups" ] && exit 0
sleep 0.2
for cgroup in $cgroups; do
  for path in /sys/fs/cgroup/$cgroup /sys/fs/cgroup/*/$cgroup; do
    for attempt in 1 2 3 4 5 6 7 8 9 10; do
      [ -d "$path" ] || break
      find "$path" -depth -type d -exec rmdir {} + 2>/dev/null || sleep 0.2
    done
  done
done
printf '%s' "$folders" | while read -r folder; do
  # A server that is being killed may write to it for a moment.
  for attempt in 1 2 3 4 5 6 7 8 9 10; do
    rm -rf -- "$folder" 2>/dev/null
    [ -e "$folder" ] || break
    sleep 0.2
  done
done
`;

let shell: ChildProcess | null = null;

/** How a program is started; its standard input is empty. */
export interface StartOptions {
  readonly env: NodeJS.ProcessEnv;
  readonly cwd?: string;
  /** Absent where it is the user of this process. */
  readonly user?: { readonly uid?: number; readonly gid?: number };
  /** A file descriptor, or the one of this process. */
  readonly output: number | 'inherit';
  /** Whether it may send messages to this process. */
  readonly ipc?: boolean;
}

/**
 * Starts a program in a process group of its own, which ends with this process at the latest. To be
 * forgotten once it has ended.
 *
 * The program waits, as a shell, until the group is registered: when this process is killed in
 * between, the shell reads the end of its input and the program never begins. A shell may add
 * variables of its own to the environment and leave out those whose names it does not know.
 *
 * @throws Error when no process can be made; a file that cannot be run ends with 126 or 127.
 */
function start(
  program: string,
  args: readonly string[],
  options: StartOptions,
): ChildProcess & { pid: number } {
  const { env, cwd, user, output, ipc } = options;
  const stdio: StdioOptions = ['pipe', output, output, ...(ipc ? (['ipc'] as const) : [])];
  const child = spawn('/bin/sh', ['-c', 'read -r go && exec "$@" </dev/null', 'sh', program, ...args], {
    cwd,
    env,
    ...user,
    detached: true,
    stdio,
  });
  if (!hasPid(child)) throw new Error(`Cannot start ${program}: no process can be made`);
  watchGroup(child.pid);
  child.stdin?.on('error', ignoreBrokenPipe);
  child.stdin?.end('\n');
  return child;
}

function hasPid<T extends { pid?: number | undefined }>(child: T): child is T & { pid: number } {
  return child.pid !== undefined;
}

/**
 * The leader must have been started with `detached: true`, so that its pid names a group of its
 * own.
 */
function watchGroup(leader: number): void {
  send(`watch-group ${leader}`);
}

/** To be called once the leader has ended: its number may soon name a stranger. */
function forgetGroup(leader: number): void {
  send(`forget-group ${leader}`);
}

/**
 * Makes an empty folder for this user alone, which goes with this process at the latest.
 *
 * @param prefix of its name, to which eight random characters are added; where it is not an absolute
 *   path, the folder is one of the system's temporary ones.
 */
function makeFolder(prefix: string): string {
  const path = resolve(tmpdir(), `${prefix}${randomBytes(4).toString('hex')}`);
  if (path.includes('\n'))
    throw new Error(`Cannot watch over a folder with a line break in its name: ${path}`);
  // Before it is there: this process may be killed in between.
  send(`watch-folder ${path}`);
  mkdirSync(path, { mode: 0o700 });
  return path;
}

function forgetFolder(path: string): void {
  send(`forget-folder ${path}`);
}

/**
 * A control group, by its name, with those below it. It is not forgotten: nothing is lost where it
 * is gone by then.
 */
function watchCgroup(name: string): void {
  send(`watch-cgroup ${name}`);
}

function send(line: string): void {
  shell ??= startShell();
  shell.stdin?.write(`${line}\n`);
}

function startShell(): ChildProcess {
  const child = spawn('/bin/sh', ['-c', script], { detached: true, stdio: ['pipe', 'ignore', 'ignore'] });
  // Neither the shell nor the pipe may keep a finished test run alive.
  child.unref();
  const pipe: unknown = child.stdin;
  if (hasUnref(pipe)) pipe.unref();
  child.stdin?.on('error', ignoreBrokenPipe);
  return child;
}

function hasUnref(value: unknown): value is { unref(): void } {
  return typeof value === 'object' && value !== null && 'unref' in value && typeof value.unref === 'function';
}

function ignoreBrokenPipe(): void {}
