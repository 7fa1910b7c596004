import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { bundle } from '../process/bundle.ts';
import { eventually } from '../process/eventually.ts';

/** How the operator is started as a process of this machine. */
export interface OperatorOptions {
  readonly kubeconfig: string;
  /** More arguments of `glance-schema controller`. */
  readonly args?: readonly string[];
  /** Another one may lead, and then this one only has to wait for it. */
  readonly standby?: boolean;
  /** It cannot become ready, which is not waited for. */
  readonly unready?: boolean;
}

/** A running `glance-schema controller`, as a process of its own. */
export interface Operator {
  readonly pid: number;
  /** The name that it gives itself in the Lease. */
  readonly identity: string;
  /** Where its health endpoints are. */
  readonly health: string;
  /** What it tells Prometheus, as text. */
  metrics(): Promise<string>;
  /** What it has logged, a line each, parsed. */
  log(): readonly { readonly level: string; readonly message: string; readonly [field: string]: unknown }[];
  /** True until the process has ended and all that it has said is in the log. */
  running(): boolean;
  kill(signal: NodeJS.Signals): void;
  /** SIGTERM, and the exit code. */
  stop(): Promise<number | null>;
}

/**
 * Starts the bundled operator and waits until it leads, or sees that another one does, and has read
 * everything.
 */
export async function startOperator(options: OperatorOptions): Promise<Operator> {
  const args = [bundle(), 'controller', '--kubeconfig', options.kubeconfig, '--image', 'glance-schema:test'];
  args.push('--health-address', '127.0.0.1:0', '--metrics-address', '127.0.0.1:0');
  args.push('--lease-namespace', 'glance-schema-system');
  args.push('--log-level', 'debug', ...(options.args ?? []));
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'pipe'] });
  const end = () => child.kill('SIGKILL');
  process.once('exit', end);
  let text = '';
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk;
  });
  // Not 'exit': what it said last may still be unread then.
  let isRunning = true;
  const ended = once(child, 'close').then(() => {
    isRunning = false;
    process.removeListener('exit', end);
  });
  const log = () =>
    text
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line));
  const { health, metrics, identity } = await eventually(
    () => {
      if (!isRunning) throw new Error(`The operator ended with ${child.exitCode}: ${text}`);
      const { healthPort, metricsPort, identity } = log().find((line) => line.healthPort !== undefined) ?? {};
      const there = options.standby ? /^(Leading|Waiting: .* leads)$/ : /^Leading$/;
      if (healthPort === undefined || !log().some((line) => there.test(line.message))) {
        throw new Error(`The operator is not there yet: ${text}`);
      }
      return {
        health: `http://127.0.0.1:${healthPort}`,
        metrics: `http://127.0.0.1:${metricsPort}/metrics`,
        identity: String(identity),
      };
    },
    { timeoutMilliseconds: 40_000 },
  );
  await eventually(async () => {
    const answer = await fetch(`${health}/readyz`);
    if (!answer.ok && !options.unready) {
      throw new Error(`The operator is not ready: ${await answer.text()}`);
    }
  });
  return {
    pid: pidOf(child),
    identity,
    health,
    metrics: async () => (await fetch(metrics)).text(),
    log,
    running: () => isRunning,
    kill: (signal) => void child.kill(signal),
    stop: async () => {
      child.kill('SIGTERM');
      await ended;
      return child.exitCode;
    },
  };
}

function pidOf(child: ChildProcess): number {
  if (child.pid === undefined) {
    throw new Error('The operator has no pid: it could not be started');
  }
  return child.pid;
}
