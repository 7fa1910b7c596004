import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { withBuildLock } from './build-lock.ts';
import { cacheFolder } from './cache-folder.ts';
import { executable } from './executable.ts';
import { goBuild, moduleSource } from './go-build.ts';
import { readGoMod } from './go-mod.ts';

interface Tool {
  /** The Go module whose version the folder's go.mod pins. */
  readonly module: string;
  /** Beside this file; of the tool's own name if absent. */
  readonly folder?: string;
  /** Ends with the tool's own name; '.' is a program of ours in that folder. */
  readonly package: string;
  /** Of `go build`; a linker flag may need the version. */
  readonly flags: (version: string) => readonly string[];
  /** How long its first build takes, in a reader's words. */
  readonly takes: string;
  /** Takes too long to be built ahead of all tests: the suite that runs it has it built. */
  readonly onDemand?: true;
}

// One entry for each tool, which is pinned by the go.mod and go.sum of a folder beside this file.
const tools = {
  argocd: {
    module: 'github.com/argoproj/argo-cd/v3',
    package: '.',
    flags: () => ['-ldflags', '-s -w'],
    takes: 'about 5 to 14 minutes',
  },
  kstatus: {
    module: 'github.com/fluxcd/cli-utils',
    package: '.',
    flags: () => ['-ldflags', '-s -w'],
    takes: 'about a minute',
  },
  promtool: {
    module: 'github.com/prometheus/prometheus',
    package: 'github.com/prometheus/prometheus/cmd/promtool',
    // Without the tag it carries the client of every cloud, some of which the module proxy does not
    // give out.
    flags: () => ['-tags', 'remove_all_sd', '-ldflags', '-s -w'],
    takes: 'about 2 to 6 minutes',
  },
  helm: {
    module: 'helm.sh/helm/v4',
    package: 'helm.sh/helm/v4/cmd/helm',
    flags: (version) => ['-ldflags', `-s -w -X helm.sh/helm/v4/internal/version.version=${version}`],
    takes: 'about 3 to 7 minutes',
  },
  kubeconform: {
    module: 'github.com/yannh/kubeconform',
    package: 'github.com/yannh/kubeconform/cmd/kubeconform',
    flags: () => ['-ldflags', '-s -w'],
    takes: 'some seconds',
  },
  krew: {
    module: 'sigs.k8s.io/krew',
    package: 'sigs.k8s.io/krew/cmd/krew',
    flags: () => ['-ldflags', '-s -w'],
    takes: 'about half a minute',
  },
  'validate-krew-manifest': {
    module: 'sigs.k8s.io/krew',
    folder: 'krew',
    package: 'sigs.k8s.io/krew/cmd/validate-krew-manifest',
    flags: () => ['-ldflags', '-s -w'],
    takes: 'some seconds',
  },
  'operator-verify': {
    module: 'github.com/operator-framework/api',
    package: 'github.com/operator-framework/api/cmd/operator-verify',
    flags: () => ['-ldflags', '-s -w'],
    takes: 'about 1 to 4 minutes',
  },
  'flux-source-controller': {
    module: 'github.com/fluxcd/source-controller',
    package: 'github.com/fluxcd/source-controller',
    flags: () => ['-ldflags', '-s -w'],
    takes: 'about 8 minutes',
    onDemand: true,
  },
  'flux-kustomize-controller': {
    module: 'github.com/fluxcd/kustomize-controller',
    package: 'github.com/fluxcd/kustomize-controller',
    flags: () => ['-ldflags', '-s -w'],
    takes: 'about 2 minutes',
    onDemand: true,
  },
} satisfies Readonly<Record<string, Tool>>;

/** A Go program that tests use and that is built from its pinned source. */
export type ToolName = keyof typeof tools;

/** Those that are built ahead, or all others. */
export function toolNames(ahead: boolean): readonly ToolName[] {
  const known: Readonly<Record<string, Tool>> = tools;
  return Object.keys(tools)
    .filter((name): name is ToolName => name in tools)
    .filter((name) => (known[name]?.onDemand ?? false) !== ahead);
}

/** The folder in which Go has the source of a tool, with the files that belong to it. */
export async function toolSource(name: ToolName): Promise<string> {
  return moduleSource(tools[name].module, folderOf(name));
}

/**
 * The path of a tool that tests run. It is in the cache folder, keyed by the version of its go.mod,
 * or is built there from the Go module proxy; the machine's own is not taken, as its version may be
 * any.
 *
 * @param say one line of progress for a person.
 * @throws an Error of one sentence when Go is missing or too old, or with the end of Go's output
 *   when the build fails.
 */
export async function ensureTool(
  name: ToolName,
  say: (line: string) => void = () => undefined,
): Promise<string> {
  const tool: Tool = tools[name];
  const moduleFolder = folderOf(name);
  const version = readGoMod(moduleFolder).version(tool.module);
  const what = `${name} ${version}`;
  const into = cacheFolder(`${name}-${version}${ownSource(moduleFolder)}`);
  const path = join(into, name);
  if ((await executable(path)) !== null) return path;

  const onWait = (owner: number): void => say(`Waiting for process ${owner}, which is building ${what}`);
  await withBuildLock(`${into}.lock`, onWait, async () => {
    if ((await executable(path)) !== null) return;
    const builtAs = tool.package === '.' ? name : basename(tool.package);
    const programs = [{ name, package: tool.package, builtAs }];
    await goBuild({ what, takes: tool.takes, moduleFolder, programs, flags: tool.flags(version), into, say });
  });
  return path;
}

function folderOf(name: ToolName): string {
  const tool: Tool = tools[name];
  return fileURLToPath(new URL(tool.folder ?? name, import.meta.url));
}

/** What a program of ours adds to the key of the cache, as no version tells of a change to it. */
function ownSource(moduleFolder: string): string {
  const files = readdirSync(moduleFolder).filter((name) => name.endsWith('.go'));
  if (files.length === 0) return '';
  const hash = createHash('sha256');
  for (const name of files.sort()) hash.update(readFileSync(join(moduleFolder, name)));
  return `-${hash.digest('hex').slice(0, 8)}`;
}
