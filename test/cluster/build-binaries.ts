import { execFile, spawn } from 'node:child_process';
import { mkdir, mkdtemp, readdir, rename, rm } from 'node:fs/promises';
import { constants, setPriority } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { ClusterVersions } from './versions.ts';

export type BinaryName = 'etcd' | 'kube-apiserver' | 'kube-controller-manager' | 'kubectl';

export interface BuildOptions {
  readonly names: readonly BinaryName[];
  /** The folder that holds the binaries once all of them are built; a build that fails leaves nothing there. */
  readonly into: string;
  readonly versions: ClusterVersions;
  readonly say: (line: string) => void;
}

interface Package {
  readonly path: string;
  /** What `go build` calls the program, after the last part of its path. */
  readonly builtAs: string;
}

const packages: Readonly<Record<BinaryName, Package>> = {
  etcd: { path: 'go.etcd.io/etcd/server/v3', builtAs: 'server' },
  'kube-apiserver': { path: 'k8s.io/kubernetes/cmd/kube-apiserver', builtAs: 'kube-apiserver' },
  'kube-controller-manager': {
    path: 'k8s.io/kubernetes/cmd/kube-controller-manager',
    builtAs: 'kube-controller-manager',
  },
  kubectl: { path: 'k8s.io/kubernetes/cmd/kubectl', builtAs: 'kubectl' },
};

const moduleFolder = fileURLToPath(new URL('.', import.meta.url));
const tailOfOutput = 15;

/** Builds programs of Kubernetes and etcd from the Go module proxy, with one `go build`, which shares what they share. */
export async function buildBinaries(options: BuildOptions): Promise<void> {
  const { versions, say } = options;
  await checkGo(versions);
  const paths = options.names.map((name) => packages[name].path);
  const title = `Building Kubernetes ${versions.kubernetes} for the tests (first time only, about 6 to 10 minutes)`;
  say(`${title}: fetching the sources`);

  const flags = ['-trimpath', '-ldflags', linkerFlags(versions)];
  // Asking for what is stale, and not for all, keeps the percentage honest where Go's own cache is partly warm.
  const stale = ['list', '-deps', ...flags, '-f', '{{if .Stale}}{{.ImportPath}}{{end}}', ...paths];
  let fetched = 0;
  const listed = await go(stale, (line) => {
    if (line.startsWith('go: downloading'))
      say(`${title}: fetching the sources, ${++fetched} modules so far`);
  });
  const wanted = listed.stdout.length;

  const scratch = await newScratch(options.into);
  try {
    let begun = 0;
    await go(['build', '-v', ...flags, '-o', `${scratch}/`, ...paths], (line) => {
      if (line.startsWith('go: ') || line.startsWith('#')) return;
      begun = Math.min(begun + 1, wanted);
      say(`${title}: ${Math.floor((100 * begun) / Math.max(wanted, 1))} % ${line}`);
    });
    await mkdir(options.into, { recursive: true });
    for (const name of options.names) {
      await rename(join(scratch, packages[name].builtAs), join(options.into, name));
    }
    say(`Built Kubernetes ${versions.kubernetes} and etcd ${versions.etcd} into ${options.into}`);
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

/** A folder beside the one that is to be filled, so that the last step is a rename. What a killed build left goes. */
async function newScratch(into: string): Promise<string> {
  const parent = dirname(into);
  await mkdir(parent, { recursive: true });
  const prefix = `${basename(into)}.build-`;
  for (const name of await readdir(parent)) {
    if (name.startsWith(prefix)) await rm(join(parent, name), { recursive: true, force: true });
  }
  return await mkdtemp(join(parent, prefix));
}

function linkerFlags(versions: ClusterVersions): string {
  const version = versions.kubernetes;
  return (
    `-s -w -X k8s.io/component-base/version.gitVersion=${version} ` +
    `-X k8s.io/client-go/pkg/version.gitVersion=${version}`
  );
}

async function checkGo(versions: ClusterVersions): Promise<void> {
  const need = `Go ${versions.go} or newer is needed to build Kubernetes for the tests`;
  const get = 'install it from https://go.dev/dl/ and put it on PATH';
  let have: string;
  try {
    have = (await promisify(execFile)('go', ['env', 'GOVERSION'], { cwd: moduleFolder })).stdout.trim();
  } catch (error) {
    throw new Error(`${need}, and \`go\` cannot be run here: ${get}`, { cause: error });
  }
  if (isOlder(have.replace(/^go/, ''), versions.go)) throw new Error(`${need}, and ${have} is here: ${get}`);
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

async function go(args: readonly string[], onErrorLine: (line: string) => void): Promise<GoOutput> {
  const child = spawn('go', args, {
    cwd: moduleFolder,
    env: { ...process.env, CGO_ENABLED: '0' },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  // Other tests run meanwhile, and some of them watch the clock.
  if (child.pid !== undefined) setPriority(child.pid, constants.priority.PRIORITY_BELOW_NORMAL);
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
    throw new Error(`Cannot build Kubernetes: \`go ${args[0]}\` ended with ${code}\n${tail.join('\n')}`);
  return { stdout };
}
