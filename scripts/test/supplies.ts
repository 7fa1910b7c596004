import { ensureBinaries, ensureNodeBinaries } from '../../lab/cluster/binaries.ts';
import { buildImages } from '../../lab/container/image.ts';
import { installGlance } from '../../lab/glance/real-glance.ts';
import { whyNoRealNode } from '../../lab/kubernetes/real-node.ts';
import { ensureDistributionPackages, foundPackages } from '../../lab/tools/distribution-packages.ts';
import { ensureTool, toolNames } from '../../lab/tools/ensure-tool.ts';
import { ensureMysql, foundMysql } from '../../lab/tools/mysql.ts';

/**
 * What suites need besides the npm packages; each is fetched or built the first time, into the
 * cache folder.
 */
export type Supply = 'packages' | 'mysql' | 'kubernetes' | 'tools' | 'glance' | 'pods' | 'flux';

/** Supplies on their way: started at once, each waited for by those who need it. */
export interface Supplies {
  /** What went wrong, in a sentence or with the end of a build's output; null once it is there. */
  ready(supply: Supply): Promise<string | null>;
  /** Whether it has come or failed, so that `ready` answers without delay. */
  isSettled(supply: Supply): boolean;
  /** What is fetched or built just now, a line for each. */
  progress(): readonly string[];
  /** What this machine lacks and nobody could bring; a sentence each. */
  missing(): readonly string[];
  /**
   * How many packages are missing on a system for which they can be brought, as for want of a
   * network. The suites that need them leave their tests out and go on; on another system that is
   * all that can be done.
   */
  failures(): number;
}

/** Said first of all. */
const ABOUT_PODS = `The image is built from the Dockerfile, and run as pods on a real node: etcd, kube-apiserver, controllers, scheduler, kubelet and
containerd. It needs root and Debian 12 on x86-64. Nothing is installed: packages are unpacked into /var/cache/glance-schema. The node has namespaces of
its own for mounts, processes and the network; they and its control groups are gone afterwards, also when the run is broken off.`;

export function bringSupplies(wanted: ReadonlySet<Supply>, say: (line: string) => void): Supplies {
  const latest = new Map<Supply, string>();
  const settled = new Set<Supply>();
  const missing: string[] = [];
  let failures = 0;
  const running = new Map<Supply, Promise<string | null>>();

  function bring(supply: Supply, work: (tell: (line: string) => void) => Promise<void>): void {
    if (!wanted.has(supply)) return;
    const done = work((line) => void latest.set(supply, line)).then(
      () => null,
      (error: unknown) => (error instanceof Error ? error.message : String(error)),
    );
    running.set(
      supply,
      done.then((trouble) => {
        settled.add(supply);
        latest.delete(supply);
        if (trouble !== null) missing.push(trouble);
        return trouble;
      }),
    );
  }

  bring('packages', async (tell) => {
    // A suite whose server is still missing says so itself: the others of its kind can run.
    const { sentences, canBeBrought } = await ensureDistributionPackages(tell);
    missing.push(...sentences);
    if (canBeBrought) failures = sentences.length;
    say(`Found ${foundPackages()}.`);
    for (const sentence of sentences) say(sentence);
  });
  bring('mysql', async (tell) => {
    // It is unpacked with the help of some of these.
    await running.get('packages');
    const lacking = await ensureMysql(tell);
    missing.push(...lacking);
    const found = foundMysql();
    if (found !== '') say(`Found ${found}.`);
    for (const sentence of lacking) say(sentence);
  });
  bring('pods', async (tell) => {
    say(ABOUT_PODS);
    const trouble = whyNoRealNode();
    if (trouble !== null) throw new Error(trouble);
    await buildImages(tell);
    await ensureNodeBinaries(tell);
  });
  // One after the other: each of them uses all cores.
  bring('kubernetes', async (tell) => {
    const { versions } = await ensureBinaries(tell);
    say(`Found Kubernetes ${versions.kubernetes} and etcd ${versions.etcd}.`);
  });
  bring('tools', async (tell) => {
    await running.get('kubernetes');
    for (const name of toolNames(true)) await ensureTool(name, tell);
  });
  bring('flux', async (tell) => {
    await running.get('kubernetes');
    for (const name of toolNames(false)) await ensureTool(name, tell);
  });
  bring('glance', async (tell) => {
    await running.get('packages');
    const { version } = await installGlance(tell);
    const older = await installGlance(tell, '26.0.0');
    say(`Found Glance ${version} and ${older.version}.`);
  });

  return {
    ready: (supply) => running.get(supply) ?? Promise.resolve(null),
    isSettled: (supply) => !running.has(supply) || settled.has(supply),
    progress: () => [...latest.values()],
    missing: () => missing,
    failures: () => failures,
  };
}
