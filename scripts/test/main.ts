// `make test`: every suite, side by side, each file in a mocha process of its own, and a summary of
// what ran.
//
// ONLY="unit integration/api" chooses suites or files, and ONLY="part of a title" the tests that have
// it in their full title. JOBS=4 says how many processes run at once; by default two for each core,
// and up to two more for each while half a core is idle. With TALLY=FILE the sum is written there
// too, as JSON, for .ci/run.
//
// What the suites need is fetched and built meanwhile; those that need nothing start at once.

import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { availableParallelism, freemem } from 'node:os';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { takeLogFolder } from './log-folder.ts';
import { memoryFolder } from './memory-folder.ts';
import { type Outcome, report, summary } from './report.ts';
import { runPart } from './run-part.ts';
import { select } from './selection.ts';
import { spareCore } from './spare-core.ts';
import { findSuites, inOrder, type Part } from './suites.ts';
import { bringSupplies, type Supplies } from './supplies.ts';

/**
 * No part may take longer, in milliseconds; the longest takes some four minutes on two busy cores.
 */
const LIMIT = 20 * 60_000;

/** What one process with its servers takes at the most, in bytes. */
const MEMORY = 2 ** 30;

/** Of which each process gets a share; see lab/process/free-port.ts. */
const PORTS = [15_000, 31_999] as const;

const root = fileURLToPath(new URL('../..', import.meta.url));
const logs = takeLogFolder(join(root, 'dist'), process.pid);
const suites = findSuites(root);
const { parts, title, unknown } = select(process.env.ONLY ?? '', suites);
const began = performance.now();
const stopped = new AbortController();
const stop = Promise.withResolvers<number>();
for (const [signal, number] of [
  ['SIGHUP', 1],
  ['SIGINT', 2],
  ['SIGTERM', 15],
] as const) {
  process.once(signal, () => {
    stopped.abort();
    stop.resolve(128 + number);
  });
}
process.exitCode = await runAll();
logs.giveBack();
// A build that a signal has cut short is of no interest any more.
if (stopped.signal.aborted) process.exit();

async function runAll(): Promise<number> {
  if (unknown !== undefined) {
    console.error(`Cannot find '${unknown}': no suite or file has this name. ${namesOfSuites()}`);
    return 2;
  }
  const alone = parts.length === 1;
  const logOf = (part: Part): string | null => (alone ? null : relative(root, logFile(part)));
  const telling = report(parts.length, logOf, () => supplies.progress());
  if (logs.other !== null) {
    const own = relative(root, logs.path);
    telling.say(`Process ${logs.other} runs tests in this clone too: what this run prints is in ${own}.`);
  }
  const supplies = bringSupplies(new Set(parts.flatMap(({ needs }) => needs)), telling.say);
  const outcomes = new Map<Part, Outcome>(
    parts.map((part) => [part, { part, results: [], seconds: 0, cpuSeconds: null, trouble: null }]),
  );
  const waiting = [...inOrder(parts)];
  const running = new Set<Promise<void>>();

  /** The first that has all that it needs; where none has, the first one waits for it. */
  async function next(): Promise<Part | undefined> {
    const ready = waiting.findIndex(({ needs }) => needs.every(supplies.isSettled));
    const [part] = waiting.splice(Math.max(ready, 0), 1);
    for (const supply of part?.needs ?? []) await supplies.ready(supply);
    return stopped.signal.aborted ? undefined : part;
  }

  async function run(outcome: Outcome, ports: readonly [number, number]): Promise<void> {
    const { part, results } = outcome;
    // A suite says itself which server it lacks.
    const needs = part.needs.filter((need) => need !== 'packages' && need !== 'mysql');
    const troubles = await Promise.all(needs.map(supplies.ready));
    const trouble = troubles.find((each) => each !== null) ?? null;
    telling.started(part);
    const start = performance.now();
    outcome.trouble =
      trouble ??
      (await runPart(part, {
        root,
        title,
        log: alone ? null : logFile(part),
        ports,
        // A node has layers of images in its files, which are too big for that.
        files: part.needsRealNode ? null : files,
        limit: LIMIT,
        stopped: stopped.signal,
        onResult(result) {
          results.push(result);
          telling.result(part, result);
        },
        onEnd({ cpuSeconds }) {
          outcome.cpuSeconds = cpuSeconds;
        },
      }));
    outcome.seconds = (performance.now() - start) / 1000;
    if (!stopped.signal.aborted) telling.ended(outcome);
  }

  const { always, atMost } = numberOfSlots();
  const slots = Math.min(parts.length, atMost);
  const files = memoryFolder(slots, MEMORY);
  if (files !== null) telling.say(`The servers of the tests keep their files in memory, in ${files}.`);
  const [first, last] = PORTS;
  const share = Math.floor((last - first + 1) / slots);
  const work = Promise.all(
    Array.from({ length: slots }, async (_, slot) => {
      for (;;) {
        if (slot >= always) await spareCore(() => waiting.length === 0 || stopped.signal.aborted);
        const part = await next();
        if (part === undefined) break;
        const outcome = outcomes.get(part);
        if (outcome === undefined) continue;
        const ends = run(outcome, [first + slot * share, first + (slot + 1) * share - 1]);
        running.add(ends);
        await ends;
        running.delete(ends);
      }
    }),
  );
  const signalled = await Promise.race([work.then(() => null), stop.promise]);
  if (signalled !== null) await Promise.all(running);
  telling.end();
  if (signalled !== null) {
    console.log('Stopped: the tests that were at work are ended, and what they had started is removed.');
    return signalled;
  }
  return conclude([...outcomes.values()], supplies);
}

