// A real node: containerd and the kubelet, with the scheduler beside them, for pods that are
// containers.
//
// Its control plane is started with `serviceAddress: SERVICE_ADDRESS`.
//
// It runs in namespaces of its own, for mounts, processes and the network, that `make test` enters
// before mocha starts (`alone` below): what is mounted, started or connected in there is gone with
// the last process, however that ends. What no namespace holds are the control groups, which
// whoever entered them removes.

import { execFile, spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { promisify } from 'node:util';
import { ensureNodeBinaries } from '../cluster/binaries.ts';
import { PAUSE } from '../container/image.ts';
import { containerPackages } from '../container/packages.ts';
import { eventually } from '../process/eventually.ts';
import { reaper } from '../process/reaper.ts';
import { type ServerProcess, startServerProcess } from '../process/server-process.ts';
import type { ControlPlane } from './control-plane.ts';
import { writeKubeconfig } from './kubeconfig.ts';

/**
 * Of the Service `kubernetes`, of the node, and of the servers that run beside it: what a pod can
 * reach.
 */
export const SERVICE_ADDRESS = '10.0.0.1';

const NODE_NAME = 'node-1';

const run = promisify(execFile);

const LOST_OR_BACK = { timeoutMilliseconds: 120_000, everyMilliseconds: 300 };

/** A node with containerd and a real kubelet, in namespaces of its own. */
export interface RealNode {
  readonly name: string;
  /** Takes the images of a docker-archive in, so that pods can name them. */
  load(archive: string): Promise<void>;
  /** Gives an image that is there a second name. */
  tag(name: string, other: string): Promise<void>;
  /**
   * Its kubelet stands still while its containers go on, and Kubernetes has given it up when this
   * resolves.
   */
  freeze(): Promise<void>;
  /** The kubelet goes on; resolves when the node is ready again. */
  thaw(): Promise<void>;
  /** The end of the logs of its programs. */
  log(): string;
  stop(): Promise<void>;
}

/** Of which cluster a real node is, and which images it has. */
export interface RealNodeOptions {
  readonly plane: ControlPlane;
  /** Images that pods can name, as docker-archives. */
  readonly archives: readonly string[];
}

/**
 * The command before another one that gives it namespaces of its own. A shell is their first
 * process, as it reaps.
 */
export function alone(cgroup: string): readonly string[] {
  const namespaces = ['--mount', '--net', '--pid', '--fork', '--mount-proc', '--kill-child'];
  return ['env', `REAL_NODE=${cgroup}`, 'unshare', ...namespaces, 'sh', '-c', '"$@"; exit $?', 'sh'];
}

/**
 * Why a real node cannot run here, in a sentence with what to do; null where it can. Leaves nothing
 * behind.
 */
export function whyNoRealNode(): string | null {
  if (process.platform !== 'linux') return 'Cannot run pods: that needs Linux, and this is another system.';
  if (process.getuid?.() !== 0) return 'Cannot run pods: that needs root. Run `sudo make test-e2e`.';
  if (process.arch !== 'x64') return 'Cannot run pods: the base of their image is made for x86-64 only.';
  for (const [what, script] of PROBES) {
    const tried = spawnSync(
      'unshare',
      ['--mount', '--net', '--pid', '--fork', '--mount-proc', 'sh', '-ec', script],
      {
        encoding: 'utf8',
      },
    );
    if (tried.status === 0) continue;
    const said = `${tried.stderr ?? tried.error?.message}`.trim().split('\n').at(-1);
    return `Cannot run pods: this machine does not let root ${what} (${said}). Run the tests on one that does, as a virtual machine.`;
  }
  return null;
}

const CGROUPS = '/sys/fs/cgroup';

const PROBES: readonly (readonly [string, string])[] = [
  ['make namespaces for mounts, processes and the network', 'true'],
  [
    'mount a tmpfs and an overlay',
    `mount -t tmpfs tmpfs /mnt; cd /mnt; mkdir a b c d; mount -t overlay -o lowerdir=a,upperdir=b,workdir=c overlay d`,
  ],
  ['connect two network devices', 'ip link set lo up; ip link add glance0 type veth peer name glance1'],
  [
    'make control groups',
    `for parent in ${CGROUPS}/memory ${CGROUPS}/cpu ${CGROUPS}; do [ -e $parent/cgroup.procs ] || continue; mkdir $parent/glance-schema-probe-$$; rmdir $parent/glance-schema-probe-$$; exit 0; done; echo 'none is mounted' >&2; exit 1`,
  ],
];

/**
 * Removes the control group that a node has used, with those below it, as soon as the last process
 * in it is gone.
 */
export function removeCgroups(name: string): Promise<void> {
  return eventually(() => {
    for (const path of cgroupParents().map((parent) => join(parent, name))) {
      if (!existsSync(path)) continue;
      const done = spawnSync('find', [path, '-depth', '-type', 'd', '-exec', 'rmdir', '{}', ';'], {
        encoding: 'utf8',
      });
      if (existsSync(path)) throw new Error(`Cannot remove the control group ${path}: ${done.stderr}`);
    }
  });
}

/** The roots of all hierarchies. */
function cgroupParents(): readonly string[] {
  const inside = readdirSync(CGROUPS, { withFileTypes: true }).map(({ name }) => join(CGROUPS, name));
  return [CGROUPS, ...inside].filter((path) => existsSync(join(path, 'cgroup.procs')));
}

/**
 * Makes the network of the namespaces that this process is in. To be called before any server
 * starts.
 */
export function prepareNamespaces(): void {
  if (process.env.REAL_NODE === undefined)
    throw new Error('Cannot start a real node outside of namespaces of its own: run `make test-e2e`');
  const folder = mkdtempSync(join(tmpdir(), 'glance-schema-namespaces-'));
  // Sockets of containerd, what its network plugins keep, and links to logs have places that cannot
  // be set.
  sh('mount -t tmpfs -o mode=755 tmpfs /run; mount -t tmpfs -o mode=755 tmpfs /var/log');
  sh(
    'mkdir "$0/upper" "$0/work"; mount -t overlay -o "lowerdir=/var/lib,upperdir=$0/upper,workdir=$0/work" overlay /var/lib',
    folder,
  );
  sh(`ip link set lo up; ip address add ${SERVICE_ADDRESS}/32 dev lo`);
  // The kubelet sets these for the whole machine, unless it finds them set: what it finds is a file
  // of ours.
  for (const [name, value] of KERNEL_SETTINGS) {
    const file = join(folder, basename(name));
    writeFileSync(file, `${value}\n`);
    sh(`mount --bind "$0" /proc/sys/${name}`, file);
  }
}

const KERNEL_SETTINGS: readonly (readonly [string, number])[] = [
  ['vm/overcommit_memory', 1],
  ['vm/panic_on_oom', 0],
  ['kernel/panic', 10],
  ['kernel/panic_on_oops', 1],
  ['kernel/keys/root_maxkeys', 1_000_000],
  ['kernel/keys/root_maxbytes', 25_000_000],
];

function sh(script: string, ...args: readonly string[]): void {
  const done = spawnSync('sh', ['-ec', script, ...args], { encoding: 'utf8' });
  if (done.status !== 0) throw new Error(`Cannot prepare the namespaces of the node: ${done.stderr}`);
}

/** Starts containerd, the scheduler and the kubelet, and waits until the node is ready. */
export async function startRealNode({ plane, archives }: RealNodeOptions): Promise<RealNode> {
  const cgroup = process.env.REAL_NODE ?? '';
  const binaries = await ensureNodeBinaries();
  const packages = containerPackages();
  const folder = reaper.makeFolder('glance-schema-node-');
  const file = (name: string): string => join(folder, name);
  for (const name of ['network', 'logs', 'pods', 'kubelet']) mkdirSync(file(name));
  for (const parent of cgroupParents()) {
    mkdirSync(join(parent, cgroup), { recursive: true });
    if (parent.endsWith('/cpuset'))
      sh('for f in cpus mems; do cat "$0/../cpuset.$f" >"$0/cpuset.$f"; done', join(parent, cgroup));
  }
  writeFileSync(file('network/10-pods.conflist'), JSON.stringify(network(file('addresses'))));
  writeFileSync(file('containerd.toml'), containerdConfig(folder, packages.networkPlugins));
  const socket = '/run/containerd/containerd.sock';
  const running: ServerProcess[] = [];
  const start = (name: string, path: string, args: readonly string[]): ServerProcess => {
    const started = startServerProcess({
      name,
      path,
      args,
      env: packages.env,
      logFile: file(`logs/${name}.log`),
    });
    running.push(started);
    return started;
  };

  const containerd = start('containerd', packages.containerd, ['--config', file('containerd.toml')]);
  const ctr = (...args: readonly string[]) =>
    run(packages.ctr, ['--address', socket, '--namespace', 'k8s.io', ...args], { env: packages.env });
  await eventually(async () => {
    containerd.assertRunning();
    await ctr('version');
  });
  const load = async (archive: string): Promise<void> =>
    void (await ctr('images', 'import', '--snapshotter', 'overlayfs', archive));
  for (const archive of [PAUSE.archive, ...archives]) await load(archive);

  const log = (): string =>
    readdirSync(file('logs'))
      .map(
        (name) =>
          `${name}:\n${readFileSync(file(`logs/${name}`), 'utf8')
            .trimEnd()
            .split('\n')
            .slice(-25)
            .join('\n')}`,
      )
      .join('\n\n');

  const { server, caFile, adminToken } = plane;
  const kubeconfig = writeKubeconfig(file('kubeconfig'), { server, caFile, token: adminToken });
  start('kube-scheduler', binaries.kubeScheduler, [`--kubeconfig=${kubeconfig}`, '--leader-elect=false']);
  writeFileSync(file('resolv.conf'), '');
  writeFileSync(file('kubelet.json'), JSON.stringify(kubeletConfig(cgroup, socket, folder)));
  const kubelet = start('kubelet', binaries.kubelet, [
    `--kubeconfig=${kubeconfig}`,
    `--config=${file('kubelet.json')}`,
    `--root-dir=${file('kubelet')}`,
    `--cert-dir=${file('kubelet/pki')}`,
    `--hostname-override=${NODE_NAME}`,
    `--node-ip=${SERVICE_ADDRESS}`,
  ]);
  const api = plane.api();
  const isReady = async (): Promise<void> => {
    kubelet.assertRunning();
    const { status, spec } = await api.call('GET', `/api/v1/nodes/${NODE_NAME}`);
    const ready = status.conditions.find(
      (condition: { readonly type: string }) => condition.type === 'Ready',
    );
    if (ready?.status !== 'True') throw new Error(`The node is not ready: ${ready?.message}`);
    if (spec.taints?.length > 0) throw new Error(`The node has taints: ${JSON.stringify(spec.taints)}`);
  };
  await eventually(isReady, { timeoutMilliseconds: 30_000 }).catch((error: Error) => {
    throw new Error(`${error.message}\n${log()}`, { cause: error });
  });

  let impatient: ServerProcess | undefined;

  return {
    name: NODE_NAME,
    load,
    async tag(name, other) {
      await ctr('images', 'tag', '--force', name, other);
    },
    async freeze() {
      kubelet.kill('SIGSTOP');
      // The cluster's own waits for 50 seconds, so that a node on a busy machine is not given up.
      impatient = start('node-lifecycle-controller', plane.binaries.kubeControllerManager, [
        `--kubeconfig=${kubeconfig}`,
        '--controllers=node-lifecycle-controller',
        '--leader-elect=false',
        '--secure-port=0',
        '--node-monitor-grace-period=8s',
        '--node-monitor-period=1s',
      ]);
      await eventually(async () => {
        const { conditions } = (await api.call('GET', `/api/v1/nodes/${NODE_NAME}`)).status;
        const ready = conditions.find(({ type }: { readonly type: string }) => type === 'Ready');
        if (ready?.status !== 'Unknown') throw new Error(`The node is not given up: ${ready?.message}`);
      }, LOST_OR_BACK);
    },
    async thaw() {
      await impatient?.stop(0);
      kubelet.kill('SIGCONT');
      await eventually(isReady, LOST_OR_BACK);
    },
    log,
    async stop() {
      for (const each of running) each.kill('SIGKILL');
      await Promise.all(running.map((each) => each.stop(0)));
      // Containers go on without containerd; they end with the namespaces, and then the folder can
      // be removed.
      if (existsSync(folder)) rmSync(file('logs'), { recursive: true, force: true });
    },
  };
}

/** Each pod has a pair of devices and an address; it reaches what listens on the node. */
function network(addresses: string): unknown {
  return {
    cniVersion: '0.4.0',
    name: 'pods',
    plugins: [
      {
        type: 'ptp',
        ipam: {
          type: 'host-local',
          dataDir: addresses,
          ranges: [[{ subnet: '10.244.0.0/24' }]],
          routes: [{ dst: '0.0.0.0/0' }],
        },
      },
    ],
  };
}

/**
 * Without `restrict_oom_score_adj` a machine that keeps CAP_SYS_RESOURCE from root starts no
 * container.
 */
function containerdConfig(folder: string, networkPlugins: string): string {
  return `version = 2
root = "${folder}/containerd"
state = "/run/containerd/state"
disabled_plugins = ["io.containerd.internal.v1.opt", "io.containerd.internal.v1.tracing"]
[grpc]
address = "/run/containerd/containerd.sock"
[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "${PAUSE.name}"
restrict_oom_score_adj = true
stream_server_address = "${SERVICE_ADDRESS}"
netns_mounts_under_state_dir = true
[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "${networkPlugins}"
conf_dir = "${folder}/network"
[plugins."io.containerd.grpc.v1.cri".containerd]
snapshotter = "overlayfs"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"
`;
}

function kubeletConfig(cgroup: string, socket: string, folder: string): unknown {
  return {
    apiVersion: 'kubelet.config.k8s.io/v1beta1',
    kind: 'KubeletConfiguration',
    address: SERVICE_ADDRESS,
    // Nobody but what is in these namespaces can reach it.
    authentication: { anonymous: { enabled: true }, webhook: { enabled: false } },
    authorization: { mode: 'AlwaysAllow' },
    containerRuntimeEndpoint: `unix://${socket}`,
    cgroupDriver: 'cgroupfs',
    cgroupRoot: `/${cgroup}`,
    failCgroupV1: false,
    enforceNodeAllocatable: [],
    failSwapOn: false,
    resolvConf: join(folder, 'resolv.conf'),
    podLogsDir: join(folder, 'pods'),
    // A full disk or a busy machine is not what is tested.
    evictionHard: { 'memory.available': '50Mi', 'nodefs.available': '1%', 'imagefs.available': '1%' },
    imageGCHighThresholdPercent: 100,
    maxPods: 20 * availableParallelism(),
    logging: { verbosity: 2 },
  };
}
