// `make test`: every suite, each in a mocha process of its own, and a summary of what ran, what did not, and why.
//
//   node scripts/test/main.ts [SUITE...]      SUITE: unit, integration/database, ...
//   TALLY=FILE                                also writes the sum there, as JSON, for .ci/run
//
// Kubernetes is built beside the suites that do not need it.

import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { binariesAreReady, ensureBinaries } from '../../test/cluster/binaries.ts';
import { progressLine } from '../../test/cluster/progress-line.ts';
import type { Tally } from '../../test/support/tally-reporter.ts';
import { findSuites, type Suite } from './suite.ts';

interface Outcome {
  readonly suite: Suite;
  readonly seconds: number;
  readonly tally: Tally | null;
  /** Why it did not run, or did not run to its end. */
  readonly trouble: string | null;
}

/** In CI a suite that hangs must not take the others with it, in milliseconds; the longest takes eight minutes there. */
const patience = process.env.CI === undefined ? 2 ** 31 - 1 : 20 * 60_000;

const root = fileURLToPath(new URL('../..', import.meta.url));
const wanted = process.argv.slice(2);
const all = await findSuites(root);
const suites = all.filter((suite) => wanted.length === 0 || wanted.includes(suite.name));
const unknown = wanted.filter((name) => !all.some((suite) => suite.name === name));

if (unknown.length > 0 || suites.length === 0) {
  const names = all.map((suite) => suite.name).join(', ');
  console.error(`There is no suite ${unknown.join(', ') || 'at all'}; there are: ${names}`);
  process.exitCode = 2;
} else {
  process.exitCode = await runAll(suites);
}

async function runAll(suites: readonly Suite[]): Promise<number> {
  const scratch = mkdtempSync(join(tmpdir(), 'glance-schema-tally-'));
  const kubernetes = prepareKubernetes(suites);
  const outcomes: Outcome[] = [];
  for (const suite of suites) {
    const trouble = suite.needsKubernetes ? await kubernetes() : null;
    console.log(`\n== ${suite.name}: ${suite.files.length} files ==`);
    if (trouble === null) outcomes.push(await runSuite(suite, scratch));
    else outcomes.push({ suite, seconds: 0, tally: null, trouble });
  }
  rmSync(scratch, { recursive: true, force: true });
  return summarize(outcomes);
}

/** Starts the build at once; the function that it returns waits for its end and tells what went wrong, if anything. */
function prepareKubernetes(suites: readonly Suite[]): () => Promise<string | null> {
  if (!suites.some((suite) => suite.needsKubernetes)) return async () => null;
  let latest = '';
  let progress: ReturnType<typeof progressLine> | null = null;
  const say = (line: string): void => {
    latest = line;
    progress?.say(line);
  };
  const built = ensureBinaries(say).then(
    () => null,
    (error: unknown) => (error instanceof Error ? error.message : String(error)),
  );
  void binariesAreReady().then((ready) => {
    if (!ready)
      console.log('Kubernetes is not in the cache: it is built while the suites run that do not need it.');
  });
  return async () => {
    progress = progressLine(process.stderr);
    if (latest !== '') progress.say(latest);
    const trouble = await built;
    progress.end();
    progress = null;
    return trouble;
  };
}

async function runSuite(suite: Suite, scratch: string): Promise<Outcome> {
  const output = join(scratch, `${suite.name.replaceAll('/', '-')}.json`);
  const mocha = join(root, 'node_modules/mocha/bin/mocha.js');
  const reporter = join(root, 'test/support/tally-reporter.ts');
  const args = [mocha, '--reporter', reporter, '--reporter-option', `output=${output}`, ...suite.files];
  const began = performance.now();
  const child = spawn(process.execPath, args, { cwd: root, stdio: 'inherit' });
  const limit = setTimeout(() => child.kill('SIGKILL'), patience);
  const [code, signal] = await new Promise<[number | null, NodeJS.Signals | null]>((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (...how) => resolve(how));
  });
  clearTimeout(limit);
  const seconds = (performance.now() - began) / 1000;
  const tally = existsSync(output) ? readTally(output) : null;
  const clean = code === 0 || (tally !== null && tally.failed > 0);
  return {
    suite,
    seconds,
    tally,
    trouble: clean
      ? null
      : `mocha ended with ${signal ?? `exit code ${code}`} after ${Math.round(seconds / 60)} minutes`,
  };
}

function readTally(file: string): Tally {
  return JSON.parse(readFileSync(file, 'utf8'));
}

function summarize(outcomes: readonly Outcome[]): number {
  let passed = 0;
  let failed = 0;
  let skipped = 0;
  console.log('\n== Summary ==');
  for (const { suite, seconds, tally, trouble } of outcomes) {
    passed += tally?.passed ?? 0;
    // A suite that could not run, or broke off, counts as one failure besides those that it found.
    failed += (tally?.failed ?? 0) + (trouble === null ? 0 : 1);
    skipped += tally?.skipped.length ?? 0;
    const counts =
      tally === null
        ? 'did not run'
        : `${tally.passed} passed, ${tally.failed} failed, ${tally.skipped.length} skipped`;
    console.log(`${suite.name.padEnd(24)} ${counts}, ${seconds.toFixed(1)} s`);
    if (trouble !== null) console.log(`  ${trouble}`);
    for (const failure of tally?.failures ?? []) console.log(`  failed: ${failure}`);
    for (const title of tally?.skipped ?? []) console.log(`  skipped: ${title}`);
  }
  const left = all.filter((suite) => !outcomes.some((outcome) => outcome.suite === suite));
  for (const suite of left) console.log(`${suite.name.padEnd(24)} not asked for`);
  console.log(`${passed} passed, ${failed} failed, ${skipped} skipped`);
  if (process.env.TALLY) writeFileSync(process.env.TALLY, JSON.stringify({ passed, failed, skipped }));
  return failed === 0 ? 0 : 1;
}
