import { chmodSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { freePort } from '../process/free-port.ts';
import { reaper } from '../process/reaper.ts';
import { findGaleraProvider } from '../tools/distribution-packages.ts';
import { hasMariaDb, startMariaDb, type TestMariaDb } from './mariadb.ts';

/** What a machine without Galera is told, where `make test` could not bring it. */
export const NO_GALERA =
  'MariaDB with Galera is not on this machine. Run `make test`, which brings it on Debian and Ubuntu, or install it.';

/** Whether this machine has MariaDB and the Galera library that a cluster of it loads. */
export function hasGalera(): boolean {
  return hasMariaDb() && findGaleraProvider() !== null;
}

/** A Galera cluster on loopback whose nodes have all joined. */
export interface TestCluster {
  readonly nodes: readonly TestMariaDb[];
  stop(): Promise<void>;
}

/**
 * Starts a Galera cluster of MariaDBs on loopback, in about half a minute. Each node is a server
 * like any other, with `crash` and `restart`.
 */
export async function startGalera(size: number): Promise<TestCluster> {
  const folder = reaper.makeFolder('glance-schema-galera-');
  // The servers may run as another user.
  chmodSync(folder, 0o755);
  const ports = await Promise.all(
    Array.from({ length: size }, async () => ({
      group: await freePort(),
      ist: await freePort(),
      sst: await freePort(),
    })),
  );
  const nodes: TestMariaDb[] = [];
  for (const [index, { group, ist, sst }] of ports.entries()) {
    const dataDirectory = join(folder, `node-${index}`);
    // Users are made before the node joins: from then on what it does is done on all.
    const alone = await startMariaDb({ dataDirectory });
    await alone.stop();
    nodes.push(
      await startMariaDb({
        dataDirectory,
        joins: true,
        settings: {
          wsrep_on: 'ON',
          wsrep_provider: findGaleraProvider() ?? '',
          wsrep_cluster_name: 'glance-schema',
          // The first one starts the cluster, and finds it again when it comes back.
          wsrep_cluster_address: `gcomm://${index === 0 ? '' : ports.map((port) => `127.0.0.1:${port.group}`).join()}`,
          wsrep_node_name: `node-${index}`,
          wsrep_node_address: `127.0.0.1:${group}`,
          wsrep_provider_options: `gmcast.listen_addr=tcp://127.0.0.1:${group};ist.recv_addr=127.0.0.1:${ist}`,
          wsrep_sst_method: 'rsync',
          wsrep_sst_receive_address: `127.0.0.1:${sst}`,
          binlog_format: 'ROW',
          innodb_autoinc_lock_mode: '2',
        },
      }),
    );
  }
  return {
    nodes,
    async stop() {
      await Promise.all(nodes.map((node) => node.crash()));
      rmSync(folder, { recursive: true, force: true });
      reaper.forgetFolder(folder);
    },
  };
}

/**
 * The first node, whose databases are reached by a user with all rights: who makes triggers on a
 * node of Galera needs SUPER.
 */
export function firstNodeAsAdministrator({ nodes }: TestCluster): TestMariaDb {
  const [first] = nodes;
  if (first === undefined) throw new Error('there is no node');
  return {
    ...first,
    async createDatabase(name) {
      await first.createDatabase(name);
      return first.adminUrl(name);
    },
  };
}
