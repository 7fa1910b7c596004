import { mkdir, rm } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import type { TestApi } from '../test-api.ts';
import { ContainerConfigError, containerConfig, type ProcessConfig } from './container-config.ts';
import { type ContainerProcess, startContainerProcess } from './container-process.ts';
import { type Container, type Pod, podPath } from './pod.ts';
import {
  type Condition,
  type ContainerRecord,
  hasSucceeded,
  type PodStatus,
  podStatus,
  type Terminated,
} from './pod-status.ts';
import { followReadiness } from './readiness.ts';
import { untilAnswered } from './until-answered.ts';

/** Which pod is run, and with what of its node. */
export interface PodWorkerOptions {
  readonly api: TestApi;
  readonly pod: Pod;
  readonly nodeName: string;
  readonly apiServer: string;
  readonly folder: string;
  readonly baseEnv: Readonly<Record<string, string>>;
  /**
   * Milliseconds between attempts at what cannot be done yet: a missing Secret, an image that is
   * not known.
   */
  readonly retryEvery: number;
  /** The folder that stands for a claim of a namespace; null where there is none. */
  claimFolder(namespace: string, claim: string): string | null;
  /** What the image starts; null when there is no such image. */
  entrypointOf(image: string): readonly string[] | null;
  logFileOf(container: string): string;
  /** Called once, when the pod is no longer this node's concern. */
  onGone(): void;
}

/** Runs one pod to its end, and tells the API server of it, as the pod worker of a kubelet does. */
export interface PodWorker {
  readonly pod: Pod;
  /**
   * The pod's own deletion: SIGTERM, the grace period, SIGKILL, the last status, and the object
   * removed.
   */
  terminate(graceSeconds: number): void;
  /** As when the object is gone or the node dies: nothing is reported. */
  abandon(): Promise<void>;
  /**
   * The processes are killed and the pod fails, with a reason of its own, as an eviction by the
   * kubelet does.
   */
  fail(reason: string, message: string, condition: Condition): Promise<void>;
  /**
   * A signal to a container's processes; with `reason` that is what the status will say, for
   * example OOMKilled.
   */
  kill(signal: NodeJS.Signals, container?: string, reason?: string): void;
  /** The pid of a container's running process. */
  pid(container?: string): number | null;
}

interface RunningContainer {
  process: ContainerProcess;
  reasonOverride: string | null;
}

const restartBackoffFirst = 1_000;
const restartBackoffMost = 30_000;

/**
 * Starts to run a pod: init containers one by one, then the others at once, with restarts by the
 * pod's policy.
 */
