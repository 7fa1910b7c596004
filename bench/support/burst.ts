// Many GlanceSchemas at once, whose Jobs end as soon as they are there: nothing is at work but the
// API server, this driver and the controller that is measured.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { type ControlPlane, startControlPlane } from '../../lab/kubernetes/control-plane.ts';
import { kubectl } from '../../lab/kubernetes/kubectl.ts';
import { asList, RIGHTS, renderManifests } from '../../lab/kubernetes/manifests.ts';
import type { KubeObject } from '../../lab/kubernetes/test-api.ts';
import { bundle } from '../../lab/process/bundle.ts';
import { eventually } from '../../lab/process/eventually.ts';
import { type ProcessUse, processUse } from '../../lab/process/process-use.ts';
import type { MigrationReport } from '../../src/contract/report.ts';
import { withoutUndefined } from '../../src/glance/without-undefined.ts';
import { newRequests, type RequestCounts, requestCounts } from './api-requests.ts';

/** What a controller took for a burst. */
export interface BurstUse {
  /** Until the last was up to date, in seconds. */
  readonly seconds: number;
  /** From the first apply until it came to rest, in seconds of one core. */
  readonly cpu: number;
  /** The most that was resident until then, in MiB. */
  readonly peak: number;
  /** By verb and resource, leases, watches and the driver's own left out. */
  readonly requests: RequestCounts;
  /** How it went on, every half second. */
  readonly samples: readonly Sample[];
  /** Absent where it was not asked for. */
  readonly rest?: RestUse;
}

/** A moment of a burst. */
export interface Sample {
  /** Since the first apply. */
  readonly seconds: number;
  /** How many resources were up to date. */
  readonly ready: number;
  /** What was resident, in MiB. */
  readonly resident: number;
}

/** What a controller takes once nothing is to be done. */
export interface RestUse {
  readonly seconds: number;
  /** In seconds of one core. */
  readonly cpu: number;
  /** Resident, in MiB. */
  readonly resident: number;
  readonly requests: RequestCounts;
  /** What it asks for from a start until it has come to rest, and what that takes. */
  readonly restart: { readonly requests: RequestCounts; readonly cpu: number };
  /**
   * The same from a new start of the API server, whose etcd has forgotten all that was before: every
   * watch starts again with a list.
   */
  readonly relist: { readonly requests: RequestCounts; readonly cpu: number };
}

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const ACCOUNT = ['glance-schema-system', 'glance-schema-operator'] as const;
const USER = `system:serviceaccount:${ACCOUNT.join(':')}`;
export const NAMESPACE = 'burst';
export const SCHEMAS = `/apis/db.glance.openstack.org/v1alpha1/namespaces/${NAMESPACE}/glanceschemas`;
export const JOBS = `/apis/batch/v1/namespaces/${NAMESPACE}/jobs`;
const PODS = `/api/v1/namespaces/${NAMESPACE}/pods`;
export const REVISION = 'ocata01';

/** The image's own flags; see Dockerfile. */
const FLAGS = ['--max-semi-space-size=4'];

/** A controller that is measured. */
export interface Contender {
  /** What starts it; `{kubeconfig}` stands for the file by which it reaches the API server. */
  readonly command: readonly string[];
  /** The CRD that it works with, as kubectl's arguments. */
  readonly crd: readonly string[];
  /** Whether it may do all that there is, or what our operator may. */
  readonly mayAll: boolean;
  /** What the container of each Job leaves. */
  readonly report: string;
}

/** Our operator, as the image starts it. */
export function ours(): Contender {
  const listen = ['--health-address', '127.0.0.1:0', '--metrics-address', '127.0.0.1:0'];
  const where = ['--kubeconfig', '{kubeconfig}', '--lease-namespace', ACCOUNT[0], '--image', 'burst'];
  return {
    command: [process.execPath, ...FLAGS, bundle(), 'controller', ...where, ...listen],
    crd: ['-k', `${ROOT}crds`],
    mayAll: false,
    report: JSON.stringify(reportOf(new Date().toISOString())),
  };
}

/**
 * A controller in Go that was built in a folder: `bin/peer`, with its own CRD of the same kind in
 * `config/crd.yaml`. It reads `{"to": "REVISION"}` from the termination message.
 */
export function peerIn(folder: string): Contender {
  return {
    command: [`${folder}/bin/peer`, '--kubeconfig', '{kubeconfig}', '--metrics-bind-address', '0'],
    crd: ['-f', `${folder}/config/crd.yaml`],
    mayAll: true,
    report: JSON.stringify({ to: REVISION }),
  };
}

/**
 * Measures one controller with so many resources, on a control plane of its own.
 *
 * @param restSeconds how long it is watched at rest, before a restart; absent for not at all.
 */
