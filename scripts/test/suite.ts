import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';

/** A folder of tests that one mocha process runs. */
export interface Suite {
  /** The folder under test/. */
  readonly name: string;
  readonly files: readonly string[];
  /** Whether it needs etcd and kube-apiserver, which may have to be built first. */
  readonly needsKubernetes: boolean;
}

const withoutKubernetes: readonly string[] = [
  'unit',
  'simulation',
  'interop',
  'integration/database',
  'integration/galera',
  'integration/image',
  'integration/mariadb',
  'integration/pgbouncer',
];

/** Suites of test/ and of each folder of test/integration; those without Kubernetes first, to run meanwhile. */
export async function findSuites(root: string): Promise<readonly Suite[]> {
  const suites: Suite[] = [];
  const names = [
    'unit',
    'simulation',
    ...(await foldersOf(join(root, 'test/integration'))).map((name) => `integration/${name}`),
    'interop',
    'faults',
  ];
  for (const name of names) {
    const folder = join(root, 'test', name);
    const files = existsSync(folder) ? await testFilesOf(folder) : [];
    if (files.length === 0) continue;
    suites.push({
      name,
      files,
      needsKubernetes: !withoutKubernetes.includes(name),
    });
  }
  return suites.sort((one, other) => Number(one.needsKubernetes) - Number(other.needsKubernetes));
}

async function foldersOf(folder: string): Promise<readonly string[]> {
  if (!existsSync(folder)) return [];
  const entries = await readdir(folder, { withFileTypes: true });
  return entries
    .filter((entry) => entry.isDirectory())
    .map((entry) => entry.name)
    .sort();
}

async function testFilesOf(folder: string): Promise<readonly string[]> {
  const entries = await readdir(folder, { recursive: true });
  return entries
    .filter((entry) => entry.endsWith('.test.ts'))
    .map((entry) => join(folder, entry))
    .sort();
}