export function startPodWorker(options: PodWorkerOptions): PodWorker {
  const { api, pod } = options;
  const policy = pod.spec.restartPolicy ?? 'Always';
  const startTime = new Date().toISOString().replace(/\.\d+Z$/, 'Z');
  const conditions = new Map<string, Condition>();
  const running = new Map<string, RunningContainer>();
  const stopping = new AbortController();
  let reporting = true;
  let graceSeconds = pod.spec.terminationGracePeriodSeconds ?? 30;
  let deletionAsked = false;
  let failure: PodStatus | null = null;

  const initRecords = (pod.spec.initContainers ?? []).map((container, index) =>
    recordOf(container, index === 0 ? 'ContainerCreating' : 'PodInitializing'),
  );
  const records = pod.spec.containers.map((container) =>
    recordOf(container, initRecords.length === 0 ? 'ContainerCreating' : 'PodInitializing'),
  );

  let pending: PodStatus | null = null;
  let writing: Promise<void> | null = null;

  /**
   * One write at a time, the newest status wins, and none is lost however long the API server is
   * away.
   */
  function report(): void {
    pending = failure ?? podStatus(pod, { init: initRecords, main: records }, startTime, conditions);
    for (const condition of pending.conditions as readonly Condition[])
      conditions.set(condition.type, condition);
    writing ??= writeAll().finally(() => {
      writing = null;
    });
  }

  async function writeAll(): Promise<void> {
    while (pending !== null && reporting) {
      const status = pending;
      pending = null;
      const body = { metadata: { uid: pod.metadata.uid }, status };
      const contentType = 'application/strategic-merge-patch+json';
      const answer = await ask(() => api.request('PATCH', podPath(pod, '/status'), body, { contentType }));
      // 404 and 409 say that the pod, or the pod of this uid, is gone; what is left to tell has
      // nobody to hear it.
      if (answer === null || answer.status === 404 || answer.status === 409) return;
      if (answer.status >= 400) {
        throw new Error(`The fake kubelet wrote a wrong pod status: ${answer.body.message ?? answer.text}`);
      }
    }
  }

  /** Null once nothing is to be reported any more. */
  const ask = <T extends { readonly status: number }>(call: () => Promise<T>) =>
    untilAnswered(call, () => reporting);

  async function run(): Promise<void> {
    await mkdir(options.folder, { recursive: true });
    report();
    for (const [index, record] of initRecords.entries()) {
      await runContainer(record);
      if (!hasSucceeded(record)) return;
      const next = initRecords[index + 1];
      for (const each of next === undefined ? records : [next])
        each.state = { waiting: { reason: 'ContainerCreating' } };
      report();
    }
    await Promise.all(records.map(runContainer));
  }

  async function runContainer(record: ContainerRecord): Promise<void> {
    let backoff = 0;
    while (!stopping.signal.aborted) {
      const config = await configured(record);
      if (config === null) return;
      const ended = await runOnce(record, config);
      record.ready = false;
      const again = policy === 'Always' || (policy === 'OnFailure' && ended.exitCode !== 0);
      if (!again || stopping.signal.aborted) {
        record.state = { terminated: ended };
        record.finished = true;
        report();
        return;
      }
      record.lastState = { terminated: ended };
      if (backoff === 0) {
        record.state = { terminated: ended };
      } else {
        const { name, namespace, uid } = pod.metadata;
        const which = `container=${record.container.name} pod=${name}_${namespace}(${uid})`;
        const message = `back-off ${Math.round(backoff / 1000)}s restarting failed ${which}`;
        record.state = { waiting: { reason: 'CrashLoopBackOff', message } };
      }
      report();
      await pause(backoff);
      backoff = Math.min(Math.max(backoff * 2, restartBackoffFirst), restartBackoffMost);
      record.restarts += 1;
    }
    record.finished = true;
  }

  /** Null when the pod was ended while it waited for what it needs. */
  async function configured(record: ContainerRecord): Promise<ProcessConfig | null> {
    const image = record.container.image;
    for (let attempt = 0; !stopping.signal.aborted; attempt += 1) {
      const entrypoint = options.entrypointOf(image);
      if (entrypoint === null) {
        const missing = `failed to pull and unpack image "${image}": failed to resolve reference "${image}": ${image}: not found`;
        const message = `rpc error: code = NotFound desc = ${missing}`;
        const again = `Back-off pulling image "${image}": ErrImagePull: ${message}`;
        wait(record, attempt === 0 ? 'ErrImagePull' : 'ImagePullBackOff', attempt === 0 ? message : again);
      } else {
        try {
          return await containerConfig({
            api,
            pod,
            container: record.container,
            entrypoint,
            folder: options.folder,
            nodeName: options.nodeName,
            apiServer: options.apiServer,
            claimFolder: options.claimFolder,
            baseEnv: options.baseEnv,
          });
        } catch (error) {
          if (error instanceof ContainerConfigError && error.kind === 'env') {
            wait(record, 'CreateContainerConfigError', error.message);
          } else if (error instanceof ContainerConfigError) {
            if (attempt === 0) await reportMount(error.message);
          }
          // Anything else is a broken connection: tried again without a word, as a kubelet would.
        }
      }
      await pause(options.retryEvery);
    }
    return null;
  }

  function wait(record: ContainerRecord, reason: string, message: string): void {
    const before = 'waiting' in record.state ? record.state.waiting : null;
    const same = before?.reason === reason && before.message === message;
    record.state = { waiting: { reason, message } };
    if (!same) report();
  }

  /**
   * A volume that cannot be mounted shows in an Event only; the container goes on saying
   * ContainerCreating.
   */
  async function reportMount(message: string): Promise<void> {
    const { name, namespace, uid } = pod.metadata;
    const now = new Date().toISOString();
    await ask(() =>
      api.request('POST', `/api/v1/namespaces/${namespace}/events`, {
        metadata: { generateName: `${name}.`, namespace },
        involvedObject: { apiVersion: 'v1', kind: 'Pod', name, namespace, uid },
        type: 'Warning',
        reason: 'FailedMount',
        message,
        source: { component: 'fake-kubelet', host: options.nodeName },
        firstTimestamp: now,
        lastTimestamp: now,
        count: 1,
      }),
    );
  }

  async function runOnce(record: ContainerRecord, config: ProcessConfig): Promise<Terminated> {
    const { name } = record.container;
    const process = startContainerProcess(record.container, config, options.logFileOf(name));
    const current: RunningContainer = { process, reasonOverride: null };
    running.set(name, current);
    record.id = `stand-in://${pod.metadata.uid}-${name}-${record.restarts}`;
    record.state = { running: { startedAt: process.startedAt } };
    const probing = new AbortController();
    const onChange = (ready: boolean): void => {
      record.ready = ready;
      report();
    };
    followReadiness(record.container, onChange, probing.signal);
    if (record.container.readinessProbe !== undefined) report();
    const ended = await process.ended;
    probing.abort();
    running.delete(name);
    const reason = current.reasonOverride ?? ended.reason;
    return { ...ended, reason, containerID: record.id };
  }

  async function pause(milliseconds: number): Promise<void> {
    try {
      await sleep(milliseconds, undefined, { signal: stopping.signal });
    } catch {
      // The pod is ending: there is nothing to wait for.
    }
  }

  function failWith(reason: string, message: string, condition?: Condition): void {
    const now = new Date().toISOString().replace(/\.\d+Z$/, 'Z');
    const last = podStatus(pod, { init: initRecords, main: records }, startTime, conditions);
    const own = last.conditions as readonly Condition[];
    const extra = condition === undefined ? [] : [{ ...condition, lastTransitionTime: now }];
    failure = { ...last, phase: 'Failed', reason, message, conditions: [...own, ...extra] };
    report();
  }

  const ran = run();

  async function stopProcesses(grace: number): Promise<void> {
    stopping.abort();
    for (const each of running.values()) each.process.kill(grace > 0 ? 'SIGTERM' : 'SIGKILL');
    const killTimer = setTimeout(() => {
      for (const each of running.values()) each.process.kill('SIGKILL');
    }, grace * 1000);
    await ran;
    clearTimeout(killTimer);
  }

  async function terminateNow(): Promise<void> {
    await stopProcesses(graceSeconds);
    if (!reporting) return;
    for (const record of [...initRecords, ...records]) {
      if ('terminated' in record.state) continue;
      record.finished = true;
      record.state = {
        terminated: {
          exitCode: 137,
          reason: 'ContainerStatusUnknown',
          message: 'The container could not be located when the pod was terminated',
          startedAt: null,
          finishedAt: null,
        },
      };
    }
    for (const record of [...initRecords, ...records]) record.finished = true;
    report();
    await writing;
    const options = { gracePeriodSeconds: 0, preconditions: { uid: pod.metadata.uid } };
    await ask(() => api.request('DELETE', podPath(pod), options));
  }

  return {
    pod,
    terminate(grace) {
      // A second deletion may shorten the grace period, but is not a second ending.
      graceSeconds = Math.min(grace, deletionAsked ? graceSeconds : grace);
      if (deletionAsked) return;
      deletionAsked = true;
      void terminateNow();
    },
    async abandon() {
      reporting = false;
      await stopProcesses(0);
      await rm(options.folder, { recursive: true, force: true });
      options.onGone();
    },
    async fail(reason, message, condition) {
      // Set first, so that the ends of the processes are not reported as ends of their own.
      failWith(reason, message, condition);
      await stopProcesses(0);
      failWith(reason, message, condition);
      await writing;
    },
    kill(signal, container, reason) {
      const name = container ?? [...running.keys()][0] ?? pod.spec.containers[0]?.name ?? '';
      const current = running.get(name);
      if (current === undefined)
        throw new Error(`Cannot kill ${name} of pod ${pod.metadata.name}: it is not running`);
      current.reasonOverride = reason ?? null;
      current.process.kill(signal);
    },
    pid(container) {
      return running.get(container ?? pod.spec.containers[0]?.name ?? '')?.process.pid ?? null;
    },
  };
}

function recordOf(container: Container, waits: string): ContainerRecord {
  return {
    container,
    state: { waiting: { reason: waits } },
    lastState: null,
    restarts: 0,
    ready: false,
    id: null,
    finished: false,
  };
}
