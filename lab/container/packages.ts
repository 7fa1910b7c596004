import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { aptOn } from '../tools/apt.ts';
import { withBuildLock } from '../tools/build-lock.ts';
import { serverCacheFolder } from '../tools/cache-folder.ts';
import { osRelease } from '../tools/distribution-packages.ts';
import { replaceFolder, unpackArchives } from '../tools/unpack.ts';

/**
 * Debian's packages that build an image and run it; they are unpacked with what they depend on, and
 * not installed.
 */
const PACKAGES: readonly string[] = [
  'buildah',
  'debootstrap',
  'binutils',
  'containerd',
  'runc',
  'containernetworking-plugins',
  // What holds the namespaces of a pod is made of it.
  'busybox-static',
];

/** Programs of these packages, each by its path. */
export interface ContainerPackages {
  readonly folder: string;
  readonly buildah: string;
  readonly containerd: string;
  readonly ctr: string;
  /** The folder of the plugins that give a pod its network. */
  readonly networkPlugins: string;
  /** The environment in which all of them find each other and their libraries. */
  readonly env: NodeJS.ProcessEnv;
}

/**
 * Unpacks Debian's packages for containers into the cache folder, once.
 *
 * @throws an Error of one sentence where they cannot be had, with how to get them.
 */
export async function ensureContainerPackages(say: (line: string) => void): Promise<ContainerPackages> {
  const folder = packagesFolder();
  if (!existsSync(folder)) {
    if (osRelease().ID !== 'debian')
      throw new Error(
        `Cannot run pods: ${PACKAGES.join(', ')} are taken from the packages of Debian 12, and this is no Debian`,
      );
    const onWait = (owner: number): void => say(`Waiting for process ${owner}, which is unpacking packages`);
    await withBuildLock(`${folder}.lock`, onWait, async () => {
      if (!existsSync(folder)) await unpack(folder, say);
    });
  }
  return containerPackages();
}

/** The same, where they have been unpacked before. */
export function containerPackages(): ContainerPackages {
  const folder = packagesFolder();
  const file = (name: string): string => join(folder, name);
  const libraries = ['lib', 'usr/lib'].map((name) => file(`${name}/x86_64-linux-gnu`)).join(':');
  const path = ['usr/bin', 'usr/sbin'].map(file).join(':');
  return {
    folder,
    buildah: file('usr/bin/buildah'),
    containerd: file('usr/bin/containerd'),
    ctr: file('usr/bin/ctr'),
    networkPlugins: file('usr/lib/cni'),
    env: {
      ...process.env,
      PATH: `${path}:${process.env.PATH}:/usr/sbin:/sbin`,
      LD_LIBRARY_PATH: libraries,
      DEBOOTSTRAP_DIR: file('usr/share/debootstrap'),
    },
  };
}

function packagesFolder(): string {
  const hash = createHash('sha256').update(PACKAGES.join(' ')).digest('hex').slice(0, 8);
  return serverCacheFolder(`containers-debian-${osRelease().VERSION_ID ?? ''}-${hash}`);
}

async function unpack(folder: string, say: (line: string) => void): Promise<void> {
  say(`Fetching packages of Debian for the pods, first time only: ${PACKAGES.join(', ')}`);
  await replaceFolder(folder, async (root, scratch) => {
    const apt = await aptOn(scratch);
    await apt(['update', '--quiet']);
    await apt(['install', '--download-only', '--yes', '--quiet', '--no-install-recommends', ...PACKAGES]);
    say(`Unpacked ${await unpackArchives(scratch, root)} packages into ${folder}`);
  });
}