export async function burst(controller: Contender, size: number, restSeconds?: number): Promise<BurstUse> {
  const plane = await startControlPlane({ controllers: false });
  const stop = new AbortController();
  let program: Running | undefined;
  try {
    await prepare(plane, controller);
    program = await start(plane, controller);
    const use = await drive(plane, controller, program.pid, size, stop.signal);
    if (restSeconds === undefined) return use;
    const [before, requested] = [processUse(program.pid), await counts(plane)];
    await sleep(restSeconds * 1000);
    const after = processUse(program.pid);
    const requests = newRequests(requested, await counts(plane));
    await program.stop();
    const stopped = await counts(plane);
    program = await start(plane, controller);
    const again = await atRest(plane, program.pid);
    const restart = { cpu: again.cpu, requests: newRequests(stopped, await counts(plane)) };
    const relist = await relistUse(plane, program.pid);
    const { resident } = after;
    return {
      ...use,
      rest: { seconds: restSeconds, cpu: after.cpu - before.cpu, resident, requests, restart, relist },
    };
  } finally {
    stop.abort();
    await program?.stop();
    await plane.stop();
  }
}

/**
 * Stops the API server, has etcd forget what was before, and starts it again; then one more resource has to get its Job, as a
 * controller whose watches are dead would be at rest too.
 */
async function relistUse(plane: ControlPlane, pid: number): Promise<RestUse['relist']> {
  const api = plane.api();
  const jobs = async (): Promise<number> => {
    const { items, metadata } = await api.call('GET', `${JOBS}?limit=1`);
    return items.length + (metadata?.remainingItemCount ?? 0);
  };
  const [before, wanted] = [processUse(pid), (await jobs()) + 1];
  await plane.stopApiServer();
  await plane.compactEtcd();
  // What it counts begins at nothing.
  await plane.startApiServer();
  await atRest(plane, pid);
  await apply(api, 'one-more');
  await eventually(
    async () => {
      if ((await jobs()) < wanted) throw new Error('No watch has shown it the resource that was made last');
    },
    { timeoutMilliseconds: 120_000, everyMilliseconds: 500 },
  );
  const after = await atRest(plane, pid);
  return { requests: await counts(plane), cpu: after.cpu - before.cpu };
}

/** A controller that runs. */
interface Running {
  readonly pid: number;
  stop(): Promise<void>;
}

/** Resolves when it watches all three kinds. */
async function start(plane: ControlPlane, { command }: Contender): Promise<Running> {
  const since = new Date();
  const kubeconfig = await plane.serviceAccountKubeconfig(...ACCOUNT);
  const [path = '', ...args] = command.map((word) => word.replace('{kubeconfig}', kubeconfig));
  const program = spawn(path, args, { stdio: 'ignore' });
  const { pid } = program;
  if (pid === undefined) throw new Error(`Cannot start ${path}`);
  await eventually(() => {
    if (program.exitCode !== null) throw new Error(`${path} has ended`);
    const watched = plane
      .auditEvents({ user: USER, verb: 'watch', since })
      .map(({ objectRef }) => objectRef?.resource);
    if (new Set(watched).size < 3) throw new Error('It does not watch yet');
  });
  return {
    pid,
    async stop() {
      if (program.exitCode !== null || program.signalCode !== null) return;
      program.kill('SIGTERM');
      await once(program, 'exit');
    },
  };
}

/** The requests of the controller alone: none of the driver's own, which nobody else makes. */
async function counts(plane: ControlPlane): Promise<RequestCounts> {
  const all = requestCounts(await plane.metrics());
  return new Map(
    [...all].filter(
      ([sort]) => /^(?!WATCH)\S+ (glanceschemas|jobs|pods|events)\b/.test(sort) && !DRIVERS.includes(sort),
    ),
  );
}

/** What the driver asks for, and no controller does. */
const DRIVERS = ['POST glanceschemas', 'POST pods', 'PATCH pods/status', 'PATCH jobs/status'];

export async function prepare(plane: ControlPlane, { crd, mayAll }: Contender): Promise<void> {
  const manifests = await renderManifests('manifests/overlays/cluster');
  const given = manifests.filter(({ kind = '' }) => RIGHTS.includes(kind));
  for (const [args, input] of [
    [['apply', ...crd], undefined],
    [['apply', '-f', '-'], asList(given)],
    [['wait', '--for=condition=Established', 'crd/glanceschemas.db.glance.openstack.org'], undefined],
  ] as const) {
    const { code, stderr } = await kubectl(plane.kubeconfigPath, args, withoutUndefined({ input }));
    if (code !== 0) throw new Error(`kubectl ${args.join(' ')}: ${stderr}`);
  }
  const api = plane.api();
  if (mayAll) {
    await api.call('POST', '/apis/rbac.authorization.k8s.io/v1/clusterrolebindings', {
      metadata: { name: 'beside' },
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'cluster-admin' },
      subjects: [{ kind: 'ServiceAccount', namespace: ACCOUNT[0], name: ACCOUNT[1] }],
    });
  }
  await api.call('POST', '/api/v1/namespaces', { metadata: { name: NAMESPACE } });
  // Its controller is not there, and pods ask for it.
  await api.call('POST', `/api/v1/namespaces/${NAMESPACE}/serviceaccounts`, {
    metadata: { name: 'default' },
  });
}

