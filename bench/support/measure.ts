import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { programEnvironment } from '../../lab/tools/distribution-packages.ts';

/** A program to measure: what to start, and with what on its stdin. */
export interface Program {
  readonly path: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly stdin?: string;
}

/** One of those that are measured side by side. */
export interface Contender {
  readonly name: string;
  /** Not measured: makes what the program works on, again for each round. */
  prepare(round: number): Promise<Program>;
}

export interface Median {
  readonly name: string;
  readonly milliseconds: number;
  /** The fastest and the slowest round. */
  readonly range: readonly [number, number];
}

/**
 * Runs contenders in turn, round by round, each time another one first: what else the machine does
 * affects all of them the same. The first round is not counted.
 */
export async function race(contenders: readonly Contender[], rounds: number): Promise<readonly Median[]> {
  const times = contenders.map((): number[] => []);
  for (let round = 0; round <= rounds; round += 1) {
    for (let turn = 0; turn < contenders.length; turn += 1) {
      const index = (round + turn) % contenders.length;
      const contender = contenders[index];
      if (contender === undefined) continue;
      const taken = await time(await contender.prepare(round));
      if (round > 0) times[index]?.push(taken);
    }
  }
  return contenders.map(({ name }, index) => {
    const sorted = (times[index] ?? []).sort((one, other) => one - other);
    const middle = (sorted.length - 1) / 2;
    const low = sorted[Math.floor(middle)] ?? Number.NaN;
    const high = sorted[Math.ceil(middle)] ?? Number.NaN;
    return { name, milliseconds: (low + high) / 2, range: [sorted[0] ?? low, sorted.at(-1) ?? high] };
  });
}

/** Wall time from start to end in milliseconds. */
async function time(program: Program): Promise<number> {
  const began = performance.now();
  await run(program);
  return performance.now() - began;
}

/** The most memory that the program had resident at once, in MiB, read from /proc while it runs. */
export async function peakMemory(program: Program): Promise<number> {
  let peak = 0;
  const sampling: { timer?: NodeJS.Timeout } = {};
  await run(program, (pid) => {
    sampling.timer = setInterval(() => {
      peak = Math.max(peak, highWaterMark(pid));
    }, 2);
  }).finally(() => clearInterval(sampling.timer));
  return peak / 1024;
}

/** Linux keeps the highest value itself, so a late sample misses nothing but what comes after it. */
function highWaterMark(pid: number): number {
  try {
    return Number(/^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0);
  } catch {
    return 0;
  }
}

async function run(program: Program, started: (pid: number) => void = () => undefined): Promise<void> {
  const child = spawn(program.path, program.args, {
    env: { ...programEnvironment(), ...program.env },
    stdio: [program.stdin === undefined ? 'ignore' : 'pipe', 'ignore', 'pipe'],
  });
  let stderr = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  if (child.pid !== undefined) started(child.pid);
  child.stdin?.end(program.stdin);
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
  if (code !== 0) throw new Error(`${program.path} ${program.args.join(' ')} ended with ${code}: ${stderr}`);
}
