// Many GlanceSchemas at once, whose Jobs end as soon as they are there: nothing is at work but the
// API server, this driver and the controller that is measured.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { type ControlPlane, startControlPlane } from '../../lab/kubernetes/control-plane.ts';
import { kubectl } from '../../lab/kubernetes/kubectl.ts';
import { asList, RIGHTS, renderManifests } from '../../lab/kubernetes/manifests.ts';
import type { KubeObject } from '../../lab/kubernetes/test-api.ts';
import { bundle } from '../../lab/process/bundle.ts';
import { eventually } from '../../lab/process/eventually.ts';
import type { MigrationReport } from '../../src/contract/report.ts';
import { withoutUndefined } from '../../src/glance/without-undefined.ts';
import { type ProcessUse, processUse } from './process-use.ts';

/** What a controller took for a burst. */
export interface BurstUse {
  /** Until the last was up to date, in seconds. */
  readonly seconds: number;
  /** From the first apply until it came to rest, in seconds of one core. */
  readonly cpu: number;
  readonly peak: number;
  /** By verb and resource, leases and watches left out. */
  readonly requests: ReadonlyMap<string, number>;
}

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const ACCOUNT = ['glance-schema-system', 'glance-schema-operator'] as const;
const USER = `system:serviceaccount:${ACCOUNT.join(':')}`;
const NAMESPACE = 'burst';
const SCHEMAS = `/apis/db.glance.openstack.org/v1alpha1/namespaces/${NAMESPACE}/glanceschemas`;
const JOBS = `/apis/batch/v1/namespaces/${NAMESPACE}/jobs`;
const PODS = `/api/v1/namespaces/${NAMESPACE}/pods`;
const REVISION = 'ocata01';

/** The image's own flags; see Dockerfile. */
const FLAGS = ['--max-semi-space-size=4'];

/**
 * The command that starts our operator; `{kubeconfig}` stands for the file by which it reaches the
 * API server.
 */
export function ownCommand(): readonly string[] {
  const listen = ['--health-address', '127.0.0.1:0', '--metrics-address', '127.0.0.1:0'];
  const where = ['--kubeconfig', '{kubeconfig}', '--lease-namespace', ACCOUNT[0], '--image', 'burst'];
  return [process.execPath, ...FLAGS, bundle(), 'controller', ...where, ...listen];
}

/** Measures one controller with so many resources, on a control plane of its own. */
export async function burst(command: readonly string[], size: number): Promise<BurstUse> {
  const plane = await startControlPlane({ controllers: false });
  let controller: ChildProcess | undefined;
  const stop = new AbortController();
  try {
    await prepare(plane);
    const kubeconfig = await plane.serviceAccountKubeconfig(...ACCOUNT);
    const [program = '', ...args] = command.map((word) => word.replace('{kubeconfig}', kubeconfig));
    controller = spawn(program, args, { stdio: 'ignore' });
    const { pid } = controller;
    if (pid === undefined) throw new Error(`Cannot start ${program}`);
    await eventually(() => {
      const watched = plane
        .auditEvents({ user: USER, verb: 'watch' })
        .map(({ objectRef }) => objectRef?.resource);
      if (new Set(watched).size < 3) throw new Error('It does not watch yet');
    });
    return await drive(plane, pid, size, stop.signal);
  } finally {
    stop.abort();
    if (controller?.exitCode === null) {
      controller.kill('SIGTERM');
      await once(controller, 'exit');
    }
    await plane.stop();
  }
}

async function prepare(plane: ControlPlane): Promise<void> {
  const rights = await renderManifests('manifests/overlays/cluster');
  const given = rights.filter(({ kind = '' }) => RIGHTS.includes(kind));
  for (const [args, input] of [
    [['apply', '-k', `${ROOT}crds`], undefined],
    [['apply', '-f', '-'], asList(given)],
    [['wait', '--for=condition=Established', 'crd/glanceschemas.db.glance.openstack.org'], undefined],
  ] as const) {
    const { code, stderr } = await kubectl(plane.kubeconfigPath, args, withoutUndefined({ input }));
    if (code !== 0) throw new Error(`kubectl ${args.join(' ')}: ${stderr}`);
  }
  const api = plane.api();
  await api.call('POST', '/api/v1/namespaces', { metadata: { name: NAMESPACE } });
  // Its controller is not there, and pods ask for it.
  await api.call('POST', `/api/v1/namespaces/${NAMESPACE}/serviceaccounts`, {
    metadata: { name: 'default' },
  });
}

async function drive(plane: ControlPlane, pid: number, size: number, signal: AbortSignal): Promise<BurstUse> {
  const api = plane.api();
  const ready = new Set<string>();
  const seen = new Set<string>();
  const failures: unknown[] = [];
  const failed = (error: unknown) => void failures.push(error);
  void api
    .watch(
      `${SCHEMAS}?watch=true`,
      ({ object }) => {
        const condition = object.status?.conditions?.find(({ type }: KubeObject) => type === 'Ready');
        if (condition?.status === 'True') ready.add(object.metadata?.name ?? '');
      },
      signal,
    )
    .catch(failed);
  void api
    .watch(
      `${JOBS}?watch=true`,
      ({ object }) => {
        const uid = object.metadata?.uid ?? '';
        if (!seen.has(uid)) {
          seen.add(uid);
          endJob(api, object).catch(failed);
        }
      },
      signal,
    )
    .catch(failed);
  const before = processUse(pid);
  const since = new Date();
  const began = performance.now();
  const names = Array.from({ length: size }, (_, index) => `glance-${index}`);
  await Promise.all(
    Array.from({ length: 20 }, async () => {
      for (let name = names.pop(); name !== undefined; name = names.pop()) {
        const spec = { revision: REVISION, database: { secretRef: { name } } };
        await api.call('POST', SCHEMAS, {
          apiVersion: 'db.glance.openstack.org/v1alpha1',
          kind: 'GlanceSchema',
          metadata: { name },
          spec,
        });
      }
    }),
  );
  while (ready.size < size) {
    if (failures.length > 0) throw failures[0];
    await sleep(20);
  }
  const seconds = (performance.now() - began) / 1000;
  const after = await atRest(pid);
  const requests = new Map<string, number>();
  for (const { verb, objectRef } of plane.auditEvents({ user: USER, since, stage: 'ResponseComplete' })) {
    if (verb === 'watch' || objectRef?.resource === 'leases') continue;
    const what = [`${verb} ${objectRef?.resource}`, objectRef?.subresource].filter(Boolean).join('/');
    requests.set(what, (requests.get(what) ?? 0) + 1);
  }
  return { seconds, cpu: after.cpu - before.cpu, peak: after.peak, requests };
}

/**
 * As the Job controller and a kubelet would, at once: a pod that has ended well, and a Job that is
 * complete.
 */
async function endJob(api: ReturnType<ControlPlane['api']>, job: KubeObject): Promise<void> {
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
    state: { terminated: { ...ended, message: JSON.stringify(reportOf(time)) } },
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

/** What a process has used once it does nothing any more. */
async function atRest(pid: number): Promise<ProcessUse> {
  for (let last = processUse(pid); ; ) {
    await sleep(3_000);
    const now = processUse(pid);
    if (now.cpu - last.cpu < 0.06) return now;
    last = now;
  }
}