async function drive(
  plane: ControlPlane,
  { report }: Contender,
  pid: number,
  size: number,
  signal: AbortSignal,
): Promise<BurstUse> {
  const api = plane.api();
  const ready = new Set<string>();
  const seen = new Set<string>();
  const failures: unknown[] = [];
  const failed = (error: unknown) => void failures.push(error);
  // The API server ends a watch whose reader is slow; each begins with all that there is.
  const follow = async (path: string, onObject: (object: KubeObject) => void): Promise<void> => {
    while (!signal.aborted) await api.watch(`${path}?watch=true`, ({ object }) => onObject(object), signal);
  };
  follow(SCHEMAS, (object) => {
    const condition = object.status?.conditions?.find(({ type }: KubeObject) => type === 'Ready');
    if (condition?.status === 'True') ready.add(object.metadata?.name ?? '');
  }).catch(failed);
  follow(JOBS, (object) => {
    const uid = object.metadata?.uid ?? '';
    if (!seen.has(uid)) {
      seen.add(uid);
      endJob(api, object, report).catch(failed);
    }
  }).catch(failed);
  const before = processUse(pid);
  const requested = await counts(plane);
  const began = performance.now();
  const names = Array.from({ length: size }, (_, index) => `glance-${index}`);
  await Promise.all(
    Array.from({ length: 20 }, async () => {
      for (let name = names.pop(); name !== undefined; name = names.pop()) {
        await apply(api, name);
      }
    }),
  );
  const samples: Sample[] = [];
  const sinceBegin = (): number => (performance.now() - began) / 1000;
  while (ready.size < size) {
    if (failures.length > 0) throw failures[0];
    const last = samples.at(-1)?.seconds ?? 0;
    if (sinceBegin() - last >= 0.5) samples.push(sampleOf(sinceBegin(), ready.size, pid));
    await sleep(20);
  }
  const seconds = sinceBegin();
  samples.push(sampleOf(seconds, ready.size, pid));
  const after = await atRest(plane, pid);
  const requests = newRequests(requested, await counts(plane));
  return { seconds, cpu: after.cpu - before.cpu, peak: after.peak, requests, samples };
}

/** How far it is, and what a process has resident. */
export function sampleOf(seconds: number, ready: number, pid: number): Sample {
  return { seconds, ready, resident: processUse(pid).resident };
}

async function apply(api: ReturnType<ControlPlane['api']>, name: string): Promise<void> {
  await api.call('POST', SCHEMAS, {
    apiVersion: 'db.glance.openstack.org/v1alpha1',
    kind: 'GlanceSchema',
    metadata: { name },
    spec: { revision: REVISION, database: { secretRef: { name } } },
  });
}

/**
 * As the Job controller and a kubelet would, at once: a pod that has succeeded, and a Job that is
 * complete.
 */
export async function endJob(
  api: ReturnType<ControlPlane['api']>,
  job: KubeObject,
  report: string,
): Promise<void> {
  const { name = '', uid } = job.metadata ?? {};
  const pod = `${name}-pod`;
  const { metadata, spec } = job.spec.template;
  const owner = { apiVersion: 'batch/v1', kind: 'Job', name, uid, controller: true };
  await api.call('POST', PODS, {
    metadata: { name: pod, labels: metadata.labels, ownerReferences: [owner] },
    spec,
  });
  const time = new Date().toISOString();
  const ended = { exitCode: 0, reason: 'Completed', startedAt: time, finishedAt: time };
  const containerStatuses = spec.containers.map(({ name: container, image }: KubeObject) => ({
    name: container,
    image,
    imageID: '',
    ready: false,
    restartCount: 0,
    state: { terminated: { ...ended, message: report } },
  }));
  await api.call('PATCH', `${PODS}/${pod}/status`, { status: { phase: 'Succeeded', containerStatuses } });
  const condition = (type: string) => ({
    type,
    status: 'True',
    lastProbeTime: time,
    lastTransitionTime: time,
  });
  await api.call('PATCH', `${JOBS}/${name}/status`, {
    status: {
      startTime: time,
      completionTime: time,
      succeeded: 1,
      ready: 0,
      terminating: 0,
      uncountedTerminatedPods: {},
      conditions: [condition('SuccessCriteriaMet'), condition('Complete')],
    },
  });
}

function reportOf(time: string): MigrationReport {
  const to = { revision: REVISION, phase: 'Contract' } as const;
  return {
    version: 1,
    command: 'sync',
    target: to,
    from: null,
    to,
    heads: [REVISION],
    adopted: false,
    applied: [{ name: REVISION, milliseconds: 1 }],
    startedAt: time,
    finishedAt: time,
    error: null,
  };
}

/** What a controller has used once it computes nothing and asks for nothing any more. */
async function atRest(plane: ControlPlane, pid: number): Promise<ProcessUse> {
  let [last, asked] = [processUse(pid), await counts(plane)];
  for (;;) {
    await sleep(3_000);
    const [now, askedNow] = [processUse(pid), await counts(plane)];
    if (now.cpu - last.cpu < 0.06 && newRequests(asked, askedNow).size === 0) return now;
    [last, asked] = [now, askedNow];
  }
}
