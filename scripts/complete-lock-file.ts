// `node scripts/complete-lock-file.ts`, after `npm install` from a registry that does not carry
// every package.
//
// npm leaves an optional package of another platform out of the lock file when the registry does
// not have it, and then `npm ci` fails everywhere with "Missing: NAME@ from lock file". This adds
// what is left out by name, version and platform. Without an integrity: npm writes that when such a
// package is installed for the first time from a registry that has it.

import { readFileSync, writeFileSync } from 'node:fs';

interface LockedPackage {
  readonly version?: string;
  readonly dev?: boolean;
  readonly optional?: boolean;
  readonly os?: readonly string[];
  readonly cpu?: readonly string[];
  readonly libc?: readonly string[];
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

interface LockFile {
  packages: Record<string, LockedPackage>;
}

const systems = [
  'aix',
  'android',
  'darwin',
  'freebsd',
  'linux',
  'netbsd',
  'openbsd',
  'openharmony',
  'sunos',
  'win32',
];
const processors = ['arm', 'arm64', 'ia32', 'loong64', 'mips64el', 'ppc64', 'riscv64', 's390x', 'x64'];

const path = new URL('../package-lock.json', import.meta.url);
const lock: LockFile = JSON.parse(readFileSync(path, 'utf8'));
const added = missingFrom(lock);
const all = { ...lock.packages, ...added };
const order = Object.keys(all).sort((one, other) => (one < other ? -1 : 1));
lock.packages = Object.fromEntries(order.map((name) => [name, all[name] ?? {}]));
writeFileSync(path, `${JSON.stringify(lock, null, 2)}\n`);
console.log(`Added ${Object.keys(added).length} packages of other platforms to package-lock.json`);

function missingFrom(lock: LockFile): Record<string, LockedPackage> {
  const missing: Record<string, LockedPackage> = {};
  for (const [parent, entry] of Object.entries(lock.packages)) {
    for (const [name, version] of Object.entries(entry.optionalDependencies ?? {})) {
      const places = [`${parent}/node_modules/${name}`, `node_modules/${name}`];
      // A range says nothing of the version that a registry would have given.
      if (places.some((place) => place in lock.packages) || !/^\d/.test(version)) continue;
      missing[`node_modules/${name}`] = platformPackage(name, version, entry.dev === true);
    }
  }
  return missing;
}

function platformPackage(name: string, version: string, dev: boolean): LockedPackage {
  const words = name.split(/[/-]/);
  const cpu = processors.filter((each) => words.includes(each));
  const os = systems.filter((each) => words.includes(each));
  const libc = words.some((word) => word.startsWith('musl')) ? ['musl'] : ['glibc'];
  return {
    version,
    ...(cpu.length > 0 ? { cpu } : {}),
    ...(dev ? { dev } : {}),
    optional: true,
    ...(os.length > 0 ? { os } : {}),
    ...(os.includes('linux') && words.some((word) => /^(musl|gnu)/.test(word)) ? { libc } : {}),
  };
}