function namesOfSuites(): string {
  return `The suites are ${suites.map(({ name }) => name).join(', ')}.`;
}

function logFile(part: Part): string {
  return join(logs.path, `${part.name.replaceAll('/', '-')}.log`);
}

/**
 * With two processes for each core a sixth of the cores' time is idle, while tests wait. More of them
 * make each other slower where the cores are busy: they share the processor's caches.
 */
function numberOfSlots(): { readonly always: number; readonly atMost: number } {
  const asked = Number(process.env.JOBS);
  if (Number.isInteger(asked) && asked > 0) return { always: asked, atMost: asked };
  const forMemory = (slots: number): number => Math.max(2, Math.min(slots, Math.floor(freemem() / MEMORY)));
  return { always: forMemory(2 * availableParallelism()), atMost: forMemory(4 * availableParallelism()) };
}

function conclude(outcomes: readonly Outcome[], supplies: Supplies): number {
  const ran =
    title === undefined ? outcomes : outcomes.filter(({ results, trouble }) => results.length > 0 || trouble);
  if (ran.length === 0) {
    console.error(`Cannot find '${title}': no suite, file or test has this name. ${namesOfSuites()}`);
    return 2;
  }
  if (process.env.CI !== undefined)
    printLogs(ran.filter(({ results, trouble }) => trouble ?? hasFailed(results)));
  const { text, sum } = summary(suites, ran, supplies, (performance.now() - began) / 1000);
  console.log(text);
  const results = ran.flatMap(({ part, results, seconds, cpuSeconds }) =>
    [...results, { kind: 'part', seconds, cpuSeconds }].map((result) => ({ part: part.name, ...result })),
  );
  writeFileSync(join(logs.path, 'results.json'), JSON.stringify(results, null, 1));
  if (process.env.TALLY) writeFileSync(process.env.TALLY, JSON.stringify(sum));
  return sum.failed === 0 ? 0 : 1;
}

function hasFailed(results: Outcome['results']): boolean {
  return results.some(({ state }) => state === 'failed');
}

/** Where nobody can look at the files afterwards. */
function printLogs(outcomes: readonly Outcome[]): void {
  for (const { part } of outcomes) {
    const log = logFile(part);
    // What never ran has none, nor has what ran alone.
    if (!existsSync(log)) continue;
    console.log(`\n== All that ${part.name} printed ==`);
    console.log(readFileSync(log, 'utf8'));
  }
}
