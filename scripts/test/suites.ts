import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Supply } from './supplies.ts';

/** The tests of one folder. */
export interface Suite {
  /** The folder under test/. */
  readonly name: string;
  /** Whether it runs only when it is asked for by its name, and never with all others. */
  readonly onlyByName: boolean;
  readonly parts: readonly Part[];
}

/** What one mocha process runs. */
export interface Part {
  /** The suite's name, or the file's path under test/ without its ending. */
  readonly name: string;
  /** Paths relative to the repository. */
  readonly files: readonly string[];
  /** What has to be there before it starts. */
  readonly needs: readonly Supply[];
  /** Whether it needs a small file system that it can fill, see lab/databases/small-disk.ts. */
  readonly needsSmallDisk: boolean;
  /** Whether it runs in namespaces of its own, see lab/kubernetes/real-node.ts. */
  readonly needsRealNode: boolean;
}

interface Folder {
  readonly name: string;
  readonly needs: readonly Supply[];
  /** All files in one process: their tests take less time than the start of a process. */
  readonly together?: true;
  readonly onlyByName?: true;
}

/** What fails here is seen within half a minute. */
const QUICK: readonly string[] = ['unit', 'simulation/controller', 'integration/image/dockerfile'];

const FOLDERS: readonly Folder[] = [
  { name: 'unit', needs: [], together: true },
  { name: 'simulation', needs: [] },
  { name: 'integration/image', needs: [] },
  { name: 'integration/scripts', needs: ['packages'] },
  { name: 'integration/database', needs: [] },
  { name: 'integration/backup', needs: ['packages'] },
  { name: 'integration/pgbouncer', needs: ['packages'] },
  { name: 'integration/mariadb', needs: ['packages'] },
  { name: 'integration/mysql', needs: ['packages', 'mysql'] },
  { name: 'integration/galera', needs: ['packages'] },
  { name: 'integration/api', needs: ['kubernetes'] },
  { name: 'integration/cluster', needs: ['kubernetes'] },
  { name: 'integration/controller', needs: ['kubernetes', 'packages'] },
  { name: 'integration/plugin', needs: ['kubernetes'] },
  { name: 'integration/security', needs: ['kubernetes'] },
  { name: 'faults', needs: ['kubernetes'] },
  { name: 'interop', needs: ['packages', 'glance'] },
  { name: 'integration/gitops', needs: ['kubernetes', 'tools'] },
  { name: 'integration/install', needs: ['kubernetes', 'tools'] },
  { name: 'integration/monitoring', needs: ['kubernetes', 'tools'] },
  // Needs root, and minutes more: `make test-e2e`.
  { name: 'e2e', needs: ['pods', 'kubernetes', 'packages'], onlyByName: true },
  // Flux takes five to ten minutes to build: `make test-gitops`.
  { name: 'gitops', needs: ['kubernetes', 'flux'], onlyByName: true },
];

/**
 * What is started first: the longest files, and the longer ones of the last suites, as the whole run
 * would wait for one that is begun last. Those that mostly wait stand between those that mostly
 * compute, so that the cores are neither idle nor fought over.
 */
const LONGEST: readonly string[] = [
  'integration/controller/faults',
  'interop/take-turns',
  'faults/cluster',
  'integration/database/faults',
  'integration/controller/deletion',
  'integration/database/kills',
  'integration/mysql/mysql-9',
  'interop/half-way',
  'integration/database/silent',
  'integration/controller/way-out',
  'integration/security/hostile',
  'integration/plugin/plugin',
  'integration/mariadb/kills',
  'integration/mariadb/silent',
  'integration/galera/cluster',
  'integration/controller/leaders',
  'integration/controller/progress',
  'integration/galera/states',
  'integration/controller/other-hands',
  'integration/database/online',
  'integration/install/upgrade',
  'interop/half-way-galera',
  'faults/watch',
  'integration/security/rights',
  'integration/mariadb/online',
  'integration/controller/passing-causes',
  'interop/api',
  'integration/gitops/argocd-sync',
  'integration/controller/backup',
  'integration/install/own-pod',
  'integration/install/helm',
  'integration/install/uninstall',
  'integration/api/admission',
  'integration/install/helm-test',
  'integration/install/as-text',
  'faults/leaders',
  'integration/monitoring/events',
];

const ON_REAL_NODE: readonly string[] = ['e2e/journeys'];

const WITH_SMALL_DISK: readonly string[] = [
  'integration/mariadb/full-disk',
  'integration/backup/mariadb',
  'integration/backup/postgres',
  'faults/database',
];

/** All that is said of a part by its name: of a file that has another name now it would be lost. */
export const NAMED: readonly string[] = [...QUICK, ...LONGEST, ...ON_REAL_NODE, ...WITH_SMALL_DISK];

/**
 * Parts in the order in which they are to start: the quick suites, the longest files, and then the
 * rest.
 */
export function inOrder(parts: readonly Part[]): readonly Part[] {
  const rank = ({ name }: Part): number => {
    if (QUICK.includes(name)) return 0;
    return LONGEST.includes(name) ? 1 + LONGEST.indexOf(name) : 1 + LONGEST.length;
  };
  return [...parts].sort((one, other) => rank(one) - rank(other));
}

/** All suites of test/. Throws when a folder of tests has no entry above. */
export function findSuites(root: string): readonly Suite[] {
  const test = join(root, 'test');
  const known = new Set(FOLDERS.map(({ name }) => name));
  const lost = testFilesOf(test).find((file) => ![...known].some((name) => file.startsWith(`${name}/`)));
  if (lost !== undefined)
    throw new Error(`Cannot tell what test/${lost} needs: add its folder to scripts/test/suites.ts`);
  return FOLDERS.filter(({ name }) => existsSync(join(test, name))).map((folder) => suiteOf(folder, test));
}

function suiteOf(folder: Folder, test: string): Suite {
  const { name, needs, together, onlyByName = false } = folder;
  const files = testFilesOf(join(test, name)).map((file) => `${name}/${file}`);
  const groups = together === true ? [files] : files.map((file) => [file]);
  const parts = groups.map((group): Part => {
    const partName = together === true ? name : (group[0] ?? name).replace(/\.test\.ts$/, '');
    return {
      name: partName,
      files: group.map((file) => `test/${file}`),
      needs,
      needsSmallDisk: WITH_SMALL_DISK.includes(partName),
      needsRealNode: ON_REAL_NODE.includes(partName),
    };
  });
  return { name, onlyByName, parts };
}

function testFilesOf(folder: string): readonly string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((entry) => entry.endsWith('.test.ts'))
    .sort();
}
